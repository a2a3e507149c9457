"""The figures of the stats page: what recorded history says, drawn and in tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from core import charts
from reviews import stats
from reviews.choices import OPEN_STATES, State
from testing.models import OUTCOMES, Status, TestRun


@dataclass(frozen=True)
class Figure:
    """A plot with its numbers; both are empty while there is nothing to show."""

    title: str
    words: str
    plot: str
    headings: list[str]
    rows: list[list[Any]]


def get_figures(days: int) -> dict[str, Any]:
    """All plots and tables of the stats page. Seven queries, however long the history."""
    now = timezone.now()
    since = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    figures = [_length(stats.queue_lengths(since)), _age(stats.ages(now)), _waiting(stats.first_reviews(since)),
               _throughput(stats.throughput(since)), _outcomes(run_outcomes(since))]  # fmt: skip
    return {"figures": figures, "busiest": stats.busiest(since), "since": since.date(), "made_at": now}


def _day(day: date) -> str:
    return f"{day:%-d %b}"


def _length(days: dict[date, dict[str, float]]) -> Figure:
    title = "Length of the queue"
    series = [(state, State(state).label, [day.get(state, 0) for day in days.values()]) for state in OPEN_STATES]
    plot = charts.areas(title, [_day(day) for day in days], series) if len(days) > 1 else ""
    rows = [[day.isoformat(), *(counts.get(state, 0) for state in OPEN_STATES)] for day, counts in days.items()]
    return Figure(
        title, "Open items by state, the mean of each day's hourly samples.", plot,
        ["Day", *(State(state).label for state in OPEN_STATES)], rows if plot else [],
    )  # fmt: skip


def _age(counts: list[tuple[str, int]]) -> Figure:
    title = "Age of what waits for a reviewer, now"
    some = any(count for _, count in counts)
    plot = charts.columns(title, [word for word, _ in counts], [("count", "reviews", [n for _, n in counts])])
    words = (
        "Open items whose next step is a reviewer's, by the time since their last activity: at most a day, at most "
        "three days, and so on."
    )
    return Figure(title, words, plot if some else "", ["Age", "Reviews"], [[*row] for row in counts] if some else [])


def _waiting(weeks: list[tuple[date, float, float, int]]) -> Figure:
    title = "Time to the first review"
    series = [("median", "half are reviewed within", [week[1] for week in weeks]),
              ("late", "nine of ten within", [week[2] for week in weeks])]  # fmt: skip
    plot = charts.lines(title, [_day(week[0]) for week in weeks], series) if weeks else ""
    return Figure(
        title, "Days from submission to the first comment of somebody else, by the week of that comment.", plot,
        ["Week of", "Median, days", "90th percentile, days", "Reviews"],
        [[week.isoformat(), *rest] for week, *rest in weeks],
    )  # fmt: skip


def _throughput(weeks: dict[date, dict[str, int]]) -> Figure:
    title = "Throughput per week"
    kinds = [("submitted", "submitted"), (State.MERGED, "merged"), (State.CLOSED, "closed"),
             (State.ABANDONED, "abandoned")]  # fmt: skip
    series = [(str(kind), word, [counts.get(kind, 0) for counts in weeks.values()]) for kind, word in kinds]
    plot = charts.columns(title, [_day(week) for week in weeks], series) if weeks else ""
    return Figure(
        title, "Items that came and items that left, of those this queue knows.", plot,
        ["Week of", *(word.capitalize() for _, word in kinds)],
        [[week.isoformat(), *(counts.get(kind, 0) for kind, _ in kinds)] for week, counts in weeks.items()],
    )  # fmt: skip


def _outcomes(substrates: list[tuple[str, dict[str, int]]]) -> Figure:
    title = "Outcomes of tests per substrate"
    series = [(str(status), Status(status).label, [n[status] for _, n in substrates]) for status in OUTCOMES]
    plot = charts.columns(title, [name for name, _ in substrates], series) if substrates else ""
    return Figure(
        title, "Test runs that ended. The table says how many of a hundred passed.", plot,
        ["Substrate", *(Status(status).label.capitalize() for status in OUTCOMES), "Passed, %"],
        [[name, *(n[status] for status in OUTCOMES), pass_rate(n)] for name, n in substrates],
    )  # fmt: skip


def run_outcomes(since: datetime) -> list[tuple[str, dict[str, int]]]:
    """How the runs that finished since then ended, by substrate, in the order of the substrates. One query."""
    rows = TestRun.objects.visible_to(None).with_outcome().filter(finished_at__gte=since).order_by()
    grouped = rows.values_list("substrate__name", "status").annotate(Count("id"))
    found: dict[str, dict[str, int]] = {}
    for name, status, count in grouped.order_by("substrate__order", "substrate__name", "status"):
        found.setdefault(name, dict.fromkeys(OUTCOMES, 0))[status] = count
    return list(found.items())


def pass_rate(counts: dict[str, int]) -> int:
    """Percent of the outcomes that passed."""
    return round(100 * counts[Status.PASS] / sum(counts.values()))
