"""No due time is believed that no rule can have set (docs/specification.md, section 5)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from testing.models import Attempt, Status, TestRun
from testing.sweep import sweep

NEXT_YEAR = timedelta(days=365)


def test_a_run_that_waits_until_next_year_is_sent_now(sandbox, review):
    TestRun.objects.update(next_attempt_at=timezone.now() + NEXT_YEAR)
    sweep()
    assert review.test_runs.get().status == Status.PENDING


def test_a_run_that_can_not_be_sent_says_what_was_not_believed(review, settings):
    settings.JENKINS_JOB_URL = ""
    ahead = timezone.now() + NEXT_YEAR
    review.test_runs.update(status=Status.RUNNING, next_attempt_at=ahead)
    sweep()
    assert f"It was due at {ahead:%Y-%m-%d}" in review.test_runs.get().error


def test_a_build_has_its_whole_time_again(build, settings):
    settings.TESTING_TIMEOUT = 600
    TestRun.objects.update(next_attempt_at=timezone.now() + NEXT_YEAR)
    run = build.sweep()
    assert run.status == Status.PENDING
    assert timedelta(seconds=500) < run.next_attempt_at - timezone.now() <= timedelta(seconds=600)


def test_single_tests_are_collected_now(build):
    build.jenkins.begin(1)
    build.report("PASS", build_url=build.url)
    build.jenkins.end(1)
    TestRun.objects.update(results_due_at=timezone.now() + NEXT_YEAR)
    assert build.sweep().results.count() == 6


def test_a_build_is_stopped_now(build):
    Attempt.objects.update(ended_at=timezone.now(), stop_due_at=timezone.now() + NEXT_YEAR)
    sweep()
    assert list(Attempt.objects.values_list("stop_tries", "stop_due_at")) == [(1, None)]


def test_a_build_is_looked_up_now(build):
    Attempt.objects.update(ended_at=timezone.now(), lookup_due_at=timezone.now() + NEXT_YEAR)
    sweep()
    due = Attempt.objects.get().lookup_due_at  # of the next look, a minute after this one
    assert timedelta(seconds=30) < due - timezone.now() <= timedelta(minutes=1)


@pytest.mark.parametrize("hours", [0.1, 1, 23])
def test_what_a_rule_may_have_set_is_believed(build, hours):
    due = timezone.now() + timedelta(hours=hours)
    TestRun.objects.update(next_attempt_at=due)
    assert build.sweep().next_attempt_at == due


def test_it_is_said_once(sandbox, review, caplog):
    TestRun.objects.update(next_attempt_at=timezone.now() + NEXT_YEAR)
    sweep()
    sweep()
    assert sum("due times set back" in record.getMessage() for record in caplog.records) == 1
