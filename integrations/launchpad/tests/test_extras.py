"""Requested reviewers, related bugs and inline comments (docs/specification.md, sections 4 and 6)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.extras import fetch_inline_comments
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh, refresh_by_id
from integrations.sandbox.data import many
from integrations.sandbox.serving import Fault
from integrations.sandbox.world import SMALL_DIFF
from reviews.managers import is_asked, is_team_asked
from reviews.models import Diff, Review, Source
from reviews.refresh import request_refresh

pytestmark = pytest.mark.django_db
WEEK_AGO = datetime.now(UTC) - timedelta(days=7)


@pytest.fixture
def proposal(sandbox) -> str:
    """A proposal of ada's that the team charmers and eve are asked to review, imported and brought up to date."""
    world = sandbox.launchpad
    for name, display_name in (("ada", "Ada"), ("eve", "Eve"), ("rev", "Rev")):
        world.add_person(name, display_name)
    world.add_team("charmers", "Charmers", ["rev"])
    trunk, fix = world.add_branch("ada", "mysql/trunk"), world.add_branch("ada", "mysql/fix")
    path = world.add_proposal(fix, trunk, registrant="ada", created=WEEK_AGO, asked=("charmers", "eve"))
    import_source(Source.objects.create(name="mysql", kind="project", target="mysql"))
    assert refresh(only()) == ""
    return path


def only() -> Review:
    return Review.objects.select_related("source").get()


def asked_for(world, ending: str) -> int:
    """How many requests have ended so since the last time."""
    count = sum(path.partition("?")[0].endswith(ending) for _, path in world.requests)
    world.requests.clear()
    return count


def requests() -> set[tuple[str, str, bool]]:
    """Who was asked by whom, and whether that is waited for."""
    rows = only().requests.values_list("reviewer__username", "registrant__username", "is_pending")
    return set(rows)


def test_a_refresh_reads_who_is_asked_and_by_whom(sandbox, proposal):
    assert requests() == {("charmers", "ada", True), ("eve", "ada", True)}
    assert only().requested_reviewers == ["charmers", "eve"]
    assert Person.objects.get(username="charmers").is_team


def test_who_votes_is_not_asked_any_more(sandbox, proposal):
    sandbox.launchpad.comment(proposal, "eve", "fine", "Approve")
    assert refresh(only()) == ""
    assert requests() == {("charmers", "ada", True), ("eve", "ada", False)}
    assert only().requested_reviewers == ["charmers"]


def test_a_request_that_is_gone_goes(sandbox, proposal):
    for vote in [path for path in sandbox.launchpad.entries if "/+review/" in path]:
        sandbox.launchpad.delete(vote)
    request_refresh([only()], None)
    assert refresh(only()) == ""
    assert (requests(), only().requested_reviewers) == (set(), [])


def test_a_team_s_members_are_asked(sandbox, proposal):
    rev = Person.objects.get(username="rev")
    eve = Person.objects.get(username="eve")
    assert (Review.objects.get(is_team_asked(rev)), Review.objects.get(is_asked(eve))) == (only(), only())
    sandbox.launchpad.comment(proposal, "rev", "no", "Needs Fixing")  # claims the team's request
    refresh(only())
    assert not Review.objects.filter(is_team_asked(rev)).exists()


def test_requests_and_bugs_are_not_read_each_time(sandbox, proposal):
    world = sandbox.launchpad
    asked_for(world, "")
    refresh(only())
    assert asked_for(world, "") == 2  # the proposal and its comments
    Review.objects.update(extras_read_at=timezone.now() - timedelta(hours=4))
    refresh(only())
    assert asked_for(world, "") == 4


@pytest.mark.parametrize(("count", "is_read"), [(4, True), (5, False)])
def test_a_large_import_leaves_requests_and_bugs_to_the_next_look(sandbox, count, is_read):
    world = sandbox.launchpad
    many(world, proposals=count)
    import_source(Source.objects.create(name="many", kind="project", target="many"))
    for claimed in claim_due():
        refresh_by_id(*claimed)
    assert Review.objects.filter(extras_read_at__isnull=False).exists() == is_read
    refresh(Review.objects.select_related("source").first())
    assert Review.objects.filter(extras_read_at__isnull=False).exists()


@pytest.mark.parametrize("reason", ["a comment", "a push", "a person"])
def test_requests_and_bugs_are_read_at_once_for_a_reason(sandbox, proposal, reason):
    world = sandbox.launchpad
    if reason == "a comment":
        world.comment(proposal, "eve", "hm")
    elif reason == "a push":
        world.push(proposal)
    else:
        request_refresh([only()], None)
    asked_for(world, "")
    refresh(only())
    assert asked_for(world, "/votes") == 1


def test_votes_that_can_not_be_read_are_read_with_the_next_look(sandbox, proposal):
    world = sandbox.launchpad
    world.comment(proposal, "eve", "fine", "Approve")
    world.faults = [Fault("status", status=503, path="/votes$")]
    assert refresh(only()) == ""
    assert only().requested_reviewers == ["charmers", "eve"]
    world.faults = []
    refresh(only())
    assert only().requested_reviewers == ["charmers"]


def test_a_closed_item_costs_no_more_than_before(sandbox, proposal):
    Review.objects.update(extras_read_at=None)
    sandbox.launchpad.set_status(proposal, "Rejected")
    asked_for(sandbox.launchpad, "")
    refresh(only())
    assert asked_for(sandbox.launchpad, "/votes") == 0


def test_linked_bugs_are_kept_without_private_ones(sandbox, proposal):
    world = sandbox.launchpad
    bugs = [
        world.add_bug("ubuntu", title, owner="eve", branch="~ada/mysql/fix", created=WEEK_AGO)
        for title in ("It is slow", "Secret")
    ]
    world.set_private(bugs[1])
    request_refresh([only()], None)
    refresh(only())
    number = int(bugs[0].rpartition("/")[2])
    assert only().related_bugs == [{"number": number, "title": "It is slow", "url": f"{world.url}bugs/{number}"}]


def test_the_number_of_files_comes_with_the_diff(sandbox, proposal):
    assert only().files_changed == 1


def ready_diff() -> Diff:
    """The diff of the only review, as if somebody had opened it."""
    review = only()
    return Diff.objects.create(
        review=review, revision=review.revision, url=review.diff_url, state=Diff.State.READY, text=SMALL_DIFF
    )


def on_lines() -> list[tuple[str, int, str]]:
    return list(only().inline_comments.values_list("author__display_name", "line", "text"))


def test_inline_comments_are_read_with_their_diff(sandbox, proposal):
    sandbox.launchpad.comment_on_lines(proposal, "eve", {4: "Why?", 2: "<b>Typo</b>"})
    diff = ready_diff()
    for _ in range(2):  # twice is the same
        fetch_inline_comments(only(), diff)
    assert on_lines() == [("Eve", 2, "<b>Typo</b>"), ("Eve", 4, "Why?")]


def test_inline_comments_on_another_diff_stay(sandbox, proposal):
    sandbox.launchpad.comment_on_lines(proposal, "eve", {4: "Why?"})
    fetch_inline_comments(only(), ready_diff())
    sandbox.launchpad.push(proposal)
    refresh(only())
    fetch_inline_comments(only(), ready_diff())
    assert on_lines() == [("Eve", 4, "Why?")]


def test_new_inline_comments_come_with_the_comment(sandbox, proposal):
    ready_diff()
    sandbox.launchpad.comment_on_lines(proposal, "eve", {4: "Why?"}, text="See the line")
    refresh(only())
    assert on_lines() == [("Eve", 4, "Why?")]


def test_an_inline_comment_of_another_form_is_left_out(launchpad, project):
    entry = launchpad.proposal(1)
    import_source(project(entry))
    person = {"self_link": launchpad.root + "~eve", "display_name": "Eve"}
    said = [
        {"line_number": line, "person": who, "text": "hm", "date": "2026-02-01T10:00:00+00:00"}
        for line, who in (("7", person), ("-1", person), ("0", person), (None, person), (8, launchpad.root + "~eve"))
    ]
    path = entry["self_link"].removeprefix(launchpad.root)
    launchpad.answers["/devel/" + path] = (200, {}, json.dumps(said).encode())
    fetch_inline_comments(only(), ready_diff())
    assert [line for _, line, _ in on_lines()] == [7, 8]
