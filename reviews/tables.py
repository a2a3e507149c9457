"""Rows of reviews as the dashboard, the search and the person page show them.

The rows come without model instances and each is written here as a whole: a template would look up and print seventeen
values for each row, which was most of what the dashboard cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any, TypedDict
from urllib.parse import quote

from django.http import QueryDict
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import HIDDEN_USERNAME
from core.text import age, shorten
from reviews.choices import Square, State, TestsWaitFor
from reviews.models import Review
from reviews.texts import CONFLICTS, MARKS, SYMBOLS, WAITS, Marks, tests_symbol, tests_word
from reviews.turns import TurnFacts, counted_marks
from reviews.turns import reason as next_reason

NOT_IN_QUEUE = "not in the queue: its source is switched off"
OUT_OF_REACH = "not shown by Launchpad at present"
WAITS_FOR_PERMISSION = "tests wait for permission"
WAITS_FOR_CONFLICTS = f"tests wait: {CONFLICTS}"
MAX_TITLE = 300  # characters that a row shows; the review's page has them all
MAX_NAME = 80
MAX_TARGET = 80
NO_NOTES = SafeString("")


# What the cell of a state or a Square holds.
STATE_CELLS: dict[str, SafeString] = {
    state: format_html('<span class="badge badge-{}">{}</span>', state, State(state).label) for state in State.values
}
SQUARE_CELLS: dict[str, SafeString] = {
    square: format_html('<i aria-hidden="true">{}</i> {}', SYMBOLS[square], Square(square).label)
    for square in Square.values
}
MAX_MARKS = 6  # substrates that a row shows


@lru_cache(maxsize=512)
def square_cell(square: str, verdict: str, marks: Marks, waits_for: str = "") -> SafeString:
    """What the Square's link holds: a symbol and a word, which is the verdict where there is one. Of what is not tested
    also why it waits, which the note of a row says to who sees it."""
    symbol, word = tests_symbol(square, verdict), tests_word(square, verdict, marks)
    cell = format_html('<i aria-hidden="true">{}</i> {}', symbol, word)
    if square == Square.WHITE and waits_for:
        return format_html('{}<span class="unseen">: {}</span>', cell, WAITS[waits_for])
    return cell


@lru_cache(maxsize=512)
def mark_cells(marks: Marks) -> SafeString:
    """A mark for each substrate, ``lxc ✓ aws ✗ azure …``; empty for no marks."""
    cells = format_html_join(
        " ",
        '<span class="mark mark-{}" title="{}">{} <i aria-hidden="true">{}</i><span class="unseen">{}</span></span>',
        (
            (
                status,
                MARKS[status][1] + ("" if counts else "; does not count for the verdict"),
                substrate,
                *MARKS[status],
            )
            for substrate, status, counts in marks[:MAX_MARKS]
        ),
    )
    more = len(marks) - MAX_MARKS
    return (
        format_html(' <span class="marks">{}{}</span>', cells, f" +{more}" if more > 0 else "") if marks else NO_NOTES
    )


def marks_of(kept: list[list[Any]]) -> Marks:
    """``Review.marks`` as something that can be a key."""
    return tuple((substrate, status, counts) for substrate, status, counts in kept)


ROW_FIELDS = (
    "id", "updated_at", "state", "title", "url", "owner__username", "owner__display_name", "positive_votes",
    "negative_votes", "square", "locked_by__username", "locked_by__display_name", "source__active", "missing_since",
    "conflicts", "conflicts_since", "tests_wait_for", "launchpad_status", "state_reason", "objections",
    "first_reviewed_at", "answered_at", "verdict", "marks", "kind", "target", "lines_added", "lines_removed",
)  # fmt: skip

# A row of templates/reviews/_table.html. What is not of this program's making is escaped before it is put in.
ROW_HTML = """<tr id="r{id}" data-href="{href}">
<td class="c-age"><time datetime="{stamp}Z" title="{stamp} UTC">{age}</time></td>
<td class="c-state">{state}<span class="why">{reason}</span></td>
<td class="c-title"><a class="title" href="{href}"><bdi>{title}</bdi></a> <a class="out" href="{out}" rel="noopener nofollow">on Launchpad</a>{change}{notes}</td>
<td class="c-who">{submitter}</td>
<td class="c-votes">{votes}</td>
<td class="c-square"><a class="square square-{square}" href="{href}">{tests}</a>{marks}</td>
<td class="c-lock"><bdi>{lock}</bdi></td>
</tr>
"""  # noqa: E501


class Row(TypedDict):
    """One row of a table: what it shows, and all of it as HTML."""

    id: int
    title: str
    state: SafeString
    submitter: SafeString  # a link to their page
    tests: SafeString
    notes: SafeString  # what is unusual about it
    html: SafeString


def build_rows(values: Iterable[tuple[Any, ...]], now: datetime) -> list[Row]:
    """Rows out of tuples of ``ROW_FIELDS``: ``build_rows(reviews.values_list(*ROW_FIELDS), now)`` is one query."""
    review_path = reverse("review", args=[0]).removesuffix("0/")
    people_path = person_path()
    rows: list[Row] = []
    for (
        pk, updated_at, state, title, url, username, display_name, positive, negative, square, locker, locker_name,
        source_active, missing_since, conflicts, conflicts_since, waits_for, launchpad_status, state_reason,
        objections, reviewed_at, answered_at, verdict, kept_marks, kind, target, added, removed,
    ) in values:  # fmt: skip
        title = shorten(title, MAX_TITLE) or "(no title)"
        who = submitter(username, display_name, people_path)
        noted = notes(source_active, missing_since, conflicts, conflicts_since, waits_for)
        marks = marks_of(kept_marks)
        tests = square_cell(square, verdict, marks, waits_for)
        facts = TurnFacts(
            state, kind == Review.Kind.UPDATE, launchpad_status, state_reason, verdict, marks=counted_marks(marks),
            conflicts=conflicts, objections=objections, negative_votes=negative, positive_votes=positive,
            is_reviewed=reviewed_at is not None, is_answered=answered_at is not None, tests_wait_for=waits_for,
        )  # fmt: skip
        html = ROW_HTML.format(
            id=pk,
            href=f"{review_path}{pk}/",
            stamp=updated_at.isoformat(" ")[:16],  # exact time, UTC
            age=age(updated_at, now),
            state=STATE_CELLS[state],
            reason=escape(shorten(next_reason(facts), MAX_TITLE)),
            title=escape(title),
            out=escape(url),  # its page on Launchpad
            change=change(kind, target, added, removed),
            notes=noted,
            submitter=who,
            votes=votes(positive, negative),
            square=square,
            tests=tests,
            marks=mark_cells(marks),
            lock=escape(shorten(locker_name or locker or "", MAX_NAME)),
        )
        rows.append(
            {
                "id": pk, "title": title, "state": STATE_CELLS[state], "submitter": who, "tests": tests,
                "notes": noted, "html": SafeString(html),
            }
        )  # fmt: skip
    return rows


def submitter(username: str, display_name: str, people_path: str) -> SafeString:
    """The submitter's name, with a link to their page if they have one."""
    name = escape(shorten(display_name or username, MAX_NAME))
    if username == HIDDEN_USERNAME:
        return SafeString(f'<span class="soft">{name}</span>')
    return SafeString(f'<a class="who" href="{people_path}{quote(username)}/"><bdi>{name}</bdi></a>')


def change(kind: str, target: str, added: int | None, removed: int | None) -> SafeString:
    """What a proposal is to be merged into, and how many lines it adds and removes; empty where that is not known."""
    if kind != Review.Kind.UPDATE:
        return NO_NOTES
    lines = "" if added is None or removed is None else f" +{added} −{removed}"
    shown = escape(shorten(target.removeprefix("lp:"), MAX_TARGET))
    return SafeString(f' <span class="into"><bdi>{shown}</bdi>{lines}</span>') if shown or lines else NO_NOTES


def notes(
    source_active: bool | None,
    missing_since: datetime | None,
    conflicts: bool | None,
    conflicts_since: datetime | None,
    waits_for: str,
) -> SafeString:
    """What is unusual about a review, in words; empty for nearly all."""
    if source_active is not False and missing_since is None and not conflicts and not waits_for:
        return NO_NOTES
    words = [NOT_IN_QUEUE] * (source_active is False) + [OUT_OF_REACH] * (missing_since is not None)
    if waits_for == TestsWaitFor.PERMISSION:
        words.append(WAITS_FOR_PERMISSION)
    if conflicts:
        since = f" since {conflicts_since:%Y-%m-%d}" if conflicts_since else ""
        words.append((WAITS_FOR_CONFLICTS if waits_for == TestsWaitFor.CONFLICTS else CONFLICTS) + since)
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


HEADER_HTML = '<th scope="col" class="c-{}"{}><a href="{}">{}</a></th>'


class ColumnHeader(TypedDict):
    """The heading of one column."""

    column: str
    href: str  # sorts by it; once more, the other way round
    direction: str  # for aria-sort; empty when the rows are not sorted by it
    html: SafeString  # all of it


def column_headers(query: QueryDict, sort: str) -> list[ColumnHeader]:
    """Headings that sort; every other parameter of the query is kept."""
    kept = query.copy()
    for name in ("sort", *PAGE_PARAMETERS):
        kept.pop(name, None)
    link = page_link(kept)
    headers: list[ColumnHeader] = []
    for column, by, word in COLUMNS:
        chosen = sort.removeprefix("-") == by
        reverse_next = chosen and not sort.startswith("-")
        direction = ("descending" if sort.startswith("-") else "ascending") if chosen else ""
        href = f"{link}sort={'-' if reverse_next else ''}{by}"
        sorted_so = SafeString(f' aria-sort="{direction}"' if direction else "")
        html = format_html(HEADER_HTML, column, sorted_so, href, word)
        headers.append({"column": column, "href": href, "direction": direction, "html": html})
    return headers


def page_link(query: QueryDict, *without: str) -> str:
    """A link to this query with room for one more parameter at its end: ``?state=new&``."""
    kept = query.copy()
    for name in without:
        kept.pop(name, None)
    return f"?{kept.urlencode()}&" if kept else "?"
