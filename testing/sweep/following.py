"""Following builds that have had their time."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.concurrency import ask_all
from testing.ci import CIBackend, CIError
from testing.models import TestRun
from testing.sweep.claims import AT_ONCE, Claim, SweepReport, claim_to_follow, is_down, pause_after
from testing.sweep.lookups import find_builds
from testing.sweep.outcomes import Found, find_outcome
from testing.transitions import Trigger, finish, give_up_attempt, lock_run


def follow_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Look for the outcomes of builds whose time is over: else the next attempt, or, after the last, error.

    Until nothing is due, the time (of ``time.monotonic()``) is over, or the engine is down.
    """
    due = TestRun.objects.on_engine().due()
    while time.monotonic() < until and (claims := claim_to_follow(due)):
        answers: list[tuple[Claim, Found | CIError | None]] = []
        lost = [claim for claim in claims if claim.attempt and not claim.attempt.build_url]
        if problem := find_lost_builds(ci, lost):
            answers += [(claim, problem) for claim in lost]
            claims = [claim for claim in claims if claim not in lost]
        answers += ask_all(claims, partial(look_for_outcome, ci), at_once=AT_ONCE, problem=CIError)
        for claim, found in answers:
            if isinstance(found, CIError):
                record_failure(claim.run, found)
                report.lost += 1
                report.problems[str(found)] += 1
            elif record_outcome(claim.run, found):
                report.recovered += 1
            else:
                report.lost += 1
        if is_down(answers):
            return


def find_lost_builds(ci: CIBackend, claims: list[Claim]) -> CIError | None:
    """Find the builds of claimed runs that never reported where they are. Returns why the engine can't be asked now."""
    attempts = {claim.attempt.pk: claim.attempt for claim in claims if claim.attempt}
    if not attempts:
        return None
    try:
        for pk, build in find_builds(ci, attempts.values()).items():
            attempts[pk].build_url = build.build_url
    except CIError as problem:
        return problem
    return None


def look_for_outcome(ci: CIBackend, claim: Claim) -> Found | None:
    """The outcome of the claimed run's build; None when there is none. Raises CIError."""
    return find_outcome(ci, claim.build, results_required=is_recent(claim.run))


def is_recent(run: TestRun) -> bool:
    """Whether to wait for results that can't be read now: for as long again as the build had (TESTING_TIMEOUT)."""
    since = run.started_at or run.sent_at or run.created_at
    return timezone.now() < since + timedelta(seconds=2 * settings.TESTING_TIMEOUT)


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
        reason = f"Attempt {locked.attempt} brought no outcome within {settings.TESTING_TIMEOUT} seconds."
        give_up_attempt(locked, reason)
    return False
