"""Finding reviews: one query for the page, CSV, JSON and Atom, sensible at a million old rows.

Nothing is counted further than a reader would page, and PostgreSQL gives up on a search that takes too long.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.paginator import Page
from django.http import QueryDict

from core.db import patience
from core.pagination import BoundedPaginator
from reviews.filters import ReviewFilter
from reviews.models import Review, ReviewQuerySet
from reviews.tables import rows_of

PAGE = 100  # rows
DEFAULT_SORT = "-age"
SLOW = "This search takes too long. Narrow it by state, source, submitter or dates, or use fewer words."


def asked(query: QueryDict) -> ReviewFilter:
    """The search that a query string asks for, newest activity first unless it says otherwise."""
    return ReviewFilter(query, queryset=Review.objects.order_by("-updated_at", "-id"))


def tidy(query: QueryDict) -> QueryDict:
    """The parameters of a search that say something: no empty ones, no unknown ones, no page number."""
    kept = query.copy()
    for name in list(kept):
        values = [value for value in kept.getlist(name) if value]
        if name in ReviewFilter.base_filters and values:
            kept.setlist(name, values)
        else:
            del kept[name]
    return kept


def page_of(reviews: ReviewQuerySet, wanted: str, now: datetime, *, by_text: bool = False) -> Page[Any]:
    """One page of these reviews, in their order. Two queries; a page that isn't there is the nearest that is.

    ``by_text``: the database can't tell how many fit, and would look for a few along the order, through all reviews.
    """
    paginator = BoundedPaginator(reviews, PAGE)
    with patience():
        if by_text and paginator.count and not paginator.has_more:
            # These are all, and are found by the index of words before they are sorted.
            paginator.object_list = reviews.filter(pk__in=reviews.order_by().values("pk")[: paginator.limit + 1])
        page: Page[Any] = paginator.get_page(wanted)
        found: Any = page.object_list  # a slice of the queryset
        page.object_list = rows_of(found, now)
    return page
