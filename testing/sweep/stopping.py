"""Stopping builds that nobody needs: of cancelled runs, and of attempts that were given up."""

from __future__ import annotations

import time
from functools import partial

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from core.concurrency import ask_all
from testing.choices import UNSURE
from testing.ci import BuildRef, CIBackend, CIError, TemporaryError, get_ci
from testing.models import Attempt
from testing.sweep.claims import AT_ONCE, claim_rows, is_down, pause_after
from testing.sweep.lookups import find_builds

MAX_TRIES = 10
MAX_UNSURE_TRIES = 3  # for a build that nobody has seen


def stop_build(run_id: int) -> None:
    """Take the builds of a run that are to be stopped out of the engine, where that is possible."""
    _stop(get_ci(), Attempt.objects.filter(run=run_id).to_stop())


def stop_due(ci: CIBackend, until: float) -> None:
    """Stop the builds whose message was lost, or that could not be stopped.

    Until nothing is due, the time (of ``time.monotonic()``) is over, or the engine is down.
    """
    due, more = Attempt.objects.to_stop(), True
    while more and time.monotonic() < until:
        more = _stop(ci, due)


def _stop(ci: CIBackend, due: QuerySet[Attempt]) -> bool:
    """A chunk of them. Returns whether there may be more."""
    with transaction.atomic():
        attempts = claim_rows(due, "stop_due_at")
        Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(stop_tries=F("stop_tries") + 1)
    answers = stop_builds(ci, attempts)
    for attempt, problem in answers:
        tries = attempt.stop_tries + 1
        again = isinstance(problem, TemporaryError) and tries < MAX_TRIES
        # The engine may be about to queue it.
        again = again or (is_unsure(attempt) and problem is None and tries < MAX_UNSURE_TRIES)
        due_at = timezone.now() + pause_after(tries) if again else None
        Attempt.objects.filter(pk=attempt.pk).update(stop_due_at=due_at)
    return bool(attempts) and not is_down(answers)


def stop_builds(ci: CIBackend, attempts: list[Attempt]) -> list[tuple[Attempt, CIError | None]]:
    """Stop the builds of the attempts; of those that never reported where they are, once they are found.

    Returns each attempt with the reason why that can't be done now, or None.
    """
    answers: list[tuple[Attempt, CIError | None]] = []
    lost = [attempt for attempt in attempts if not attempt.build_url]
    if lost:
        try:
            found = find_builds(ci, lost)
        except CIError as problem:
            answers += [(attempt, problem) for attempt in lost]
            attempts = [attempt for attempt in attempts if attempt.build_url]
        else:
            for attempt in lost:
                build = found.get(attempt.pk, BuildRef())
                attempt.queue_url, attempt.build_url = build.queue_url or attempt.queue_url, build.build_url
    return answers + ask_all(attempts, partial(cancel_build, ci), at_once=AT_ONCE, problem=CIError)


def is_unsure(attempt: Attempt) -> bool:
    """Whether the engine may have a build of the attempt, though none was found."""
    return attempt.outcome in UNSURE and not attempt.queue_url and not attempt.build_url


def cancel_build(ci: CIBackend, attempt: Attempt) -> None:
    """Take the attempt's build out of the queue, or stop it. Raises CIError when that can't be done now."""
    ci.cancel(BuildRef(attempt.queue_url, attempt.build_url))
