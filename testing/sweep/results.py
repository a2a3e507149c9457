"""Collecting the single tests of finished runs."""

from __future__ import annotations

import time
from functools import partial

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from core.concurrency import ask_all
from testing.ci import CIBackend, CIError, Results, TemporaryError, get_ci
from testing.models import TestResult, TestRun
from testing.sweep.claims import (
    AT_ONCE,
    Claim,
    SweepReport,
    claim_rows,
    current_attempts,
    is_down,
    pause_after,
)

MAX_TRIES = 10  # while the engine does not answer
MAX_LOOKS = 5  # while there is no usable file: many jobs report before they archive it, some never write one


def collect_results(run_id: int) -> bool:
    """Keep the single tests of a finished run, if its engine has them. True when they were kept."""
    return _collect(get_ci(), TestRun.objects.filter(pk=run_id).with_results_due())[1] > 0


def collect_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Keep the single tests of runs whose message was lost, or whose results could not be had.

    Until nothing is due, the time (of ``time.monotonic()``) is over, or the engine is down.
    """
    due, more = TestRun.objects.with_results_due(), True
    while more and time.monotonic() < until:
        more, collected = _collect(ci, due)
        report.collected += collected


def _collect(ci: CIBackend, due: QuerySet[TestRun]) -> tuple[bool, int]:
    """A chunk of them. Returns whether there may be more, and how many were kept."""
    with transaction.atomic():
        runs = claim_rows(due, "results_due_at")
        TestRun.objects.filter(pk__in=[run.pk for run in runs]).update(results_tries=F("results_tries") + 1)
    attempts = current_attempts(runs)
    claims = [Claim(run, attempts.get(run.pk)) for run in runs]
    answers = ask_all(claims, partial(fetch_results, ci), at_once=AT_ONCE, problem=CIError)
    kept = 0
    for claim, results in answers:
        run = claim.run
        if isinstance(results, Results) and results.tests:
            save_results(run, results)
            kept += 1
        else:
            schedule_next_look(run, results if isinstance(results, CIError) else None)
    return bool(runs) and not is_down(answers), kept


def fetch_results(ci: CIBackend, claim: Claim) -> Results | None:
    """The single tests of the run's build; None when it has none, or is not known. Raises CIError."""
    return ci.results(claim.build.build_url) if claim.build.build_url else None


def save_results(run: TestRun, results: Results) -> None:
    """Write down the single tests."""
    tests = [
        TestResult(
            run_id=run.pk, position=position, suite=test.suite, test=test.test, returncode=test.returncode,
            duration=test.duration, output=test.output, outcome=test.outcome, error=test.error,
        )
        for position, test in enumerate(results.tests)
    ]  # fmt: skip
    with transaction.atomic():
        TestRun.objects.filter(pk=run.pk).update(results_due_at=None)
        TestResult.objects.bulk_create(tests, ignore_conflicts=True)


def schedule_next_look(run: TestRun, problem: CIError | None) -> None:
    """Write down when the single tests are asked for next; after the last try, never."""
    tries = run.results_tries + 1
    most = MAX_TRIES if isinstance(problem, TemporaryError) else MAX_LOOKS
    due = timezone.now() + pause_after(tries) if tries < most else None
    TestRun.objects.filter(pk=run.pk).update(results_due_at=due)
