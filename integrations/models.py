"""What the integrations remember: reports of imports, and objects fetched once."""

from django.db import models
from django.utils import timezone

from reviews.models import Source


class ImportReport(models.Model):
    """What one import of one source did; staff read it on the health page."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="imports")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)  # items that could not be brought in
    problems = models.JSONField(default=list, blank=True)  # sentences, at most 100
    ok = models.BooleanField(default=False)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["source", "-started_at"], name="import_latest")]

    def __str__(self) -> str:
        return f"{self.source} at {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Remembered(models.Model):
    """A Launchpad object fetched once (branch, repository, source package), so that it is not fetched again."""

    url = models.CharField(max_length=1000, unique=True)
    facts = models.JSONField(default=dict)
    fetched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "remembered"

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One webhook delivery that was let in: kept so that a repeated one is known, and for staff to read."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="deliveries")
    number = models.CharField(
        max_length=64, null=True, unique=True, help_text="X-Launchpad-Delivery: unique on all of Launchpad."
    )
    event = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=255, blank=True, help_text="What came of it.")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        indexes = [models.Index(fields=["-received_at"], name="delivery_newest")]  # admin list, pruning

    def __str__(self) -> str:
        return f"{self.event} {self.number or ''}"
