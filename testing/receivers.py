"""What the testing layer does when the reviews layer says that something happened."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from core.enqueue import hint
from reviews.models import OPEN_STATES, Review
from reviews.signals import review_closed, reviews_opened, revision_changed
from testing.models import UNFINISHED, TestRun
from testing.runs import cancel_run, launch_default_runs
from testing.squares import update_square
from testing.tasks import stop_build, sweep_test_runs


@receiver(reviews_opened, dispatch_uid="testing.launch_default_runs")
def on_opened(reviews: Sequence[Review], **_: Any) -> None:
    """New items are tested on the default substrates."""
    if launch_default_runs(reviews):
        hint(sweep_test_runs)


@receiver(revision_changed, dispatch_uid="testing.revision_changed")
def on_revision_changed(review: Review, **_: Any) -> None:
    """Runs of the old revision are cancelled, and the new one is tested, whoever has to act next."""
    _cancel(review, "A newer revision is proposed.", TestRun.objects.exclude(revision=review.revision))
    update_square(review.pk)
    if launch_default_runs([review], OPEN_STATES):
        hint(sweep_test_runs)


@receiver(review_closed, dispatch_uid="testing.review_closed")
def on_closed(review: Review, **_: Any) -> None:
    """Nothing is tested of what is closed."""
    _cancel(review, f"The item is {review.get_state_display()}.", TestRun.objects.all())


def _cancel(review: Review, note: str, runs: Any) -> None:
    for run in runs.filter(review=review, status__in=UNFINISHED):
        if cancel_run(run, actor=None, note=note):
            hint(stop_build, run.pk)
