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


class NotInQueue(Exception):
    """The item is of a source that is switched off, so that nobody is to review it; ``str()`` says so, for a person."""

    def __init__(self, review: Review) -> None:
        super().__init__(
            f"The source {review.source} is switched off: its items are not reviewed until it is on again."
        )


def lock(review_id: int, person: Person) -> Review:
    """Claim a review; harmless when they hold it already.

    Raises LockedByOther, NotInQueue, or Review.DoesNotExist.
    """
    with transaction.atomic():
        review = Review.objects.select_related("source").select_for_update(of=("self",)).get(pk=review_id)
        if review.locked_by_id == person.pk:
            return review
        if review.locked_by:
            raise LockedByOther(review.locked_by)
        if not review.is_in_queue:
            raise NotInQueue(review)
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
