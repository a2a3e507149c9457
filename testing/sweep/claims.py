"""Which due runs this process brings on."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from testing.ci import BuildRef, CIError, ConfigurationError, TemporaryError
from testing.models import Attempt, Status, TestRun

ASKERS = 8  # requests to the engine at a time


CHUNK = 24  # rows claimed at a time


MOST_CANCELED, MOST_RESULTS = 200, 1000  # runs that one sweep cancels, and collects the single tests of


PUT_OFF = 5000  # rows told at a time that the engine is down


LONGEST_PAUSE = 3600  # seconds


RESULT_TRIES = 10  # while the engine does not answer


RESULT_LOOKS = 5  # while there is no usable file: many jobs call back before they archive it, some never write one


@dataclass
class SweepReport:
    """What one sweep did."""

    canceled: int = 0
    sent: int = 0
    refused: int = 0
    recovered: int = 0
    lost: int = 0
    collected: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process brings on, and the attempt that counts."""

    run: TestRun
    attempt: Attempt | None
    unsure: bool = False  # a process that died, or was cut off, may have sent this attempt already
    at: float = 0.0  # time.monotonic()

    @property
    def build(self) -> BuildRef:
        """Where its build is, as far as it is known."""
        attempt = self.attempt
        return BuildRef(attempt.queue_url if attempt else "", self.run.build_url)


def lease() -> timedelta:
    """How long a claim holds: longer than a chunk takes. After it, the claim of a process that died is free again."""
    return timedelta(seconds=settings.CLAIM_SECONDS)


def _claims(statuses: tuple[str, ...]) -> Generator[Claim, None, None]:
    """Claim what is due, chunk by chunk. Close it: what was claimed and not taken is given back."""
    waiting: list[Claim] = []
    try:
        while waiting := _claim_due(statuses):
            while waiting:
                yield waiting.pop(0)
    finally:
        for claim in waiting:
            run = claim.run
            TestRun.objects.filter(
                pk=run.pk, status=run.status, attempt=run.attempt, next_attempt_at=run.next_attempt_at
            ).update(next_attempt_at=timezone.now())
            if run.status == Status.RETRY and not claim.unsure:
                Attempt.objects.filter(run=run, number=run.attempt, accepted_at=None).update(note="Not sent yet.")


def _claim_due(statuses: tuple[str, ...]) -> list[Claim]:
    """Take a chunk of due runs for this process: each goes to exactly one of any number of sweeps."""
    with transaction.atomic():
        now = timezone.now()
        due = TestRun.objects.filter(status__in=statuses, next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
        rows = due.select_for_update(of=("self",), skip_locked=True, no_key=True)
        runs = list(rows.select_related("review", "substrate")[:CHUNK])
        TestRun.objects.filter(pk__in=[run.pk for run in runs]).update(next_attempt_at=now + lease())
        attempts = {(attempt.run_id, attempt.number): attempt for attempt in Attempt.objects.filter(run__in=runs)}
        new = [
            Attempt(run=run, number=run.attempt)
            for run in runs
            if run.status == Status.RETRY and (run.pk, run.attempt) not in attempts
        ]
        Attempt.objects.bulk_create(new)
    claims = []
    for run in runs:
        run.next_attempt_at = now + lease()
        attempt = attempts.get((run.pk, run.attempt))
        unsure = run.status == Status.RETRY and attempt is not None and not attempt.note
        claims.append(Claim(run, attempt, unsure, time.monotonic()))
    return claims


def _put_off(statuses: tuple[str, ...], reason: str, seconds: float) -> None:
    """Let all that is due wait, and say why. What another process holds is left to it."""
    with transaction.atomic():
        now = timezone.now()
        due = TestRun.objects.filter(status__in=statuses, next_attempt_at__lte=now).order_by("pk")
        rows = due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:PUT_OFF]
        TestRun.objects.filter(pk__in=list(rows)).update(error=reason, next_attempt_at=now + timedelta(seconds=seconds))


def _is_down(error: CIError) -> bool:
    return isinstance(error, TemporaryError)


def pause_after(failures: int, problem: CIError | None = None) -> timedelta:
    """How long to wait after so many failures in a row: doubling, spread by chance so that not all return at once."""
    pause = settings.TESTING_FIRST_PAUSE
    # Only a person can mend a configuration; asking often does not help.
    first = 10 * pause if isinstance(problem, ConfigurationError) else pause
    seconds = min(LONGEST_PAUSE, first * 2 ** min(failures - 1, 10))
    return timedelta(seconds=seconds * random.uniform(1.0, 1.1))  # noqa: S311 (no secret)
