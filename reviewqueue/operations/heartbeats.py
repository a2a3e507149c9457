"""Signs of life: each worker and beat writes its row every 20 seconds, so that staff can see which are running."""

from __future__ import annotations

import socket
import threading
from typing import Any

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from reviewqueue.operations.models import Heartbeat

logger = structlog.get_logger(__name__)

INTERVAL_SECONDS = 20.0


def record_heartbeat(kind: str, host: str) -> None:
    """Write the sign of life of a process of that kind (``Heartbeat.Kind``)."""
    Heartbeat.objects.update_or_create(kind=kind, host=host[:255], defaults={"at": timezone.now()})


class HeartbeatThread(threading.Thread):
    """Writes signs of life until the process ends. A database that is away is logged, never raised."""

    def __init__(self, kind: str, host: str) -> None:
        super().__init__(name=f"heartbeat of {kind}", daemon=True)
        self.kind, self.host, self.stopping = kind, host, threading.Event()

    def run(self) -> None:
        while True:
            try:
                record_heartbeat(self.kind, self.host)
            except DatabaseError as error:
                logger.warning("heartbeat not written", kind=self.kind, reason=type(error).__name__)
            finally:
                connection.close()  # a worker forks: nothing open may be inherited
            if self.stopping.wait(INTERVAL_SECONDS):
                return


def on_worker_ready(sender: Any = None, **_: Any) -> None:
    """A worker has started."""
    HeartbeatThread(Heartbeat.Kind.WORKER, str(getattr(sender, "hostname", socket.gethostname()))).start()


def on_beat_init(sender: Any = None, **_: Any) -> None:
    """A beat has started."""
    HeartbeatThread(Heartbeat.Kind.BEAT, socket.gethostname()).start()
