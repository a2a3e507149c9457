"""Receivers of the signals of the rooms below."""

from typing import Any

from django.dispatch import receiver

from integrations.launchpad.reporting import posting_problems
from reviews.models import Review
from testing.models import TestRun
from testing.signals import runs_shown


@receiver(runs_shown, dispatch_uid="integrations.posting_problems")
def on_runs_shown(review: Review, runs: list[TestRun], **_: Any) -> dict[int, str]:
    """Why outcomes could not be posted yet."""
    return posting_problems(review, runs)
