"""Wake background tasks by name, so that a service needs to import no task.

A message only makes work start sooner: the periodic tasks find the same work in the rows, so losing one loses nothing.
That is why nobody waits for a broker: a second at most, and while it is known to be away not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from celery import current_app, signature
from django.db import transaction
from kombu.pools import producers

from core.circuit import Circuit

MAX_WAIT_SECONDS = 1.0
# Only for brokers over a network; what reads messages waits longer than this for the next one.
NETWORK_TIMEOUTS = {"socket_connect_timeout": MAX_WAIT_SECONDS, "socket_timeout": MAX_WAIT_SECONDS}

circuit = Circuit("broker")


class Unsent(Exception):
    """The broker did not take the message in time; the words say why."""


def enqueue_on_commit(task_name: str, *args: Any) -> None:
    """Enqueue the task once the current transaction is committed. A broker that is down is logged, never raised."""
    transaction.on_commit(partial(_enqueue, task_name, [args]))


def enqueue_each_on_commit(task_name: str, keys: Iterable[int]) -> None:
    """Enqueue the task once for each key; given up at the first that fails, as a broker that is down fails for all."""
    transaction.on_commit(partial(_enqueue, task_name, [(key,) for key in keys]))


def enqueue_now(
    task_name: str, calls: list[tuple[Any, ...]], *, wait_seconds: float = MAX_WAIT_SECONDS, **options: Any
) -> None:
    """Enqueue the task once for each list of arguments, at once. ``options`` are those of Celery's ``apply_async``.

    Waits at most ``wait_seconds`` for the broker. Raises Unsent when it did not take all of them in time.
    """
    if current_app.conf.task_always_eager:
        _send(task_name, calls, options)
        return
    if circuit.is_open:
        raise Unsent("The broker is away.")
    future = _sender().submit(_send, task_name, calls, options)
    try:
        future.result(wait_seconds)
    except Exception as error:  # each transport has its own exceptions
        future.cancel()
        circuit.failed(type(error).__name__)
        raise Unsent(f"The broker did not take the message ({type(error).__name__}).") from None
    circuit.succeeded()


def _enqueue(task_name: str, calls: list[tuple[Any, ...]]) -> None:
    with suppress(Unsent):  # logged by the circuit
        enqueue_now(task_name, calls)


def _send(task_name: str, calls: list[tuple[Any, ...]], options: dict[str, Any]) -> None:
    over_network = current_app.conf.broker_transport is None
    connection = current_app.connection_for_write(transport_options=NETWORK_TIMEOUTS if over_network else {})
    with producers[connection].acquire(block=True, timeout=MAX_WAIT_SECONDS) as producer:
        for args in calls:
            signature(task_name, args=args).apply_async(producer=producer, **options)


_senders: dict[int, ThreadPoolExecutor] = {}


def _sender() -> ThreadPoolExecutor:
    """A thread of this process that talks to the broker; name look-ups, too, can take long. Threads end at a fork."""
    pid = os.getpid()
    if pid not in _senders:
        _senders.clear()
        _senders[pid] = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enqueue")
    return _senders[pid]
