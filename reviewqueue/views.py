"""Pages that speak of all layers at once: stats and about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_celery_beat.models import PeriodicTask

from core import charts as plots
from integrations.launchpad.entries import PROPOSAL_STATES, TASK_STATES
from reviews import stats
from reviews.models import NEXT_ACTOR, OPEN_STATES, Actor, Square, State
from reviews.tables import SQUARE_CELLS, STATE_CELLS
from reviews.texts import EXPLANATIONS
from testing.models import OUTCOMES, UNFINISHED, Status, Substrate
from testing.stats import outcomes, pass_rate
from testing.templatetags.testruns import duration

KEPT = 300  # seconds that figures are kept

SQUARE_WORDS: dict[str, str] = {
    Square.WHITE: "No test run of its current revision.",
    Square.GREEN: "At least one run of its current revision passed.",
    Square.RED: "None passed, and at least one failed or ended in an error.",
    Square.BLACK: "Runs are queued or under way, and none has ended yet.",
}
STATUS_WORDS: dict[str, str] = {
    Status.RETRY: "To be sent to Jenkins, or to be sent again; the review's page says when and why.",
    Status.PENDING: "Jenkins has accepted it.",
    Status.RUNNING: "The build has begun.",
    Status.PASS: "Every test passed.",
    Status.FAIL: "A test failed.",
    Status.ERROR: "Given up, or ended without a usable outcome.",
    Status.CANCELED: "Stopped: the item closed, a newer revision came, or staff stopped it.",
}


@require_safe
def stats_page(request: HttpRequest) -> HttpResponse:
    """What the queue's recorded history says: lengths, ages, waiting times, throughput, outcomes, reviewers."""
    asked = request.GET.get("days", "")
    days = next((choice for choice in stats.RANGES if asked == str(choice)), 90)
    figures: Any = cache.get_or_set(f"stats-{days}", lambda: figures_of(days), KEPT)
    ranges = [(choice, choice == days) for choice in stats.RANGES]
    return render(request, "reviewqueue/stats.html", {**figures, "days": days, "ranges": ranges, "minutes": KEPT // 60})


def figures_of(days: int) -> dict[str, Any]:
    """All plots and tables of the stats page. Seven queries, however long the history."""
    now = timezone.now()
    since = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    figures = [_length(stats.queue_lengths(since)), _age(stats.ages(now)), _waiting(stats.first_reviews(since)),
               _throughput(stats.throughput(since)), _outcomes(outcomes(since))]  # fmt: skip
    return {"figures": figures, "busiest": stats.busiest(since), "made_at": now}


def _figure(title: str, words: str, plot: str, heads: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    return {"title": title, "words": words, "plot": plot, "heads": heads, "rows": rows}


def _day(day: date) -> str:
    return f"{day:%-d %b}"


def _length(days: dict[date, dict[str, float]]) -> dict[str, Any]:
    title = "Length of the queue"
    series = [(state, State(state).label, [day.get(state, 0) for day in days.values()]) for state in OPEN_STATES]
    plot = plots.areas(title, [_day(day) for day in days], series) if len(days) > 1 else ""
    rows = [[day.isoformat(), *(counts.get(state, 0) for state in OPEN_STATES)] for day, counts in days.items()]
    return _figure(
        title, "Open items by state, the mean of each day's hourly samples.", plot,
        ["Day", *(State(state).label for state in OPEN_STATES)], rows if plot else [],
    )  # fmt: skip


def _age(counts: list[tuple[str, int]]) -> dict[str, Any]:
    title = "Age of what waits for a reviewer, now"
    some = any(count for _, count in counts)
    plot = plots.columns(title, [word for word, _ in counts], [("count", "reviews", [n for _, n in counts])])
    words = (
        "Open items whose next step is a reviewer's, by the time since their last activity: up to a day, up to three …"
    )
    return _figure(title, words, plot if some else "", ["Age", "Reviews"], [[*row] for row in counts] if some else [])


def _waiting(weeks: list[tuple[date, float, float, int]]) -> dict[str, Any]:
    title = "Time to the first review"
    series = [("median", "half are reviewed within", [week[1] for week in weeks]),
              ("late", "nine of ten within", [week[2] for week in weeks])]  # fmt: skip
    plot = plots.lines(title, [_day(week[0]) for week in weeks], series) if weeks else ""
    return _figure(
        title, "Days from submission to the first comment of somebody else, by the week of that comment.", plot,
        ["Week of", "Median, days", "90th percentile, days", "Reviews"],
        [[week.isoformat(), *rest] for week, *rest in weeks],
    )  # fmt: skip


def _throughput(weeks: dict[date, dict[str, int]]) -> dict[str, Any]:
    title = "Throughput per week"
    kinds = [("submitted", "submitted"), (State.MERGED, "merged"), (State.CLOSED, "closed"),
             (State.ABANDONED, "abandoned")]  # fmt: skip
    series = [(str(kind), word, [counts.get(kind, 0) for counts in weeks.values()]) for kind, word in kinds]
    plot = plots.columns(title, [_day(week) for week in weeks], series) if weeks else ""
    return _figure(
        title, "Items that came and items that left, of those this queue knows.", plot,
        ["Week of", *(word.capitalize() for _, word in kinds)],
        [[week.isoformat(), *(counts.get(kind, 0) for kind, _ in kinds)] for week, counts in weeks.items()],
    )  # fmt: skip


def _outcomes(substrates: list[tuple[str, dict[str, int]]]) -> dict[str, Any]:
    title = "Outcomes of tests per substrate"
    series = [(str(status), Status(status).label, [n[status] for _, n in substrates]) for status in OUTCOMES]
    plot = plots.columns(title, [name for name, _ in substrates], series) if substrates else ""
    return _figure(
        title, "Test runs that ended. The table says how many of a hundred passed.", plot,
        ["Substrate", *(Status(status).label.capitalize() for status in OUTCOMES), "Passed, %"],
        [[name, *(n[status] for status in OUTCOMES), pass_rate(n)] for name, n in substrates],
    )  # fmt: skip


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """How the queue works, told from the tables that it works by."""
    told = {
        state: [status for table in (TASK_STATES, PROPOSAL_STATES) for status, to in table.items() if to == state]
        for state in State.values
    }
    context = {
        "states": [
            (STATE_CELLS[state], EXPLANATIONS[state], Actor(NEXT_ACTOR[state]).label, dict.fromkeys(told[state]),
             settings.REFRESH_MINUTES.get(state, settings.REFRESH_DEFAULT_MINUTES))
            for state in State.values
        ],
        "squares": [(square, SQUARE_CELLS[square], SQUARE_WORDS[square]) for square in Square.values],
        "statuses": [(status, Status(status).label, STATUS_WORDS[status], status in UNFINISHED)
                     for status in Status.values],
        "substrates": list(Substrate.objects.filter(active=True)),
        "schedules": list(PeriodicTask.objects.filter(enabled=True).select_related("interval", "crontab")
                          .exclude(task__startswith="celery.").order_by("name")),
        "teams": settings.REVIEWER_TEAMS,
        "attempts": settings.TESTING_MAX_ATTEMPTS,
        "timeout": duration(settings.TESTING_TIMEOUT),
    }  # fmt: skip
    return render(request, "reviewqueue/about.html", context)
