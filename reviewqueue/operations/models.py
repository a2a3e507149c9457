"""Counters, and signs of life of workers and beat."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, models
from django.utils import timezone

MAX_SILENCE = timedelta(seconds=90)  # a process that was silent for longer counts as stopped


# Each callback is counted. The ORM takes ten times as long for it (0.31 against 0.03 ms), nearly all to make the
# same SQL again and again. A test compares it with the same in the ORM's words.
ADD_ONE_SQL = """
    INSERT INTO operations_counter (name, label, count) VALUES (%s, %s, 1)
    ON CONFLICT (name, label) DO UPDATE SET count = operations_counter.count + 1
"""


class CounterManager(models.Manager["Counter"]):
    """``Counter.objects``."""

    def add_one(self, name: str, label: str) -> None:
        """Count one more. A single statement."""
        with connection.cursor() as cursor:
            cursor.execute(ADD_ONE_SQL, [name[:32], label[:64]])


class Counter(models.Model):
    """How often something happened. In the database, so that it survives restarts and every process adds to it."""

    name = models.CharField(max_length=32)
    label = models.CharField(max_length=64)
    count = models.BigIntegerField(default=0)

    objects = CounterManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="one_counter_per_label")]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.count}"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    """``Heartbeat.objects``."""

    def alive(self) -> HeartbeatQuerySet:
        """Processes that gave a sign of life lately."""
        return self.filter(at__gt=timezone.now() - MAX_SILENCE)

    def workers(self) -> HeartbeatQuerySet:
        return self.filter(kind=Heartbeat.Kind.WORKER)

    def beats(self) -> HeartbeatQuerySet:
        return self.filter(kind=Heartbeat.Kind.BEAT)


class Heartbeat(models.Model):
    """The last sign of life of one worker or beat."""

    class Kind(models.TextChoices):
        WORKER = "worker"
        BEAT = "beat"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    host = models.CharField(max_length=255, help_text="Celery's name of the process, or the machine it runs on.")
    at = models.DateTimeField(default=timezone.now)

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "host"]
        constraints = [models.UniqueConstraint(fields=["kind", "host"], name="one_heartbeat_per_process")]

    def __str__(self) -> str:
        return f"{self.kind} {self.host} {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_alive(self) -> bool:
        return self.at > timezone.now() - MAX_SILENCE
