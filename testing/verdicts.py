"""What the runs of a review's current revision say together: the Square, the verdict, a mark for each substrate.

This is the one place that works them out and keeps them on the review (docs/specification.md, section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from reviews.choices import NEXT_ACTOR, Actor
from reviews.models import Review, Square, Verdict
from testing.models import UNFINISHED, Status, TestRun

UNDER_WAY = "running"  # the mark of a substrate whose newest run is queued, sent or running


@dataclass(frozen=True)
class Mark:
    """The newest run on a substrate: passed, failed, in error or under way, and whether it counts for the verdict."""

    substrate: str
    status: str
    counts: bool = True


@dataclass(frozen=True)
class Summary:
    """What a review keeps of its runs."""

    square: str = Square.WHITE
    verdict: str = ""
    marks: tuple[Mark, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[tuple[str, str, bool]]) -> Summary:
        """Of substrate, status and ``counts`` of a revision's runs, oldest first; marks in the order of substrates
        as they first occur. Cancelled runs say nothing."""
        newest: dict[str, Mark] = {}
        statuses = set()
        for substrate, status, counts in runs:
            if status != Status.CANCELED:
                statuses.add(status)
                newest[substrate] = Mark(substrate, UNDER_WAY if status in UNFINISHED else status, counts)
        marks = tuple(newest.values())
        return cls(square_of(statuses), verdict_of(marks), marks)


def square_of(statuses: Iterable[str]) -> str:
    """The Square for the statuses of a review's runs of its current revision. Cancelled runs don't count."""
    counted = {status for status in statuses if status != Status.CANCELED}
    if not counted:
        return Square.WHITE
    if Status.PASS in counted:
        return Square.GREEN
    if counted - set(UNFINISHED):
        return Square.RED
    return Square.BLACK


def verdict_of(marks: Iterable[Mark]) -> str:
    """The worst outcome of those that count: fail, then error, then pass; empty while one is under way, or if none
    counts."""
    counted = {mark.status for mark in marks if mark.counts}
    if not counted or UNDER_WAY in counted:
        return ""
    return next(verdict for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.PASS) if verdict in counted)


def turn_after(verdict: str) -> Case:
    """Since when it is whose turn: since now, where this verdict passes the turn on, or gives it back."""
    reviewing = Q(state__in=[state for state, actor in NEXT_ACTOR.items() if actor == Actor.REVIEWER])
    unobjected = Q(objections=0) & (Q(conflicts=None) | Q(conflicts=False))
    changes = ~Q(verdict=Verdict.FAIL) if verdict == Verdict.FAIL else Q(verdict=Verdict.FAIL)
    return Case(When(reviewing & unobjected & changes, then=Now()), default=F("turn_since"))


def update_verdicts(review_ids: Collection[int]) -> None:
    """Work out what the runs of these reviews say, and keep it there.

    Call it with the reviews' rows locked, so that two outcomes can't cross. One query, and one for each different
    result.
    """
    runs = TestRun.objects.filter(review__in=review_ids).current().order_by("substrate__order", "substrate__name", "pk")
    of_review: dict[int, list[tuple[str, str, bool]]] = {review_id: [] for review_id in review_ids}
    for review_id, substrate, status, counts in runs.values_list("review_id", "substrate__name", "status", "counts"):
        of_review[review_id].append((substrate, status, counts))
    reviews_of: dict[Summary, list[int]] = defaultdict(list)
    for review_id, found in of_review.items():
        reviews_of[Summary.of(found)].append(review_id)
    for summary, ids in reviews_of.items():
        marks = [[mark.substrate, mark.status, mark.counts] for mark in summary.marks]
        Review.objects.filter(pk__in=ids).update(
            square=summary.square,
            verdict=summary.verdict,
            marks=marks,
            turn_since=turn_after(summary.verdict),
            verdict_at=Case(When(~Q(verdict=summary.verdict), then=Now()), default=F("verdict_at")),
        )
