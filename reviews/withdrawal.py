"""Items that leave the queue for a time without being closed: their source is switched off, or they are private.

Nobody tests them meanwhile; they come back with history, runs and comments (docs/specification.md, sections 3 and 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from reviews.locks import release
from reviews.models import TESTABLE_STATES, Review
from reviews.signals import reviews_opened, reviews_withdrawn


def settle_withdrawn() -> None:
    """Make the queue follow what its sources say now. Called when a source was saved, and by each round of imports."""
    now = timezone.now()
    with transaction.atomic():
        rows = Review.objects.order_by("pk").select_for_update(of=("self",))
        leaving = list(rows.open().untracked().filter(withdrawn_at=None).select_related("source", "locked_by"))
        returning = list(rows.tracked().filter(withdrawn_at__isnull=False))
        if leaving:
            withdraw(leaving, now=now)
        if returning:
            Review.objects.filter(pk__in=[review.pk for review in returning]).update(withdrawn_at=None, due_at=now)
            reviews_opened.send(Review, reviews=[review for review in returning if review.state in TESTABLE_STATES])


def withdraw(reviews: Sequence[Review], *, now: datetime) -> None:
    """Take these out of the queue; the caller holds their rows. Their unfinished runs are cancelled.

    The lock on a private item is released: its holder may not see it any more.
    """
    for review in reviews:
        review.withdrawn_at = now
        if review.private:
            release(review, "the item is private on Launchpad.")
        review.save(update_fields=["withdrawn_at", "locked_by", "locked_at"])
    reviews_withdrawn.send(Review, reviews=list(reviews))
