"""Real processes at the same rows at the same moment: nothing is sent, applied, imported or posted twice."""

import os
import signal
import time
from collections import Counter
from datetime import timedelta
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.launchpad import own_posts, reporting
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due
from integrations.launchpad.reporting import publish_results
from integrations.models import VerdictPost
from integrations.sandbox.data import many
from integrations.tests.at_once import TIMEOUT_SECONDS, at_once, until_killed
from integrations.tests.own_posts import connect, import_proposal, make_due, make_user, send_off
from reviews.models import Event, Review, Source
from reviews.tests.factories import diffs_are_read
from testing.callbacks import apply_callback, callback_token
from testing.models import Attempt, Status, Substrate, TestRun
from testing.runs import launch_runs, repeat_failed
from testing.sweep import sweep
from testing.transitions import Trigger, finish, lock_run

pytestmark = pytest.mark.django_db(transaction=True)


def import_items(_, source):
    return import_source(source).seen


def send_runs(_):
    return sweep().sent


def call_back(number, pk):
    word = ("PASS", "FAIL", "PASS", "ERROR")[number]
    return apply_callback(pk, callback_token(pk, 1), word, "").applied


def recover_runs(_):
    return sweep().lost


def launch_on_aws(_):
    return len(launch_runs(Review.objects.first(), [Substrate.objects.get(name="aws")], None).launched)


def repeat_failures(_):
    return len(repeat_failed(Review.objects.first(), None).launched)


def publish(_):
    return publish_results().posted


def publish_or_call_back(number, ids):
    """The first process publishes while the others repeat the callbacks."""
    if number == 0:
        return publish_results().posted
    for _ in range(4):
        for pk in ids:
            assert not apply_callback(pk, callback_token(pk, 1), "PASS", "").applied
    return 0


def claim(_):
    return len(claim_due())


def die(number):
    """One process is killed; the others would go on for as long as a test may take."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(TIMEOUT_SECONDS)


def fail(number):
    raise ValueError(f"in process {number}")


@pytest.fixture
def source(sandbox):
    many(sandbox.launchpad, proposals=30)
    return Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")


@pytest.fixture
def runs(source):
    import_source(source)
    diffs_are_read()
    return TestRun.objects.all()


def test_imports_at_once_make_each_review_and_run_once(source):
    at_once(import_items, source)
    diffs_are_read()
    assert Review.objects.count() == 30
    assert TestRun.objects.count() == 30
    assert Event.objects.filter(kind=Event.Kind.RUN).count() == 30


def test_sweeps_at_once_send_each_attempt_once(sandbox, runs):
    at_once(send_runs)
    sent = Counter(build.parameters["job_id"] for build in sandbox.jenkins.builds.values())
    assert sorted(sent) == sorted(str(run.pk) for run in runs)
    assert set(sent.values()) == {1}
    assert set(runs.values_list("status", flat=True)) == {Status.PENDING}
    assert Attempt.objects.count() == 30


def test_of_callbacks_at_once_one_outcome_wins(sandbox, runs):
    sweep()
    run = runs.first()
    applied = at_once(call_back, run.pk)
    assert applied.count(True) == 1
    outcomes = Event.objects.filter(review=run.review, run_id=run.pk).exclude(old="").values_list("new", flat=True)
    run.refresh_from_db()
    assert [new.split()[0] for new in outcomes if new.split()[0] not in ("pending", "running")] == [run.status]


def test_recoveries_at_once_burn_one_attempt(sandbox, runs):
    sweep()
    TestRun.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    at_once(recover_runs)
    assert set(TestRun.objects.values_list("attempt", flat=True)) == {2}


def test_launches_at_once_make_one_run(runs):
    launched = at_once(launch_on_aws)
    assert sorted(launched) == [0, 0, 0, 1]


def test_failures_that_are_run_again_at_once_make_one_run_each(runs):
    runs.update(status=Status.FAIL, finished_at=timezone.now(), next_attempt_at=None)
    assert sorted(at_once(repeat_failures)) == [0, 0, 0, 1]


def test_publishers_at_once_post_each_verdict_once(sandbox, runs, settings):
    settings.TESTING_COMMENTS = True
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    for run in runs[:8]:
        with transaction.atomic():
            finish(lock_run(run.pk), Status.PASS, Trigger.CALLBACK)
    TestRun.objects.update(results_due_at=None)
    assert sum(at_once(publish)) == 8
    posts = [path for method, path in sandbox.launchpad.requests if method == "POST" and "+merge" in path]
    assert len(posts) == len(set(posts)) == 8


def test_publishers_and_late_callbacks_do_not_wait_for_each_other(sandbox, runs, settings):
    """Both lock a review and its run; in the same order."""
    settings.TESTING_COMMENTS = True
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    ids = list(runs.values_list("pk", flat=True))
    for pk in ids:
        apply_callback(pk, callback_token(pk, 1), "PASS", "")
    TestRun.objects.update(results_due_at=None)
    assert sum(at_once(publish_or_call_back, ids)) == 30


def publish_and_die(_, step):
    """Post verdicts until the step of that name is to begin: there the process is killed."""
    with mock.patch.object(reporting, step, side_effect=lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)):
        publish_results()


# Claimed, but not looked at; about to be sent; sent, but not written down.
@pytest.mark.parametrize("step", ["_post_all", "_send", "_mark_posted"])
def test_a_publisher_that_is_killed_posts_its_verdict_once(sandbox, runs, settings, step):
    settings.TESTING_COMMENTS = True
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    with transaction.atomic():
        finish(lock_run(runs[0].pk), Status.FAIL, Trigger.CALLBACK)
    TestRun.objects.update(results_due_at=None)
    until_killed(publish_and_die, step)
    assert publish_results().posted == 0  # the dead process still holds it
    VerdictPost.objects.update(claimed_until=timezone.now())
    assert publish_results().posted == 1
    assert [post["vote"] for post in sandbox.launchpad.posts] == ["Needs Fixing"]


def publish_own_and_die(_, step):
    """Post what people sent off until the step of that name is to begin: there the process is killed."""
    with mock.patch.object(own_posts, step, side_effect=lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)):
        own_posts.publish_own_posts()


def publish_own(_):
    return own_posts.publish_own_posts().posted


# Claimed, but not begun; about to be sent; sent, but not written down; the status not set; done, but not written down.
@pytest.mark.parametrize("step", ["_find_place", "_send_comment", "_note_comment", "_set_status", "_finish"])
def test_what_a_person_says_is_posted_once_though_the_process_is_killed(sandbox, step):
    review, marta = import_proposal(sandbox.launchpad), make_user()
    connect(marta)
    send_off(marta, review, text="Fine by me.", vote="Approve", status="Approved")
    until_killed(publish_own_and_die, step)
    assert own_posts.publish_own_posts().posted == 0  # the dead process still holds it
    make_due()
    assert own_posts.publish_own_posts().posted == 1
    assert [(post["by"], post["content"], post["vote"]) for post in sandbox.launchpad.posts] == [
        ("marta-k", "Fine by me.", "Approve")
    ]
    assert len(sandbox.launchpad.status_writes) == 1


def test_processes_at_once_post_what_a_person_says_once(sandbox):
    review, marta = import_proposal(sandbox.launchpad), make_user()
    connect(marta)
    for number in range(6):
        send_off(marta, review, text=f"Remark {number}")
    assert sum(at_once(publish_own)) == 6
    assert sorted(post["content"] for post in sandbox.launchpad.posts) == [f"Remark {number}" for number in range(6)]


def test_each_review_that_is_due_is_refreshed_by_one_process(runs):
    Review.objects.update(due_at=timezone.now())
    assert sum(at_once(claim)) == 30


def test_a_process_that_dies_fails_the_test_at_once(db):
    begin = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match="died with exit code -9"):
        at_once(die)
    assert time.monotonic() - begin < TIMEOUT_SECONDS / 2


def test_what_a_process_raises_fails_the_test_with_its_trace(db):
    with pytest.raises(pytest.fail.Exception, match="ValueError: in process"):
        at_once(fail)
