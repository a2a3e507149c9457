"""Waiting for the database and the broker when a process starts before they are ready."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from celery import current_app
from django.db import DatabaseError, connection
from kombu import Queue

logger = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 5.0
SOCKET_TIMEOUT_SECONDS = 10  # for one try; only brokers over a network have it


def wait_for_database() -> None:
    """Return once the database answers. Each try that fails is logged."""
    _wait("database", _ask_database)


def wait_for_broker() -> None:
    """Return once a queue can be declared, as a worker does first; a broker that is full or still loading refuses."""
    _wait("broker", _ask_broker)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    over_network = current_app.conf.broker_transport is None
    timeouts = {"socket_timeout": SOCKET_TIMEOUT_SECONDS, "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS}
    with current_app.connection_for_write(transport_options=timeouts if over_network else {}) as broker:
        Queue("celery", exchange="celery", routing_key="celery", channel=broker.default_channel).declare()


def _wait(service: str, ask: Callable[[], None]) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return ask()
        except DatabaseError as error:
            reason = str(error).strip().split("\n")[0]
        except Exception as error:  # each broker's transport has its own exceptions
            reason = f"{type(error).__name__}: {error}"
        logger.warning("waiting for a service", service=service, reason=reason, pause_seconds=pause)
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
