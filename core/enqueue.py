"""Celery messages as hints: they make work start sooner, and losing one loses nothing."""

import logging
from collections.abc import Iterable
from typing import Any

from celery import Task
from django.db import transaction

logger = logging.getLogger(__name__)


def hint(task: Task, *args: Any) -> None:
    """Enqueue the task once the current transaction is committed. A broker that is down is logged, never raised."""

    def send() -> None:
        try:
            task.delay(*args)
        except Exception as error:  # whatever a transport raises: the sweep finds the work in the rows
            logger.warning("hint not sent task=%s error=%s", task.name, type(error).__name__)

    transaction.on_commit(send)


def hint_each(task: Task, keys: Iterable[int]) -> None:
    """``hint`` for each key, given up at the first that can't be sent: a broker that is down must hold nobody up."""

    def send() -> None:
        try:
            for key in keys:
                task.delay(key)
        except Exception as error:
            logger.warning("hints not sent task=%s error=%s", task.name, type(error).__name__)

    transaction.on_commit(send)
