"""Asking an outside system about several things at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
Problem = TypeVar("Problem", bound=Exception)


def ask_all(
    jobs: Sequence[Job], ask: Callable[[Job], Answer], *, at_once: int, problem: type[Problem]
) -> list[tuple[Job, Answer | Problem]]:
    """Call ``ask`` for each job, in so many threads at once, and wait for all of them.

    Returns each job with its answer, or with the ``problem`` that it raised, in the order of the jobs; any other
    exception is raised here. ``ask`` bounds its own time and touches no row: a thread has no transaction of its caller.
    """
    answers: list[tuple[Job, Answer | Problem]] = []
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for job, future in [(job, pool.submit(ask, job)) for job in jobs]:
            try:
                answers.append((job, future.result()))
            except problem as error:
                answers.append((job, error))
    return answers
