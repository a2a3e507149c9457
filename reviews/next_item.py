"""*Next for me*: the best item that a reviewer can take up now, locked for them, and why it is that one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Person, TeamMembership, User
from core.text import counted, join_words, time_passed
from reviews.locks import lock
from reviews.managers import ReviewQuerySet
from reviews.models import Actor, Review
from reviews.turns import why_next

PRESSED_TWICE = timedelta(seconds=2)  # a second press within this time means the same item, as of a double click


class NextItem(NamedTuple):
    """An item to take up, and why it is this one, in words without a full stop."""

    review: Review
    why: str


def find_next(user: User, skipped: Collection[int] = ()) -> NextItem | None:
    """The item that ``take_next`` would take now; None when there is none. Three queries."""
    person = user.as_person()
    best = _free(user, person).exclude(pk__in=skipped).best_first(person)
    review = best.for_rows().first()
    return _explained(review, person, timezone.now()) if review else None


def take_next(user: User, *, skipped: Collection[int] = (), here: int | None = None) -> NextItem | None:
    """Lock the best item that nobody holds, for this reviewer; None when there is none.

    ``skipped`` are left out. ``here`` is the item whose page they come from. However many reviewers ask at once, each
    gets another item: its row is locked and looked at again before it is taken.
    """
    person, now = user.as_person(), timezone.now()
    with transaction.atomic():
        # One press at a time for each account.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        free = _free(user, person).exclude(pk__in=skipped)
        just_taken = Review.objects.visible_to(user).waiting_for(person).locked_by(person).exclude(pk=here or 0)
        again = just_taken.filter(locked_at__gt=now - PRESSED_TWICE).order_by("-locked_at").for_rows().first()
        if again:
            return _explained(again, person, now)
        while (best := free.best_first(person).values_list("pk", flat=True).first()) is not None:
            if free.filter(pk=best).select_for_update(of=("self",)).first() is None:
                continue  # somebody else was faster
            lock(best, person)
            return _explained(Review.objects.for_rows().get(pk=best), person, now)
    return None


def why_nothing(user: User, skipped: Collection[int] = ()) -> str:
    """Why there is no next item, in a sentence or two. One query."""
    person = user.as_person()
    waiting: ReviewQuerySet = Review.objects.visible_to(user).waiting().next_for(Actor.REVIEWER)
    own, held = Q(owner=person), Q(locked_by=person)
    by_others = Q(locked_by__isnull=False) & ~held & ~own
    counts = waiting.order_by().aggregate(
        total=Count("pk"), own=Count("pk", own), held=Count("pk", held & ~own), by_others=Count("pk", by_others),
        skipped=Count("pk", Q(pk__in=skipped, locked_by__isnull=True) & ~own),
    )  # fmt: skip
    if not counts["total"]:
        return "No item waits for a reviewer."
    parts = []
    if counts["by_others"]:
        parts.append(f"others are reviewing {counts['by_others']}")
    if counts["held"]:
        parts.append(f"you hold {counts['held']} yourself")
    if counts["own"]:
        parts.append(f"{counts['own']} you submitted yourself")
    if counts["skipped"]:
        parts.append(f"{counts['skipped']} you have skipped today")
    waits = counted(counts["total"], "item waits for a reviewer", "items wait for a reviewer")
    return f"{waits}: {join_words(parts)}."


def _free(user: User, person: Person) -> ReviewQuerySet:
    """What this reviewer may see and take up, and nobody holds."""
    found: ReviewQuerySet = Review.objects.visible_to(user).waiting_for(person)
    return found.unlocked()


def _explained(review: Review, person: Person, now: datetime) -> NextItem:
    """With the reason. Two queries."""
    is_known = review.lines_added is not None and review.lines_removed is not None
    why = why_next(
        review.turn,
        asked=_whom_was_asked(review, person),
        reviewed_by_reader=Review.objects.reviewed_by(person).filter(pk=review.pk).exists(),
        lines=(review.lines_added or 0) + (review.lines_removed or 0) if is_known else None,
        waits_for=time_passed(review.turn_since, now),
    )
    return NextItem(review, why)


def _whom_was_asked(review: Review, person: Person) -> str:
    """``you``, or the teams of this person's whose review is still asked for; empty for nobody. One query."""
    teams = TeamMembership.objects.filter(person=person).order_by()
    concerned = Q(reviewer=person) | Q(reviewer__username__in=teams.values("team"))
    pending = review.requests.filter(concerned, is_pending=True).select_related("reviewer")
    asked = [request.reviewer for request in pending.order_by("requested_at", "pk")]
    return "you" if person in asked else join_words([str(team) for team in asked])
