"""A cache that is away costs a page at most a second, once."""

import shutil
import signal
import socket
import subprocess
import time

import pytest
from django.core.cache import caches

from core.cache import circuit

MARGIN = 2.0  # seconds that a busy machine may add


@pytest.fixture
def cache_at(settings):
    """The cache in the Redis at this port, as the setting CACHE_URL makes it."""
    circuit.reset()

    def point(port):
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "redis": {"BACKEND": "core.cache.OptionalRedisCache", "LOCATION": f"redis://127.0.0.1:{port}/1"},
        }
        return caches["redis"]

    yield point
    circuit.reset()


@pytest.fixture
def redis_server(tmp_path):
    if not shutil.which("redis-server"):
        pytest.skip("needs redis-server: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
    yield process, port
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def seconds(call, *args):
    begun = time.monotonic()
    call(*args)
    return time.monotonic() - begun


def test_what_was_set_is_there(cache_at, redis_server):
    cache = cache_at(redis_server[1])
    cache.set("key", "value", 60)
    assert cache.get("key") == "value"
    assert not cache.add("key", "other", 60)
    cache.delete("key")
    assert cache.get("key", "none") == "none"


def test_a_frozen_redis_costs_a_second_once(cache_at, redis_server):
    process, port = redis_server
    cache = cache_at(port)
    cache.set("key", "value", 60)
    process.send_signal(signal.SIGSTOP)
    assert seconds(cache.get, "key") < 1 + MARGIN
    assert seconds(cache.get, "key") < 0.5
    assert cache.get("key", "none") == "none"


def test_a_redis_that_swallows_packets_costs_a_second_once(cache_at):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        cache = cache_at(hole.getsockname()[1])
        assert seconds(cache.get, "key") < 1 + MARGIN
        assert seconds(cache.set, "key", "value") < 0.5


def test_it_is_asked_again_after_a_while(cache_at, redis_server, monkeypatch):
    process, port = redis_server
    cache = cache_at(port)
    monkeypatch.setattr("core.circuit.PAUSE_SECONDS", 0.0)
    cache.set("key", "value", 60)
    process.send_signal(signal.SIGSTOP)
    assert cache.get("key") is None
    process.send_signal(signal.SIGCONT)
    assert cache.get("key") == "value"
