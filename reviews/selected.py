"""What can be done with several reviews at once; a room above registers what it adds, as tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from accounts.models import Person
from core.text import counted, join_words, shorten
from reviews.locks import LockedByOther, NotInQueue, lock, unlock
from reviews.models import Review

MAX_NAMED = 3  # titles that a message has of those that share a reason
MAX_NAME = 60  # characters of such a title


class Selected(NamedTuple):
    """A review, and the revision that the list showed of it; None where that is not known."""

    review: Review
    revision: str | None


@dataclass
class Outcome:
    """What came of an action: the reviews that it was done with, and the others by the reason, in words."""

    done: list[Review] = field(default_factory=list)
    refused: dict[str, list[Review]] = field(default_factory=dict)

    def refuse(self, review: Review, reason: str) -> None:
        self.refused.setdefault(reason, []).append(review)


@dataclass(frozen=True)
class Action:
    """Messages begin with ``done`` or ``not_done``, as ``Locked`` and ``Not locked``. ``run`` does it as this person,
    and raises nothing for what one review does not allow."""

    name: str
    label: str
    done: str
    not_done: str
    run: Callable[[Sequence[Selected], Person], Outcome]


def lock_selected(selected: Sequence[Selected], person: Person) -> Outcome:
    """Claim them; what the person holds already counts as done."""
    outcome = Outcome()
    for review, _ in selected:
        if not review.is_open:
            outcome.refuse(review, f"it is {review.get_state_display()}")
            continue
        try:
            lock(review.pk, person)
            outcome.done.append(review)
        except LockedByOther as other:
            outcome.refuse(review, f"{other.holder} holds it")
        except NotInQueue:
            outcome.refuse(review, f"its source {review.source} is switched off")
    return outcome


def release_selected(selected: Sequence[Selected], person: Person) -> Outcome:
    """Give back those that the person holds."""
    outcome = Outcome()
    for review, _ in selected:
        if review.locked_by_id is None:
            outcome.refuse(review, "nobody holds it")
            continue
        try:
            unlock(review.pk, person)
            outcome.done.append(review)
        except LockedByOther as other:
            outcome.refuse(review, f"{other.holder} holds it")
    return outcome


def done_words(action: Action, outcome: Outcome) -> str:
    """With how many it was done, in a sentence; empty for none."""
    return f"{action.done} {counted(len(outcome.done), 'item')}." if outcome.done else ""


def refused_words(action: Action, outcome: Outcome) -> list[str]:
    """A sentence for each reason why it was not done, with titles as people wrote them."""
    sentences = []
    for reason, reviews in outcome.refused.items():
        names = [f"“{shorten(review.title, MAX_NAME)}”" for review in reviews[:MAX_NAMED]]
        more = len(reviews) - len(names)
        named = join_words([*names, f"{more} more"] if more else names)
        sentences.append(f"{action.not_done}: {named}, because {reason}.")
    return sentences


_actions: dict[str, Action] = {
    "lock": Action("lock", "Lock", "Locked", "Not locked", lock_selected),
    "release": Action("release", "Release", "Released", "Not released", release_selected),
}


def register_action(action: Action) -> None:
    """Offer this action, after those registered before. Call it when the app is ready."""
    _actions[action.name] = action


def get_actions() -> list[Action]:
    """What is offered, in its order."""
    return list(_actions.values())


def get_action(name: str) -> Action | None:
    return _actions.get(name)
