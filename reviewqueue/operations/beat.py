"""Beat's scheduler: that of django-celery-beat, which also waits for its database and survives a wrong clock."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from core.startup import wait_for_database

logger = structlog.get_logger(__name__)

MAX_CLOCK_SKEW = timedelta(minutes=2)  # a last run further ahead of now is a clock's mistake


class Scheduler(DatabaseScheduler):
    """``CELERY_BEAT_SCHEDULER``."""

    def setup_schedule(self) -> None:
        """Read the schedules, once the database is there. Celery's own signal handlers need the schedule already."""
        handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            wait_for_database()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        super().setup_schedule()

    def all_as_schedule(self) -> Any:
        """The schedules as their rows say. Those that are not due for hours are not read, so rows are set back here."""
        now = timezone.now()
        ahead = PeriodicTask.objects.filter(last_run_at__gt=now + MAX_CLOCK_SKEW)
        for name, last_run_at in ahead.values_list("name", "last_run_at"):
            logger.warning("last run was in the future, set to now", name=name, last_run_at=last_run_at)
        ahead.update(last_run_at=now)
        return super().all_as_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Seconds until the next tick. A last run in the future would keep its task from running until then."""
        now = timezone.now()
        ahead = [entry for entry in self.schedule.values() if entry.model.last_run_at > now + MAX_CLOCK_SKEW]
        for entry in ahead:
            logger.warning("last run was in the future, set to now", name=entry.name, last_run_at=entry.last_run_at)
            entry.last_run_at = entry.model.last_run_at = now
            try:
                PeriodicTask.objects.filter(pk=entry.model.pk).update(last_run_at=now)
            except DatabaseError:
                continue  # written with its next run
        if ahead:
            self.populate_heap()
        seconds: float = super().tick(*args, **kwargs)
        return seconds
