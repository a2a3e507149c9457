"""``manage.py check_queue``: a doctor for the queue. Says what is wrong and how to mend it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from integrations.heartbeats import alive
from integrations.jenkins import Jenkins
from integrations.launchpad import LaunchpadProblem, get_launchpad
from reviewqueue.celery import app

SWEEP = "testing.tasks.sweep_test_runs"
SILENCE = timedelta(minutes=5)  # how long the one-minute schedules may be silent


def settings_problems() -> list[str]:
    """What the start-up checks say."""
    return [
        f"{message.msg} {message.hint or ''}".strip()
        for message in checks.run_checks()
        if str(message.id).startswith("queue.")
    ]


def database_problems() -> list[str]:
    """Unreachable, or behind the code."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return ["It can't be reached. Check DATABASE_URL and that the server runs."]
    return ["Its tables are older than the program. Run: manage.py migrate"] if plan else []


def broker_problems() -> list[str]:
    """Unreachable."""
    try:
        with app.connection_for_write(connect_timeout=3) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except Exception as error:  # each transport has exceptions of its own
        return [f"It can't be reached ({type(error).__name__}). Check CELERY_BROKER_URL and that the server runs."]
    return []


def beat_problems() -> list[str]:
    """Not sending. Beat keeps in its rows when it last sent each task."""
    last = PeriodicTask.objects.filter(task=SWEEP, enabled=True).order_by("-last_run_at").first()
    if last is None:
        return [
            "The schedule of the sweep is missing or switched off. Enable it among the periodic tasks in the admin."
        ]
    if last.last_run_at is None and alive("beat"):
        return []  # it has only just begun
    if last.last_run_at is None or last.last_run_at < timezone.now() - SILENCE:
        return ["It sends nothing. Start it: celery -A reviewqueue beat"]
    return []


def worker_problems() -> list[str]:
    """None alive."""
    return [] if alive("worker") else ["None gave a sign of life lately. Start one: celery -A reviewqueue worker"]


def launchpad_problems() -> list[str]:
    """Unreachable, or the credentials are refused."""
    try:
        launchpad = get_launchpad()
        if launchpad.anonymous and settings.TESTING_COMMENTS:
            return ["Outcomes can't be posted: nobody is logged in. Run: manage.py setup_launchpad_credentials"]
        launchpad.reach()
    except LaunchpadProblem as problem:
        return [str(problem)]
    return []


CHECKS: dict[str, Callable[[], list[str]]] = {
    "settings": settings_problems,
    "database": database_problems,
    "broker": broker_problems,
    "worker": worker_problems,
    "beat": beat_problems,
    "Launchpad": launchpad_problems,
    "Jenkins": lambda: Jenkins().diagnose(),
}


class Command(BaseCommand):
    help = "Check everything that the queue needs, and say how to mend what is wrong (exit status 1)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for name, find in CHECKS.items():
            try:
                problems = find()
            except DatabaseError:
                problems = ["It could not be looked at: the database is not ready."]
            if not problems:
                self.stdout.write(f"{name}: OK")
            for problem in problems:
                wrong += 1
                self.stderr.write(f"{name}: {problem}")
        if wrong:
            raise CommandError("1 thing is wrong." if wrong == 1 else f"{wrong} things are wrong.")
