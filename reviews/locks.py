"""Locks: one person's claim on a review (docs/specification.md, section 2)."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Person
from reviews.history import record
from reviews.models import Event, Review


class LockedByOther(Exception):
    """Somebody else holds the lock; ``holder`` is who."""

    def __init__(self, holder: Person) -> None:
        super().__init__(f"{holder} is reviewing this.")
        self.holder = holder


def lock(review_id: int, person: Person) -> Review:
    """Claim a review; harmless when they hold it already. Raises LockedByOther, or Review.DoesNotExist."""
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        if review.locked_by_id == person.pk:
            return review
        if review.locked_by:
            raise LockedByOther(review.locked_by)
        review.locked_by, review.locked_at = person, timezone.now()
        review.save(update_fields=["locked_by", "locked_at"])
        record(review, Event.Kind.LOCK, new=person.username, actor=person)
    return review


def unlock(review_id: int, person: Person, *, force: bool = False) -> Review:
    """Give a review back. ``force``, for staff, releases another's lock too; without it that raises LockedByOther."""
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        holder = review.locked_by
        if holder is None:
            return review
        if holder.pk != person.pk and not force:
            raise LockedByOther(holder)
        release(review, "Released.", actor=person)
        review.save(update_fields=["locked_by", "locked_at"])
    return review


def release(review: Review, reason: str, *, actor: Person | None = None) -> None:
    """Take the lock off, if there is one, and record why. The caller holds the row and saves it."""
    if review.locked_by:
        record(review, Event.Kind.LOCK, old=review.locked_by.username, actor=actor, note=reason)
    review.locked_by = review.locked_at = None
