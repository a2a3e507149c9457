"""The believable queue comes in whole, and what goes wrong on purpose is said and mended."""

import random
import threading

import pytest
import requests

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from integrations.sandbox import SandboxLaunchpad
from integrations.sandbox.data import CLOSED_STATUSES, believable_queue, many, something_happens
from integrations.sandbox.setup import SOURCES
from reviews.diffs import parse_diff
from reviews.models import OPEN_STATES, Comment, Review, Source


@pytest.fixture
def imported(believable, db):
    """The reports of importing everything that ``runqueue`` would."""
    for source in SOURCES:
        Source.objects.create(**source)
    return [import_source(source) for source in Source.objects.order_by("pk")]


def test_the_believable_queue_comes_in_without_a_problem(imported):
    assert [(report.ok, report.problems) for report in imported] == [(True, [])] * 5


def test_the_believable_queue_has_items_in_every_open_state_of_both_kinds(imported):
    reviews = Review.objects.all()
    assert reviews.count() >= 120
    assert {review.state for review in reviews} == set(OPEN_STATES)
    assert {review.kind for review in reviews} == {"new", "update"}
    assert len({review.owner_id for review in reviews}) > 10
    assert any("+git" in review.test_url for review in reviews)
    assert not reviews.exclude(series=None).filter(series__active=False).exists()


def test_the_believable_queue_has_conflicts_and_prerequisites(imported):
    for review in Review.objects.filter(kind="update", conflicts=None):
        refresh(review)
    assert Review.objects.filter(conflicts=True).count() >= 5
    assert Review.objects.exclude(prerequisite="").count() >= 5


def test_the_believable_queue_has_code_of_every_trust(imported):
    by_trust = Review.objects.values_list("source__starts_tests", "trusted").distinct()
    assert set(by_trust) == {("everybody", True), ("trusted", True), ("trusted", False), ("nobody", False)}


def test_the_believable_queue_has_votes_for_and_against(imported):
    for review in Review.objects.filter(kind="update").exclude(state="new")[:20]:
        refresh(review)
    assert set(Comment.objects.values_list("sentiment", flat=True)) >= {"positive", "negative"}


def test_the_same_seed_gives_the_same_queue():
    first, second = SandboxLaunchpad(), SandboxLaunchpad()
    for launchpad in (first, second):
        believable_queue(launchpad, seed=3)
        launchpad.server.server_close()
    assert (first.proposals, first.tasks) == (second.proposals, second.tasks)


def test_nothing_that_a_visitor_reads_is_there_to_break_pages():
    launchpad = SandboxLaunchpad()
    launchpad.server.server_close()
    believable_queue(launchpad)
    texts = [
        str(entry[name])
        for entry in launchpad.entries.values()
        for name in ("title", "display_name", "description", "content", "commit_message")
        if entry.get(name)
    ]
    assert [text for text in texts if "<" in text or len(text) > 200 or len(text) < 2 or "\u202e" in text] == []


def test_every_proposal_has_a_diff_that_can_be_read():
    launchpad = SandboxLaunchpad()
    launchpad.server.server_close()
    believable_queue(launchpad)
    parsed = [parse_diff(diff) for diff in launchpad.diffs.values()]
    assert len(parsed) > 100
    assert all(diff.files and not diff.plain and not diff.notes for diff in parsed)
    assert len({len(diff.files) for diff in parsed}) > 2


def test_something_happens_as_on_a_working_day(believable):
    launchpad, chance = believable.launchpad, random.Random(1)
    closed = [path for path in launchpad.proposals if launchpad.entries[path]["queue_status"] in CLOSED_STATUSES]
    said = {path: len(launchpad.collections[path + "/all_comments"]) for path in closed}
    before = launchpad.number
    for _ in range(30):
        something_happens(launchpad, chance)
    assert launchpad.number >= before + 30
    assert {path: len(launchpad.collections[path + "/all_comments"]) for path in closed} == said


@pytest.mark.parametrize("kind", ["status", "html", "cut", "hang up", "slow"])
def test_what_goes_wrong_on_purpose_is_said_and_mended(sandbox, db, settings, monkeypatch, kind):
    patience = settings.LAUNCHPAD_TIMEOUT
    many(sandbox.launchpad, proposals=3)
    source = Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")
    control = sandbox.launchpad.url + "+control"
    faults = [{"kind": kind, "path": "many", "seconds": 120}]
    assert requests.post(control, json={"faults": faults}, timeout=60).ok
    if kind == "slow":
        settings.LAUNCHPAD_TIMEOUT = 0.2
    report = import_source(source)
    assert not report.ok
    assert report.problems
    assert requests.post(control, json={"faults": []}, timeout=60).ok
    settings.LAUNCHPAD_TIMEOUT = patience
    monkeypatch.setattr("integrations.launchpad.client._local", threading.local())  # a client that is as patient
    report = import_source(source)
    assert (report.ok, Review.objects.count()) == (True, 3)
