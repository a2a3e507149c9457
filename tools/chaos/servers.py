"""A PostgreSQL and a Redis to break things in: those that the environment names, else throw-away ones of our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import redis

START_TIMEOUT_SECONDS = 20.0  # seconds until a server has to answer


class CantRun(Exception):
    """Something is missing; ``str()`` says what, and how to get it."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """URLs of an empty database and of a broker, and what flushes the broker. Our own stop with the test."""
    with ExitStack() as stack:
        database = os.environ.get("CHAOS_DATABASE_URL") or stack.enter_context(_postgresql(folder))
        own_broker = not os.environ.get("CHAOS_BROKER_URL")
        broker = os.environ.get("CHAOS_BROKER_URL") or stack.enter_context(_redis(folder))
        _empty(database)
        client = redis.Redis.from_url(broker)
        # Another's server may hold other queues in its other databases.
        flush = client.flushall if own_broker else client.flushdb
        flush()
        yield database, broker, flush


def _program(name: str, package: str) -> str:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), None]
    for place in places:
        if found := shutil.which(name, path=str(place) if place else None):
            return found
    raise CantRun(
        f"{name} is not installed. Install Debian's {package}, or set CHAOS_DATABASE_URL and CHAOS_BROKER_URL to "
        "servers that may be emptied."
    )


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    initdb, postgres = _program("initdb", "postgresql"), _program("postgres", "postgresql")
    data, port = folder / "postgresql", free_port()
    data.mkdir()
    as_user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        try:
            shutil.chown(data, "postgres", "postgres")
        except LookupError:
            raise CantRun("PostgreSQL can't run as root, and there is no user postgres. Run this as a user.") from None
        folder.chmod(0o755)
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    made = subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "postgres", "-N"], **quiet, **as_user)  # type: ignore[call-overload]
    if made.returncode:
        raise CantRun(f"initdb failed: {made.stderr.decode(errors='replace').strip()[-500:]}")
    options = {"port": port, "unix_socket_directories": "", "fsync": "off", "listen_addresses": "127.0.0.1",
               "max_connections": 100, "log_lock_waits": "on"}  # fmt: skip
    command = [postgres, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "postgresql.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True, **as_user)  # type: ignore[call-overload]
    try:
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        _wait("PostgreSQL", lambda: psycopg2.connect(url).close())
        yield url
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [_program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--dir", str(folder)]  # fmt: skip
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _wait("Redis", lambda: redis.Redis.from_url(url).ping())
        yield url
    finally:
        server.kill()
        server.wait()


def _wait(name: str, try_it: Callable[[], object]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            try_it()
            return
        except (psycopg2.Error, redis.RedisError) as error:
            if time.monotonic() > deadline:
                raise CantRun(f"{name} did not answer within {START_TIMEOUT_SECONDS:g} seconds: {error}") from None
            time.sleep(0.1)


def _empty(database: str) -> None:
    name = urlsplit(database).path.lstrip("/")
    if os.environ.get("CHAOS_DATABASE_URL") and "chaos" not in name:
        raise CantRun(
            f"CHAOS_DATABASE_URL names the database {name!r}. Everything in it is deleted, so its name must hold the "
            "word chaos."
        )
    try:
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    except psycopg2.OperationalError as error:
        raise CantRun(f"The database can't be reached: {error}") from None
