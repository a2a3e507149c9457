"""Rows of reviews as the dashboard, the search and the person page show them.

One query without model instances, and every word worked out here: the template only prints. That keeps a hundred rows
about as cheap as printing them can be.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import quote

from django.http import QueryDict
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.text import age, shorten
from reviews.models import ReviewQuerySet, Square, State
from reviews.texts import EXPLANATIONS, SYMBOLS

LONGEST_TITLE = 300  # characters that a row shows; the review's page has them all
LONGEST_NAME = 80


# What a cell of a state or a Square holds, written once.
STATE_CELLS: dict[str, SafeString] = {
    state: format_html(
        '<span class="badge badge-{}">{}</span><span class="why">{}</span>',
        state, State(state).label, EXPLANATIONS[state],
    )
    for state in State.values
}  # fmt: skip
SQUARE_CELLS: dict[str, SafeString] = {
    square: format_html('<i aria-hidden="true">{}</i> {}', SYMBOLS[square], Square(square).label)
    for square in Square.values
}

FIELDS = (
    "id", "updated_at", "state", "title", "url", "owner__username", "owner__display_name", "positive_votes",
    "negative_votes", "square", "locked_by__username", "locked_by__display_name",
)  # fmt: skip


class Row(TypedDict):
    """One review as ``templates/reviews/_rows.html`` prints it."""

    id: int
    href: SafeString
    age: SafeString
    stamp: SafeString  # exact time, UTC
    state: SafeString
    title: str
    out: str  # its page on Launchpad
    person: SafeString  # the submitter's page
    submitter: str
    votes: SafeString
    square: str
    tests: SafeString
    lock: str


def rows_of(reviews: ReviewQuerySet, now: datetime) -> list[Row]:
    """The rows of these reviews, in their order. One query; slice it before."""
    return [*as_rows(reviews.values_list(*FIELDS), now)]


def as_rows(facts: Iterable[tuple[Any, ...]], now: datetime) -> Iterable[Row]:
    """Rows out of tuples of ``FIELDS``."""
    review_path = reverse("review", args=[0]).removesuffix("0/")
    people_path = person_path()
    for (
        pk, updated_at, state, title, url, username, display_name, positive, negative, square, locker, locker_name,
    ) in facts:  # fmt: skip
        yield {
            "id": pk,
            "href": SafeString(f"{review_path}{pk}/"),
            "age": SafeString(age(updated_at, now)),
            "stamp": SafeString(updated_at.isoformat(" ")[:16]),
            "state": STATE_CELLS[state],
            "title": shorten(title, LONGEST_TITLE) or "(no title)",
            "out": url,
            "person": SafeString(f"{people_path}{quote(username)}/"),
            "submitter": shorten(display_name or username, LONGEST_NAME),
            "votes": votes(positive, negative),
            "square": square,
            "tests": SQUARE_CELLS[square],
            "lock": shorten(locker_name or locker or "", LONGEST_NAME),
        }


def person_path() -> str:
    """What a person's page begins with; the name and a slash follow."""
    return reverse("dashboard") + "people/"


def votes(positive: int, negative: int) -> SafeString:
    """``+n −m``, quiet where there are none."""
    plus, minus = "plus" if positive else "none", "minus" if negative else "none"
    return SafeString(f'<span class="{plus}">+{positive}</span> <span class="{minus}">−{negative}</span>')


# Column of the table, the ``sort`` that orders by it (reviews.filters.SORTS), its heading.
COLUMNS = (
    ("age", "age", "Age"),
    ("state", "state", "State"),
    ("title", "title", "Title"),
    ("who", "submitter", "Submitter"),
    ("votes", "votes", "Votes"),
    ("square", "square", "Tests"),
    ("lock", "lock", "Lock"),
)


class Head(TypedDict):
    """The heading of one column."""

    column: str
    word: str
    href: str  # sorts by it; once more, the other way round
    direction: str  # for aria-sort; empty when the rows are not sorted by it


def heads_of(query: QueryDict, sort: str) -> list[Head]:
    """Headings that sort, every other parameter of the query kept. Page numbers go: another order, another page one."""
    kept = query.copy()
    for name in ("sort", "page", "incoming", "reviews"):
        kept.pop(name, None)
    rest = kept.urlencode()
    heads: list[Head] = []
    for column, by, word in COLUMNS:
        chosen = sort.removeprefix("-") == by
        backwards = chosen and not sort.startswith("-")
        asked = f"-{by}" if backwards else by
        direction = ("descending" if sort.startswith("-") else "ascending") if chosen else ""
        heads.append(
            {
                "column": column,
                "word": word,
                "href": f"?{rest}{'&' if rest else ''}sort={asked}",
                "direction": direction,
            }
        )
    return heads
