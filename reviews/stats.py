"""Figures of the stats page, all from recorded history and aggregated by the database.

Everybody is shown the same figures, so private items are in none of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Window
from django.db.models.functions import RowNumber, TruncDate, TruncWeek

from reviews.choices import Actor
from reviews.models import Comment, Review

RANGES = (30, 90, 365)  # days
MAX_BUSIEST = 15
# Ages of what waits for a reviewer: below so many days, and in words.
AGES: tuple[tuple[int, str], ...] = (
    (1, "1 day"), (3, "3 days"), (7, "1 week"), (14, "2 weeks"), (30, "1 month"), (90, "3 months"), (365, "1 year"),
)  # fmt: skip
OLDEST = "older"


def queue_lengths(since: date, today: date) -> dict[date, dict[str, int]]:
    """How many items were open at the end of each day, by kind, from the days on which they were submitted and closed.

    Two queries. From the first item on; items that were closed before they were ever imported are not known.
    """
    found = Review.objects.visible_to(None).order_by()
    ended = found.closed().filter(closed_at__isnull=False)
    known = found.open() | ended
    changes: dict[date, dict[str, int]] = defaultdict(lambda: dict.fromkeys(Review.Kind.values, 0))
    for column, items, sign in (("created_at", known, 1), ("closed_at", ended, -1)):
        by_day = items.annotate(day=TruncDate(column, tzinfo=UTC)).values_list("day", "kind")
        for day, kind, count in by_day.annotate(Count("id")):
            changes[day][kind] += sign * count
    if not changes:
        return {}
    first = max(since, min(changes))
    length = dict.fromkeys(Review.Kind.values, 0)
    for day, change in changes.items():
        if day < first:
            length = {kind: count + change[kind] for kind, count in length.items()}
    days: dict[date, dict[str, int]] = {}
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        change = changes.get(day, {})
        length = {kind: count + change.get(kind, 0) for kind, count in length.items()}
        days[day] = length
    return days


@dataclass(frozen=True, slots=True)
class Age:
    """How many items are that old, in words; from and to which days of their last activity (None: without bound)."""

    words: str
    count: int
    first: date | None
    last: date | None


def ages(today: date) -> list[Age]:
    """What waits for a reviewer, by the day of its last activity. One query."""
    edges = [today - timedelta(days=days - 1) for days, _ in AGES]
    bounds = [(edge, edges[n - 1] - timedelta(days=1) if n else None) for n, edge in enumerate(edges)]
    spans: list[tuple[date | None, date | None]] = [*bounds, (None, edges[-1] - timedelta(days=1))]
    counts: dict[str, Any] = {}
    for number, (first, last) in enumerate(spans):
        newer = Q(updated_at__gte=_begin_of(first)) if first else Q()
        older = Q(updated_at__lt=_begin_of(last + timedelta(days=1))) if last else Q()
        counts[f"age{number}"] = Count("id", filter=newer & older)
    found = Review.objects.visible_to(None).open().next_for(Actor.REVIEWER).aggregate(**counts)
    words = [*[word for _, word in AGES], OLDEST]
    return [Age(word, found[f"age{n}"], *spans[n]) for n, word in enumerate(words)]


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long items of a source wait: how many, within how many days half of them and nine of ten."""

    source: str
    count: int
    median: float
    late: float


def waits_by_source(now: datetime) -> list[Waits]:
    """How long what waits for a reviewer has been their turn, by source. One query."""
    rows = Review.objects.visible_to(None).open().next_for(Actor.REVIEWER).filter(source__isnull=False).order_by()
    return _waits((name, now - since) for name, since in rows.values_list("source__name", "turn_since"))


def first_reviews_by_source(since: datetime) -> list[Waits]:
    """How long items waited for their first review, by source. One query."""
    rows = Review.objects.visible_to(None).filter(first_reviewed_at__gte=since, source__isnull=False).order_by()
    found = rows.values_list("source__name", "created_at", "first_reviewed_at")
    return _waits((name, max(timedelta(), at - made)) for name, made, at in found if at is not None)


def _waits(rows: Iterable[tuple[str, timedelta]]) -> list[Waits]:
    by_source: dict[str, list[float]] = defaultdict(list)
    for name, took in rows:
        by_source[name].append(took.total_seconds() / 86400)
    found = []
    for name, days in sorted(by_source.items()):
        days.sort()  # nearest rank, as below
        middle, late = days[(len(days) + 1) // 2 - 1], days[(len(days) * 9 + 9) // 10 - 1]
        found.append(Waits(name, len(days), round(middle, 1), round(late, 1)))
    return found


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
