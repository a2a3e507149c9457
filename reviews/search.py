"""One page of what a search found, bounded in time also with a million old reviews.

Nothing is counted further than a reader would page, and PostgreSQL gives up on a search that takes too long.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Any

from django.core.paginator import Page
from django.http import QueryDict

from core.db import query_timeout
from core.pagination import BoundedPaginator
from reviews.chips import Chip, build_chips
from reviews.choices import Actor, Square, TestsWaitFor
from reviews.filters import OUTCOME_CHOICES, STATE_CHOICES, ReviewFilter, split_words
from reviews.managers import ReviewQuerySet
from reviews.models import Review
from reviews.tables import ROW_FIELDS, build_rows

PAGE_SIZE = 100  # rows
DEFAULT_SORT = "-age"
TOO_SLOW = "This search takes too long. Narrow it by state, source, submitter or dates, or use fewer words."


def canonical_query(query: QueryDict) -> QueryDict:
    """The parameters that make the search: no empty ones, no unknown ones, no page number."""
    kept = query.copy()
    for name in list(kept):
        values = [value for value in kept.getlist(name) if value]
        if name in ReviewFilter.base_filters and values:
            kept.setlist(name, values)
        else:
            del kept[name]
    return kept


# How each parameter is called on its chip; where its value alone would say nothing, in a sentence.
CHIP_NAMES = {
    "q": "words", "state": "state", "substrate": "on {}", "outcome": "tests: {}", "unreviewed": "no review yet{}",
    "older": "submitted {} days ago or more", "submitter": "by {}", "reviewer": "reviewed by {}",
    "locked_by": "locked by {}", "next_actor": "acts next", "source": "source", "series": "series", "kind": "kind",
    "square": "Square", "waits": "tests wait: {}", "from": "from {}", "to": "to {}",
}  # fmt: skip
CHIP_CHOICES: dict[str, dict[str, str]] = {
    "state": dict(STATE_CHOICES), "outcome": dict(OUTCOME_CHOICES), "unreviewed": {"yes": ""},
    "next_actor": dict(Actor.choices), "kind": dict(Review.Kind.choices), "square": dict(Square.choices),
    "waits": dict(TestsWaitFor.choices),
}  # fmt: skip
SEVERAL = {"state", "substrate", "outcome", "submitter", "reviewer", "locked_by"}  # parameters that name several


def chips(query: QueryDict, errors: Container[str]) -> list[Chip]:
    """The parameters of a search that are set and valid, each with the search without it."""
    valid = {name: words for name, words in CHIP_NAMES.items() if name not in errors}
    return list(build_chips(query, valid, CHIP_CHOICES, _split))


def _split(name: str, value: str) -> list[str]:
    return split_words([value]) if name in SEVERAL else [value]


def get_page(reviews: ReviewQuerySet, number: str, now: datetime, *, by_text: bool = False) -> Page[Any]:
    """One page of rows of these reviews, in their order; for a page that isn't there, the nearest that is. Two queries.

    ``by_text``: the reviews are those of a free text. PostgreSQL can't estimate how many match and might walk through
    all reviews in their order; so a result of up to ``limit`` rows is found by its index first.
    Raises QueryTooSlow.
    """
    paginator = BoundedPaginator(reviews, PAGE_SIZE)
    with query_timeout():
        if by_text and paginator.count and not paginator.has_more:
            # These are all, and are found by the index of words before they are sorted.
            paginator.object_list = reviews.filter(pk__in=reviews.order_by().values("pk")[: paginator.limit + 1])
        page: Page[Any] = paginator.get_page(number)
        found: Any = page.object_list  # a slice of the queryset
        page.object_list = build_rows(found.values_list(*ROW_FIELDS), now)
    return page
