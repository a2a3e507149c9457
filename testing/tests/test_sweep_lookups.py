"""Builds are found soon after they were accepted (docs/specification.md, section 5)."""

import json
from datetime import timedelta

import pytest
from django.db.models import F

from integrations.sandbox.serving import Fault
from testing.models import Attempt, Status
from testing.sweep import sweep


def test_a_build_that_never_reports_is_found_while_its_queue_item_is_there(build):
    build.jenkins.begin(1)
    build.lookups_are_due()
    assert build.sweep().build_url == build.url
    assert build.run.attempts.get().build_url == build.url


def test_a_build_is_found_after_its_queue_item_is_gone(build):
    build.jenkins.remembered_for = 0
    build.jenkins.begin(1)
    build.lookups_are_due()
    assert build.sweep().build_url == build.url


def test_a_lost_callback_of_a_build_that_nobody_looked_up_is_made_good_after_the_time_out(build):
    build.jenkins.remembered_for = 0
    build.jenkins.begin(1)
    build.jenkins.end(1)
    build.all_is_due()
    Attempt.objects.update(lookup_due_at=None)
    assert build.sweep().status == Status.PASS
    assert (build.run.attempt, len(build.jenkins.builds)) == (1, 1)


def test_no_attempt_is_used_up_while_the_list_of_builds_can_not_be_read(build):
    build.jenkins.remembered_for = 0
    build.jenkins.begin(1)
    build.jenkins.faults = [Fault(path="charm-test/api/json", status=503)]
    build.all_is_due()
    assert (build.sweep().status, build.run.attempt) == (Status.PENDING, 1)


def test_what_a_person_cancels_in_the_queue_ends_as_an_error_and_is_not_sent_again(build):
    build.jenkins.cancel_in_queue(1)
    build.lookups_are_due()
    assert (build.sweep().status, build.run.error) == (Status.ERROR, "It was cancelled in Jenkins.")
    build.sweep()
    assert len(build.jenkins.builds) == 1


def test_a_cancellation_in_the_queue_is_noticed_after_the_time_out_as_well(build):
    build.jenkins.cancel_in_queue(1)
    build.all_is_due()
    Attempt.objects.update(lookup_due_at=None)
    assert (build.sweep().status, build.run.error) == (Status.ERROR, "It was cancelled in Jenkins.")


def test_waiting_builds_are_looked_up_by_two_requests_together(sandbox, lots):
    sweep()
    Attempt.objects.update(lookup_due_at="2020-01-01T00:00Z")
    sandbox.jenkins.requests.clear()
    sweep()
    assert len(sandbox.jenkins.requests) == 2


def test_each_of_many_that_are_in_no_list_is_asked_for_in_turn(sandbox, lots):
    sweep()
    sandbox.jenkins.faults = [Fault(path="queue/api/json", status=404)]
    asked = set()
    for _ in range(7):  # 16 in each sweep
        Attempt.objects.update(lookup_due_at=F("lookup_due_at") - timedelta(minutes=2))
        sandbox.jenkins.requests.clear()
        sweep()
        asked |= {path for _, path in sandbox.jenkins.requests if "/queue/item/" in path}
    assert len(asked) == 100


def test_a_build_that_waits_in_the_queue_goes_on_waiting(build):
    build.lookups_are_due()
    assert build.sweep().status == Status.PENDING
    assert build.run.attempts.get().lookup_due_at is not None


def test_a_run_that_passed_without_saying_where_gets_its_link_and_its_single_tests(build, settings):
    settings.TESTING_FIRST_PAUSE = 0
    build.jenkins.begin(1)
    build.report("PASS")
    build.jenkins.end(1)
    build.lookups_are_due()
    assert build.sweep().build_url == build.url
    assert build.run.results.count() == 6


def test_the_link_that_a_build_reported_is_kept(build):
    build.report("RUNNING", build_url=f"https://ci.example.com/job/charm-test/{1}/")
    assert build.run.attempts.get().build_url == build.url
    build.run.refresh_from_db()
    assert build.run.build_url == "https://ci.example.com/job/charm-test/1/"


def test_of_a_finished_run_a_build_without_a_trace_is_looked_for_once(build):
    build.jenkins.remembered_for = 0
    build.jenkins.begin(1)
    build.jenkins.delete_build(1)
    build.report("ERROR")
    build.lookups_are_due()
    build.sweep()
    assert build.run.attempts.get().lookup_due_at is None


@pytest.mark.parametrize("length", [900, 1001, 5000])
def test_an_address_that_is_too_long_ends_no_sweep(review, jenkins, length):

    jenkins.accepts()
    sweep()
    url = f"{jenkins.job_url}/{'7' * length}/"
    item = {"executable": {"number": 7, "url": url}, "id": 1}
    jenkins.answers["/queue/item/1/api/json"] = (200, {}, json.dumps(item).encode())
    Attempt.objects.update(lookup_due_at="2020-01-01T00:00Z")
    sweep()
    assert review.test_runs.get().status == Status.PENDING
