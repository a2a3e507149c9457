"""One table says every change of a run's status (docs/specification.md, section 5)."""

from itertools import product

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from testing.ci import BuildRef
from testing.models import OUTCOMES, UNFINISHED, Attempt, AttemptOutcome, Status, TestRun
from testing.transitions import (
    LOCKED_RUNS,
    TRANSITIONS,
    Trigger,
    WrongTransition,
    accept,
    change_status,
    finish,
    lock_run,
)


@pytest.fixture
def run(review):
    return review.test_runs.get()


@pytest.mark.parametrize(("trigger", "old", "new"), list(product(Trigger, ["", *Status.values], Status.values)))
def test_what_is_not_in_the_table_raises(trigger, old, new):
    run = TestRun(status=old)
    if new in TRANSITIONS[trigger].get(old, ()):
        assert (change_status(run, new, trigger), run.status) == (old, new)
    else:
        with pytest.raises(WrongTransition):
            change_status(run, new, trigger)
        assert run.status == old


@pytest.mark.parametrize("status", OUTCOMES)
def test_a_run_does_not_end_twice(run, status):
    with transaction.atomic():
        finish(lock_run(run.pk), Status.PASS, Trigger.CALLBACK)
    with pytest.raises(WrongTransition), transaction.atomic():
        finish(lock_run(run.pk), status, Trigger.SWEEP)
    run.refresh_from_db()
    assert run.status == Status.PASS


@pytest.mark.parametrize("trigger", [Trigger.CALLBACK, Trigger.SWEEP, Trigger.CANCEL, Trigger.ACCEPTANCE])
def test_nothing_but_a_recovery_leaves_an_outcome(trigger):
    assert not set(TRANSITIONS[trigger]) & {*OUTCOMES, Status.CANCELED}


def test_the_history_says_each_change(run):
    with transaction.atomic():
        accept(lock_run(run.pk), BuildRef())
    event = run.events.last()
    assert (event.old, event.new) == ("retry", "pending on lxc")


def test_a_finish_time_that_has_not_come_is_not_believed(run):
    future = timezone.now().replace(year=9999)
    with transaction.atomic():
        finish(lock_run(run.pk), Status.PASS, Trigger.CALLBACK, finished_at=future)
    run.refresh_from_db()
    assert run.finished_at <= timezone.now()


@pytest.mark.parametrize(
    "change",
    [
        {"status": "mended"}, {"status": Status.PASS}, {"finished_at": timezone.now()}, {"next_attempt_at": None},
        {"results_due_at": timezone.now()},
    ],
)  # fmt: skip
def test_the_database_refuses_a_run_that_can_not_be(run, change):
    assert run.status in UNFINISHED
    with pytest.raises(IntegrityError), transaction.atomic():
        TestRun.objects.filter(pk=run.pk).update(**change)


@pytest.mark.parametrize(
    "facts", [{"outcome": "odd"}, {"outcome": AttemptOutcome.ACCEPTED}, {"stop_due_at": timezone.now()}]
)
def test_the_database_refuses_an_attempt_that_can_not_be(run, facts):
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(run=run, number=1, **facts)


@pytest.mark.parametrize("requested", [True, False])
def test_the_statement_that_locks_a_run_equals_its_query(run, requested):
    run.requested_by = run.review.owner if requested else None
    run.save()
    with transaction.atomic():
        by_statement, by_query = lock_run(run.pk), LOCKED_RUNS.get(pk=run.pk)
        for name in [field.attname for field in TestRun._meta.concrete_fields]:
            assert getattr(by_statement, name) == getattr(by_query, name), name
        for one in (by_statement, by_query):
            assert one.get_deferred_fields() == set()
        assert by_statement.review.get_deferred_fields() == by_query.review.get_deferred_fields()
        assert by_statement.review.revision == by_query.review.revision
        assert str(by_statement.substrate) == str(by_query.substrate)
        assert by_statement.requested_by == by_query.requested_by


def test_a_run_that_is_gone_is_not_locked(db):
    with pytest.raises(TestRun.DoesNotExist), transaction.atomic():
        lock_run(4711)
