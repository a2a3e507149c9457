"""The Square: the one place that works it out (docs/specification.md, section 5)."""

from collections.abc import Iterable

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
    """Work out the Square of a review and keep it there.

    Call it with the review's row locked, so that two outcomes can't cross. Two queries.
    """
    runs = TestRun.objects.filter(review_id=review_id).current().order_by()
    square = square_of(runs.values_list("status", flat=True).distinct())
    Review.objects.filter(pk=review_id).exclude(square=square).update(square=square)


def update_square_after(run: TestRun) -> None:
    """The same after the status of a run was saved whose review was read when it was locked.

    At most two queries: a pass is green whatever the other runs say, and a Square that stays is not written.
    """
    review = run.review
    square: str = Square.GREEN
    if run.status != Status.PASS or run.outdated:
        runs = TestRun.objects.filter(review=review, revision=review.revision).order_by()
        square = square_of(runs.values_list("status", flat=True).distinct())
    if review.square != square:
        review.square = square
        review.save(update_fields=["square"])
