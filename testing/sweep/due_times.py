"""Due times further ahead than any rule sets them: a clock was wrong. They are set back."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from testing.managers import TestRunQuerySet
from testing.models import ON_ENGINE, Attempt, Status, TestRun
from testing.plan import MAX_TIMEOUT
from testing.sweep.claims import LONGEST_PAUSE, lease

logger = structlog.get_logger(__name__)

MARGIN = timedelta(minutes=5)  # by which the clocks of several machines may differ


def longest_pause() -> timedelta:
    """How far ahead anything can be due that is only tried again."""
    return max(timedelta(seconds=1.1 * LONGEST_PAUSE), lease()) + MARGIN


def longest_build() -> timedelta:
    """How far ahead the outcome of a build can be looked for."""
    return max(timedelta(seconds=settings.TESTING_TIMEOUT) + MARGIN, longest_pause())


def misdated_runs() -> TestRunQuerySet:
    """Runs that are due later than any rule allows."""
    now = timezone.now()
    sending = Q(status=Status.RETRY, next_attempt_at__gt=now + longest_pause())
    building = Q(status__in=ON_ENGINE, timeout=None, next_attempt_at__gt=now + longest_build())
    # A run with a timeout of its own; the plan allows no longer one.
    longest = timedelta(seconds=MAX_TIMEOUT) + longest_pause()
    building |= Q(status__in=ON_ENGINE, timeout__isnull=False, next_attempt_at__gt=now + longest)
    collecting = Q(results_due_at__gt=now + longest_pause())
    runs: TestRunQuerySet = TestRun.objects.filter(sending | building | collecting)
    return runs


def misdated_attempts() -> QuerySet[Attempt]:
    """Attempts whose build is to be found or stopped later than any rule allows."""
    latest = timezone.now() + longest_pause()
    return Attempt.objects.filter(Q(stop_due_at__gt=latest) | Q(lookup_due_at__gt=latest))


def set_back() -> int:
    """Set such due times to now, or for builds to a whole time-out from now. Returns how many.

    The log says so, and so does the ``error`` of a run that waits, with the time that was not believed.
    """
    now = timezone.now()
    runs = misdated_runs()
    count = _set_back(runs.to_send(), now)
    for timeout in set(runs.on_engine().order_by().values_list("timeout", flat=True)):
        due = now + timedelta(seconds=timeout or settings.TESTING_TIMEOUT)
        count += _set_back(runs.on_engine().filter(timeout=timeout), due)
    count += runs.finished().update(results_due_at=now)
    attempts, latest = misdated_attempts(), now + longest_pause()
    count += attempts.filter(stop_due_at__gt=latest).update(stop_due_at=now)
    count += attempts.filter(lookup_due_at__gt=latest).update(lookup_due_at=now)
    if count:
        logger.warning("due times set back", count=count, reason="later than any rule allows: a clock was wrong")
    return count


def _set_back(runs: QuerySet[TestRun], due: datetime) -> int:
    words = Concat(
        Value("It was due at "), Cast(F("next_attempt_at"), TextField()),
        Value(", later than any rule allows, as a clock was wrong; the time was set back."),
        output_field=TextField(),
    )  # fmt: skip
    return runs.update(error=words, next_attempt_at=due)
