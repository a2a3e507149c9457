"""Receivers of the signals of the rooms below."""

from typing import Any

from django.dispatch import receiver

from integrations.launchpad.reporting import posting_problem
from reviews.models import Review
from testing.signals import verdict_shown


@receiver(verdict_shown, dispatch_uid="integrations.posting_problem")
def on_verdict_shown(review: Review, **_: Any) -> str:
    """Why the verdict could not be posted yet."""
    return posting_problem(review)
