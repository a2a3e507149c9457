"""Waking a background task never holds anybody up, and loses nothing that matters."""

import shutil
import signal
import socket
import subprocess
import time

import pytest
from celery import current_app
from kombu import Connection

from core.enqueue import MAX_WAIT_SECONDS, circuit, enqueue_each_on_commit, enqueue_on_commit
from core.signals import is_worker_alive
from reviewqueue.operations.heartbeats import record_heartbeat

MARGIN = 2.0  # seconds that a busy machine may add

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker_at(monkeypatch):
    """Point the queue at the broker of this URL."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery believes it before its own configuration
    conf = current_app.conf
    before = (conf.broker_url, conf.broker_transport, conf.broker_transport_options)

    def point(url):
        conf.broker_url, conf.broker_transport, conf.broker_transport_options = url, None, {}
        circuit.reset()

    yield point
    conf.broker_url, conf.broker_transport, conf.broker_transport_options = before
    circuit.reset()


@pytest.fixture
def redis_server(tmp_path):
    """A Redis of our own: its process and its URL."""
    if not shutil.which("redis-server"):
        pytest.skip("needs redis-server: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"
    with Connection(url) as connection:
        connection.ensure_connection(max_retries=100, interval_start=0.05, interval_step=0)
    yield process, url
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def waiting(url):
    with Connection(url) as connection:
        return connection.default_channel.client.llen("celery")


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Do it and commit; how many seconds the commit waited for the broker."""

    def measure(enqueue, *args):
        with django_capture_on_commit_callbacks() as callbacks:
            enqueue(*args)
        begun = time.monotonic()
        for callback in callbacks:
            callback()
        return time.monotonic() - begun

    return measure


def test_a_task_is_enqueued_once_the_transaction_is_committed(
    broker_at, redis_server, django_capture_on_commit_callbacks
):
    _, url = redis_server
    broker_at(url)
    with django_capture_on_commit_callbacks() as callbacks:
        enqueue_on_commit("testing.tasks.sweep_test_runs")
    assert waiting(url) == 0
    callbacks[0]()
    assert waiting(url) == 1


def test_each_key_is_a_message_of_its_own(broker_at, redis_server, committed):
    _, url = redis_server
    broker_at(url)
    committed(enqueue_each_on_commit, "testing.tasks.stop_build", [1, 2, 3])
    assert waiting(url) == 3


def test_nobody_waits_longer_than_a_second_for_a_frozen_redis(broker_at, redis_server, committed):
    process, url = redis_server
    broker_at(url)
    committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    process.send_signal(signal.SIGSTOP)
    assert committed(enqueue_on_commit, "testing.tasks.sweep_test_runs") < MAX_WAIT_SECONDS + MARGIN


def test_the_second_one_does_not_wait_for_a_frozen_redis(broker_at, redis_server, committed):
    process, url = redis_server
    broker_at(url)
    process.send_signal(signal.SIGSTOP)
    committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    assert circuit.is_open
    assert committed(enqueue_on_commit, "testing.tasks.sweep_test_runs") < MAX_WAIT_SECONDS / 2


def test_messages_are_sent_again_once_redis_is_back(broker_at, redis_server, committed, monkeypatch):
    process, url = redis_server
    broker_at(url)
    monkeypatch.setattr("core.circuit.PAUSE_SECONDS", 0.0)
    process.send_signal(signal.SIGSTOP)
    committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 60
    while not waiting(url) and time.monotonic() < deadline:
        committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    assert waiting(url)


def test_nobody_waits_for_a_broker_that_swallows_packets(broker_at, committed):
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections, never says a word
        broker_at(f"redis://127.0.0.1:{hole.getsockname()[1]}/0")
        assert committed(enqueue_on_commit, "testing.tasks.sweep_test_runs") < MAX_WAIT_SECONDS + MARGIN
        assert committed(enqueue_on_commit, "testing.tasks.sweep_test_runs") < MAX_WAIT_SECONDS / 2


def test_a_broker_that_is_away_is_logged_once(broker_at, committed, caplog):
    broker_at("redis://127.0.0.1:1/0")
    for _ in range(3):
        committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    assert caplog.text.count("service is away") == 1


def test_a_worker_counts_as_alive_when_it_gave_a_sign_of_life():
    assert not is_worker_alive()
    record_heartbeat("beat", "here")
    assert not is_worker_alive()
    record_heartbeat("worker", "celery@here")
    assert is_worker_alive()


def test_an_embedded_broker_that_can_not_be_written_to_stops_nothing(tmp_path, broker_at, committed, caplog):
    gone = tmp_path / "gone"
    gone.write_text("a file where the folder should be")
    broker_at("filesystem://localhost/")
    conf = current_app.conf
    conf.broker_transport = "core.broker:Transport"
    conf.broker_transport_options = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), str(gone))
    committed(enqueue_on_commit, "testing.tasks.sweep_test_runs")
    assert "service is away, done without it" in caplog.text
