"""Asking an outside system about many things at once, a few at a time, without touching a row from a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Problem = TypeVar("Problem", bound=Exception)

PATIENCE = 4  # failures in a row after which the other side counts as down


def ask_each(
    jobs: Iterator[Job],
    ask: Callable[[Job], Answer],
    *,
    width: int,
    until: float,
    problem: type[Problem],
    is_down: Callable[[Problem], bool],
) -> Iterator[tuple[Job, Answer | Problem]]:
    """Call ``ask`` for each job in ``width`` threads; yields each job with its answer, or the problem it raised.

    Takes no more jobs after ``until`` (``time.monotonic()``), nor once the other side is down. What was taken is
    always yielded.
    """
    under_way: dict[Future[Answer], Job] = {}
    failures = 0
    with ThreadPoolExecutor(max_workers=width) as pool:
        while True:
            while len(under_way) < width and failures < PATIENCE and time.monotonic() < until:
                job = next(jobs, None)
                if job is None:
                    break
                under_way[pool.submit(ask, job)] = job
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                answer: Answer | Problem
                try:
                    answer = future.result()
                    failures = 0
                except problem as error:
                    answer = error
                    failures = failures + 1 if is_down(error) else 0
                yield under_way.pop(future), answer
