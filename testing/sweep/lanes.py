"""Asking several servers at once: each has a lane of its own, so one that is down, slow or frozen holds up no other."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from testing.ci import CIError, TemporaryError
from testing.engines import Engines
from testing.models import Server, TestRun

Work = TypeVar("Work")
Answer = TypeVar("Answer")

FIRST = 8  # requests to a server that has not answered yet; as many failures in a row mean that it is down
WRITE_SECONDS = 0.05  # for how long at most answers are gathered, to be written down together
ENOUGH_FAILURES = 3  # in a row, after which a server is left alone whatever it was asked for
LONGEST_SERVER_PAUSE = 600  # seconds


@dataclass(frozen=True)
class Place:
    """A server, or the environment's (None), and its jobs that can be asked."""

    server: Server | None
    jobs: tuple[int, ...] = ()

    def of(self, rows: QuerySet[Any], path: str = "job") -> QuerySet[Any]:
        """Those of the rows whose run, with its job at ``path``, belongs here."""
        return rows.filter(Q(**{f"{path}__in": self.jobs}) if self.server else Q(**{f"{path}__isnull": True}))

    @property
    def is_paused(self) -> bool:
        return bool(self.server and self.server.paused_until and self.server.paused_until > timezone.now())


def places_of(run: TestRun, engines: Engines) -> list[Place]:
    """The one place that can be asked about a run; none while it can't be asked."""
    if engines.current(run.job_id).unconfigured():
        return []
    return [Place(engines.jobs[run.job_id].server, (run.job_id,)) if run.job_id else Place(None)]


class Step(ABC, Generic[Work, Answer]):
    """One step of the sweep. Rows are read and written by the thread that sweeps; others only ``ask``."""

    path = "job"  # from a due row to its run's job
    about_the_server = False  # whether a single failure says that the server as a whole does not answer

    def __init__(self, engines: Engines) -> None:
        self.engines = engines

    @abstractmethod
    def due(self) -> QuerySet[Any]:
        """The rows that are due now."""

    @abstractmethod
    def claim(self, due: QuerySet[Any], most: int) -> list[Work]:
        """Take at most so many of them for this process."""

    @abstractmethod
    def ask(self, work: Work) -> Answer:
        """Ask the engine; touches no row. Raises CIError."""

    @abstractmethod
    def record(self, answers: list[tuple[Work, Answer | CIError]]) -> None:
        """Write down what was answered."""

    def give_up(self, due: QuerySet[Any], problem: CIError, seconds: float) -> None:
        """The server is down: what is due there is left alone for so long."""


@dataclass
class Lane(Generic[Work]):
    """What one step asks of one server."""

    place: Place
    due: QuerySet[Any]
    pool: ThreadPoolExecutor
    asking: dict[Future[Any], Work] = field(default_factory=dict)
    asked: int = 0
    failures: int = 0  # in a row
    limit: int = FIRST
    closed: bool = False  # nothing more is claimed
    problem: TemporaryError | None = None  # why the server counts as down

    def fill(self, step: Step[Work, Any]) -> None:
        """Claim and ask as much as there is room for, unless it is little."""
        room = self.limit - len(self.asking)
        if self.closed or 2 * room < self.limit:
            return
        claimed = step.claim(self.due, room)
        self.closed = not claimed
        for work in claimed:
            self.asking[self.pool.submit(step.ask, work)] = work

    def write_down(self, step: Step[Work, Any]) -> None:
        """Record what has been answered, and judge by it whether the server is down."""
        answers: list[tuple[Work, Any]] = []
        for future in [future for future in self.asking if future.done()]:
            work = self.asking.pop(future)
            try:
                answers.append((work, future.result()))
            except CIError as problem:
                answers.append((work, problem))
        if not answers:
            return
        step.record(answers)
        self.asked += len(answers)
        for _, answer in answers:
            if isinstance(answer, TemporaryError):
                self.failures, self.problem = self.failures + 1, answer
            else:
                self.failures, self.problem, self.limit = 0, None, max(FIRST, 2 * settings.JENKINS_AT_ONCE)
        if self.failures >= FIRST:
            self.closed = True

    @property
    def is_down(self) -> bool:
        """Whether nothing, or nothing any more, is answered."""
        return self.failures >= FIRST or bool(self.failures and self.failures == self.asked)


def run_step(step: Step[Any, Any], places: list[Place], until: float) -> None:
    """Do the step for every server, until nothing is due or the time (of ``time.monotonic()``) is over.

    A server that does not answer is left alone for a while. At most ``JENKINS_AT_ONCE`` requests go to one at a time.
    """
    with ExitStack() as stack:
        lanes = [
            Lane[Any](
                place, place.of(step.due(), step.path),
                stack.enter_context(ThreadPoolExecutor(max_workers=settings.JENKINS_AT_ONCE)),
            )
            for place in places
            if not place.is_paused
        ]  # fmt: skip
        gathered_until = time.monotonic() + WRITE_SECONDS
        while True:
            if time.monotonic() < until:
                for lane in lanes:
                    lane.fill(step)
            asking = [future for lane in lanes for future in lane.asking]
            if not asking:
                break
            # Writing takes time as well, in which answers have been gathered already.
            wait(asking, timeout=max(0.0, gathered_until - time.monotonic()))
            gathered_until = time.monotonic() + WRITE_SECONDS
            for lane in lanes:
                lane.write_down(step)
        for lane in lanes:
            note_health(lane, step)


def note_health(lane: Lane[Any], step: Step[Any, Any]) -> None:
    """Pause a server that does not answer, and say of one that answers again that it does."""
    server, problem = lane.place.server, lane.problem
    if lane.is_down and problem:
        seconds = float(settings.TESTING_FIRST_PAUSE)
        if server and (step.about_the_server or lane.failures >= ENOUGH_FAILURES):
            seconds = pause(server, problem)
        step.give_up(lane.due, problem, seconds)
    elif server and lane.asked and server.failing_since:
        server.failing_since, server.paused_until, server.problem = None, None, ""
        server.save(update_fields=["failing_since", "paused_until", "problem"])


def pause(server: Server, problem: CIError) -> float:
    """Leave the server alone for a while, the longer the longer it has not answered. Returns the seconds."""
    now = timezone.now()
    since = server.failing_since or now
    seconds = min(
        max(settings.TESTING_FIRST_PAUSE, (now - since).total_seconds() / 2),
        max(LONGEST_SERVER_PAUSE, settings.TESTING_FIRST_PAUSE),
    )
    server.failing_since, server.problem = since, str(problem)
    server.paused_until = now + timedelta(seconds=seconds)
    server.save(update_fields=["failing_since", "problem", "paused_until"])
    return float(seconds)
