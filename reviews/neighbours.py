"""What stands before and after a review in the line: the dashboard's order, *Incoming* first, oldest activity first."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, Subquery

from reviews.models import INCOMING_STATES, REVIEWING_STATES, Review

SECTIONS: tuple[tuple[str, ...], ...] = (INCOMING_STATES, REVIEWING_STATES)


def neighbours(review: Review) -> tuple[Review | None, Review | None]:
    """The review before and the review after this one; nothing for what is not in the line. One query.

    Each state's nearest row comes straight out of the index ``review_line``, however long the line is; which of them
    is the nearest of all is decided here.
    """
    here = next((number for number, states in enumerate(SECTIONS) if review.state in states), None)
    if here is None:
        return None, None
    wanted = Q()
    for number, states in enumerate(SECTIONS):
        for state in states:
            if number <= here:
                wanted |= Q(pk=_nearest(review, state, before=True, inside=number == here))
            if number >= here:
                wanted |= Q(pk=_nearest(review, state, before=False, inside=number == here))
    found = list(Review.objects.filter(wanted).only("id", "title", "state", "updated_at"))
    place = _place(review)
    before = max((other for other in found if _place(other) < place), key=_place, default=None)
    after = min((other for other in found if _place(other) > place), key=_place, default=None)
    return before, after


def _place(review: Review) -> tuple[int, Any, int]:
    section = next(number for number, states in enumerate(SECTIONS) if review.state in states)
    return section, review.updated_at, review.pk


def _nearest(review: Review, state: str, *, before: bool, inside: bool) -> Subquery:
    """The id of a state's row next to the review; outside its section simply the last or the first row."""
    rows = Review.objects.filter(state=state).order_by("updated_at", "id")
    if inside and before:
        rows = rows.filter(updated_at__lte=review.updated_at).exclude(
            updated_at=review.updated_at, id__gte=review.pk
        )  # fmt: skip
    elif inside:
        rows = rows.filter(updated_at__gte=review.updated_at).exclude(
            updated_at=review.updated_at, id__lte=review.pk
        )  # fmt: skip
    if before:
        rows = rows.reverse()
    return Subquery(rows.values("pk")[:1])
