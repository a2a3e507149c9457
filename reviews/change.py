"""The change of a review as its page shows it: its texts, who votes how and who is asked, what has to be merged before
it (docs/specification.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.db.models import CharField, Value

from accounts.models import Person, User
from core.text import counted
from reviews.managers import asked_by_name, is_team_of
from reviews.models import Comment, Review
from reviews.tables import asked_words

MAX_NAMED = 30  # people whom a page names
MAX_LINES = 16  # of a text that a page shows before the rest is folded
MAX_LENGTH = 1_500  # characters, likewise
ASKED = "asked"
WORDS = {Comment.Sentiment.POSITIVE: "in favour", Comment.Sentiment.NEGATIVE: "against", ASKED: "asked"}


@dataclass(frozen=True)
class Voter:
    """Somebody who has voted or is asked to.

    ``kind`` is a sentiment, or ``ASKED`` for who has not voted; ``at`` when they voted, or were asked. ``is_outdated``:
    the vote is on an earlier revision. ``is_waited_for``: Launchpad waits for a formal vote of theirs.
    ``is_readers_team``: the reader is a reviewer and in this team.
    """

    person: Person
    kind: str
    words: str
    at: datetime
    is_reader: bool
    is_outdated: bool = False
    is_waited_for: bool = False
    is_readers_team: bool = False
    asked_by: str = ""
    asked_for: str = ""  # the type of review


@dataclass(frozen=True)
class ChangeText:
    """A text of the change, of which a page folds the rest."""

    label: str
    start: str
    rest: str = ""

    @property
    def rest_label(self) -> str:
        return counted(len(self.rest.splitlines()), "more line")


class _Row(NamedTuple):
    """A vote, or that somebody is asked for one: then ``words`` is the type of review."""

    person: int
    username: str
    display_name: str
    kind: str
    words: str
    at: datetime
    asked_by: str
    is_readers_team: bool
    position: int
    number: int


@dataclass
class Change:
    """What the page of a review shows of its change."""

    review: Review
    user: User | None

    @cached_property
    def texts(self) -> list[ChangeText]:
        """Commit message and description of a proposal. A bug's description is the first of its messages."""
        if self.review.kind != Review.Kind.UPDATE:
            return []
        message, description = self.review.commit_message.strip(), self.review.description.strip()
        texts = [] if message in ("", self.review.title) else [("Commit message", message)]
        if description not in ("", message, self.review.title):
            texts.append(("Description", description))
        return [ChangeText(label, *_fold(text)) for label, text in texts]

    @cached_property
    def voters(self) -> list[Voter]:
        """Each person's latest vote, newest first, and then who is asked and has not voted, longest ago first; the
        reader always first. One query."""
        asked, latest = self._read_voters()
        voted = [
            self._voter(vote, is_outdated=self._is_outdated(vote.at), is_waited_for=pk in asked)
            for pk, vote in reversed(latest.items())
        ]
        waited_for = [self._voter(request) for pk, request in asked.items() if pk not in latest]
        return sorted(voted + waited_for, key=lambda voter: not voter.is_reader)

    def _read_voters(self) -> tuple[dict[int, _Row], dict[int, _Row]]:
        """By person: who is asked, and the latest votes in their order."""
        nothing, no = Value("", CharField()), Value(False)
        votes = self.review.comments.votes().order_by()
        rows = votes.values_list(
            "author_id", "author__username", "author__display_name", "sentiment", "vote", "created_at", nothing, no,
            "position", "id",
        )  # fmt: skip
        if self.review.requested_reviewers:
            reader = self.user.person if self.user is not None and self.user.is_reviewer else None
            requests = self.review.requests.filter(is_pending=True).order_by()
            requested = requests.values_list(
                "reviewer_id", "reviewer__username", "reviewer__display_name", Value(ASKED, CharField()), "review_type",
                "requested_at", asked_by_name(), is_team_of(reader) if reader else no, Value(0), "id",
            )  # fmt: skip
            rows = rows.union(requested, all=True)
        asked: dict[int, _Row] = {}
        latest: dict[int, _Row] = {}
        for row in sorted(map(_Row._make, rows), key=lambda row: (row.position, row.at, row.number)):
            people = asked if row.kind == ASKED else latest
            people.pop(row.person, None)
            people[row.person] = row
        return asked, latest

    def _voter(self, row: _Row, *, is_outdated: bool = False, is_waited_for: bool = False) -> Voter:
        is_asked = row.kind == ASKED
        return Voter(
            person=Person(pk=row.person, username=row.username, display_name=row.display_name),
            kind=row.kind,
            words=WORDS[ASKED] if is_asked else row.words or WORDS.get(row.kind, ""),
            at=row.at,
            is_reader=self.user is not None and self.user.person_id == row.person,
            is_outdated=is_outdated,
            is_waited_for=is_waited_for,
            is_readers_team=bool(row.is_readers_team),
            asked_by=row.asked_by if is_asked and row.asked_by != row.display_name else "",
            asked_for=row.words if is_asked else "",
        )

    def _is_outdated(self, at: datetime) -> bool:
        return self.review.revision_at is not None and at < self.review.revision_at

    @property
    def shown_voters(self) -> list[Voter]:
        return self.voters[:MAX_NAMED]

    @property
    def not_shown(self) -> int:
        """How many voters are not named."""
        return max(0, len(self.voters) - MAX_NAMED)

    @property
    def asked_of_reader(self) -> list[str]:
        """That the reader is asked for a review, or a team of theirs, in a few words; nothing if neither is."""
        waited_for = [voter for voter in self.voters if voter.kind == ASKED or voter.is_waited_for]
        asked = next((voter.asked_by for voter in waited_for if voter.is_reader), None)
        team = next((voter.person.username for voter in waited_for if voter.is_readers_team), None)
        words = asked_words(asked, team)
        return [words] if words else []

    @property
    def prerequisite(self) -> Review | None:
        """The item that proposes the prerequisite, with its title and state, if this reader may know of it. It comes
        with the review: ``ReviewQuerySet.with_prerequisite``."""
        found = getattr(self.review, "prerequisite_item", None)
        return Review(**found) if found else None


def _fold(text: str) -> tuple[str, str]:
    """The beginning of a text, which ends with a line or at least with a word, and the rest of it."""
    start = "\n".join(text.splitlines()[:MAX_LINES])
    if len(start) > MAX_LENGTH:
        end = max(start.rfind("\n", 0, MAX_LENGTH), 0) or max(start.rfind(" ", 0, MAX_LENGTH), 0) or MAX_LENGTH
        start = start[:end]
    return start, text[len(start) :].strip("\n")
