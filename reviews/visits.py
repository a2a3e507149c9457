"""What a person has seen of the queue: the list marks what changed since they opened it."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from reviews.models import Review, Visit


def note_visit(user: User, review: Review, now: datetime) -> None:
    """Write down that the person opened the review, unless they have since it last changed. At most one query.

    ``review`` is of ``ReviewQuerySet.with_visit``.
    """
    visited_at = getattr(review, "visited_at", None)
    changed_at = max(review.updated_at, review.turn_since, review.verdict_at or review.updated_at)
    if visited_at is None or visited_at <= changed_at:
        Visit.objects.bulk_create(
            [Visit(user=user, review=review, at=now)],
            update_conflicts=True, unique_fields=["user", "review"], update_fields=["at"],
        )  # fmt: skip
