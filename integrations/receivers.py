"""What the integrations do when a layer below says that something happened."""

from typing import Any

from django.dispatch import receiver

from core.enqueue import hint
from integrations.tasks import refresh_review
from reviews.models import Review
from reviews.signals import refresh_asked


@receiver(refresh_asked, dispatch_uid="integrations.refresh_review")
def on_refresh_asked(review: Review, **_: Any) -> None:
    """Ask Launchpad as soon as a worker is free."""
    hint(refresh_review, review.pk)
