"""The Square: the one place that works it out (SPEC section 5)."""

from collections.abc import Iterable

from django.db.models import F, QuerySet

from core.compiled_queries import Given, prepared, update
from reviews.models import Review, Square
from testing.models import UNFINISHED, Status, TestRun


def square_of(statuses: Iterable[str]) -> str:
    """The Square for the statuses of a review's runs of its current revision. Cancelled runs don't count."""
    counted = {status for status in statuses if status != Status.CANCELED}
    if not counted:
        return Square.WHITE
    if Status.PASS in counted:
        return Square.GREEN
    if counted - set(UNFINISHED):
        return Square.RED
    return Square.BLACK


def update_square(review_id: int) -> None:
    """Keep the Square on the review. Call it with the review's row locked, so that two outcomes can't cross."""
    runs = TestRun.objects.filter(review_id=review_id, revision=F("review__revision"))
    square = square_of(runs.order_by().values_list("status", flat=True).distinct())
    Review.objects.filter(pk=review_id).exclude(square=square).update(square=square)


def keep_square(run: TestRun) -> None:
    """The same after a run was saved, its review locked and read before. A pass that changes nothing costs no query."""
    review = run.review
    if run.status == Status.PASS and run.revision == review.revision:
        square: str = Square.GREEN  # whatever the other runs say
    else:
        statuses = prepared("statuses of revision", _statuses, review_id=review.pk, revision=review.revision)
        square = square_of(statuses)
    if review.square != square:
        review.square = square
        update(review, "square")


def _statuses() -> QuerySet[TestRun, str]:
    runs = TestRun.objects.filter(review_id=Given(TestRun, "review_id"), revision=Given(TestRun, "revision"))
    return runs.order_by().values_list("status", flat=True).distinct()
