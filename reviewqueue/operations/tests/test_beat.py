"""Beat ends when it is told to."""

import signal
from datetime import timedelta

import pytest
from celery.beat import Scheduler as PlainScheduler
from celery.beat import Service
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from reviewqueue.celery import app
from reviewqueue.operations.beat import Scheduler


class ToldWhileClearingUp(PlainScheduler):
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
def test_beat_stops_on_a_signal_that_comes_while_python_destroys_an_object(monkeypatch):
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


SWEEP = "testing.tasks.sweep_test_runs"


@pytest.fixture
def sent(monkeypatch):
    """The tasks that a scheduler sends, instead of sending them."""
    names = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **_: names.append(entry.task))
    return names


@pytest.fixture
def new_scheduler(sent):
    """Start schedulers, as a beat does; they end with the test."""
    schedulers = []

    def start():
        schedulers.append(Scheduler(app=app))
        return schedulers[-1]

    yield start
    for scheduler in schedulers:
        scheduler.close()


def run_until_quiet(scheduler):
    """Tick as beat does, until nothing is due at this moment."""
    while scheduler.tick() == 0:
        pass


@pytest.mark.django_db(transaction=True)
def test_a_last_run_in_the_future_is_set_back(new_scheduler):
    """As a clock that was ahead leaves it: beat would send nothing until then."""
    next_year = timezone.now() + timedelta(days=365)
    PeriodicTask.objects.update(last_run_at=next_year)
    scheduler = new_scheduler()
    run_until_quiet(scheduler)
    assert not PeriodicTask.objects.filter(enabled=True, last_run_at__gt=timezone.now()).exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_set_back_runs_when_its_interval_is_over(new_scheduler, sent):
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=365))
    scheduler = new_scheduler()
    run_until_quiet(scheduler)
    PeriodicTask.objects.filter(task=SWEEP).update(last_run_at=timezone.now() - timedelta(minutes=2))
    again = new_scheduler()
    run_until_quiet(again)
    assert SWEEP in sent


@pytest.mark.django_db(transaction=True)
def test_a_beat_that_runs_while_the_clock_is_set_back_goes_on(new_scheduler):
    PeriodicTask.objects.update(last_run_at=timezone.now())
    scheduler = new_scheduler()
    run_until_quiet(scheduler)
    for entry in scheduler.schedule.values():  # its clock was a year ahead when it sent them
        entry.model.last_run_at += timedelta(days=365)
    run_until_quiet(scheduler)
    assert all(entry.model.last_run_at <= timezone.now() for entry in scheduler.schedule.values())


@pytest.mark.django_db(transaction=True)
def test_it_is_said_once(new_scheduler, caplog):
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=365))
    scheduler = new_scheduler()
    run_until_quiet(scheduler)
    run_until_quiet(scheduler)
    enabled = PeriodicTask.objects.enabled().count()
    assert 0 < caplog.text.count("last run was in the future") <= enabled


@pytest.mark.django_db(transaction=True)
def test_a_small_difference_between_two_clocks_is_believed(new_scheduler):
    soon = timezone.now() + timedelta(seconds=30)
    PeriodicTask.objects.update(last_run_at=soon)
    run_until_quiet(new_scheduler())
    assert PeriodicTask.objects.get(task=SWEEP).last_run_at == soon
