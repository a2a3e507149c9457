"""Beat ends when it is told to."""

import signal

import pytest
from celery.beat import Scheduler, Service

from reviewqueue.celery import app


class ToldWhileClearingUp(Scheduler):
    """Is told to stop, each time it looks what is due, while Python clears away an object."""

    ticks = 0

    def tick(self):
        class Object:
            def __del__(self):
                signal.raise_signal(signal.SIGTERM)

        self.ticks += 1
        assert self.ticks < 10
        Object()
        return 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_beat_that_is_told_to_stop_while_python_clears_up_stops(monkeypatch):
    monkeypatch.setattr("reviewqueue.operations.heartbeats.HeartbeatThread.start", lambda self: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    service = Service(app, scheduler_cls=ToldWhileClearingUp)
    try:
        app.Beat(quiet=True).install_sync_handler(service)
        service.start()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert service.scheduler.ticks == 1
