"""Taking due rows for this process, and how long what failed waits."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from testing.choices import UNSURE
from testing.ci import BuildRef, CIBackend, CIError, ConfigurationError
from testing.engines import Engines
from testing.models import Attempt, AttemptOutcome, TestRun
from testing.sweep.lately import LatelyStarted

AT_ONCE = 8  # requests for builds that are in no list
CHUNK = 16  # rows that are claimed, asked about and written down together
TASK_SECONDS = 45.0  # after which a task that brings one run on leaves the rest to the sweep
MAX_PUT_OFF = 5000  # rows that are put off at a time while the engine is down
LONGEST_PAUSE = 3600  # seconds


@dataclass
class SweepReport:
    """What one sweep did. ``problems`` are what kept runs from being brought on, in words, and how many each."""

    canceled: int = 0
    sent: int = 0
    refused: int = 0
    recovered: int = 0
    lost: int = 0  # without an outcome in time, or it could not be looked for
    collected: int = 0
    problems: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process brings on, and its current attempt."""

    run: TestRun
    attempt: Attempt | None
    ci: CIBackend  # the engine that is asked
    lately: LatelyStarted | None = None  # where to look for a build, if nobody wrote down where it is

    @property
    def build(self) -> BuildRef:
        """Where its build is, as far as it is known."""
        return BuildRef(self.attempt.queue_url, self.attempt.build_url) if self.attempt else BuildRef()


def lease() -> timedelta:
    """How long a claim holds: longer than a chunk takes. After it, the claim of a process that died is free again."""
    return timedelta(seconds=settings.CLAIM_SECONDS)


def claim_rows(due: QuerySet[Any], column: str, most: int = CHUNK) -> list[Any]:
    """Take a chunk of due rows: each goes to exactly one of any number of sweeps. Call it in a transaction.

    ``column`` is their due time: it moves to the end of the lease.
    """
    until = timezone.now() + lease()
    rows = list(due.order_by(column, "pk").select_for_update(of=("self",), skip_locked=True, no_key=True)[:most])
    due.model.objects.filter(pk__in=[row.pk for row in rows]).update(**{column: until})
    for row in rows:
        setattr(row, column, until)
    return rows


def claim_to_send(due: QuerySet[TestRun], most: int, engines: Engines) -> list[Claim]:
    """Take a chunk of runs that are to be sent; their attempts say from here on that they are being sent, and where."""
    lately = Lately(engines)
    claims = []
    with transaction.atomic():
        runs = claim_rows(due.select_related("review__source", "baseline", "substrate"), "next_attempt_at", most)
        attempts = current_attempts(runs)
        made = []
        for run in runs:
            run.job = engines.jobs[run.job_id] if run.job_id else None
            ci, attempt = engines.current(run.job_id), attempts.get(run.pk)
            unsure = attempt is not None and attempt.outcome in UNSURE
            claims.append(Claim(run, attempt, ci, lately.of(run, attempt) if unsure else None))
            if attempt is None:
                made.append(Attempt(run=run, number=run.attempt, job_url=ci.job_url()))
        for job_id in {run.job_id for run in runs}:
            known = [attempts[run.pk].pk for run in runs if run.pk in attempts and run.job_id == job_id]
            if known:
                job_url = engines.current(job_id).job_url()
                Attempt.objects.filter(pk__in=known).update(outcome=AttemptOutcome.SENDING, job_url=job_url)
        attempts |= {attempt.run_id: attempt for attempt in Attempt.objects.bulk_create(made)}
    return [replace(claim, attempt=attempts[claim.run.pk]) for claim in claims]


def claim_to_follow(due: QuerySet[TestRun], most: int, engines: Engines) -> list[Claim]:
    """Take a chunk of runs whose builds have had their time."""
    with transaction.atomic():
        runs = claim_rows(due.select_related("review", "substrate"), "next_attempt_at", most)
    attempts, lately, claims = current_attempts(runs), Lately(engines), []
    for run in runs:
        attempt = attempts.get(run.pk)
        is_lost = attempt is not None and not attempt.build_url
        claims.append(Claim(run, attempt, engines.of(run, attempt), lately.of(run, attempt) if is_lost else None))
    return claims


class Lately:
    """One ``LatelyStarted`` for each engine."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self._of: dict[CIBackend, LatelyStarted] = {}

    def of(self, run: TestRun, attempt: Attempt | None) -> LatelyStarted:
        """That of the engine which has the attempt's build."""
        ci = self.engines.of(run, attempt)
        return self._of.setdefault(ci, LatelyStarted(ci))


def current_attempts(runs: list[TestRun]) -> dict[int, Attempt]:
    """The current attempt of each run, by the run's id."""
    return {attempt.run_id: attempt for attempt in Attempt.objects.filter(run__in=runs).current()}


def put_off(due: QuerySet[TestRun], reason: str, seconds: float) -> int:
    """Let due runs wait, and say why. What another process holds is left to it. Returns how many wait."""
    with transaction.atomic():
        rows = due.order_by("pk").select_for_update(skip_locked=True, no_key=True)
        keys = list(rows.values_list("pk", flat=True)[:MAX_PUT_OFF])
        until = timezone.now() + timedelta(seconds=seconds)
        return TestRun.objects.filter(pk__in=keys).update(error=reason, next_attempt_at=until)


def pause_after(failures: int, problem: CIError | None = None) -> timedelta:
    """How long to wait after so many failures in a row: doubling, spread by chance so that not all return at once."""
    pause = settings.TESTING_FIRST_PAUSE
    # Only a person can mend a configuration; asking often does not help.
    first = 10 * pause if isinstance(problem, ConfigurationError) else pause
    seconds = min(LONGEST_PAUSE, first * 2 ** min(failures - 1, 10))
    return timedelta(seconds=seconds * random.uniform(1.0, 1.1))  # noqa: S311 (no secret)
