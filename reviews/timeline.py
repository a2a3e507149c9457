"""History and comments of a review in one timeline, oldest first, as a conversation is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from reviews.models import Comment, Event, Review

NEWEST = 500  # entries of either sort that a page shows; the description is always among them
FOLD_AFTER = 2_000  # characters of a comment after which the rest is folded
MAX_REST = 20_000  # characters of a comment that a page holds; Launchpad has the whole
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

    @property
    def is_description(self) -> bool:
        return self.comment is not None and self.comment.is_description

    @property
    def is_about_runs(self) -> bool:
        return self.event is not None and self.event.kind == Event.Kind.RUN


@dataclass(frozen=True)
class Timeline:
    """Entries oldest first, the description before all, and whether older ones were left out."""

    entries: list[Entry]
    is_cut: bool


def get_timeline(review: Review) -> Timeline:
    """The newest ``NEWEST`` comments and as many lines of history. Two queries."""
    events = list(review.events.select_related("actor").order_by("-at", "-id")[: NEWEST + 1])
    found = review.comments.select_related("author")
    comments = list(found.order_by("-is_description", "-position", "-created_at", "-id")[: NEWEST + 1])
    is_cut = len(events) > NEWEST or len(comments) > NEWEST
    entries = [Entry("event", event.at, event=event) for event in reversed(events[:NEWEST])]
    entries += _comment_entries(comments[:NEWEST])
    entries.sort(key=lambda entry: (not entry.is_description, entry.at))  # keeps the order of equal times
    return Timeline(_fold_runs(entries), is_cut)


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
            folded.append(Entry("runs", row[-1].at, events=events))
        else:
            folded += row
    return folded
