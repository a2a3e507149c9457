"""One page of what a search found, bounded in time also with a million old reviews.

Nothing is counted further than a reader would page, and PostgreSQL gives up on a search that takes too long.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page
from django.http import QueryDict
from django.urls import reverse

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
OLD_DAYS = 30  # since submission: what nobody reviewed for so long is often asked for
MAX_COMMON_SUBSTRATES = 6  # that are offered in one press
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
    "submitted_from": "submitted from {}", "submitted_to": "submitted to {}",
    "first_review_from": "first reviewed from {}", "first_review_to": "first reviewed to {}",
    "closed_from": "closed from {}", "closed_to": "closed to {}", "open_on": "open on {}",
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


def search_address(**parameters: str | int | date) -> str:
    """The address of the search with these parameters (``from_`` stands for ``from``); empty ones are left out."""
    given = {name.rstrip("_"): value for name, value in parameters.items() if value}
    return f"{reverse('search')}?{urlencode(given)}"


def common_searches(substrates: Iterable[str], reviewer: str, today: date) -> list[Chip]:
    """What is often asked for, in one press: what fails on each of the substrates, what nobody reviewed for long, and
    what this reviewer did last month (a username, empty for others)."""
    found = [
        Chip(
            f"No review for {OLD_DAYS} days",
            search_address(state="open", unreviewed="yes", older=OLD_DAYS, sort="submitted"),
        )
    ]
    found += [
        Chip(f"Fails on {name}", search_address(state="open", substrate=name, outcome="fail"))
        for name in list(substrates)[:MAX_COMMON_SUBSTRATES]
    ]
    if reviewer:
        found.append(Chip("What I reviewed last month", reviewed_last_month(reviewer, today)))
    return found


def reviewed_last_month(username: str, today: date) -> str:
    """The address of what somebody reviewed in the last whole month before this day (UTC)."""
    last = today.replace(day=1) - timedelta(days=1)
    return search_address(reviewer=username, from_=last.replace(day=1), to=last)


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
