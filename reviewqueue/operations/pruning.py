"""Pruning: what nobody asks for any more goes, batch by batch (docs/operations.md says what stays).

Open reviews are never touched, nor runs that are unfinished, young or still have results to collect; what posting
needs (the run and its marker on Launchpad) is never pruned at all. Outcomes, votes and states stay for the statistics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone
from social_django.models import Association, Nonce, Partial

from integrations.models import ImportReport, WebhookDelivery
from reviewqueue.operations.models import Heartbeat
from reviews.models import CLOSED_STATES, Comment, Event, QueueSample, Review
from testing.models import UNFINISHED, Attempt, TestResult, TestRun

logger = structlog.get_logger(__name__)

BATCH = 1000  # rows of one transaction
PRUNED = "[The text is on Launchpad; here it was pruned.]"
KEPT_EVENTS = (Event.Kind.IMPORTED, Event.Kind.STATE)  # an item's way, which the statistics read
NIGHTLY = 300.0  # seconds; what is left then is the next night's
HEARTBEAT_AGE = timedelta(days=7)
NONCE_AGE = timedelta(days=1)


def prune(
    *, days: int, dry_run: bool = False, budget: float | None = None, tell: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Prune what is older than so many days. Returns how many rows of each sort, in words.

    ``budget``: seconds after which the rest is left to the next time. Interrupting it at any moment harms nothing.
    """
    now = timezone.now()
    cutoff = now - timedelta(days=days)
    deadline = time.monotonic() + budget if budget is not None else float("inf")
    done: dict[str, int] = {}
    for words, rows in _deletions(now, cutoff):
        done[words] = rows.count() if dry_run else _in_batches(rows, lambda batch: batch.delete(), deadline)
        if tell:
            tell(words, done[words])
    words, texts = "comment texts of long closed reviews", _comment_texts(cutoff)
    empty = lambda batch: batch.update(content=PRUNED)  # noqa: E731
    done[words] = texts.count() if dry_run else _in_batches(texts, empty, deadline)
    if tell:
        tell(words, done[words])
    return done


def prune_nightly() -> None:
    """What the schedule does: as PRUNE_DAYS says, and never for long."""
    done = prune(days=settings.PRUNE_DAYS, budget=NIGHTLY)
    logger.info("pruned", rows=sum(done.values()))


def _long_closed(cutoff: datetime) -> Any:
    return Review.objects.filter(state__in=CLOSED_STATES, closed_at__lt=cutoff)


def _comment_texts(cutoff: datetime) -> Any:
    """The rows stay: they are the votes, and without them the next refresh would bring the texts back."""
    return Comment.objects.filter(review__in=_long_closed(cutoff)).exclude(content__in=("", PRUNED))


def _deletions(now: datetime, cutoff: datetime) -> Iterator[tuple[str, Any]]:
    runs = TestRun.objects.filter(
        review__in=_long_closed(cutoff), finished_at__lt=cutoff, results_due_at__isnull=True
    ).exclude(status__in=UNFINISHED)
    yield "single test results of long closed reviews", TestResult.objects.filter(run__in=runs)
    yield "attempts of long closed reviews", Attempt.objects.filter(run__in=runs)
    events = Event.objects.filter(review__in=_long_closed(cutoff), at__lt=cutoff).exclude(kind__in=KEPT_EVENTS)
    # The history of a run that is kept whole is kept whole too.
    unfinished = TestRun.objects.filter(review=OuterRef("review"), status__in=UNFINISHED)
    yield "history of long closed reviews", events.exclude(Exists(unfinished))
    newest = ImportReport.objects.order_by().values("source").annotate(newest=Max("id")).values("newest")
    yield "import reports", ImportReport.objects.filter(started_at__lt=cutoff).exclude(pk__in=list(_flat(newest)))
    yield "webhook deliveries", WebhookDelivery.objects.filter(received_at__lt=cutoff)
    yield "signs of life of processes that are gone", Heartbeat.objects.filter(at__lt=now - HEARTBEAT_AGE)
    yield "queue samples (one a day is kept)", QueueSample.objects.filter(at__lt=cutoff).exclude(at__hour=0)
    yield "expired sessions", Session.objects.filter(expire_date__lt=now)
    yield "failed logins", AccessAttempt.objects.filter(attempt_time__lt=cutoff)
    yield "log of logins", AccessLog.objects.filter(attempt_time__lt=cutoff)
    yield "log of failed logins", AccessFailureLog.objects.filter(attempt_time__lt=cutoff)
    yield "single sign-on: unfinished logins", Partial.objects.filter(timestamp__lt=now - NONCE_AGE)
    stale = int((now - NONCE_AGE).timestamp())
    yield "single sign-on: used nonces", Nonce.objects.filter(timestamp__lt=stale)
    yield "single sign-on: old associations", Association.objects.filter(issued__lt=stale - 14 * 86400)


def _flat(rows: Any) -> Iterator[int]:
    return (row["newest"] for row in rows)


def _in_batches(rows: Any, act: Callable[[Any], Any], deadline: float) -> int:
    """Do it to all the rows, each batch in a transaction of its own, so that nobody waits long for a lock."""
    total = 0
    while time.monotonic() < deadline:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            break
        with transaction.atomic():
            # Looked at again under the same condition: a review may have been opened again in the meantime.
            act(rows.model._default_manager.filter(pk__in=keys).filter(pk__in=rows.values("pk")))
        total += len(keys)
    return total
