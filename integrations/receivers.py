"""What the integrations do when a layer below says that something happened."""

from typing import Any

from django.dispatch import receiver

from core.enqueue import hint
from integrations.launchpad.reporting import posting_problems
from integrations.tasks import refresh_review
from reviews.models import Review
from reviews.signals import refresh_asked
from testing.models import TestRun
from testing.signals import runs_shown


@receiver(refresh_asked, dispatch_uid="integrations.refresh_review")
def on_refresh_asked(review: Review, **_: Any) -> None:
    """Ask Launchpad as soon as a worker is free."""
    hint(refresh_review, review.pk)


@receiver(runs_shown, dispatch_uid="integrations.posting_problems")
def on_runs_shown(review: Review, runs: list[TestRun], **_: Any) -> dict[int, str]:
    """Say of outcomes that could not be posted why."""
    return posting_problems(review, runs)
