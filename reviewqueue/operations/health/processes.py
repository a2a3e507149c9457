"""Checks of our own processes: worker, beat, and the schedules that beat follows."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from core.text import utc
from reviewqueue.operations.beat import MAX_CLOCK_SKEW
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviewqueue.operations.models import Heartbeat

SWEEP = "testing.tasks.sweep_test_runs"
# The schedules without which the queue stands still, and what stands still then.
SCHEDULES: dict[str, str] = {
    "integrations.tasks.import_from_launchpad": "nothing new is imported",
    "integrations.tasks.refresh_active": "reviews are not brought up to date",
    SWEEP: "no test run is sent, followed or recovered",
    "integrations.tasks.publish_results": "outcomes are not posted to Launchpad",
    "integrations.notifications.tasks.send_notifications": "nobody is told of anything",
}
BEAT_SILENCE = timedelta(minutes=5)  # how long the one-minute schedules may be silent


def check_worker() -> Finding:
    """Whether any worker is alive."""
    workers = Heartbeat.objects.workers().alive()
    if not workers:
        return found("worker", Problem("No worker is running.", "Start one: celery -A reviewqueue worker"))
    return found("worker", facts=", ".join(worker.host for worker in workers))


def check_beat() -> Finding:
    """Whether beat sends. It keeps in its rows when it last sent each task."""
    beats = Heartbeat.objects.beats().alive()
    hosts = ", ".join(beat.host for beat in beats)
    sweep = PeriodicTask.objects.filter(task=SWEEP, enabled=True)
    last = sweep.order_by(F("last_run_at").desc(nulls_last=True)).first()
    if last is None:
        return found("beat", facts=hosts)  # ``check_schedules`` says that the sweep is switched off
    if last.last_run_at is None and beats:
        return found("beat", facts=f"{hosts}, has only just started")
    if last.last_run_at and last.last_run_at > timezone.now() + MAX_CLOCK_SKEW:
        words = f"It sends nothing before {utc(last.last_run_at)}: a clock was ahead when it last sent something."
        return found("beat", Problem(words, "Check the clock (timedatectl), then start beat again."))
    if last.last_run_at is None or last.last_run_at < timezone.now() - BEAT_SILENCE:
        since = f" since {utc(last.last_run_at)}" if last.last_run_at else ""
        return found("beat", Problem(f"It has sent nothing{since}.", "Start it: celery -A reviewqueue beat"))
    return found("beat", facts=hosts)


def check_schedules() -> Finding:
    """Whether a schedule that the queue needs is missing or switched off."""
    tasks = PeriodicTask.objects.filter(task__in=SCHEDULES, enabled=True)
    last_runs = dict(tasks.values_list("task", "last_run_at"))
    latest = timezone.now() + MAX_CLOCK_SKEW
    problems = [
        Problem(
            f"The schedule of {task} is missing or switched off: {effect}.",
            "Enable it among the periodic tasks in the admin.",
        )
        for task, effect in SCHEDULES.items()
        if task not in last_runs
    ]
    problems += [
        Problem(
            f"{task} was last run at {utc(last_run)}, in the future: a clock was wrong, and it waits until then.",
            "Check the clock (timedatectl), then start beat again: it sets this back.",
        )
        for task, last_run in last_runs.items()
        if last_run and last_run > latest
    ]
    return found("schedules", *problems, facts="all that the queue needs are enabled")
