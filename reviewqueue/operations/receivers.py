"""Receivers of the signals of lower rooms and of Celery."""

from typing import Any

import structlog
from celery import signals
from django.db import DatabaseError, connection
from django.dispatch import receiver

from core.counters import count
from core.signals import counted, worker_wanted
from core.startup import wait_for_broker, wait_for_database
from reviewqueue.operations.heartbeats import on_beat_init, on_worker_ready
from reviewqueue.operations.models import Counter, Heartbeat

logger = structlog.get_logger(__name__)

signals.worker_ready.connect(on_worker_ready, dispatch_uid="operations.worker_heartbeat")
signals.beat_init.connect(on_beat_init, dispatch_uid="operations.beat_heartbeat")


@signals.worker_init.connect(dispatch_uid="operations.wait_for_services")
def on_worker_init(**_: Any) -> None:
    """A worker that starts before its database and broker waits for them."""
    wait_for_database()
    connection.close()  # a worker forks: nothing open may be inherited
    wait_for_broker()


@receiver(counted, dispatch_uid="operations.count")
def on_counted(name: str, label: str, **_: Any) -> None:
    """Count one more. A database error is logged: it must not undo what is counted."""
    try:
        Counter.objects.add_one(name, label)
    except DatabaseError as error:
        logger.warning("not counted", counter=name, label=label, reason=type(error).__name__)


@receiver(worker_wanted, dispatch_uid="operations.worker_is_alive")
def on_worker_wanted(**_: Any) -> bool:
    return Heartbeat.objects.workers().alive().exists()


@signals.task_failure.connect(dispatch_uid="operations.count_task_failures")
def on_task_failure(sender: Any = None, **_: Any) -> None:
    count("task failures", str(getattr(sender, "name", "unknown")))
