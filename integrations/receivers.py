"""What the integrations do when a room below says that something happened."""

from typing import Any

from django.dispatch import receiver

from integrations.launchpad.reporting import posting_problems
from reviews.models import Review
from testing.models import TestRun
from testing.signals import runs_shown


@receiver(runs_shown, dispatch_uid="integrations.posting_problems")
def on_runs_shown(review: Review, runs: list[TestRun], **_: Any) -> dict[int, str]:
    """Say of outcomes that could not be posted why."""
    return posting_problems(review, runs)
