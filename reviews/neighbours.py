"""What stands before and after a review in the line: the dashboard's order, *Incoming* first, oldest activity first."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Q, QuerySet, Subquery

from core.compiled_queries import Given, prepared
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
    found = prepared(f"neighbours {here}", partial(_around, here), id=review.pk, updated_at=review.updated_at)
    place = _place(review)
    before = max((other for other in found if _place(other) < place), key=_place, default=None)
    after = min((other for other in found if _place(other) > place), key=_place, default=None)
    return before, after


def _around(here: int) -> QuerySet[Review]:
    wanted = Q()
    for number, states in enumerate(SECTIONS):
        for state in states:
            if number <= here:
                wanted |= Q(pk=_nearest(state, before=True, inside=number == here))
            if number >= here:
                wanted |= Q(pk=_nearest(state, before=False, inside=number == here))
    return Review.objects.filter(wanted).order_by().only("id", "title", "state", "updated_at")


def _place(review: Review) -> tuple[int, Any, int]:
    section = next(number for number, states in enumerate(SECTIONS) if review.state in states)
    return section, review.updated_at, review.pk


def _nearest(state: str, *, before: bool, inside: bool) -> Subquery:
    """The id of a state's row next to the review; outside its section simply the last or the first row."""
    pk, at = Given(Review, "id"), Given(Review, "updated_at")
    rows = Review.objects.filter(state=state).order_by("updated_at", "id")
    if inside and before:
        rows = rows.filter(updated_at__lte=at).exclude(updated_at=at, id__gte=pk)
    elif inside:
        rows = rows.filter(updated_at__gte=at).exclude(updated_at=at, id__lte=pk)
    if before:
        rows = rows.reverse()
    return Subquery(rows.values("pk")[:1])
