"""What the runs of a review's current revision say together: the Square, the verdict, a mark for each substrate.

This is the one place that works them out and keeps them on the review (docs/specification.md, section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Case, Count, F, Q, When
from django.db.models.functions import Now

from reviews.choices import NEXT_ACTOR, Actor
from reviews.models import Review, Square, Verdict
from testing.models import EXCUSING, UNFINISHED, Status, TestResult, TestRun

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


def turn_after(verdict: str, *, excused: bool) -> Case:
    """Since when it is whose turn: since now, where this verdict passes the turn on, or gives it back."""
    reviewing = Q(state__in=[state for state, actor in NEXT_ACTOR.items() if actor == Actor.REVIEWER])
    unobjected = Q(objections=0) & (Q(conflicts=None) | Q(conflicts=False))
    was_obstacle = Q(verdict=Verdict.FAIL, tests_excused=False)
    is_obstacle = verdict == Verdict.FAIL and not excused
    changes = ~was_obstacle if is_obstacle else was_obstacle
    return Case(When(reviewing & unobjected & changes, then=Now()), default=F("turn_since"))


def update_verdicts(review_ids: Collection[int]) -> None:
    """Work out what the runs of these reviews say, and keep it there.

    Call it with the reviews' rows locked, so that two outcomes can't cross. One query, one more where tests fail whose
    single tests are known, and one for each different result.
    """
    runs = TestRun.objects.filter(review__in=review_ids).current().order_by("substrate__order", "substrate__name", "pk")
    of_review: dict[int, list[tuple[str, str, bool]]] = {review_id: [] for review_id in review_ids}
    failing: dict[int, dict[str, int | None]] = {review_id: {} for review_id in review_ids}
    names = ("review_id", "substrate__name", "status", "counts", "pk", "results_due_at")
    for review_id, substrate, status, counts, pk, results_due_at in runs.values_list(*names):
        of_review[review_id].append((substrate, status, counts))
        if status != Status.CANCELED:  # the newest on the substrate
            failing[review_id].pop(substrate, None)
        if status == Status.FAIL and counts:
            failing[review_id][substrate] = None if results_due_at else pk
    excused = find_excused(failing)
    reviews_of: dict[tuple[Summary, bool], list[int]] = defaultdict(list)
    for review_id, found in of_review.items():
        summary = Summary.of(found)
        reviews_of[summary, summary.verdict == Verdict.FAIL and review_id in excused].append(review_id)
    for (summary, is_excused), ids in reviews_of.items():
        marks = [[mark.substrate, mark.status, mark.counts] for mark in summary.marks]
        Review.objects.filter(pk__in=ids).update(
            square=summary.square,
            verdict=summary.verdict,
            marks=marks,
            tests_excused=is_excused,
            turn_since=turn_after(summary.verdict, excused=is_excused),
            verdict_at=Case(When(~Q(verdict=summary.verdict), then=Now()), default=F("verdict_at")),
        )


def find_excused(failing: dict[int, dict[str, int | None]]) -> set[int]:
    """The reviews (ids) all of whose failing tests fail elsewhere too, or are flaky.

    ``failing`` has the failed runs of each review by substrate, None for one whose single tests are still to come. One
    query at most.
    """
    known = {
        review_id: list(runs.values()) for review_id, runs in failing.items() if runs and None not in runs.values()
    }
    if not known:
        return set()
    tests = TestResult.objects.failed().filter(run__in=[pk for runs in known.values() for pk in runs]).order_by()
    counts = tests.values_list("run").annotate(all=Count("pk"), excused=Count("pk", filter=Q(standing__in=EXCUSING)))
    excused_runs = {run_id for run_id, failed, excused in counts if failed == excused}
    return {review_id for review_id, runs in known.items() if excused_runs.issuperset(runs)}
