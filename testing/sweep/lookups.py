"""Finding the builds of accepted requests: an engine forgets what was in its queue, Jenkins after five minutes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from core.concurrency import ask_all
from testing.callbacks import callback_url
from testing.ci import BuildRecord, BuildRef, CIBackend, CIError
from testing.models import ON_ENGINE, Attempt, Status
from testing.sweep.claims import AT_ONCE, CHUNK, claim_rows
from testing.transitions import Trigger, finish, lock_run

logger = structlog.get_logger(__name__)

SOON = timedelta(seconds=60)  # after the acceptance, and while a build waits in the queue
LATER = timedelta(seconds=300)  # while the engine knows nothing of it
MAX_LOOKUPS = 500  # attempts that one sweep looks up, by the same two lists


def find_builds(ci: CIBackend, attempts: Iterable[Attempt]) -> dict[int, BuildRef]:
    """Where the builds of attempts are among those that the engine has, by the attempt's id. Raises CIError."""
    builds = ci.lately_started()
    urls = {attempt.pk: callback_url(attempt.run_id, attempt.number) for attempt in attempts}
    return {pk: builds[url] for pk, url in urls.items() if url in builds}


def look_up_due(ci: CIBackend, until: float) -> None:
    """Find the builds of accepted attempts that have not reported where they are.

    All of them by two lists, which cost as many requests; what is in neither list was perhaps cancelled by a person,
    and a few of those are asked for one by one, unless the time (of ``time.monotonic()``) is over.
    """
    with transaction.atomic():
        attempts = claim_rows(Attempt.objects.to_look_up(), "lookup_due_at", MAX_LOOKUPS)
    if not attempts:
        return
    try:
        found = find_builds(ci, attempts)
    except CIError as problem:
        logger.info("builds not looked up", reason=str(problem))
        return  # they are due again when the claim has run out
    waiting = [attempt.pk for attempt in attempts if attempt.pk not in found or not found[attempt.pk].build_url]
    Attempt.objects.filter(pk__in=waiting).update(lookup_due_at=timezone.now() + SOON)
    for attempt in attempts:
        if build_url := found.get(attempt.pk, BuildRef()).build_url:
            record_build_url(ci, attempt, build_url)
    missing = [attempt for attempt in attempts if attempt.pk not in found]
    missing, left = missing[:CHUNK], missing[CHUNK:]
    now = timezone.now()
    for place, attempt in enumerate(left):  # they come first the next time, in this order
        attempt.lookup_due_at = now + timedelta(microseconds=place)
    Attempt.objects.bulk_update(left, ["lookup_due_at"])
    if time.monotonic() >= until:
        return
    for attempt, record in ask_all(missing, partial(ask_for_record, ci), at_once=AT_ONCE, problem=CIError):
        if record is None:
            postpone_lookup(attempt)
        elif isinstance(record, BuildRecord) and record.canceled:
            record_cancellation(ci, attempt)
        elif isinstance(record, BuildRecord) and record.build_url:
            record_build_url(ci, attempt, record.build_url)


def ask_for_record(ci: CIBackend, attempt: Attempt) -> BuildRecord | None:
    """What became of the attempt's place in the queue; None when the engine has forgotten it. Raises CIError."""
    return ci.record(BuildRef(attempt.queue_url))


def record_build_url(ci: CIBackend, attempt: Attempt, build_url: str) -> None:
    """Write down where the build is; a link that was reported stays, if it is one to a build of our job."""
    with transaction.atomic():
        run = lock_run(attempt.run_id)
        run.attempts.filter(pk=attempt.pk).update(build_url=build_url, lookup_due_at=None)
        if run.attempt == attempt.number and not ci.build_of_job(run.build_url):
            run.build_url = build_url
            run.save(update_fields=["build_url"])


def postpone_lookup(attempt: Attempt) -> None:
    """The engine knows nothing of the build: look again later, or, once the run is finished, no more."""
    with transaction.atomic():
        run = lock_run(attempt.run_id)
        due = None if run.is_finished else timezone.now() + LATER
        run.attempts.filter(pk=attempt.pk).update(lookup_due_at=due)


def record_cancellation(ci: CIBackend, attempt: Attempt) -> None:
    """A person took it out of the engine's queue: that is not sent again."""
    with transaction.atomic():
        run = lock_run(attempt.run_id)
        run.attempts.filter(pk=attempt.pk).update(lookup_due_at=None)
        if run.attempt == attempt.number and run.status in ON_ENGINE:
            finish(run, Status.ERROR, Trigger.SWEEP, reason=f"It was cancelled in {ci.name}.")
