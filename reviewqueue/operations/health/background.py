"""Running slow checks in threads, so that a page waits for them only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from reviewqueue.operations.health.findings import Finding, Problem, found

Check = Callable[[], Finding]
MAX_THREADS = 32


@dataclass
class Answer:
    """What a check found, or will find."""

    future: Future[tuple[float, Finding]]  # with the time on the monotonic clock at which it was found
    version: str  # of the settings that it was asked with

    def is_fresh(self, kept_seconds: float) -> bool:
        return not self.future.done() or time.monotonic() - self.future.result()[0] < kept_seconds


class BackgroundChecks:
    """Runs each check in a thread of its own, once at a time: others who ask meanwhile wait for the same answer.

    Answers are shown again for ``kept_seconds``, however often a page is loaded, to spare the services that are asked.
    """

    def __init__(self, checks: Mapping[str, Check], *, kept_seconds: float) -> None:
        self.checks, self.kept_seconds = checks, kept_seconds
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._answers: dict[str, Answer] = {}

    def run(
        self, timeout: float, *, fresh: bool = False, version: str = "", more: Mapping[str, Check] | None = None
    ) -> list[Finding]:
        """What each check finds; waits at most ``timeout`` seconds in all. A check that takes longer is *not known*,
        and its answer is there for the next who asks. ``fresh`` and another ``version`` ask again. ``more`` checks are
        those of this time; one with the name of a usual one takes its place."""
        deadline = time.monotonic() + timeout
        checks = {**self.checks, **(more or {})}
        answers = {name: self._ask(name, check, fresh, version) for name, check in checks.items()}
        findings = []
        for name, answer in answers.items():
            try:
                findings.append(answer.future.result(max(0.0, deadline - time.monotonic()))[1])
            except FutureTimeout:
                findings.append(Finding(name, facts="No answer yet. Load this page again in a moment.", known=False))
        return findings

    def _ask(self, name: str, check: Check, fresh: bool, version: str) -> Answer:
        with self._lock:
            answer = self._answers.get(name)
            kept_seconds = 0.0 if fresh else self.kept_seconds
            if answer is None or answer.version != version or not answer.is_fresh(kept_seconds):
                self._pool = self._pool or ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="check")
                answer = Answer(self._pool.submit(_run, name, check), version)
                self._answers[name] = answer
            return answer


def _run(name: str, check: Check) -> tuple[float, Finding]:
    try:
        finding = check()
    except Exception as error:
        words = f"This check failed ({type(error).__name__})."
        finding = found(name, Problem(words, "Please report this as an error of Review Queue."))
    return time.monotonic(), finding
