"""Finding the outcome of a build that did not report it, for the sweep and for staff's *recover results*."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import Person
from core.enqueue import enqueue_on_commit
from testing.choices import Status
from testing.ci import BuildRecord, BuildRef, CIBackend, CIError, Results
from testing.engines import Engines
from testing.models import TestRun
from testing.sweep.claims import Claim, current_attempts
from testing.transitions import TRANSITIONS, Trigger, finish, lock_run


@dataclass(frozen=True)
class Found:
    """An outcome that was found. ``finished_at`` is when the build ended (UTC), if that is known."""

    status: str
    build_url: str
    finished_at: datetime | None = None
    reason: str = ""


def find_outcome(ci: CIBackend, build: BuildRef, *, results_required: bool = True) -> Found | None:
    """Look for the outcome of a build: single tests first, then the engine's record. Touches no row.

    Raises CIError when the engine can't be asked now. Unless ``results_required``, single tests that can't be read now
    count as none, and the engine's record decides; so it does where a test report names no failure.
    """
    build_url = ci.build_of_job(build.build_url)
    record = None
    if not build_url:
        record = ci.record(BuildRef(build.queue_url))
        build_url = record.build_url if record else ""
    results = read_results(ci, build_url, required=results_required)
    if results and results.record_decides and not results.failed:
        results = None
    if results and not results.problem:
        return found_in_results(ci, build, build_url, results, record)
    if build_url and record is None:
        record = ci.record(BuildRef(build.queue_url, build_url))
    if record is None or not record.outcome:
        return None
    if record.canceled:
        return Found(Status.ERROR, "", record.finished_at, f"It was cancelled in {ci.name}.")
    if results and record.outcome == Status.PASS:  # it should have results, and what it has can't be read
        return Found(Status.ERROR, build_url, record.finished_at, results.problem)
    is_error = record.outcome == Status.ERROR
    reason = f"The build's record in {ci.name} says: {record.reason}" if is_error else ""
    return Found(record.outcome, build_url, record.finished_at, reason)


def read_results(ci: CIBackend, build_url: str, *, required: bool) -> Results | None:
    """The single tests of a build, if there are any. Raises CIError, if ``required``, when they can't be read now."""
    if not build_url:
        return None
    try:
        return ci.results(build_url)
    except CIError:
        if required:
            raise
        return None


def found_in_results(
    ci: CIBackend, build: BuildRef, build_url: str, results: Results, record: BuildRecord | None
) -> Found:
    """What the single tests say. Where their file has no time, the end of the build counts, if it is known."""
    finished_at = results.finished_at
    if finished_at is None:
        try:
            record = record or ci.record(BuildRef(build.queue_url, build_url))
        except CIError:
            record = None
        finished_at = record.finished_at if record else None
    if not results.tests:
        return Found(Status.ERROR, build_url, finished_at, "The results file holds no test: it proves nothing.")
    return Found(Status.PASS if results.passed else Status.FAIL, build_url, finished_at)


def recover(run: TestRun, actor: Person | None = None) -> str:
    """Staff's *recover results*: look for the outcome now. Returns what came of it, in words."""
    if run.status not in TRANSITIONS[Trigger.RECOVERY]:
        return f"Run {run.pk} is {run.status}: there is nothing to recover."
    attempt = current_attempts([run]).get(run.pk)
    claim = Claim(run, attempt, Engines().of(run, attempt))
    ci = claim.ci
    if reason := ci.unconfigured():
        return f"Run {run.pk}: {reason}"
    try:
        found = find_outcome(ci, claim.build)
    except CIError as problem:
        return f"Run {run.pk}: {problem}"
    if not found:
        return f"Run {run.pk}: {ci.name} knows no outcome of it."
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return f"Run {run.pk} became {locked.status} in the meantime."
        if locked.status == found.status:
            return f"Run {run.pk} stays {locked.status}: {found.reason}"
        finish(
            locked, found.status, Trigger.RECOVERY, reason=found.reason, link=found.build_url, build=found.build_url,
            finished_at=found.finished_at, actor=actor,
        )  # fmt: skip
        if locked.results_due_at:
            enqueue_on_commit("testing.tasks.collect_results", run.pk)
    return f"Run {run.pk} recovered: {found.status}."
