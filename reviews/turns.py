"""Whose turn an item is, why, and what that person can do: the one module that makes these sentences.

They are made from facts and nothing else (docs/specification.md, section 3): a sentence is there because one of the
facts is, never because of the state alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.text import join_words
from reviews.choices import NEXT_ACTOR, Actor, State, TestsWaitFor, Verdict

if TYPE_CHECKING:
    from accounts.models import User
    from reviews.models import Review

UNFINISHED = {"retry", "pending", "running"}  # statuses of a mark that say that tests are under way
FAILED_TO_MERGE = "Code failed to merge"
QUEUED = "Queued"


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What is known of an item that says whose turn it is. A review has these as columns of the same names."""

    state: str
    is_proposal: bool = True
    launchpad_status: str = ""
    state_reason: str = ""  # why it is ABANDONED, where its status on Launchpad does not say it
    verdict: str = ""  # of the current revision
    excused: bool = False  # each failing test fails elsewhere too, or is known to flap
    marks: tuple[tuple[str, str], ...] = ()  # substrate and status of the newest run there
    conflicts: bool | None = None
    objections: int = 0  # people whose latest vote, on this revision, asks for changes, and were not answered since
    negative_votes: int = 0
    positive_votes: int = 0
    is_reviewed: bool = False  # somebody other than its submitter said something
    is_answered: bool = False  # its submitter said or pushed something after that
    tests_wait_for: str = ""

    @property
    def failing(self) -> list[str]:
        """Substrates on which the newest run failed."""
        return [substrate for substrate, status in self.marks if status == "fail"]

    @property
    def running(self) -> list[str]:
        return [substrate for substrate, status in self.marks if status in UNFINISHED]

    @property
    def has_failed(self) -> bool:
        """Tests of the current revision failed, and it may be the item's fault."""
        return self.verdict == Verdict.FAIL and not self.excused


def counted_marks(marks: Iterable[tuple[str, str, bool]]) -> tuple[tuple[str, str], ...]:
    """Of ``Review.marks`` those that count for the verdict, as ``TurnFacts.marks`` has them."""
    return tuple((substrate, status) for substrate, status, counts in marks if counts)


def next_actor(facts: TurnFacts) -> str:
    """Who has to act next: the state's, sharpened by the tests, conflicts and votes of the current revision."""
    by_state = NEXT_ACTOR[facts.state]
    if by_state == Actor.REVIEWER and obstacles(facts):
        return Actor.SUBMITTER
    return by_state


def obstacles(facts: TurnFacts) -> list[str]:
    """What the submitter of an open item has to mend, in words; empty when nothing is known to be wrong."""
    found = []
    if facts.has_failed:
        found.append(f"tests fail on {join_words(facts.failing)}" if facts.failing else "its tests fail")
    if facts.conflicts:
        found.append("it conflicts with its target")
    if facts.objections:
        found.append(
            "1 reviewer asks for changes" if facts.objections == 1 else f"{facts.objections} reviewers ask for changes"
        )
    return found


def reason(facts: TurnFacts) -> str:
    """Why it is whose turn it is, in a few words, without a full stop and without times."""
    actor = next_actor(facts)
    if actor == Actor.NONE:
        return _why_closed(facts)
    if actor == Actor.SUBMITTER:
        by_state = [_WHY_SUBMITTER[facts.state]] if facts.state in _WHY_SUBMITTER else []
        return "; ".join(by_state + obstacles(facts))
    return "; ".join([_why_reviewer(facts), *remarks(facts)])


def remarks(facts: TurnFacts) -> list[str]:
    """What is worth saying of its tests though it moves no turn."""
    if NEXT_ACTOR[facts.state] == Actor.NONE:
        return []
    found = []
    if facts.tests_wait_for == TestsWaitFor.PERMISSION:
        found.append("a reviewer has to allow its tests")
    elif facts.tests_wait_for == TestsWaitFor.CONFLICTS and not facts.conflicts:
        found.append("its tests wait until it merges")
    if facts.running:
        found.append(f"tests are under way on {join_words(facts.running)}")
    if facts.verdict == Verdict.FAIL and facts.excused:
        found.append("its failing tests fail elsewhere too, or are flaky")
    elif facts.verdict == Verdict.ERROR:
        found.append("its tests could not be run to an end")
    return found


_WHY_SUBMITTER: dict[str, str] = {
    State.REVIEWED: "it was reviewed and waits for an answer",
    State.IN_PROGRESS: "it is work in progress",
}


def _why_reviewer(facts: TurnFacts) -> str:
    if facts.state == State.READY:
        ready = "approved and waits to be merged" if facts.is_proposal else "accepted and waits to be released"
        against = facts.negative_votes
        return (
            f"it is {ready}, although {_people(against, 'votes', 'vote')} against it" if against else f"it is {ready}"
        )
    if facts.launchpad_status == FAILED_TO_MERGE:
        return "merging it failed on Launchpad"
    if facts.launchpad_status == QUEUED:
        return "it is queued for merging on Launchpad"
    if not facts.is_reviewed:
        return "no review yet"
    if facts.is_answered:
        return "the submitter has answered"
    if facts.positive_votes and not facts.negative_votes:
        return f"{_people(facts.positive_votes, 'approves', 'approve')}; it waits for a decision"
    if facts.positive_votes or facts.negative_votes:
        return f"the votes are +{facts.positive_votes} −{facts.negative_votes}; it waits for a decision"
    return "it was commented on and waits for a decision"


def _why_closed(facts: TurnFacts) -> str:
    if facts.state == State.MERGED:
        return "it is merged"
    if facts.state_reason:
        return facts.state_reason[:1].lower() + facts.state_reason[1:].rstrip(".")
    if facts.launchpad_status:
        return f"it is {facts.launchpad_status} on Launchpad"
    return "it is closed"


def _people(count: int, one: str, many: str) -> str:
    return f"1 reviewer {one}" if count == 1 else f"{count} reviewers {many}"


def todo(facts: TurnFacts) -> str:
    """What the submitter can do now, in a sentence or more."""
    place = "proposal" if facts.is_proposal else "bug"
    actor = next_actor(facts)
    if actor == Actor.NONE:
        if facts.state == State.ABANDONED:
            again = "propose it again" if facts.is_proposal else "set the bug on Launchpad to New"
            return f"Nothing. If it should live on, push your work and {again}."
        return "Nothing."
    if actor == Actor.REVIEWER:
        return "Nothing for now: a reviewer acts next."
    steps = []
    if facts.conflicts:
        steps.append("Merge the target into your branch, and push.")
    if facts.has_failed:
        steps.append("Look at the failing tests, and push a fix.")
    if facts.objections or facts.state == State.REVIEWED:
        steps.append(
            f"Read the reviews, push what they ask for, or answer in a comment on the {place} on Launchpad: "
            "your answer brings it back to the reviewers."
        )
    if facts.state == State.IN_PROGRESS:
        ready = "Needs review" if facts.is_proposal else "New or Confirmed"
        steps.append(f"When it is ready, set the {place} on Launchpad to {ready}: then a reviewer acts next.")
    return " ".join(steps)


def why_next(facts: TurnFacts, *, asked: str = "", reviewed_by_reader: bool, lines: int | None, waits_for: str) -> str:
    """Why an item is the best next one for a reviewer, in a few words, without a full stop.

    ``asked`` is whose review was asked for, as ``you``, empty if nobody's; ``lines`` are those added and removed, None
    where that is not known; ``waits_for`` is how long it has been a reviewer's turn, in words.
    """
    said = [f"a review was asked of {asked}"] if asked else []
    if reviewed_by_reader:
        said.append("you have reviewed it before")
    said.append(reason(facts))
    if facts.verdict == Verdict.PASS:
        said.append("its tests passed")
    if lines is not None:
        said.append("1 line is changed" if lines == 1 else f"{lines} lines are changed")
    if waits_for:
        said.append(f"it has waited for {waits_for}")
    return "; ".join(said)


def whose_turn(review: Review, user: User | None) -> str:
    """Whose turn it is, in words for this reader; ``reason`` says why."""
    actor = next_actor(review.turn)
    if actor == Actor.NONE:
        return "Nobody has to act"
    if actor == Actor.SUBMITTER:
        is_own = user is not None and user.person_id == review.owner_id
        return "Your turn" if is_own else f"The turn of {review.owner}"
    return "Your turn as a reviewer" if _may_take(review, user) else "A reviewer’s turn"


def _may_take(review: Review, user: User | None) -> bool:
    """Whether the reader is a reviewer who can take it up: not their own, and not locked by somebody else."""
    if user is None or not user.is_reviewer or user.person_id == review.owner_id:
        return False
    return review.locked_by_id is None or review.locked_by_id == user.person_id
