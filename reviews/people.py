"""People: what they have locked, submitted and reviewed, and what waits for them."""

from __future__ import annotations

from typing import Any, TypedDict

from django.db.models import Count, Q

from accounts.models import Person
from reviews.filters import reviewed_by
from reviews.models import NEXT_ACTOR, OPEN_STATES, Actor, Review, ReviewQuerySet, State

SUGGESTED = 10
LISTS = ("needs", "locked", "submitted", "reviewed")
SUBMITTER_STATES = [state for state in OPEN_STATES if NEXT_ACTOR[state] == Actor.SUBMITTER]


class Choice(TypedDict):
    """One of several lists or states to choose from, and how many reviews it holds."""

    name: str
    word: str
    count: int
    chosen: bool
    href: str


def reviews_of(person: Person, which: str) -> ReviewQuerySet:
    """The reviews of one of ``LISTS``. ``needs``: their own that wait for the submitter, open ones they have locked,
    and ones they have reviewed whose submitter has answered."""
    everything = Review.objects.all()
    found: ReviewQuerySet
    if which == "locked":
        found = everything.filter(locked_by=person)
    elif which == "submitted":
        found = everything.filter(owner=person)
    elif which == "reviewed":
        found = everything.filter(reviewed_by(person.username))
    else:
        answered = Q(state=State.FOLLOW_UP) & reviewed_by(person.username)
        mine = Q(owner=person, state__in=SUBMITTER_STATES)
        found = everything.open().filter(mine | Q(locked_by=person) | answered)
    return found


def counts_of(person: Person) -> dict[str, dict[str, int]]:
    """How many reviews each of the lists holds, by state. One query a list."""
    return {
        which: dict(reviews_of(person, which).order_by().values_list("state").annotate(Count("id"))) for which in LISTS
    }


def words_for(which: str, *, own: bool) -> str:
    """How a list is called on its owner's page and on others'."""
    if which == "needs":
        return "Needs you" if own else "Needs them"
    return which.capitalize()


def nothing_in(which: str, *, own: bool) -> str:
    """What an empty list says."""
    if which == "needs":
        return "Nothing waits for you." if own else "Nothing waits for them."
    return f"{'You have' if own else 'They have'} {'nothing locked' if which == 'locked' else f'{which} nothing yet'}."


def standing(person: Person) -> str:
    """Whether somebody is a reviewer, and why, in a sentence. One query when the team does not say it already."""
    if person.is_team:
        return "A team on Launchpad."
    if person.is_reviewer:
        return "A reviewer: member of a reviewer team on Launchpad."
    account: Any = getattr(person, "user", None)
    if account is not None and account.is_active and account.is_superuser:
        return "A reviewer: administrator of this queue."
    if account is not None and account.is_reviewer:
        return "A reviewer: member of the group of reviewers of this queue."
    return "Not a reviewer: in no reviewer team on Launchpad."


def suggestions(text: str) -> list[tuple[str, str]]:
    """At most ``SUGGESTED`` people whose name begins so: username and shown name. One query."""
    text = text.replace("\x00", "").strip()[:100]
    if not text:
        return []
    begins = Q(username__istartswith=text) | Q(display_name__istartswith=text) | Q(display_name__icontains=f" {text}")
    people = Person.objects.filter(begins).order_by("username")
    return list(people.values_list("username", "display_name")[:SUGGESTED])
