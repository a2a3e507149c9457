"""Testing several reviews at once."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.models import Person
from reviews.models import OPEN_STATES, Review
from reviews.selected import Action, Outcome, Selected, register_action
from testing.models import Substrate, TestRun
from testing.plan import TestPlan
from testing.runs import launch_default_runs


def launch_selected(selected: Sequence[Selected], person: Person) -> Outcome:
    """A run on each default substrate on which the current revision, which has to be the one that was shown, has
    neither passed nor is under way. A constant number of queries."""
    seen = {review.pk: revision for review, revision in selected if revision is not None}
    reviews = [review for review, _ in selected]
    runs = launch_default_runs(reviews, OPEN_STATES, person, by_hand=True, repeat=True, seen=seen)
    tested = {run.review_id for run in runs}
    outcome = Outcome(done=[review for review in reviews if review.pk in tested])
    left = Review.objects.filter(pk__in={review.pk for review in reviews} - tested).select_related("source")
    unfinished = set(TestRun.objects.filter(review__in=left).current().unfinished().values_list("review", flat=True))
    plan, substrates = TestPlan(), list(Substrate.objects.filter(active=True))
    for review in left.order_by("pk"):
        if not review.is_open:
            reason = f"it is {review.get_state_display()}"
        elif review.why_untracked:
            reason = review.why_untracked[:1].lower() + review.why_untracked[1:].rstrip(".")
        elif seen.get(review.pk, review.revision) != review.revision:
            reason = "a newer revision was proposed in the meantime"
        elif not any(plan.planned(review.source_id, substrate).default for substrate in substrates):
            reason = "no substrate is a default one for it"
        elif review.pk in unfinished:
            reason = "its tests are under way"
        else:
            reason = "its tests have passed"
        outcome.refuse(review, reason)
    return outcome


def register() -> None:
    """Called once, when the app is ready."""
    register_action(Action("test", "Test", "Launched tests of", "Not tested", launch_selected))
