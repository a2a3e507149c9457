"""A worker or beat that starts before its services waits for them, and says so."""

import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from django.conf import settings
from kombu import Connection

WAIT = 120  # seconds; only what is broken takes as long


@pytest.fixture
def celery(tmp_path):
    """Start a Celery process with these settings; its output so far."""
    started = []

    class Celery:
        def start(self, *arguments, **environment):
            log = (tmp_path / "log").open("w")
            child = subprocess.Popen(
                [sys.executable, "-m", "celery", "--skip-checks", "-A", "reviewqueue", *arguments],
                cwd=settings.BASE_DIR, stdout=log, stderr=log,
                env=os.environ | {
                    "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "DEBUG": "true", "VAR_DIR": str(tmp_path),
                    "CELERY_BROKER_URL": "filesystem://", "PYTHONWARNINGS": "ignore", **environment,
                },
            )  # fmt: skip
            started.append(child)
            return child

        def output(self):
            return (tmp_path / "log").read_text()

        def says(self, words):
            """Wait until the process has said it."""
            deadline = time.monotonic() + WAIT
            while words not in self.output() and time.monotonic() < deadline:
                time.sleep(0.02)
            return words in self.output()

    yield Celery()
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait(WAIT)


@pytest.fixture
def full_redis(tmp_path):
    """A Redis that takes nothing more; ``make_room`` empties it."""
    if not shutil.which("redis-server"):
        pytest.skip("needs redis-server: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--maxmemory", "1", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    with Connection(url) as connection:
        connection.ensure_connection(max_retries=200, interval_start=0.05, interval_step=0)

        class Full:
            def __init__(self):
                self.url = url

            def make_room(self):
                connection.default_channel.client.config_set("maxmemory", 0)

        yield Full()
    server.kill()
    server.wait()


@pytest.mark.slow
@pytest.mark.parametrize("process", [("worker", "-c", "1"), ("beat",)], ids=["worker", "beat"])
def test_it_waits_for_a_database_that_is_away(celery, process):
    child = celery.start(*process, DATABASE_URL="postgres://queue@127.0.0.1:1/queue")
    assert celery.says("waiting for a service service=database")
    assert child.poll() is None
    child.terminate()
    assert child.wait(WAIT) is not None
    assert "Traceback" not in celery.output()


@pytest.mark.slow
def test_a_worker_waits_for_a_redis_that_is_full(celery, full_redis, tmp_path):
    child = celery.start("worker", "-c", "1", CELERY_BROKER_URL=full_redis.url)
    assert celery.says("waiting for a service service=broker")
    assert child.poll() is None
    full_redis.make_room()
    assert celery.says("ready.")
    assert "Traceback" not in celery.output()
