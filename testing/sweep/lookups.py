"""Finding the builds of accepted requests: an engine forgets what was in its queue, Jenkins after five minutes."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from core.concurrency import ask_all
from testing.callbacks import callback_url
from testing.ci import BuildRecord, BuildRef, CIBackend, CIError
from testing.engines import Engines
from testing.models import ON_ENGINE, Attempt, Status
from testing.sweep.claims import AT_ONCE, CHUNK, claim_rows
from testing.sweep.lanes import Place
from testing.transitions import Trigger, finish, lock_run

logger = structlog.get_logger(__name__)

SOON = timedelta(seconds=60)  # after the acceptance, and while a build waits in the queue
LATER = timedelta(seconds=300)  # while the engine knows nothing of it
MAX_LOOKUPS = 500  # attempts that one sweep looks up, by the same two lists


def look_up_due(engines: Engines, places: list[Place], until: float) -> None:
    """Find the builds of accepted attempts that have not reported where they are.

    Those of a job by two lists, which cost as many requests; what is in neither list was perhaps cancelled by a person,
    and a few of those are asked for one by one, unless the time (of ``time.monotonic()``) is over.
    """
    attempts = claim_to_look_up([place for place in places if not place.is_paused])
    by_engine: dict[CIBackend, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_engine[engines.of(attempt.run, attempt)].append(attempt)
    if not by_engine:
        return
    missing = []
    for ci, builds in ask_all(list(by_engine), lately_started, at_once=len(by_engine), problem=CIError):
        if isinstance(builds, CIError):
            logger.info("builds not looked up", reason=str(builds))
            continue  # they are due again when the claim has run out
        missing += [(ci, attempt) for attempt in record_found(ci, by_engine[ci], builds)]
    missing, left = missing[:CHUNK], [attempt for _, attempt in missing[CHUNK:]]
    now = timezone.now()
    for position, attempt in enumerate(left):  # they come first the next time, in this order
        attempt.lookup_due_at = now + timedelta(microseconds=position)
    Attempt.objects.bulk_update(left, ["lookup_due_at"])
    if time.monotonic() >= until:
        return
    for (ci, attempt), record in ask_all(missing, ask_for_record, at_once=AT_ONCE, problem=CIError):
        if record is None:
            postpone_lookup(attempt)
        elif isinstance(record, BuildRecord) and record.canceled:
            record_cancellation(ci, attempt)
        elif isinstance(record, BuildRecord) and record.build_url:
            record_build_url(ci, attempt, record.build_url)


def claim_to_look_up(places: list[Place]) -> list[Attempt]:
    """Take the attempts whose builds are to be looked for, of each server a chunk of its own."""
    found: list[Attempt] = []
    with transaction.atomic():
        for place in places:
            due = place.of(Attempt.objects.to_look_up(), "run__job").select_related("run")
            found += claim_rows(due, "lookup_due_at", MAX_LOOKUPS)
    return found


def lately_started(ci: CIBackend) -> dict[str, BuildRef]:
    """What the engine has queued or built lately, by callback URL. Raises CIError."""
    return ci.lately_started()


def record_found(ci: CIBackend, attempts: list[Attempt], builds: dict[str, BuildRef]) -> list[Attempt]:
    """Write down where the builds of the attempts are. Returns those that the engine does not list."""
    found = {attempt.pk: builds.get(callback_url(attempt.run_id, attempt.number)) for attempt in attempts}
    waiting = [pk for pk, build in found.items() if build is None or not build.build_url]
    Attempt.objects.filter(pk__in=waiting).update(lookup_due_at=timezone.now() + SOON)
    for attempt in attempts:
        build = found[attempt.pk]
        if build and build.build_url:
            record_build_url(ci, attempt, build.build_url)
    return [attempt for attempt in attempts if found[attempt.pk] is None]


def ask_for_record(missing: tuple[CIBackend, Attempt]) -> BuildRecord | None:
    """What became of the attempt's place in the queue; None when the engine has forgotten it. Raises CIError."""
    ci, attempt = missing
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
