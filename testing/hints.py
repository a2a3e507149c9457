"""Celery messages as hints: they make work start sooner, and losing one loses nothing."""

import logging
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
