"""What the testing room does when the reviews room says that something happened."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from accounts.models import Person
from reviews.models import OPEN_STATES, Comment, Review
from reviews.signals import (
    comments_read,
    review_closed,
    reviews_opened,
    reviews_withdrawn,
    revision_changed,
    tests_held,
    tests_released,
)
from testing.models import TestRun
from testing.recheck import recheck
from testing.runs import cancel_pointless, launch_default_runs
from testing.verdicts import update_verdicts


@receiver(reviews_opened, dispatch_uid="testing.launch_default_runs")
def on_opened(reviews: Sequence[Review], **_: Any) -> None:
    """New items are tested on the default substrates."""
    launch_default_runs(reviews)


@receiver(revision_changed, dispatch_uid="testing.revision_changed")
def on_revision_changed(review: Review, **_: Any) -> None:
    """Runs of the old revision are cancelled, and the new one is tested, whoever has to act next."""
    cancel_pointless(TestRun.objects.filter(review=review))
    update_verdicts([review.pk])
    launch_default_runs([review], OPEN_STATES)


@receiver(tests_released, dispatch_uid="testing.tests_released")
def on_released(reviews: Sequence[Review], requested_by: Person | None, **_: Any) -> None:
    """What waited for permission, or for conflicts to go, is tested now."""
    launch_default_runs(reviews, OPEN_STATES, requested_by)


@receiver(tests_held, dispatch_uid="testing.tests_held")
def on_held(reviews: Sequence[Review], **_: Any) -> None:
    """What runs by itself is cancelled, of conflicts only what was not sent yet; what somebody asked for goes on."""
    cancel_pointless(TestRun.objects.filter(review__in=reviews))


@receiver(comments_read, dispatch_uid="testing.recheck")
def on_comments(review: Review, comments: Sequence[Comment], is_first_reading: bool, **_: Any) -> None:
    """``recheck`` in a comment runs again what failed."""
    recheck(review, comments, is_first_reading=is_first_reading)


@receiver(review_closed, dispatch_uid="testing.review_closed")
def on_closed(review: Review, **_: Any) -> None:
    """Nothing is tested of what is closed."""
    cancel_pointless(TestRun.objects.filter(review=review))


@receiver(reviews_withdrawn, dispatch_uid="testing.reviews_withdrawn")
def on_withdrawn(reviews: Sequence[Review], **_: Any) -> None:
    """Nor of what is out of the queue for a time."""
    cancel_pointless(TestRun.objects.filter(review__in=reviews))
