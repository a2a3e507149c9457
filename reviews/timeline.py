"""History and comments of a review in one timeline: the newest for its overview, all of it page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from django.core.paginator import Page
from django.db import models
from django.db.models import Case, Count, F, IntegerField, Max, Value, When, Window

from core.pagination import BoundedPaginator
from core.text import counted, join_words
from reviews.models import Comment, Event, Review

RECENT_COMMENTS = 12  # that the overview shows, besides the description
RECENT_EVENTS = 100  # lines of history that the overview shows at most
PAGE_SIZE = 100  # comments and lines of history of a page of the whole history
FOLD_AFTER = 2_000  # characters of a comment after which the rest is folded
MAX_REST = 20_000  # characters of a comment that a page holds; Launchpad has the whole
SHORT_QUOTE = 4  # lines; a longer quotation is folded
QUOTE_MARK = re.compile(r"^\s*> ?")  # a quotation is shown as one, so the mark goes
FOLDED_RUNS = 3  # so many lines about test runs in a row, or more, become one


class Order(models.TextChoices):
    """How a reader likes to read it."""

    NEWEST = "newest", "newest first"
    OLDEST = "oldest", "oldest first"


@dataclass(frozen=True)
class Piece:
    """A part of a comment: somebody's own words, or lines quoted from somebody else."""

    text: str
    quoted: bool = False

    @property
    def lines(self) -> int:
        return self.text.count("\n") + 1

    @property
    def folded(self) -> bool:
        return self.quoted and self.lines > SHORT_QUOTE


@dataclass(frozen=True)
class Entry:
    """One entry: a comment, a line of history, or several lines about test runs folded into one."""

    kind: str  # comment, event, runs
    at: datetime
    comment: Comment | None = None
    event: Event | None = None
    pieces: list[Piece] = field(default_factory=list)
    rest: list[Piece] = field(default_factory=list)  # shown on demand
    rest_length: int = 0
    cut: bool = False  # even the rest is not all
    events: list[Event] = field(default_factory=list)

    @property
    def is_description(self) -> bool:
        return self.comment is not None and self.comment.is_description

    @property
    def place(self) -> tuple[int, int]:
        """Its place among entries of the same time."""
        if self.comment:
            return self.comment.position, self.comment.pk
        return 0, self.event.pk if self.event else 0

    @property
    def anchor(self) -> str:
        """The id of its element."""
        if self.comment:
            return f"comment-{self.comment.pk}"
        return f"event-{(self.event or self.events[0]).pk}"

    @property
    def is_about_runs(self) -> bool:
        return self.event is not None and self.event.kind == Event.Kind.RUN


@dataclass(frozen=True)
class Timeline:
    """Entries in the reader's order. Between the description, the oldest, and the others some may be left out."""

    entries: list[Entry]
    order: str
    hidden_comments: int = 0
    hidden_events: int = 0

    @property
    def hidden(self) -> str:
        """What is left out, in words: ``238 comments and 40 lines of history``; empty if nothing is."""
        found = [(self.hidden_comments, "comment", "comments")]
        found.append((self.hidden_events, "line of history", "lines of history"))
        return join_words([counted(*each) for each in found if each[0]])

    @property
    def oldest(self) -> list[Entry]:
        """The description, where there is one: it stands at the old end, beyond what is left out."""
        return [entry for entry in self.entries if entry.is_description]

    @property
    def others(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.is_description]


def get_recent(review: Review, order: str) -> Timeline:
    """The description, the newest ``RECENT_COMMENTS`` comments, and what happened meanwhile. Two queries."""
    total = Window(Count("id"))
    found = review.comments.select_related("author").annotate(total=total)
    comments: list[Any] = list(
        found.order_by("-is_description", "-position", "-created_at", "-id")[: RECENT_COMMENTS + 1]
    )
    if len(comments) > RECENT_COMMENTS and not comments[0].is_description:
        comments.pop()
    history = review.events.select_related("actor").annotate(total=total)
    events: list[Any] = list(history.order_by("-at", "-id")[:RECENT_EVENTS])
    all_comments = comments[0].total if comments else 0
    all_events = events[0].total if events else 0
    entries = _comment_entries(comments)
    if len(comments) < all_comments:  # what happened before the comments that are shown belongs to those that are not
        since = min(entry.at for entry in entries if not entry.is_description)
        events = [event for event in events if event.at >= since]
    entries += [Entry("event", event.at, event=event) for event in events]
    hidden = (all_comments - len(comments), all_events - len(events))
    return Timeline(_arrange(entries, order), order, *hidden)


def get_history(review: Review, order: str, number: str) -> tuple[Timeline, Page[Any]]:
    """A page of all comments and lines of history. Four queries, however many there are."""
    # Launchpad's order counts: a comment stands after the one before it, whatever its mail's date.
    in_order = ["position", "created_at", "id"]
    stands_at = Window(Max("created_at"), partition_by="is_description", order_by=in_order)
    rank = Case(When(is_description=True, then=0), default=1, output_field=IntegerField())
    columns = ("rank", "stands_at", "is_comment", "place", "id")
    comments = review.comments.order_by().annotate(
        rank=rank, stands_at=stands_at, is_comment=Value(1), place=F("position")
    )
    events = review.events.order_by().annotate(rank=Value(1), stands_at=F("at"), is_comment=Value(0), place=Value(0))
    keys = comments.values_list(*columns).union(events.values_list(*columns), all=True).order_by(*columns)
    if order == Order.NEWEST:
        keys = keys.reverse()
    page = BoundedPaginator(keys, PAGE_SIZE).get_page(number)
    shown = list(page.object_list)
    comment_by_id = review.comments.select_related("author").in_bulk([key[4] for key in shown if key[2]])
    event_by_id = review.events.select_related("actor").in_bulk([key[4] for key in shown if not key[2]])
    entries = []
    for _, at, is_comment, _, pk in shown:
        if is_comment and pk in comment_by_id:
            entries.append(_comment_entry(comment_by_id[pk], at))
        elif not is_comment and pk in event_by_id:
            entries.append(Entry("event", at, event=event_by_id[pk]))
    return Timeline(_fold_runs(entries), order), page


def _arrange(entries: list[Entry], order: str) -> list[Entry]:
    """In the order of their times, events before comments of the same time, folded."""
    entries.sort(key=lambda entry: (not entry.is_description, entry.at, entry.comment is not None, entry.place))
    if order == Order.NEWEST:
        entries.reverse()
    return _fold_runs(entries)


def _comment_entries(newest_first: list[Comment]) -> list[Entry]:
    """Comments oldest first, in Launchpad's order: each stands after the one before it, whatever its mail's date."""
    entries: list[Entry] = []
    latest = datetime.min.replace(tzinfo=UTC)
    for comment in reversed(newest_first):
        if not comment.is_description:
            latest = max(latest, comment.created_at)
        entries.append(_comment_entry(comment, comment.created_at if comment.is_description else latest))
    return entries


def _comment_entry(comment: Comment, at: datetime) -> Entry:
    text = comment.content.replace("\r\n", "\n").strip("\n")
    head, rest = _split(text)
    return Entry(
        "comment", at, comment=comment, pieces=split_quotes(head),
        rest=split_quotes(rest[:MAX_REST]), rest_length=len(rest), cut=len(rest) > MAX_REST,
    )  # fmt: skip


def _split(text: str) -> tuple[str, str]:
    """What is shown at once and what is folded, parted at the end of a line or a word where there is one."""
    if len(text) <= FOLD_AFTER * 1.2:
        return text, ""
    end = (
        max(text.rfind("\n", FOLD_AFTER // 2, FOLD_AFTER), 0)
        or max(text.rfind(" ", FOLD_AFTER // 2, FOLD_AFTER), 0)
        or FOLD_AFTER
    )
    return text[:end], text[end:].lstrip("\n ")


def split_quotes(text: str) -> list[Piece]:
    """A comment's text in the order it was written, quoted lines (they begin with ``>``) apart from the others."""
    parts: list[tuple[bool, list[str]]] = []
    for line in text.split("\n"):
        quoted = line.lstrip().startswith(">")
        if not parts or parts[-1][0] != quoted:
            parts.append((quoted, []))
        parts[-1][1].append(line)
    pieces = [
        Piece("\n".join(QUOTE_MARK.sub("", line) if quoted else line for line in lines).strip("\n"), quoted)
        for quoted, lines in parts
    ]
    return [piece for piece in pieces if piece.text.strip()]


def _fold_runs(entries: list[Entry]) -> list[Entry]:
    """Rows of ``FOLDED_RUNS`` or more lines about test runs become one entry each."""
    folded: list[Entry] = []
    for about_runs, group in groupby(entries, key=lambda entry: entry.is_about_runs):
        row = list(group)
        if about_runs and len(row) >= FOLDED_RUNS:
            events = [entry.event for entry in row if entry.event]
            folded.append(Entry("runs", max(entry.at for entry in row), events=events))
        else:
            folded += row
    return folded
