"""Wake background tasks by name, so that a service needs to import no task.

A message only makes work start sooner: the periodic tasks find the same work in the rows, so losing one loses nothing.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import structlog
from celery import Task, signature
from django.db import transaction

logger = structlog.get_logger(__name__)


def enqueue_on_commit(task_name: str, *args: Any) -> None:
    """Enqueue the task once the current transaction is committed. A broker that is down is logged, never raised."""
    transaction.on_commit(partial(_enqueue, task_name, [args]))


def enqueue_each_on_commit(task_name: str, keys: Iterable[int]) -> None:
    """Enqueue the task once for each key; given up at the first that fails, as a broker that is down fails for all."""
    transaction.on_commit(partial(_enqueue, task_name, [(key,) for key in keys]))


def _enqueue(task_name: str, calls: list[tuple[Any, ...]]) -> None:
    try:
        for args in calls:
            signature(task_name, args=args).apply_async()
    except Exception as error:  # each transport has its own exceptions
        logger.warning("task not enqueued", task_name=task_name, reason=type(error).__name__)


def hint(task: Task, *args: Any) -> None:
    """The old name of ``enqueue_on_commit``, until its last caller is gone."""
    enqueue_on_commit(task.name, *args)


def hint_each(task: Task, keys: Iterable[int]) -> None:
    """The old name of ``enqueue_each_on_commit``, until its last caller is gone."""
    enqueue_each_on_commit(task.name, keys)
