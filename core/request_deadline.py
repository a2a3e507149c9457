"""One deadline for a whole request: connecting, headers and body.

The timeout of ``requests`` and ``httplib2`` is for each read, so a server that drips its answer byte by byte would hold
a worker for hours.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

Answer = TypeVar("Answer")
STEP = 0.05  # seconds between two looks at a connection that is to end


class Cutter:
    """Remembers the sockets of one request, and cuts them when its time is up."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def watch(self, connection: Any) -> Any:
        """Follow a connection of ``http.client``'s kind: its socket is cut if it is open past the deadline."""
        connect, sockets = connection.connect, self._sockets

        def connect_and_note() -> None:
            connect()
            # Kept here: the connection forgets it when the answer's end is the connection's end.
            sockets.append(connection.sock)

        connection.connect = connect_and_note
        if connection.sock is not None:
            sockets.append(connection.sock)
        return connection

    def unwatch(self, connection: Any) -> None:
        """Leave a connection that is kept for the next request as it was."""
        vars(connection).pop("connect", None)

    def cut(self) -> None:
        """Whoever waits for one of the sockets waits no longer."""
        for open_socket in list(self._sockets):
            with suppress(OSError):  # it is closed
                socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """Cut what is open so many seconds from now, unless the block has ended by then."""
        done = threading.Event()

        def wait() -> None:
            late = not done.wait(seconds)
            while late and not done.is_set():  # it may connect only now
                self.cut()
                done.wait(STEP)

        watcher = threading.Thread(target=wait, name="request deadline", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def in_time(ask: Callable[..., Answer], seconds: float) -> Callable[..., Answer]:
    """``ask``, whose first argument is a connection, as one that raises TimeoutError after so many seconds."""

    def bounded(connection: Any, *args: Any, **kwargs: Any) -> Answer:
        deadline, cutter = time.monotonic() + seconds, Cutter()
        cutter.watch(connection)
        try:
            with cutter.after(seconds):
                answer = ask(connection, *args, **kwargs)
        except Exception:
            if time.monotonic() < deadline:
                raise
            raise TimeoutError("timed out") from None
        finally:
            cutter.unwatch(connection)
        if time.monotonic() >= deadline:  # what was cut off can look whole
            connection.close()
            raise TimeoutError("timed out")
        return answer

    return bounded


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        make = pool.ConnectionCls
        pool.ConnectionCls = lambda *args, **kwargs: self._cutter.watch(make(*args, **kwargs))
        return pool


@contextmanager
def session_of(seconds: float) -> Iterator[requests.Session]:
    """A session for one request that ends, body and all, within so many seconds.

    What is cut off looks like an answer that ended early: compare the clock before believing it.
    """
    cutter = Cutter()
    with requests.Session() as session, cutter.after(seconds):
        for scheme in ("http://", "https://"):
            session.mount(scheme, _WatchedAdapter(cutter))
        yield session
