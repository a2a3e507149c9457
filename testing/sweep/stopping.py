"""Stopping the builds of runs that were cancelled."""

from __future__ import annotations

import logging

from django.utils import timezone

from core.concurrency import ask_each
from testing.ci import BuildRef, CIBackend, CIError, TemporaryError, get_ci
from testing.models import Attempt, Status, TestRun
from testing.sweep.claims import (
    ASKERS,
    MOST_CANCELED,
    RESULT_TRIES,
    Claim,
    _is_down,
    pause_after,
)
from testing.sweep.results import _claim_results

logger = logging.getLogger(__name__)


def _stop_due(ci: CIBackend, until: float) -> None:
    """Stop the builds of cancelled runs whose message was lost, or that could not be stopped."""
    due = TestRun.objects.filter(results_due_at__lte=timezone.now(), status=Status.CANCELED)
    runs = [run for run in due.order_by("results_due_at")[:MOST_CANCELED] if _claim_results(run)]
    attempts = {(attempt.run_id, attempt.number): attempt for attempt in Attempt.objects.filter(run__in=runs)}
    claims = iter([Claim(run, attempts.get((run.pk, run.attempt))) for run in runs])
    asked = ask_each(
        claims, lambda claim: ci.cancel(claim.build), width=ASKERS, until=until, problem=CIError, is_down=_is_down
    )  # fmt: skip
    for claim, problem in asked:
        _note_stopped(claim.run, problem)


def _note_stopped(run: TestRun, problem: CIError | None) -> None:
    """Write down that the build was stopped, or when that is tried next; after the last try, never."""
    again = isinstance(problem, TemporaryError) and run.results_tries < RESULT_TRIES
    due = timezone.now() + pause_after(run.results_tries) if again else None
    TestRun.objects.filter(pk=run.pk).update(results_due_at=due)


def stop_build(run_id: int) -> None:
    """Take the build of a cancelled run out of the engine, where that is possible."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run is None or run.status != Status.CANCELED or run.results_due_at is None or not _claim_results(run):
        return
    attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
    try:
        get_ci().cancel(Claim(run, attempt).build)
    except CIError as problem:
        _note_stopped(run, problem)
    else:
        _note_stopped(run, None)


def _try_to_stop(ci: CIBackend, build: BuildRef) -> None:
    try:
        ci.cancel(build)
    except CIError as error:
        logger.info("build not stopped reason=%s", error)
