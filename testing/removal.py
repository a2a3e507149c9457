"""Removing for good what a switched-off source has brought in (docs/specification.md, section 4)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Person
from reviews.models import Review, Source
from testing.models import TestRun
from testing.runs import cancel_run

BATCH = 100  # reviews that one transaction removes
REMOVAL_SECONDS = 15.0  # that a page may take for it


class SourceIsOn(Exception):
    """The source is switched on, so an import would bring its items again."""


@dataclass
class Removal:
    """What was removed, and what of it remains."""

    reviews: int = 0
    runs: int = 0
    remaining: int = 0  # reviews
    stopping: int = 0  # those of the remaining whose builds the engine still has


def items_of(source: Source) -> tuple[int, int]:
    """How many reviews and test runs the source has."""
    return source.reviews.count(), TestRun.objects.filter(review__source=source).count()


def remove_items(source: Source, *, actor: Person | None, seconds: float = REMOVAL_SECONDS) -> Removal:
    """Delete the reviews of a switched-off source with their runs, comments and history, as many as fit in the time.

    Unfinished runs are cancelled; their reviews stay until their builds have been stopped, since a stop needs the run.
    Raises SourceIsOn.
    """
    deadline = time.monotonic() + seconds
    _cancel_unfinished(source, actor, deadline)
    done = Removal()
    while time.monotonic() < deadline:
        reviews, runs = _remove_batch(source)
        done.reviews, done.runs = done.reviews + reviews, done.runs + runs
        if not reviews:
            break
    # Should the source be switched on again, it is read from the start.
    Source.objects.filter(pk=source.pk, active=False).update(cursor=None)
    done.remaining, done.stopping = source.reviews.count(), source.reviews.filter(pk__in=_being_stopped(source)).count()
    return done


def _cancel_unfinished(source: Source, actor: Person | None, deadline: float) -> None:
    _lock_switched_off(source)
    for run in TestRun.objects.filter(review__source=source).unfinished():
        if time.monotonic() >= deadline:
            return
        cancel_run(run, actor=actor, note="The items of the source are being removed.")


def _remove_batch(source: Source) -> tuple[int, int]:
    """One transaction: how many reviews and runs it removed."""
    with transaction.atomic():
        _lock_switched_off(source)
        found = Review.objects.select_for_update(of=("self",)).filter(source=source)
        keys = list(found.exclude(pk__in=_being_stopped(source)).order_by("pk").values_list("pk", flat=True)[:BATCH])
        runs = TestRun.objects.filter(review__in=keys).count()
        Review.objects.filter(pk__in=keys).delete()
    return len(keys), runs


def _lock_switched_off(source: Source) -> None:
    with transaction.atomic():
        if Source.objects.select_for_update().get(pk=source.pk).active:
            raise SourceIsOn


def _being_stopped(source: Source) -> QuerySet[TestRun, int]:
    """Reviews with a run that is unfinished, or whose build is still to be stopped."""
    runs = TestRun.objects.filter(review__source=source)
    busy = Q(pk__in=runs.unfinished().values("pk")) | Q(attempts__stop_due_at__isnull=False)
    return runs.filter(busy).values_list("review_id", flat=True)
