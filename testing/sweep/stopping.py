"""Stopping builds that nobody needs: of cancelled runs, and of attempts that were given up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from testing.choices import UNSURE
from testing.ci import BuildRef, CIBackend, CIError, TemporaryError
from testing.engines import Engines
from testing.models import Attempt, TestRun
from testing.sweep.claims import TASK_SECONDS, Lately, claim_rows, pause_after
from testing.sweep.lanes import Step, places_of, run_step
from testing.sweep.lately import LatelyStarted

MAX_TRIES = 10
MAX_UNSURE_TRIES = 3  # for a build that nobody has seen


def stop_build(run_id: int) -> None:
    """Take the builds of a run that are to be stopped out of the engine, where that is possible."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run:
        engines = Engines()
        run_step(Stopping(engines, run_id), places_of(run, engines), time.monotonic() + TASK_SECONDS)


@dataclass(frozen=True, slots=True)
class Build:
    """The build of an attempt that is to be stopped, and how to find it if it never reported where it is."""

    attempt: Attempt
    ci: CIBackend
    lately: LatelyStarted | None


class Stopping(Step[Build, BuildRef]):
    """Stops the builds whose message was lost, or that could not be stopped; or those of one run."""

    path = "run__job"

    def __init__(self, engines: Engines, run_id: int | None = None) -> None:
        super().__init__(engines)
        self.run_id = run_id

    def due(self) -> QuerySet[Attempt]:
        attempts: QuerySet[Attempt] = Attempt.objects.to_stop()
        return attempts.filter(run=self.run_id) if self.run_id else attempts

    def claim(self, due: QuerySet[Attempt], most: int) -> list[Build]:
        with transaction.atomic():
            attempts = claim_rows(due.select_related("run"), "stop_due_at", most)
            keys = [attempt.pk for attempt in attempts]
            Attempt.objects.filter(pk__in=keys).update(stop_tries=F("stop_tries") + 1)
        lately = Lately(self.engines)
        return [
            Build(
                attempt, self.engines.of(attempt.run, attempt),
                None if attempt.build_url else lately.of(attempt.run, attempt),
            )
            for attempt in attempts
        ]  # fmt: skip

    def ask(self, work: Build) -> BuildRef:
        """Find the build, take it out of the queue, or stop it. Returns where it was."""
        attempt = work.attempt
        build = BuildRef(attempt.queue_url, attempt.build_url)
        if work.lately and (found := work.lately.find(attempt)):
            build = BuildRef(found.queue_url or attempt.queue_url, found.build_url)
        work.ci.cancel(build)
        return build

    def record(self, answers: list[tuple[Build, BuildRef | CIError]]) -> None:
        for work, answer in answers:
            tries = work.attempt.stop_tries + 1
            again = isinstance(answer, TemporaryError) and tries < MAX_TRIES
            # The engine may be about to queue it.
            unseen = isinstance(answer, BuildRef) and not answer.queue_url and not answer.build_url
            again = again or (work.attempt.outcome in UNSURE and unseen and tries < MAX_UNSURE_TRIES)
            due_at = timezone.now() + pause_after(tries) if again else None
            Attempt.objects.filter(pk=work.attempt.pk).update(stop_due_at=due_at)
