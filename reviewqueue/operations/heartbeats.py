"""Signs of life: each worker and beat writes its row every 20 seconds, so that staff can see who is there."""

from __future__ import annotations

import logging
import socket
import threading
from datetime import timedelta
from typing import Any

from celery import signals
from django.db import DatabaseError, connection
from django.utils import timezone

from reviewqueue.operations.models import Heartbeat

logger = logging.getLogger(__name__)

EVERY = 20.0  # seconds
SILENCE = timedelta(seconds=90)  # longer than this without a sign counts as dead


def beat_once(kind: str, who: str) -> None:
    """Write the sign of life of a ``worker`` or ``beat``; ``who`` tells it from its siblings."""
    Heartbeat.objects.update_or_create(name=f"{kind} {who}"[:64], defaults={"at": timezone.now()})


def alive(kind: str) -> list[Heartbeat]:
    """Processes of that kind that gave a sign lately."""
    return list(Heartbeat.objects.filter(name__startswith=f"{kind} ", at__gt=timezone.now() - SILENCE).order_by("name"))


class Pulse(threading.Thread):
    """Beats until the process ends. A database that is away is logged, never raised."""

    def __init__(self, kind: str, who: str) -> None:
        super().__init__(name=f"pulse of {kind}", daemon=True)
        self.kind, self.who, self.stopping = kind, who, threading.Event()

    def run(self) -> None:
        while True:
            try:
                beat_once(self.kind, self.who)
            except DatabaseError as error:
                logger.warning("no sign of life written kind=%s error=%s", self.kind, type(error).__name__)
            finally:
                connection.close()  # a worker forks: nothing open may be inherited
            if self.stopping.wait(EVERY):
                return


def start_worker_pulse(sender: Any = None, **_: Any) -> None:
    """A worker is ready."""
    Pulse("worker", str(getattr(sender, "hostname", socket.gethostname()))).start()


def start_beat_pulse(sender: Any = None, **_: Any) -> None:
    """A beat has begun."""
    Pulse("beat", socket.gethostname()).start()


def connect() -> None:
    """Follow Celery's processes; harmless in every other process."""
    signals.worker_ready.connect(start_worker_pulse, dispatch_uid="worker pulse")
    signals.beat_init.connect(start_beat_pulse, dispatch_uid="beat pulse")
