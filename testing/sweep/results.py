"""Collecting the single tests of finished runs."""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from testing.ci import CIError, Results, TemporaryError
from testing.engines import Engines
from testing.managers import TestRunQuerySet
from testing.models import TestResult, TestRun
from testing.standing import keep_standings, tell_others
from testing.sweep.claims import TASK_SECONDS, Claim, SweepReport, claim_rows, current_attempts, pause_after
from testing.sweep.lanes import Step, places_of, run_step
from testing.transitions import lock_review
from testing.verdicts import update_verdicts

MAX_TRIES = 10  # while the engine does not answer
MAX_LOOKS = 5  # while there is no usable file: many jobs report before they archive it, some never write one


def collect_results(run_id: int) -> bool:
    """Keep the single tests of a finished run, if its engine has them. True when they were kept."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run is None:
        return False
    engines, report = Engines(), SweepReport()
    run_step(Collecting(engines, report, run_id), places_of(run, engines), time.monotonic() + TASK_SECONDS)
    return report.collected > 0


class Collecting(Step[Claim, Results | None]):
    """Keeps the single tests of runs whose message was lost, or whose results could not be had; or those of one run."""

    def __init__(self, engines: Engines, report: SweepReport, run_id: int | None = None) -> None:
        super().__init__(engines)
        self.report, self.run_id = report, run_id

    def due(self) -> TestRunQuerySet:
        runs: TestRunQuerySet = TestRun.objects.with_results_due()
        return runs.filter(pk=self.run_id) if self.run_id else runs

    def claim(self, due: QuerySet[TestRun], most: int) -> list[Claim]:
        with transaction.atomic():
            runs = claim_rows(due, "results_due_at", most)
            TestRun.objects.filter(pk__in=[run.pk for run in runs]).update(results_tries=F("results_tries") + 1)
        attempts = current_attempts(runs)
        return [Claim(run, attempts.get(run.pk), self.engines.of(run, attempts.get(run.pk))) for run in runs]

    def ask(self, work: Claim) -> Results | None:
        return work.ci.results(work.build.build_url) if work.build.build_url else None

    def record(self, answers: list[tuple[Claim, Results | CIError | None]]) -> None:
        for claim, results in answers:
            if isinstance(results, Results) and results.tests:
                save_results(claim.run, results)
                self.report.collected += 1
            else:
                schedule_next_look(claim.run, results if isinstance(results, CIError) else None)


def save_results(run: TestRun, results: Results) -> None:
    """Write down the single tests, and what is known of those that failed.

    The run stays due until all of it is written: a process that dies in between leaves it to the next.
    """
    tests = [
        TestResult(
            run_id=run.pk, position=position, suite=test.suite, test=test.test, returncode=test.returncode,
            duration=test.duration, output=test.output, outcome=test.outcome, error=test.error,
        )
        for position, test in enumerate(results.tests)
    ]  # fmt: skip
    with transaction.atomic():
        TestResult.objects.bulk_create(tests, ignore_conflicts=True)
    # After they can be seen by whoever keeps the tests of another run at this moment: one of both sees the other's.
    keep_standings(run)
    if results.failed:
        tell_others(run)
    with transaction.atomic():
        if run.review_id is not None:
            lock_review(run.review_id)
        TestRun.objects.filter(pk=run.pk).update(results_due_at=None)
        if results.failed and run.review_id is not None:
            update_verdicts([run.review_id])


def schedule_next_look(run: TestRun, problem: CIError | None) -> None:
    """Write down when the single tests are asked for next; after the last try, never."""
    tries = run.results_tries + 1
    most = MAX_TRIES if isinstance(problem, TemporaryError) else MAX_LOOKS
    due = timezone.now() + pause_after(tries) if tries < most else None
    TestRun.objects.filter(pk=run.pk).update(results_due_at=due)
