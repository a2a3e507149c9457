"""History and comments of a review in one timeline, oldest first, as a conversation is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from core.compiled_queries import Given, prepared
from reviews.models import Comment, Event, Review

NEWEST = 500  # entries of either sort that a page shows; the description is always among them
LONG = 2_000  # characters of a comment after which the rest is folded
LONGEST = 20_000  # characters of a comment that a page holds; Launchpad has the whole
SHORT_QUOTE = 4  # lines; a longer quotation is folded
QUOTE_MARK = re.compile(r"^\s*> ?")  # a quotation is shown as one, so the mark goes
FOLDED_RUNS = 3  # so many lines about test runs in a row, or more, become one


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


@dataclass(frozen=True)
class Timeline:
    """Entries oldest first, the description before all, and whether older ones were left out."""

    entries: list[Entry]
    shortened: bool


def timeline_of(review: Review) -> Timeline:
    """The newest ``NEWEST`` comments and as many lines of history. Two queries."""
    events = prepared("events of review", _events, review_id=review.pk)
    comments = prepared("comments of review", _comments, review_id=review.pk)
    shortened = len(events) > NEWEST or len(comments) > NEWEST
    entries = [Entry("event", event.at, event=event) for event in events[:NEWEST]]
    entries += [_comment_entry(comment) for comment in comments[:NEWEST]]
    entries.sort(key=lambda entry: (not _is_description(entry), entry.at, (entry.comment or entry.event).pk))  # type: ignore[union-attr]
    return Timeline(_fold_runs(entries), shortened)


def _events() -> QuerySet[Event]:
    events = Event.objects.filter(review_id=Given(Event, "review_id")).select_related("actor")
    return events.order_by("-at", "-id")[: NEWEST + 1]


def _comments() -> QuerySet[Comment]:
    comments = Comment.objects.filter(review_id=Given(Comment, "review_id")).select_related("author")
    return comments.order_by("-is_description", "-created_at", "-id")[: NEWEST + 1]


def _is_description(entry: Entry) -> bool:
    return entry.comment is not None and entry.comment.is_description


def _comment_entry(comment: Comment) -> Entry:
    text = comment.content.replace("\r\n", "\n").strip("\n")
    head, rest = _split(text)
    return Entry(
        "comment", comment.created_at, comment=comment, pieces=pieces_of(head), rest=pieces_of(rest[:LONGEST]),
        rest_length=len(rest), cut=len(rest) > LONGEST,
    )  # fmt: skip


def _split(text: str) -> tuple[str, str]:
    """What is shown at once and what is folded, parted at the end of a line or a word where there is one."""
    if len(text) <= LONG * 1.2:
        return text, ""
    end = max(text.rfind("\n", LONG // 2, LONG), 0) or max(text.rfind(" ", LONG // 2, LONG), 0) or LONG
    return text[:end], text[end:].lstrip("\n ")


def pieces_of(text: str) -> list[Piece]:
    """A comment's text in the order it was written, quoted lines told apart (they begin with ``>``)."""
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
    folded: list[Entry] = []
    row: list[Event] = []

    def close() -> None:
        if len(row) >= FOLDED_RUNS:
            folded.append(Entry("runs", row[-1].at, events=list(row)))
        else:
            folded.extend(Entry("event", event.at, event=event) for event in row)
        row.clear()

    for entry in entries:
        if entry.event and entry.event.kind == Event.Kind.RUN:
            row.append(entry.event)
            continue
        close()
        folded.append(entry)
    close()
    return folded
