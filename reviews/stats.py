"""Figures of the stats page, all from recorded history and aggregated by the database."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count

from reviews.models import OPEN_STATES, QueueSample, Review


def sample_queue(now: datetime) -> bool:
    """Record how many reviews are in each open state, once per full hour (UTC); the hour's first sample stays.

    Safe to call at any time and from several processes at once. Returns whether this call recorded it.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    if QueueSample.objects.filter(at=hour).exists():
        return False
    counts = dict(Review.objects.open().order_by().values_list("state").annotate(Count("id")))
    QueueSample.objects.bulk_create(
        [QueueSample(at=hour, state=state, count=counts.get(state, 0)) for state in OPEN_STATES],
        ignore_conflicts=True,
    )
    return True
