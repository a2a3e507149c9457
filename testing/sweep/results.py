"""Collecting the single tests of finished runs."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from core.concurrency import ask_each
from testing.ci import CIBackend, CIError, Results, TemporaryError, get_ci
from testing.models import Status, TestResult, TestRun
from testing.sweep.claims import (
    ASKERS,
    MOST_RESULTS,
    RESULT_LOOKS,
    RESULT_TRIES,
    SweepReport,
    _is_down,
    lease,
    pause_after,
)


def collect_results(run_id: int) -> bool:
    """Keep the single tests of a finished run, if its engine has them. True when they were kept."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run is None or run.results_due_at is None or run.status == Status.CANCELED or not _claim_results(run):
        return False
    ci = get_ci()
    try:
        results = _results_of(ci, run)
    except CIError as error:
        return _keep_results(run, error)
    return _keep_results(run, results)


def _collect_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Keep the single tests of runs whose message was lost, or whose results could not be had."""
    due = TestRun.objects.filter(results_due_at__lte=timezone.now()).exclude(status=Status.CANCELED)
    due = due.order_by("results_due_at")[:MOST_RESULTS]
    claimed = (run for run in due if _claim_results(run))
    asked = ask_each(
        claimed, partial(_results_of, ci), width=ASKERS, until=until, problem=CIError, is_down=_is_down
    )  # fmt: skip
    for run, results in asked:
        report.collected += _keep_results(run, results)


def _claim_results(run: TestRun) -> bool:
    claim = TestRun.objects.filter(pk=run.pk, results_due_at=run.results_due_at)
    run.results_tries += 1
    return bool(claim.update(results_due_at=timezone.now() + lease(), results_tries=F("results_tries") + 1))


def _results_of(ci: CIBackend, run: TestRun) -> Results | None:
    return ci.results(run.build_url) if run.build_url and ci.is_ours(run.build_url) else None


def _keep_results(run: TestRun, results: Results | CIError | None) -> bool:
    """Write down the single tests, or when they are asked for next; after the last try, never."""
    if not isinstance(results, Results) or not results.tests:
        tries = RESULT_TRIES if isinstance(results, TemporaryError) else RESULT_LOOKS
        again = run.results_tries < tries and bool(run.build_url)
        due = timezone.now() + pause_after(run.results_tries) if again else None
        TestRun.objects.filter(pk=run.pk).update(results_due_at=due)
        return False
    with transaction.atomic():
        TestRun.objects.filter(pk=run.pk).update(results_due_at=None)
        TestResult.objects.bulk_create(
            [
                TestResult(
                    run_id=run.pk, position=position, suite=test.suite, test=test.test,
                    returncode=test.returncode, duration=test.duration, output=test.output,
                )
                for position, test in enumerate(results.tests)
            ],
            ignore_conflicts=True,
        )  # fmt: skip
    return True
