"""Finding reviews: one query for the page, CSV, JSON and Atom, sensible at a million old rows.

Nothing is counted further than a reader would page, and PostgreSQL gives up on a search that takes too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict

from core.db import patience
from reviews.filters import ReviewFilter
from reviews.models import Review, ReviewQuerySet
from reviews.tables import Row, rows_of

PAGE = 100
MOST = 10_000  # found reviews that are counted and paged through
DEFAULT_SORT = "-age"
SLOW = "This search takes too long. Narrow it by state, source, submitter or dates, or use fewer words."


@dataclass
class Page:
    """One page of what was found. ``more``: there are more than ``count``, which is then ``MOST``."""

    rows: list[Row]
    count: int
    more: bool
    number: int
    last: int

    @property
    def previous(self) -> int:
        """Number of the page before; 0 for none."""
        return self.number - 1

    @property
    def next(self) -> int:
        """Number of the page after; 0 for none."""
        return self.number + 1 if self.number < self.last else 0

    @property
    def first_row(self) -> int:
        return (self.number - 1) * PAGE + 1

    @property
    def last_row(self) -> int:
        return (self.number - 1) * PAGE + len(self.rows)


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


def page_of(reviews: ReviewQuerySet, wanted: str, now: datetime, *, by_text: bool = False) -> Page:
    """One page of these reviews, in their order. Two queries; a page that isn't there is the nearest that is.

    ``by_text``: the database can't tell how many fit, and would look for a few along the order, through all reviews.
    """
    with patience():
        found = reviews.order_by()[: MOST + 1].count()
        if by_text and found <= MOST:  # so these are all, and are found by the index of words before they are sorted
            reviews = reviews.filter(pk__in=reviews.order_by().values("pk")[: MOST + 1])
        count = min(found, MOST)
        last = max(1, -(-count // PAGE))
        number = min(max(int(wanted), 1), last) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 1
        rows = rows_of(reviews[(number - 1) * PAGE : min(number * PAGE, MOST)], now)
    return Page(rows, count, found > MOST, number, last)
