"""Items that Launchpad does not show: suspected at first, abandoned only after several looks over hours.

The rules are those of docs/specification.md, section 3, *Gone or out of reach*.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from core.text import utc
from reviews.ingest import Before, announce, leave
from reviews.models import Review, State
from reviews.refresh import due_after

logger = structlog.get_logger(__name__)

BRAKE_WINDOW = timedelta(hours=1)
BRAKE_LEAST = 5  # missing items; fewer are no sign of an outage
LONGEST_PAUSE = timedelta(minutes=30)  # between two looks at an item that is missing


@dataclass(frozen=True)
class MissingSummary:
    """How many of the items that were looked at lately Launchpad did not show."""

    looked_at: int
    missing: int

    @property
    def is_braked(self) -> bool:
        """Too many at once: it is Launchpad that is in trouble, and no item is abandoned."""
        return self.missing >= BRAKE_LEAST and self.missing > settings.MISSING_BRAKE * self.looked_at

    @property
    def words(self) -> str:
        """What it means, in words; empty when nothing is missing."""
        if not self.missing:
            return ""
        share = f"Launchpad does not show {self.missing} of the {self.looked_at} items looked at lately"
        if self.is_braked:
            return f"{share}: too many to believe it. No item is abandoned until it shows them again."
        return f"{share}: they are looked at again, and abandoned after {settings.MISSING_HOURS:g} hours."


def summarize_missing(now: datetime | None = None) -> MissingSummary:
    """Count what was looked at within an hour, and what of it was missing. One query.

    A suspicion counts until a look contradicts it: an outage may last longer than the queue was stopped. What was
    abandoned long ago does not count.
    """
    since = (now or timezone.now()) - BRAKE_WINDOW
    suspected = Q(missing_since__isnull=False, withdrawn_at__isnull=True) & ~Q(state=State.ABANDONED)
    long_gone = Q(state=State.ABANDONED, missing_since__isnull=False, closed_at__lt=since)
    counts = (
        Review.objects.filter(Q(looked_at__gte=since) | suspected)
        .exclude(long_gone)
        .aggregate(looked_at=Count("pk"), missing=Count("pk", filter=Q(missing_since__isnull=False)))
    )
    return MissingSummary(**counts)


def note_missing(review_id: int, reason: str, *, now: datetime) -> str:
    """Launchpad did not show this item just now, though it answers otherwise.

    The item is abandoned when that is known well enough. Returns what is suspected, in words; empty once it is known.
    """
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        before = Before.of(review)
        was_known = review.state == State.ABANDONED and review.missing_since is not None
        review.missing_since = review.missing_since or now
        review.missing_looks += 1
        review.looked_at, review.sync_error = now, reason
        review.due_at = due_after(State.ABANDONED, now) if was_known else _next_look(review.state, now)
        review.save()
        if was_known:
            return ""
        if not _is_certain(review, now):
            return f"{reason} It is looked at again."
        summary = summarize_missing(now)
        if summary.is_braked:
            logger.warning("missing item not abandoned", review=review_id, reason=summary.words)
            return summary.words
        leave(review, f"Launchpad has not shown it since {utc(review.missing_since)}. {reason}", now=now)
        review.save()
        announce(review, before)
        return ""


def note_deleted(review_ids: list[int]) -> None:
    """A webhook said that these were deleted: it is known as soon as one look finds them missing."""
    Review.objects.filter(pk__in=review_ids).update(reported_deleted=True)


def _is_certain(review: Review, now: datetime) -> bool:
    if review.reported_deleted:
        return True
    hours = timedelta(hours=settings.MISSING_HOURS)
    enough = review.missing_looks >= settings.MISSING_LOOKS
    return enough and review.missing_since is not None and now - review.missing_since >= hours


def _next_look(state: str, now: datetime) -> datetime:
    """Sooner than it would be looked at otherwise."""
    return now + min((due_after(state, now) - now) / 2, LONGEST_PAUSE)
