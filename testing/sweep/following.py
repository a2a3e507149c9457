"""Following builds that have had their time."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from testing.ci import BuildRef, CIError
from testing.engines import Engines
from testing.managers import TestRunQuerySet
from testing.models import TestRun
from testing.sweep.claims import Claim, SweepReport, claim_to_follow, pause_after
from testing.sweep.lanes import Step
from testing.sweep.outcomes import Found, find_outcome
from testing.transitions import Trigger, finish, give_up_attempt, lock_run


class Following(Step[Claim, Found | None]):
    """Looks for the outcomes of builds whose time is over: else the next attempt, or, after the last, error."""

    def __init__(self, engines: Engines, report: SweepReport) -> None:
        super().__init__(engines)
        self.report = report

    def due(self) -> TestRunQuerySet:
        runs: TestRunQuerySet = TestRun.objects.on_engine().due()
        return runs

    def claim(self, due: QuerySet[TestRun], most: int) -> list[Claim]:
        return claim_to_follow(due, most, self.engines)

    def ask(self, work: Claim) -> Found | None:
        build = work.build
        if work.lately and work.attempt:
            build = work.lately.find(work.attempt) or build
            build = BuildRef(work.build.queue_url, build.build_url)
        return find_outcome(work.ci, build, results_required=is_recent(work.run))

    def record(self, answers: list[tuple[Claim, Found | CIError | None]]) -> None:
        for claim, found in answers:
            if isinstance(found, CIError):
                record_failure(claim.run, found)
                self.report.lost += 1
                self.report.problems[str(found)] += 1
            elif record_outcome(claim.run, found):
                self.report.recovered += 1
            else:
                self.report.lost += 1


def is_recent(run: TestRun) -> bool:
    """Whether to wait for results that can't be read now: for as long again as the build had (its timeout)."""
    since = run.started_at or run.sent_at or run.created_at
    return timezone.now() < since + timedelta(seconds=2 * run.timeout_seconds)


def record_failure(run: TestRun, problem: CIError) -> None:
    """The engine could not be asked: look again later. No attempt is used up while it is out of reach."""
    TestRun.objects.filter(pk=run.pk, status=run.status, attempt=run.attempt).update(
        error=f"No outcome in time, and it could not be looked for: {problem}",
        next_attempt_at=timezone.now() + pause_after(1, problem),
    )


def record_outcome(run: TestRun, found: Found | None) -> bool:
    """Write down what was found. False when there was nothing, and the attempt is given up."""
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return True  # it called back in the meantime
        if found:
            finish(
                locked, found.status, Trigger.SWEEP, reason=found.reason, link=found.build_url, build=found.build_url,
                finished_at=found.finished_at,
            )  # fmt: skip
            return True
        reason = f"Attempt {locked.attempt} brought no outcome within {locked.timeout_seconds} seconds."
        give_up_attempt(locked, reason)
    return False
