"""Signs of life and counts."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Tally(models.Model):
    """A count that must survive: ``core.counters`` adds to it, the metrics read it. One row for each process."""

    name = models.CharField(max_length=32)
    label = models.CharField(max_length=64)
    shard = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint(fields=["name", "label", "shard"], name="one_tally_per_shard")]

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.count}"


class Heartbeat(models.Model):
    """Last sign of life of a kind of process (``worker``, ``beat``)."""

    name = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"
