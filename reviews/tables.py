"""Rows of reviews as the dashboard, the search and the person page show them.

The rows come without model instances and every word of them is worked out here, so that a hundred rows cost little more
than printing them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import quote

from django.http import QueryDict
from django.urls import reverse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import HIDDEN_USERNAME
from core.text import age, shorten
from reviews.choices import Square, State
from reviews.texts import EXPLANATIONS, SYMBOLS

NOT_IN_QUEUE = "not in the queue: its source is switched off"
OUT_OF_REACH = "not shown by Launchpad at present"
MAX_TITLE = 300  # characters that a row shows; the review's page has them all
MAX_NAME = 80


# What the cell of a state or a Square holds.
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

ROW_FIELDS = (
    "id", "updated_at", "state", "title", "url", "owner__username", "owner__display_name", "positive_votes",
    "negative_votes", "square", "locked_by__username", "locked_by__display_name", "source__active", "missing_since",
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
    submitter: SafeString  # a link to their page
    votes: SafeString
    square: str
    tests: SafeString
    lock: str
    notes: SafeString  # what is unusual about it


def build_rows(values: Iterable[tuple[Any, ...]], now: datetime) -> list[Row]:
    """Rows out of tuples of ``ROW_FIELDS``: ``build_rows(reviews.values_list(*ROW_FIELDS), now)`` is one query."""
    review_path = reverse("review", args=[0]).removesuffix("0/")
    people_path = person_path()
    rows: list[Row] = []
    for (
        pk, updated_at, state, title, url, username, display_name, positive, negative, square, locker, locker_name,
        source_active, missing_since,
    ) in values:  # fmt: skip
        row: Row = {
            "id": pk,
            "href": SafeString(f"{review_path}{pk}/"),
            "age": SafeString(age(updated_at, now)),
            "stamp": SafeString(updated_at.isoformat(" ")[:16]),
            "state": STATE_CELLS[state],
            "title": shorten(title, MAX_TITLE) or "(no title)",
            "out": url,
            "submitter": submitter(username, display_name, people_path),
            "votes": votes(positive, negative),
            "square": square,
            "tests": SQUARE_CELLS[square],
            "lock": shorten(locker_name or locker or "", MAX_NAME),
            "notes": notes(source_active, missing_since),
        }
        rows.append(row)
    return rows


def submitter(username: str, display_name: str, people_path: str) -> SafeString:
    """The submitter's name, with a link to their page if they have one."""
    name = escape(shorten(display_name or username, MAX_NAME))
    if username == HIDDEN_USERNAME:
        return SafeString(f'<span class="soft">{name}</span>')
    return SafeString(f'<a class="who" href="{people_path}{quote(username)}/"><bdi>{name}</bdi></a>')


def notes(source_active: bool | None, missing_since: datetime | None) -> SafeString:
    """What is unusual about a review, in words; empty for nearly all."""
    if source_active is not False and missing_since is None:
        return SafeString("")
    words = [NOT_IN_QUEUE] * (source_active is False) + [OUT_OF_REACH] * (missing_since is not None)
    return format_html_join("", ' <span class="note">{}</span>', ((word,) for word in words))


def person_path() -> str:
    """What a person's page begins with; the name and a slash follow."""
    return reverse("dashboard") + "people/"


def votes(positive: int, negative: int) -> SafeString:
    """``+n −m``, quiet where there are none."""
    plus, minus = "plus" if positive else "none", "minus" if negative else "none"
    return SafeString(f'<span class="{plus}">+{positive}</span> <span class="{minus}">−{negative}</span>')


# Column of the table, the name of the order by it (reviews.managers.SORTS), its heading.
COLUMNS = (
    ("age", "age", "Age"),
    ("state", "state", "State"),
    ("title", "title", "Title"),
    ("who", "submitter", "Submitter"),
    ("votes", "votes", "Votes"),
    ("square", "square", "Tests"),
    ("lock", "lock", "Lock"),
)
PAGE_PARAMETERS = ("page", "incoming", "reviews")  # another order begins at page one


class ColumnHeader(TypedDict):
    """The heading of one column."""

    column: str
    word: str
    href: str  # sorts by it; once more, the other way round
    direction: str  # for aria-sort; empty when the rows are not sorted by it


def column_headers(query: QueryDict, sort: str) -> list[ColumnHeader]:
    """Headings that sort; every other parameter of the query is kept."""
    kept = query.copy()
    for name in ("sort", *PAGE_PARAMETERS):
        kept.pop(name, None)
    headers: list[ColumnHeader] = []
    for column, by, word in COLUMNS:
        chosen = sort.removeprefix("-") == by
        reverse_next = chosen and not sort.startswith("-")
        direction = ("descending" if sort.startswith("-") else "ascending") if chosen else ""
        href = page_link(kept) + f"sort={'-' if reverse_next else ''}{by}"
        headers.append({"column": column, "word": word, "href": href, "direction": direction})
    return headers


def page_link(query: QueryDict, *without: str) -> str:
    """A link to this query with room for one more parameter at its end: ``?state=new&``."""
    kept = query.copy()
    for name in without:
        kept.pop(name, None)
    return f"?{kept.urlencode()}&" if kept else "?"
