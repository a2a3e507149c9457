"""Figures of the stats page, all from recorded history and aggregated by the database.

Everybody is shown the same figures, so private items are in none of them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Q, Window
from django.db.models.functions import RowNumber, TruncDate, TruncWeek

from reviews.choices import OPEN_STATES
from reviews.models import Comment, QueueSample, Review

RANGES = (30, 90, 365)  # days
MAX_BUSIEST = 15
# Ages of what waits for a reviewer: below so many days, and in words.
AGES: tuple[tuple[int, str], ...] = (
    (1, "1 day"), (3, "3 days"), (7, "1 week"), (14, "2 weeks"), (30, "1 month"), (90, "3 months"), (365, "1 year"),
)  # fmt: skip
OLDEST = "older"


def sample_queue(now: datetime) -> bool:
    """Record how many reviews are in each open state, once per full hour (UTC); the hour's first sample stays.

    Safe to call at any time and from several processes at once. Returns whether this call recorded it.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    if QueueSample.objects.filter(at=hour).exists():
        return False
    counts = Review.objects.visible_to(None).in_queue().open().count_by_state()
    QueueSample.objects.bulk_create(
        [QueueSample(at=hour, state=state, count=counts.get(state, 0)) for state in OPEN_STATES],
        ignore_conflicts=True,
    )
    return True


def queue_lengths(since: datetime) -> dict[date, dict[str, float]]:
    """The mean length of the queue on each day, by state. One query, of recorded samples."""
    rows = QueueSample.objects.filter(at__gte=since).annotate(day=TruncDate("at", tzinfo=UTC)).order_by()
    days: dict[date, dict[str, float]] = {}
    for day, state, mean in rows.values_list("day", "state").annotate(Avg("count")).order_by("day", "state"):
        days.setdefault(day, {})[state] = round(float(mean), 1)
    return days


def ages(now: datetime) -> list[tuple[str, int]]:
    """How long what waits for a reviewer has been without activity: number of reviews by age. One query."""
    bounds = [now - timedelta(days=days) for days, _ in AGES]
    counts: dict[str, Any] = {}
    for position in range(len(bounds) + 1):
        newer = Q(updated_at__gt=bounds[position]) if position < len(bounds) else Q()
        older = Q(updated_at__lte=bounds[position - 1]) if position else Q()
        counts[f"age{position}"] = Count("id", filter=newer & older)
    found = Review.objects.visible_to(None).waiting().aggregate(**counts)
    words = [*[word for _, word in AGES], OLDEST]
    return [(word, found[f"age{position}"]) for position, word in enumerate(words)]


def first_reviews(since: datetime) -> list[tuple[date, float, float, int]]:
    """Of each week's first reviews: median and 90th percentile of the days they took, and how many. One query.

    Nearest rank: the smallest time that at least half (nine tenths) of them did not exceed.
    """
    took = ExpressionWrapper(F("first_reviewed_at") - F("created_at"), output_field=DurationField())
    ranked = (
        Review.objects.visible_to(None)
        .filter(first_reviewed_at__gte=since)
        .exclude(first_reviewed_at__lt=F("created_at"))
        .annotate(week=TruncWeek("first_reviewed_at", tzinfo=UTC), took=took)
        .annotate(
            rank=Window(RowNumber(), partition_by=F("week"), order_by=[F("took").asc(), F("id").asc()]),
            total=Window(Count("id"), partition_by=F("week")),
        )
        .annotate(median_rank=(F("total") + 1) / 2, late_rank=(F("total") * 9 + 9) / 10)
        .filter(Q(rank=F("median_rank")) | Q(rank=F("late_rank")))
        .order_by("week", "rank")
        .values_list("week", "rank", "total", "took")
    )
    weeks: dict[date, list[tuple[float, int]]] = {}
    for week, _, total, duration in ranked:
        weeks.setdefault(week.date(), []).append((round(duration.total_seconds() / 86400, 2), total))
    return [(week, values[0][0], values[-1][0], values[0][1]) for week, values in sorted(weeks.items())]


def throughput(since: datetime) -> dict[date, dict[str, int]]:
    """How many reviews were submitted, and how many left the queue and how, in each week. Two queries."""
    weeks: dict[date, dict[str, int]] = {}
    reviews = Review.objects.visible_to(None)
    new = reviews.filter(created_at__gte=since).annotate(week=TruncWeek("created_at", tzinfo=UTC)).order_by()
    for week, count in new.values_list("week").annotate(Count("id")):
        weeks.setdefault(week.date(), {})["submitted"] = count
    left = reviews.filter(closed_at__gte=since).annotate(week=TruncWeek("closed_at", tzinfo=UTC)).order_by()
    for week, state, count in left.values_list("week", "state").annotate(Count("id")):
        weeks.setdefault(week.date(), {})[state] = count
    return dict(sorted(weeks.items()))


def busiest(since: datetime) -> list[tuple[str, str, int, int]]:
    """Who reviewed most: username, shown name, reviews, comments; not on one's own. One query."""
    people = (
        Comment.objects.visible_to(None)
        .replies()
        .by_others()
        .filter(created_at__gte=since)
        .order_by()
        .values_list("author__username", "author__display_name")
        .annotate(reviews=Count("review", distinct=True), comments=Count("id"))
        .order_by("-reviews", "-comments", "author__username")
    )
    return list(people[:MAX_BUSIEST])
