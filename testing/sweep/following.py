"""Following builds beyond their time."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.concurrency import ask_each
from testing.ci import BuildRef, CIBackend, CIError
from testing.models import ON_ENGINE, TestRun
from testing.runs import finish, lock_run, next_attempt
from testing.sweep.claims import (
    ASKERS,
    Claim,
    SweepReport,
    _claims,
    _is_down,
    pause_after,
)
from testing.sweep.outcomes import Found, find_outcome
from testing.sweep.stopping import _try_to_stop


def _follow_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Builds beyond their time: outcome from their results, else from the engine's record, else the next attempt."""
    with closing(_claims(ON_ENGINE)) as claims:
        asked = ask_each(
            claims, lambda claim: find_outcome(ci, claim.build, patient=_is_recent(claim.run)),
            width=ASKERS, until=until, problem=CIError, is_down=_is_down,
        )  # fmt: skip
        for claim, found in asked:
            if _record_outcome(ci, claim, found):
                report.recovered += 1
            else:
                report.lost += 1


def _is_recent(run: TestRun) -> bool:
    """Whether results that can't be had just now are worth waiting for: for as long again as the build had."""
    since = run.started_at or run.sent_at or run.created_at
    return timezone.now() < since + timedelta(seconds=2 * settings.TESTING_TIMEOUT)


def _record_outcome(ci: CIBackend, claim: Claim, found: Found | CIError | None) -> bool:
    """Write down what was found of a build beyond its time."""
    run = claim.run
    if isinstance(found, CIError):  # can't tell now: no attempt is burnt while the engine is unreachable
        TestRun.objects.filter(pk=run.pk, status=run.status, attempt=run.attempt).update(
            error=f"No outcome in time, and it could not be looked for: {found}",
            next_attempt_at=timezone.now() + pause_after(1, found),
        )
        return False
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return True  # it called back in the meantime
        if found:
            locked.build_url = found.build_url or locked.build_url
            finish(locked, found.status, reason=found.reason, finished_at=found.finished_at)
            return True
        next_attempt(locked, f"Attempt {locked.attempt} brought no outcome within {settings.TESTING_TIMEOUT} seconds.")
    if claim.build != BuildRef():
        _try_to_stop(ci, claim.build)
    return False
