"""Rows of reviews as the dashboard, the search and the person page show them.

The rows come without model instances and each is written here as a whole: a template would look up and print seventeen
values for each row, which was most of what the dashboard cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any, TypedDict
from urllib.parse import quote

from django.http import QueryDict
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import DIRECTION_MARKS, HIDDEN_USERNAME
from core.text import age, shorten
from reviews.choices import OPEN_STATES, Square, State, Verdict
from reviews.models import Review
from reviews.texts import CONFLICTS, MARKS, SYMBOLS, WAITS, Marks, tests_symbol, tests_word
from reviews.turns import TurnFacts, counted_marks
from reviews.turns import reason as next_reason

NOT_IN_QUEUE = "not in the queue: its source is switched off"
OUT_OF_REACH = "not shown by Launchpad at present"
MAX_TITLE = 300  # characters that a row has; the review's page has them all
SHOWN_TITLE = 50  # characters that surely fit; a longer one is shown in full on hover
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
MAX_MARKS = 3  # substrates that a row shows, those that ask for a look first
MARK_ORDER = {Verdict.FAIL: 0, Verdict.ERROR: 1, "running": 2}


@lru_cache(maxsize=512)
def square_cell(square: str, verdict: str, marks: Marks, waits_for: str = "") -> SafeString:
    """What the Square's link holds: a symbol and a word, which is the verdict where there is one. Where marks say the
    same the word is for those who hear the page. Of what is not tested also why it waits, which the row's reason says
    to who sees it."""
    symbol, word = tests_symbol(square, verdict), tests_word(square, verdict, marks)
    if square == Square.WHITE and waits_for:
        return format_html(
            '<i aria-hidden="true">{}</i> {}<span class="unseen">: {}</span>', symbol, word, WAITS[waits_for]
        )
    return format_html(
        '<i aria-hidden="true">{}</i> <span class="{}">{}</span>', symbol, "unseen" if marks else "word", word
    )


@lru_cache(maxsize=512)
def mark_cells(marks: Marks) -> SafeString:
    """A mark for each substrate, ``aws ✗ azure … lxc ✓``, bad news first; empty for no marks."""
    marks = sorted(marks, key=lambda mark: MARK_ORDER.get(mark[1], 3))
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
    rest = ", ".join(f"{substrate} {MARKS[status][1]}" for substrate, status, _ in marks[MAX_MARKS:])
    more = format_html(' <span title="{}">+{}</span>', rest, len(marks) - MAX_MARKS) if rest else ""
    return format_html(' <span class="marks">{}{}</span>', cells, more) if marks else NO_NOTES


def marks_of(kept: list[list[Any]]) -> Marks:
    """``Review.marks`` as something that can be a key."""
    return tuple((substrate, status, counts) for substrate, status, counts in kept)


ROW_FIELDS = (
    "id", "updated_at", "created_at", "turn_since", "verdict_at", "state", "title", "url", "owner__username",
    "owner__display_name", "positive_votes", "negative_votes", "square", "locked_by", "locked_by__username",
    "locked_by__display_name", "source__active", "missing_since", "conflicts", "conflicts_since", "tests_wait_for",
    "launchpad_status", "state_reason", "objections", "first_reviewed_at", "answered_at", "verdict", "marks", "kind",
    "number", "target", "lines_added", "lines_removed", "revision", "voters", "tests_excused",
)  # fmt: skip
# What rows for one reader have besides: ReviewQuerySet.for_reader annotates it.
READER_FIELDS = ("visited_at", "asked_by", "asked_team")

# A row of templates/reviews/_table.html. What is not of this program's making is escaped before it is put in.
ROW_HTML = """<tr id="r{id}" data-href="{href}">{pick}
<td class="c-age" title="{times}"><time datetime="{stamp}Z" data-words="age">{age}</time></td>
<td class="c-state">{state}</td>
<td class="c-title"><div>{news}<a class="title" href="{href}"{full}><bdi>{title}</bdi></a>{notes}{into}<a class="out" href="{out}" rel="noopener nofollow" title="Open on Launchpad">↗<span class="unseen"> on Launchpad</span></a></div></td>
<td class="c-lines">{lines}</td>
<td class="c-who">{submitter}</td>
<td class="c-votes"{voters}>{votes}</td>
<td class="c-square"><a class="square square-{square}" href="{href}">{tests}</a>{marks}</td>
<td class="c-why" title="{reason}">{reason}</td>
<td class="c-lock">{lock}</td>
</tr>
"""  # noqa: E501
NEWS = SafeString('<b class="news" title="Changed since you were here"><span class="unseen">Changed: </span></b>')
# With the revision that is shown: no other one is tested.
PICK_HTML = (
    '<td class="c-pick"><input type="checkbox" form="act" name="review" value="{id}:{revision}"'
    ' aria-label="Select: {title}"></td>'
)
LOCK_HTML = (
    '<button class="small {deed}" form="act" formaction="{href}{deed}/" data-in-place'
    ' aria-label="{word}: {title}">{word}</button>'
)


class Row(TypedDict):
    """One row of a table: what it shows, and all of it as HTML."""

    id: int
    title: str
    state: SafeString
    submitter: SafeString  # a link to their page
    tests: SafeString
    notes: SafeString  # what is unusual about it
    html: SafeString


@dataclass(frozen=True)
class RowReader:
    """Whom rows are for. Rows for nobody in particular have no buttons and no marks."""

    person_id: int | None = None
    may_lock: bool = False
    left_at: datetime | None = None  # when they last left the queue; what they never opened is news after that


def build_rows(values: Iterable[tuple[Any, ...]], now: datetime, reader: RowReader | None = None) -> list[Row]:
    """Rows out of tuples of ``ROW_FIELDS``: ``build_rows(reviews.values_list(*ROW_FIELDS), now)`` is one query. For a
    reader they are tuples of ``ROW_FIELDS + READER_FIELDS``."""
    review_path = reverse("review", args=[0]).removesuffix("0/")
    people_path = person_path()
    rows: list[Row] = []
    for (
        pk, updated_at, created_at, turn_since, verdict_at, state, title, url, username, display_name, positive,
        negative, square, locked_by, locker, locker_name, source_active, missing_since, conflicts, conflicts_since,
        waits_for, launchpad_status, state_reason, objections, reviewed_at, answered_at, verdict, kept_marks, kind,
        number, target, added, removed, revision, voters, excused, *of_reader,
    ) in values:  # fmt: skip
        full_title = title or "(no title)"
        title = shorten(full_title, MAX_TITLE)
        who = submitter(username, display_name, people_path)
        noted = notes(source_active, missing_since, conflicts, conflicts_since)
        marks = marks_of(kept_marks)
        tests = square_cell(square, verdict, marks, waits_for)
        href = f"{review_path}{pk}/"
        reason = reason_of(
            state, kind == Review.Kind.UPDATE, launchpad_status, state_reason, verdict, excused, marks, conflicts,
            objections, negative, positive, reviewed_at is not None, answered_at is not None, waits_for,
        )  # fmt: skip
        pick, is_news, lock = "", False, escape(shorten(locker_name or locker or "", MAX_NAME))
        if reader is not None and of_reader:
            visited_at, asked_by, asked_team = of_reader
            if asked_by == (display_name or username):
                asked_by = ""  # as most are; the row names them already
            if asked := asked_words(asked_by, asked_team):
                reason = f"{asked}; {reason}"
            seen_at = visited_at or reader.left_at
            is_news = seen_at is not None and max(updated_at, turn_since, verdict_at or updated_at) > seen_at
            if reader.may_lock:
                shown = escape(shorten(title, SHOWN_TITLE))
                pick = PICK_HTML.format(id=pk, revision=escape(revision), title=shown)
            lock = lock_cell(reader, href, title, state, source_active, locked_by, lock)
        else:
            lock = f"<bdi>{lock}</bdi>"
        html = ROW_HTML.format(
            id=pk,
            pick=pick,
            href=href,
            times=f"Waiting since {turn_since.isoformat(' ')[:16]} UTC; submitted {created_at.isoformat()[:10]}; "
            f"last activity {updated_at.isoformat(' ')[:16]} UTC",
            stamp=turn_since.isoformat("T")[:16],
            age=age(turn_since, now),
            state=STATE_CELLS[state],
            news=NEWS if is_news else "",
            full=f' title="{escape(title)}"' if len(title) > SHOWN_TITLE else "",
            title=escape(title),
            out=escape(url),  # its page on Launchpad
            into=into(kind, number, target),
            lines=lines_cell(added, removed),
            notes=noted,
            submitter=who,
            votes=votes(positive, negative),
            voters=f' title="{escape(voter_words(voters))}"' if voters else "",
            square=square,
            tests=tests,
            marks=mark_cells(marks),
            reason=escape(shorten(reason, MAX_TITLE)),
            lock=lock,
        )
        rows.append(
            {
                "id": pk, "title": title, "state": STATE_CELLS[state], "submitter": who, "tests": tests,
                "notes": noted, "html": SafeString(html),
            }
        )  # fmt: skip
    return rows


def join_rows(rows: Iterable[Row]) -> SafeString:
    """The rows' HTML in one piece."""
    return SafeString("".join([row["html"] for row in rows]))


def lock_cell(
    reader: RowReader, href: str, title: str, state: str, source_active: bool | None, locked_by: int | None, name: str
) -> str:
    """Who holds the lock, and the button that takes or releases it where this reader may. ``name`` is escaped."""
    if locked_by is not None and locked_by != reader.person_id:
        return f"<bdi>{name}</bdi>"
    if not reader.may_lock or (locked_by is None and (state not in OPEN_STATES or source_active is False)):
        return "you" if locked_by else ""
    deed, word = ("unlock", "Release") if locked_by else ("lock", "Lock")
    button = LOCK_HTML.format(href=href, deed=deed, word=word, title=escape(shorten(title, SHOWN_TITLE)))
    return f'<span class="unseen">you</span>{button}' if locked_by else button


@lru_cache(maxsize=4096)
def reason_of(
    state: str,
    is_proposal: bool,
    launchpad_status: str,
    state_reason: str,
    verdict: str,
    excused: bool,
    marks: Marks,
    conflicts: bool | None,
    objections: int,
    negative: int,
    positive: int,
    is_reviewed: bool,
    is_answered: bool,
    waits_for: str,
) -> str:
    """``reviews.turns.reason`` of these facts: many rows share theirs."""
    return next_reason(
        TurnFacts(
            state, is_proposal, launchpad_status, state_reason, verdict, excused, counted_marks(marks),
            conflicts=conflicts, objections=objections, negative_votes=negative, positive_votes=positive,
            is_reviewed=is_reviewed, is_answered=is_answered, tests_wait_for=waits_for,
        )
    )  # fmt: skip


@lru_cache(maxsize=4096)
def submitter(username: str, display_name: str, people_path: str) -> SafeString:
    """The submitter's name, with a link to their page if they have one."""
    name = escape(shorten(display_name or username, MAX_NAME))
    if username == HIDDEN_USERNAME:
        return SafeString(f'<span class="soft">{name}</span>')
    return SafeString(f'<a class="who" href="{people_path}{quote(username)}/"><bdi>{name}</bdi></a>')


@lru_cache(maxsize=4096)
def into(kind: str, number: int | None, target: str) -> SafeString:
    """What a proposal is to be merged into, or which bug it is; empty where that is not known."""
    if kind != Review.Kind.UPDATE:
        return SafeString(f'<span class="into">bug {number}</span>') if number else NO_NOTES
    if not target:
        return NO_NOTES
    # Whose it is says least: most are of one team.
    shown = target.removeprefix("lp:")
    if shown.startswith("~"):
        shown = shown.partition("/")[2] or shown
    full, shown = escape(shorten(target, MAX_TARGET)), escape(shorten(shown, MAX_TARGET))
    return SafeString(f'<span class="into" title="into {full}"><bdi>{shown}</bdi></span>')


def lines_cell(added: int | None, removed: int | None) -> SafeString:
    """How many lines a proposal adds and removes; empty where that is not known."""
    if added is None or removed is None:
        return NO_NOTES
    return SafeString(f'<span class="plus">+{added}</span> <span class="minus">−{removed}</span>')


def notes(
    source_active: bool | None,
    missing_since: datetime | None,
    conflicts: bool | None,
    conflicts_since: datetime | None,
) -> SafeString:
    """What is unusual about a review, in words; empty for nearly all."""
    if source_active is not False and missing_since is None and not conflicts:
        return NO_NOTES
    words = [NOT_IN_QUEUE] * (source_active is False) + [OUT_OF_REACH] * (missing_since is not None)
    said = format_html_join("", '<span class="note">{}</span>', ((word,) for word in words))
    if conflicts:
        since = f" since {conflicts_since:%Y-%m-%d}" if conflicts_since else ""
        said += format_html('<span class="note" title="{}{}">conflicts</span>', CONFLICTS, since)
    return said


def person_path() -> str:
    """What a person's page begins with; the name and a slash follow."""
    return reverse("dashboard") + "people/"


def votes(positive: int, negative: int) -> SafeString:
    """``+n −m``, quiet where there are none."""
    plus, minus = "plus" if positive else "none", "minus" if negative else "none"
    return SafeString(f'<span class="{plus}">+{positive}</span> <span class="{minus}">−{negative}</span>')


def asked_words(asked_by: str | None, asked_team: str | None) -> str:
    """``asked of you by Ana``, or of a team of the reader's; empty for neither. ``asked_by`` is who asked them, empty
    where that is not to be said, None for nobody."""
    if asked_by:
        name = shorten(DIRECTION_MARKS.sub("", asked_by), MAX_NAME)
        return f"asked of you by \u2068{name}\u2069"  # isolated: it turns no word behind it
    if asked_by is not None:
        return "asked of you"
    return f"asked of {shorten(asked_team, MAX_NAME)}" if asked_team else ""


def voter_words(voters: Iterable[tuple[str, str]]) -> str:
    """``Ana +1, Björn −1``: whose votes they are."""
    return ", ".join(f"{shorten(name, MAX_NAME)} {sign}" for name, sign in voters)


# Column of the table, the name of the order by it (reviews.managers.SORTS; empty: none), its heading.
COLUMNS = (
    ("age", "waiting", "Waiting"),
    ("state", "state", "State"),
    ("title", "title", "Title"),
    ("lines", "lines", "Lines"),
    ("who", "submitter", "Submitter"),
    ("votes", "votes", "Votes"),
    ("square", "square", "Tests"),
    ("why", "", "Why"),
    ("lock", "lock", "Lock"),
)
PAGE_PARAMETERS = ("page", "incoming", "reviews")  # another order begins at page one


PICK_HEADER = SafeString(
    '<th scope="col" class="c-pick"><input type="checkbox" data-select-all aria-label="Select all rows below"></th>'
)
HEADER_HTML = '<th scope="col" class="c-{}"{}><a href="{}">{}</a></th>'


class ColumnHeader(TypedDict):
    """The heading of one column."""

    column: str
    href: str  # sorts by it; once more, the other way round; empty where nothing is sorted by it
    direction: str  # for aria-sort; empty when the rows are not sorted by it
    html: SafeString  # all of it


def column_headers(query: QueryDict, sort: str, *, selectable: bool = False) -> list[ColumnHeader]:
    """Headings that sort; every other parameter of the query is kept. ``selectable`` rows have a column to tick."""
    kept = query.copy()
    for name in ("sort", *PAGE_PARAMETERS):
        kept.pop(name, None)
    link = page_link(kept)
    headers: list[ColumnHeader] = []
    if selectable:
        headers.append({"column": "pick", "href": "", "direction": "", "html": PICK_HEADER})
    for column, by, word in COLUMNS:
        if not by:
            html = format_html('<th scope="col" class="c-{}">{}</th>', column, word)
            headers.append({"column": column, "href": "", "direction": "", "html": html})
            continue
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
