"""Outcomes that are looked for rather than reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import Person
from testing.ci import BuildRef, CIBackend, CIError, get_ci
from testing.models import Attempt, Status, TestRun
from testing.runs import finish, lock_run
from testing.sweep.claims import (
    Claim,
)


@dataclass(frozen=True)
class Found:
    """An outcome that was found rather than reported."""

    status: str
    build_url: str
    finished_at: datetime | None
    reason: str


def find_outcome(ci: CIBackend, build: BuildRef, *, patient: bool = True) -> Found | None:
    """Look for the outcome of a build: results file first, then the engine's record. Touches no row.

    Raises CIError when it can't be told now; when not ``patient``, results that can't be had count as none.
    """
    build_url = build.build_url if build.build_url and ci.is_ours(build.build_url) else ""
    record = ci.record(BuildRef(build.queue_url, build_url)) if not build_url else None
    build_url = build_url or (record.build_url if record else "")
    try:
        results = ci.results(build_url) if build_url else None
    except CIError:
        if patient:
            raise
        results = None
    usable = results is not None and not results.problem
    if build_url and record is None and not (results and usable and results.finished_at):
        try:
            record = ci.record(BuildRef(build.queue_url, build_url))
        except CIError:
            if not usable:
                raise
    if results and usable:
        finished_at = results.finished_at or (record.finished_at if record else None)
        if not results.tests:
            return Found(Status.ERROR, build_url, finished_at, "The results file holds no test: it proves nothing.")
        return Found(Status.PASS if results.passed else Status.FAIL, build_url, finished_at, "")
    if record is None or not record.outcome:
        return None
    if results and record.outcome == Status.PASS:  # it should have results, and what it has can't be read
        return Found(Status.ERROR, build_url, record.finished_at, results.problem)
    reason = f"Jenkins' record of the build says: {record.reason}" if record.outcome == Status.ERROR else ""
    return Found(record.outcome, build_url, record.finished_at, reason)


def recover(run: TestRun, actor: Person | None = None) -> str:
    """Staff's *recover results*: look for the outcome now. Returns what came of it, in words."""
    if run.status not in (Status.PENDING, Status.RUNNING, Status.ERROR):
        return f"Run {run.pk} is {run.status}: there is nothing to recover."
    try:
        attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
        found = find_outcome(get_ci(), Claim(run, attempt).build)
    except CIError as error:
        return f"Run {run.pk}: {error}"
    if not found:
        return f"Run {run.pk}: Jenkins knows no outcome of it."
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return f"Run {run.pk} became {locked.status} in the meantime."
        if locked.status == found.status:
            return f"Run {run.pk} stays {locked.status}: {found.reason}"
        locked.build_url = found.build_url or locked.build_url
        finish(locked, found.status, reason=found.reason, finished_at=found.finished_at, actor=actor)
        if locked.posted_at:  # that was the error; this is another outcome, and is posted as well
            locked.posted_at = None
            locked.save(update_fields=["posted_at"])
    return f"Run {run.pk} recovered: {found.status}."
