"""Real processes at the same rows at the same moment: nothing is sent, applied, imported or posted twice."""

import multiprocessing
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due
from integrations.launchpad.reporting import publish_results
from integrations.sandbox.data import many
from reviews.models import Event, Review, Source
from testing.callbacks import apply_callback, callback_token
from testing.models import Attempt, Status, Substrate, TestRun
from testing.runs import launch_runs
from testing.sweep import sweep
from testing.transitions import Trigger, finish, lock_run

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES = 4


def at_once(work, *arguments):
    """Call ``work`` in several processes that begin together. Returns what each of them returned."""
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(PROCESSES), context.Queue()

    def begin(number):
        connections.close_all()
        try:
            gate.wait(120)
            answers.put(work(number, *arguments))
        except BaseException as error:
            answers.put(repr(error))
        finally:
            connections.close_all()

    connections.close_all()
    children = [context.Process(target=begin, args=(number,)) for number in range(PROCESSES)]
    for child in children:
        child.start()
    found = [answers.get(timeout=300) for _ in children]
    for child in children:
        child.join(120)
    assert not [answer for answer in found if isinstance(answer, str)], found
    return found


@pytest.fixture
def source(sandbox):
    many(sandbox.launchpad, proposals=30)
    return Source.objects.create(name="many", kind="project", target="many")


@pytest.fixture
def runs(source):
    import_source(source)
    return TestRun.objects.all()


def test_imports_at_once_make_each_review_and_run_once(source):
    at_once(lambda _: import_source(source).seen)
    assert Review.objects.count() == 30
    assert TestRun.objects.count() == 30
    assert Event.objects.filter(kind=Event.Kind.RUN).count() == 30


def test_sweeps_at_once_send_each_attempt_once(sandbox, runs):
    at_once(lambda _: sweep().sent)
    sent = Counter(build.parameters["job_id"] for build in sandbox.jenkins.builds.values())
    assert sorted(sent) == sorted(str(run.pk) for run in runs)
    assert set(sent.values()) == {1}
    assert set(runs.values_list("status", flat=True)) == {Status.PENDING}
    assert Attempt.objects.count() == 30


def test_of_callbacks_at_once_one_outcome_wins(sandbox, runs):
    sweep()
    run = runs.first()
    words = ("PASS", "FAIL", "PASS", "ERROR")

    def call_back(number):
        return apply_callback(run.pk, callback_token(run.pk, 1), words[number], "").applied

    applied = at_once(call_back)
    assert applied.count(True) == 1
    outcomes = Event.objects.filter(review=run.review, run_id=run.pk).exclude(old="").values_list("new", flat=True)
    run.refresh_from_db()
    assert [new.split()[0] for new in outcomes if new.split()[0] not in ("pending", "running")] == [run.status]


def test_recoveries_at_once_burn_one_attempt(sandbox, runs):
    sweep()
    TestRun.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    at_once(lambda _: sweep().lost)
    assert set(TestRun.objects.values_list("attempt", flat=True)) == {2}


def test_launches_at_once_make_one_run(runs):
    review = Review.objects.first()
    substrate = Substrate.objects.get(name="aws")
    launched = at_once(lambda _: len(launch_runs(review, [substrate], None).launched))
    assert sorted(launched) == [0, 0, 0, 1]


def test_publishers_at_once_post_each_outcome_once(sandbox, runs, settings):
    settings.TESTING_COMMENTS = True
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    for run in runs[:8]:
        with transaction.atomic():
            finish(lock_run(run.pk), Status.PASS, Trigger.CALLBACK)
    assert sum(at_once(lambda _: publish_results())) == 8
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

    def work(number):
        if number == 0:
            return publish_results()
        for _ in range(4):
            for pk in ids:
                assert not apply_callback(pk, callback_token(pk, 1), "PASS", "").applied
        return 0

    assert sum(at_once(work)) == 30


def test_each_review_that_is_due_is_refreshed_by_one_process(runs):
    Review.objects.update(due_at=timezone.now())
    assert sum(at_once(lambda _: len(claim_due()))) == 30
