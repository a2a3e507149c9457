"""Launching, cancelling and retriggering test runs (docs/specification.md, section 5).

Each function does its whole job: what it launches wakes the sweep, what it cancels has its build stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from accounts.models import Person
from core.enqueue import enqueue_on_commit
from reviews.history import build_event, record, record_all
from reviews.models import CLOSED_STATES, TESTABLE_STATES, Event, Review
from testing.managers import TestRunQuerySet
from testing.models import Status, Substrate, TestRun
from testing.plan import TestPlan
from testing.transitions import cancel, lock_review, lock_run, new_run, status_words
from testing.verdicts import update_verdicts

REPEATABLE: tuple[str, ...] = (Status.FAIL, Status.ERROR, Status.CANCELED)  # what *Run again what failed* runs again


class NotAllowed(Exception):
    """What was asked for can't be done; ``str()`` says why, for a person."""


@dataclass(frozen=True)
class LaunchResult:
    """What a launch did: runs that are new, and runs that were under way already."""

    launched: list[TestRun] = field(default_factory=list)
    already: list[TestRun] = field(default_factory=list)


def launch_runs(
    review: Review, substrates: Iterable[Substrate], requested_by: Person | None, revision: str | None = None
) -> LaunchResult:
    """Create a run per substrate for the review's current revision, unless one is unfinished there already.

    ``revision`` is the one that the person has seen, if that is known. Raises NotAllowed when there is a newer one by
    now, the review is closed or not tracked, or a substrate is not active.
    """
    result = LaunchResult()
    with transaction.atomic():
        locked = lock_review(review.pk)
        check_seen(locked, revision)
        if locked.state in CLOSED_STATES:
            raise NotAllowed(f"This item is {locked.get_state_display()}: nothing is tested any more.")
        if reason := locked.why_untracked:
            raise NotAllowed(f"{reason} Nothing is tested of it.")
        under_way = {
            run.substrate_id: run
            for run in TestRun.objects.filter(review=locked, revision=locked.revision).unfinished()
        }
        plan = TestPlan()
        for substrate in substrates:
            if not substrate.active:
                raise NotAllowed(f"The substrate {substrate.name} is not active.")
            if substrate.pk in under_way:
                result.already.append(under_way[substrate.pk])
                continue
            run = new_run(locked, substrate, requested_by, plan.planned(locked.source_id, substrate))
            run.save()
            record(locked, Event.Kind.RUN, new=status_words(run), actor=requested_by, run_id=run.pk)
            under_way[substrate.pk] = run
            result.launched.append(run)
        update_verdicts([locked.pk])
        if result.launched:
            _wake_sweep()
    return result


def check_seen(review: Review, revision: str | None) -> None:
    """Nobody starts code that they have not seen: raises NotAllowed if the review has another revision by now."""
    if revision is not None and revision != review.revision:
        raise NotAllowed("Nothing was launched: a newer revision was proposed in the meantime. Look at it first.")


def launch_default_runs(
    reviews: Sequence[Review],
    states: Sequence[str] = TESTABLE_STATES,
    requested_by: Person | None = None,
    *,
    by_hand: bool = False,
    repeat: bool = False,
    seen: Mapping[int, str] | None = None,
) -> list[TestRun]:
    """A run on each substrate that the plan starts by itself, unless the review's current revision has one there.

    A constant number of queries, for however many reviews. Nothing outside ``states`` is tested by itself, nor what
    ``reviews.starting`` says has to wait, unless a reviewer starts it ``by_hand``. With ``repeat`` also what failed is
    run again; of ``seen``, the revisions (by the review's id) that a person has looked at, no other one is tested.
    Returns the runs that are new.
    """
    with transaction.atomic():
        # In the order of their ids, so that no two launches deadlock.
        wanted = Review.objects.tracked().filter(pk__in=[review.pk for review in reviews], state__in=states)
        if not by_hand:
            wanted = wanted.starting_by_itself()
        locked = list(wanted.order_by("pk").select_for_update(of=("self",)))
        if seen:
            locked = [review for review in locked if seen.get(review.pk, review.revision) == review.revision]
        if not locked:
            return []
        plan, substrates = TestPlan(), list(Substrate.objects.filter(active=True))
        planned = [
            (review, substrate, plan.planned(review.source_id, substrate))
            for review in locked
            for substrate in substrates
        ]
        if not any(entry.default for _, _, entry in planned):
            return []
        earlier = TestRun.objects.filter(review__in=locked).current()
        known = set(earlier.order_by().exclude(status=Status.CANCELED).values_list("review_id", "substrate_id"))
        if repeat:
            known -= _failed(earlier)
        runs = TestRun.objects.bulk_create(
            new_run(review, substrate, requested_by, entry)
            for review, substrate, entry in planned
            if entry.default and (review.pk, substrate.pk) not in known
        )
        record_all(
            build_event(run.item, Event.Kind.RUN, new=status_words(run), actor=requested_by, run_id=run.pk)
            for run in runs
        )
        if runs:
            update_verdicts({run.item.pk for run in runs})
            _wake_sweep()
    return runs


def _failed(runs: TestRunQuerySet) -> set[tuple[int, int]]:
    """Reviews and substrates (ids) where the newest of these runs may be repeated. One query."""
    newest: dict[tuple[int, int], str] = {}
    for review_id, substrate_id, status in runs.newest_first().values_list("review_id", "substrate_id", "status"):
        newest.setdefault((review_id, substrate_id), status)
    return {place for place, status in newest.items() if status in REPEATABLE}


def runs_to_repeat(review: Review) -> list[TestRun]:
    """What failed, ended in error or was cancelled: of the current revision, the newest run on each substrate.

    In the order of the substrates. One query.
    """
    newest: dict[int, TestRun] = {}
    for run in review.test_runs.filter(revision=review.revision).select_related("substrate").newest_first():
        newest.setdefault(run.substrate_id, run)
    found = [run for run in newest.values() if run.status in REPEATABLE]
    return sorted(found, key=lambda run: (run.substrate.order, run.substrate.name))


def repeat_failed(review: Review, requested_by: Person | None, revision: str | None = None) -> LaunchResult:
    """Run again what ``runs_to_repeat`` finds, on active substrates.

    Two such calls at once launch each run once: the second finds it under way. Raises NotAllowed as ``launch_runs``
    does.
    """
    with transaction.atomic():
        locked = lock_review(review.pk)
        check_seen(locked, revision)
        substrates = [run.substrate for run in runs_to_repeat(locked) if run.substrate.active]
        return launch_runs(locked, substrates, requested_by)


def retrigger(run: TestRun, *, actor: Person | None) -> TestRun:
    """A new run of the review's current revision on the same substrate. Raises NotAllowed, saying why."""
    result = launch_runs(run.item, [run.substrate], actor)
    if not result.launched:
        raise NotAllowed(f"A run on {run.substrate.name} is under way already.")
    return result.launched[0]


def cancel_run(run: TestRun, *, actor: Person | None, note: str) -> bool:
    """Cancel an unfinished run, and stop its build as soon as a worker is free. False when it was finished already."""
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.is_finished:
            return False
        cancel(locked, note, actor)
        if locked.attempts.to_stop().exists():
            enqueue_on_commit("testing.tasks.stop_build", run.pk)
    return True


def cancel_pointless(runs: TestRunQuerySet, most: int | None = None) -> int:
    """Cancel those of the runs that nobody needs any more, at most so many. Returns how many."""
    canceled = 0
    for run in runs.pointless().select_related("review__source", "baseline__source").order_by("pk")[:most]:
        canceled += cancel_run(run, actor=None, note=run.why_pointless)
    return canceled


def _wake_sweep() -> None:
    enqueue_on_commit("testing.tasks.sweep_test_runs")
