"""Builds that nobody needs are stopped, and no others (docs/specification.md, section 5)."""

import pytest

from integrations.sandbox.serving import Fault
from testing.models import Attempt, AttemptOutcome, Status
from testing.runs import cancel_run
from testing.sweep import sweep


def cancel(build):
    assert cancel_run(build.run, actor=None, note="enough")
    build.sweep()


def test_a_build_in_the_queue_is_taken_out(build):
    cancel(build)
    assert build.jenkins.builds[1].state == "cancelled"


def test_a_running_build_that_never_reported_is_found_and_stopped(build):
    build.jenkins.remembered_for = 0
    build.jenkins.begin(1)
    cancel(build)
    assert build.jenkins.builds[1].result == "ABORTED"
    assert build.run.attempts.get().stop_due_at is None


def test_a_build_whose_acceptance_was_lost_is_found_and_stopped(sandbox, review):
    sandbox.jenkins.faults = [Fault("lost", times=1)]
    sweep()
    sandbox.jenkins.begin(1)
    run = review.test_runs.get()
    assert run.attempts.get().outcome == AttemptOutcome.UNKNOWN
    cancel_run(run, actor=None, note="enough")
    sweep()
    assert sandbox.jenkins.builds[1].result == "ABORTED"


def test_what_was_refused_has_no_build_to_stop(sandbox, review):
    sandbox.jenkins.buildable = False
    sweep()
    run = review.test_runs.get()
    cancel_run(run, actor=None, note="enough")
    assert run.attempts.get().stop_due_at is None


def test_the_build_of_an_attempt_that_was_given_up_is_stopped(build):
    build.report("RUNNING", build_url=build.url)
    build.jenkins.begin(1)
    build.all_is_due()
    assert (build.sweep().attempt, build.jenkins.builds[1].result) == (2, "ABORTED")


def test_a_stop_that_fails_is_tried_again(build):
    build.jenkins.begin(1)
    build.jenkins.faults = [Fault(path="stop$", status=503, times=1)]
    build.report("RUNNING", build_url=build.url)
    cancel(build)
    assert build.jenkins.builds[1].state == "running"
    build.all_is_due()
    build.sweep()
    assert build.jenkins.builds[1].result == "ABORTED"


@pytest.mark.parametrize("report", ["RUNNING", "PASS"])
def test_a_build_of_another_job_is_neither_stopped_nor_read(build, report):
    other = build.jenkins.add_job("production-deploy")
    url = f"{build.jenkins.url_of(other)}/77/"
    answer = build.report(report, build_url=url)
    assert (answer["applied"], answer["build_url"]) == (True, url)  # a link, and nothing else
    cancel_run(build.run, actor=None, note="enough")
    build.all_is_due()
    build.sweep()
    assert not build.asked("production-deploy")


def test_a_cancelled_run_is_stopped_by_a_message_too(build, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as messages:
        cancel_run(build.run, actor=None, note="enough")
    assert len(messages) == 1


def test_a_run_that_waits_to_be_sent_leaves_no_message(sandbox, review, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as messages:
        cancel_run(review.test_runs.get(), actor=None, note="enough")
    assert messages == []


def test_an_outcome_of_a_cancelled_run_changes_nothing(build):
    cancel(build)
    assert build.report("PASS")["status"] == Status.CANCELED
    assert Attempt.objects.get().outcome == AttemptOutcome.ACCEPTED
