"""The sandbox is a Launchpad and a Jenkins that the queue's real clients work with, from import to outcome."""

import math
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests
from django.conf import settings as project_settings
from django.core.management import CommandError, call_command
from django.db.models import Count
from django.utils import timezone

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh, refresh_by_id
from integrations.launchpad.reporting import publish_results
from integrations.sandbox.data import many
from reviews.models import OPEN_STATES, Comment, Review, Source
from testing.models import Status, TestRun
from testing.sweep.sweeping import sweep

MORE_SOURCES = (
    ("asked", "requested-reviews", "charmers"),
    ("juju-gui", "project", "juju-gui"),
    ("charm-helpers", "git-repository", "~charmers/charm-helpers/+git/charm-helpers"),
)


def import_everything():
    return [import_source(source) for source in Source.objects.order_by("pk")]


def asked(server):
    """Requests since the last time."""
    count = len(server.requests)
    server.requests.clear()
    return count


@pytest.fixture
def run(sandbox, live_server, settings):
    """A proposal's default run; builds call back to a server that really listens."""
    settings.BASE_URL = live_server.url
    launchpad = sandbox.launchpad
    many(launchpad, proposals=1)
    import_source(Source.objects.create(name="many", kind="project", target="many"))
    return TestRun.objects.get()


def build_of(sandbox):
    return max(sandbox.jenkins.builds)


def told(sandbox, run, *words):
    for word in words:
        assert sandbox.jenkins.call_back(build_of(sandbox), word) == 200
    run.refresh_from_db()
    return run.status


@pytest.mark.django_db
def test_the_believable_queue_comes_in_whole(believable):
    for name, kind, target in MORE_SOURCES:
        Source.objects.create(name=name, kind=kind, target=target)
    reports = import_everything()
    assert [(report.ok, report.problems) for report in reports] == [(True, [])] * 5
    reviews = Review.objects.all()
    assert reviews.count() >= 120
    assert {review.state for review in reviews} == set(OPEN_STATES)
    assert {review.kind for review in reviews} == {"new", "update"}
    assert len({review.owner_id for review in reviews}) > 10
    assert any("+git" in review.test_url for review in reviews)
    assert not reviews.exclude(series=None).filter(series__active=False).exists()
    proposals = Review.objects.filter(kind="update").exclude(state="new")[:20]
    for review in proposals:
        refresh(review)
    assert set(Comment.objects.values_list("sentiment", flat=True)) >= {"positive", "negative"}


@pytest.mark.django_db
def test_requests_of_300_proposals_and_200_bugs(sandbox):
    """The figures of README.md. Start-up (service root and WADL) comes before."""
    many(sandbox.launchpad, proposals=300, bugs=200)
    Source.objects.exclude(name="charms").delete()
    Source.objects.create(name="many", kind="project", target="many")
    get_launchpad()
    asked(sandbox.launchpad)
    first, second = [], []
    for counts in (first, second):
        for source in Source.objects.order_by("pk"):
            report = import_source(source)
            assert (report.ok, report.problems) == (True, [])
            counts.append(asked(sandbox.launchpad))
    assert Review.objects.count() == 500
    bugs, proposals = first
    # A bug costs itself and its linked branches; tips are asked for 40 at a time, the 30 people once.
    assert bugs == 1 + 2 * 200 + 200 / 40 + 30 + 1  # and the reviewers' team
    assert proposals == 1 + math.ceil(300 / 40)
    assert second == [1, 1]


@pytest.mark.django_db
def test_a_first_import_costs_a_constant_number_of_queries(sandbox, django_assert_max_num_queries):
    many(sandbox.launchpad, proposals=250)
    source = Source.objects.create(name="many", kind="project", target="many")
    with django_assert_max_num_queries(60):  # SQLite takes 999 values a statement
        assert import_source(source).added == 250
    assert TestRun.objects.count() == 250
    assert set(Review.objects.values_list("square", flat=True)) == {"black"}
    assert set(Review.objects.annotate(told=Count("events")).values_list("told", flat=True)) == {2}


@pytest.mark.django_db
def test_what_was_just_imported_is_not_fetched_a_second_time(sandbox):
    many(sandbox.launchpad, proposals=2, bugs=2)
    for path in [*sandbox.launchpad.proposals, *sandbox.launchpad.tasks]:
        sandbox.launchpad.comment(path, "person-0", "LGTM")
    Source.objects.create(name="many", kind="project", target="many")
    for source in Source.objects.exclude(name="charmers"):
        import_source(source)
    claimed = claim_due()
    assert (len(claimed), claim_due()) == (4, [])
    asked(sandbox.launchpad)
    for pk, claim, just_imported in claimed:
        refresh_by_id(pk, claim, just_imported)
        refresh_by_id(pk, claim, just_imported)  # the same message once more finds nothing to do
    assert asked(sandbox.launchpad) == 4  # their comments
    assert set(Review.objects.values_list("positive_votes", "sync_error")) == {(1, "")}
    assert not Review.objects.due().exists()


@pytest.mark.django_db
def test_a_webhook_after_the_import_is_not_mistaken_for_it(sandbox):
    many(sandbox.launchpad, proposals=1)
    import_source(Source.objects.create(name="many", kind="project", target="many"))
    sandbox.launchpad.set_status(sandbox.launchpad.proposals[0], "Approved")
    Review.objects.update(due_at=timezone.now())  # as the webhook does
    for claimed in claim_due():
        refresh_by_id(*claimed)
    assert Review.objects.get().state == "ready"


@pytest.mark.django_db(transaction=True)
def test_a_build_calls_back_from_running_to_pass(sandbox, run):
    assert run.status == Status.RETRY
    sweep()
    run.refresh_from_db()
    assert run.status == Status.PENDING
    number = build_of(sandbox)
    sandbox.jenkins.begin(number)
    assert told(sandbox, run, "RUNNING") == Status.RUNNING
    sandbox.jenkins.end(number, "SUCCESS")
    assert told(sandbox, run, "PASS", "PASS") == Status.PASS  # twice does no harm
    sweep()
    assert run.results.count() == 6
    assert Review.objects.get().square == "green"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("result", "status"), [("SUCCESS", "pass"), ("UNSTABLE", "fail"), ("ABORTED", "error")])
def test_a_lost_callback_is_made_good_by_the_sweep(sandbox, run, result, status):
    sweep()
    number = build_of(sandbox)
    sandbox.jenkins.begin(number)
    sandbox.jenkins.end(number, result)  # nobody told us
    TestRun.objects.update(next_attempt_at=timezone.now())
    sweep()
    run.refresh_from_db()
    assert run.status == status


@pytest.mark.django_db(transaction=True)
def test_an_outcome_is_posted_once_on_launchpad(sandbox, run, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    settings.TESTING_COMMENTS = True
    sweep()
    sandbox.jenkins.begin(build_of(sandbox))
    sandbox.jenkins.end(build_of(sandbox))
    told(sandbox, run, "PASS")
    assert publish_results() == 1
    assert publish_results() == 0
    refresh(Review.objects.get())
    comment = Comment.objects.get()
    assert (comment.author.username, comment.vote, comment.sentiment) == ("queue-bot", "Approve", "neutral")
    assert comment.is_automated


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["status", "html", "cut", "hang up", "slow"])
def test_what_goes_wrong_on_purpose_is_said_and_mended(sandbox, settings, monkeypatch, kind):
    patience = settings.LAUNCHPAD_TIMEOUT
    many(sandbox.launchpad, proposals=3)
    source = Source.objects.create(name="many", kind="project", target="many")
    control = sandbox.launchpad.url + "+control"
    faults = [{"kind": kind, "path": "many", "seconds": 120}]
    assert requests.post(control, json={"faults": faults}, timeout=60).ok
    if kind == "slow":
        settings.LAUNCHPAD_TIMEOUT = 0.5
    report = import_source(source)
    assert not report.ok
    assert report.problems
    assert requests.post(control, json={"faults": []}, timeout=60).ok
    settings.LAUNCHPAD_TIMEOUT = patience
    monkeypatch.setattr("integrations.launchpad.client._local", threading.local())  # a client that is as patient
    report = import_source(source)
    assert (report.ok, Review.objects.count()) == (True, 3)


def test_a_fault_that_does_not_exist_is_refused(sandbox):
    answer = requests.post(sandbox.jenkins.url + "+control", json={"faults": [{"kind": "explode"}]}, timeout=60)
    assert answer.status_code == 400
    assert "hang up" in answer.json()["error"]


def test_the_command_serves_both_and_stops_when_told():
    command = [sys.executable, "manage.py", "sandbox", "--launchpad-port", "0", "--jenkins-port", "0"]
    environment = os.environ | {"DEBUG": "true"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project_settings.BASE_DIR, env=environment)
    try:
        lines = [child.stdout.readline() for _ in range(4)]
        settings = dict(line.strip().split("=", 1) for line in lines[1:])
        root = requests.get(settings["LAUNCHPAD_SERVICE_ROOT"] + "devel/", timeout=60)
        assert "resource_type_link" in root.json()
        job = requests.get(settings["JENKINS_JOB_URL"] + "/api/json", timeout=60)
        assert job.json()["buildable"] is True
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_port_in_use_is_said_in_words(sandbox):
    port = int(sandbox.launchpad.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(CommandError, match="--launchpad-port"):
        call_command("sandbox", "--launchpad-port", str(port))


@pytest.mark.parametrize("port", ["65536", "-1", "http", "9" * 5000, "²"])
@pytest.mark.parametrize("command", [["sandbox", "--jenkins-port"], ["runqueue", "--port"]])
def test_a_port_that_is_none_is_wrong_usage(command, port):
    with pytest.raises(CommandError, match="number up to 65535"):  # argparse's: on a command line it exits with 2
        call_command(command[0], f"{command[1]}={port}")


def test_builds_run_by_themselves_in_seconds(settings):
    from integrations.sandbox import SandboxJenkins

    jenkins = SandboxJenkins()
    jenkins.waiting_seconds = jenkins.building_seconds = (0.0, 0.05)
    jenkins.losing = 1.0
    jenkins.start()
    try:
        for number in range(3):
            query = {"token": jenkins.token, "job_id": number, "url": f"lp:{number}"}
            answer = requests.get(jenkins.job_url + "/buildWithParameters", params=query, timeout=60)
            assert answer.status_code == 201
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(build.result for build in jenkins.builds.values()):
            time.sleep(0.05)
        assert {build.state for build in jenkins.builds.values()} == {"ended"}
    finally:
        jenkins.stop()
