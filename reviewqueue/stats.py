"""The figures of the stats page: what recorded history says, drawn and in tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count
from django.utils import timezone

from core import charts
from reviews import stats
from reviews.choices import Actor, State
from reviews.models import Review
from reviews.search import search_address
from testing.history import worst_tests
from testing.models import OUTCOMES, Status, TestRun


@dataclass(frozen=True)
class Figure:
    """A plot with its numbers; both are empty while there is nothing to show."""

    title: str
    words: str
    plot: str
    headings: list[str]
    rows: list[list[Any]]


class Link(NamedTuple):
    """A figure, and the search that finds as many items."""

    value: Any
    href: str


def get_figures(days: int) -> dict[str, Any]:
    """All plots and tables of the stats page. Fourteen queries, however long the history."""
    now = timezone.now()
    since = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    today = now.date()
    figures = [
        _length(stats.queue_lengths(since.date(), today)), _age(stats.ages(today)),
        _waiting(stats.first_reviews(since)), _throughput(stats.throughput(since), since.date()),
        _outcomes(newest_outcomes(), run_outcomes(since)),
    ]  # fmt: skip
    return {
        "figures": figures, "busiest": stats.busiest(since), "since": since.date(), "made_at": now,
        "sources": _sources(stats.waits_by_source(now), stats.first_reviews_by_source(since), since.date()),
        "tests": [
            ("The tests that fail most", worst_tests(since, "failures")),
            ("The tests that flap most", worst_tests(since, "flapped")),
        ],
    }  # fmt: skip


def _day(day: date) -> str:
    return f"{day:%-d %b}"


def _length(days: dict[date, dict[str, int]]) -> Figure:
    title = "Length of the queue"
    kinds = [(Review.Kind.UPDATE, "proposals", "update"), (Review.Kind.NEW, "bugs", "new")]
    series = [(name, word, [day.get(kind, 0) for day in days.values()]) for kind, word, name in kinds]
    links = [search_address(open_on=day) for day in days]
    plot = charts.areas(title, [_day(day) for day in days], series, links) if len(days) > 1 else ""
    rows = [
        [day.isoformat(), *(Link(counts.get(kind, 0), search_address(open_on=day, kind=kind)) for kind, _, _ in kinds),
         Link(sum(counts.values()), search_address(open_on=day))]
        for day, counts in days.items()
    ]  # fmt: skip
    words = "Items open at the end of each day, from the days on which they were submitted and closed."
    return Figure(title, words, plot, ["Day", "Proposals", "Bugs", "All"], rows if plot else [])


def _age(found: list[stats.Age]) -> Figure:
    title = "Age of what waits for a reviewer, now"
    some = any(age.count for age in found)
    links = [
        search_address(state="open", next_actor=Actor.REVIEWER, from_=age.first or "", to=age.last or "")
        for age in found
    ]
    labels = [age.words for age in found]
    plot = charts.columns(title, labels, [("count", "reviews", [age.count for age in found])], [links])
    words = (
        "Open items whose next step is a reviewer's, by the day of their last activity: at most a day ago, at most "
        "three days, and so on."
    )
    rows: list[list[Any]] = [[age.words, Link(age.count, link)] for age, link in zip(found, links, strict=True)]
    return Figure(title, words, plot if some else "", ["Age", "Reviews"], rows if some else [])


def _week(week: date, name: str, since: date, **more: str) -> str:
    """The search for what happened in a week, as far as the page goes back."""
    first, last = max(week, since), week + timedelta(days=6)
    return search_address(**{f"{name}_from": first, f"{name}_to": last}, **more)


def _waiting(weeks: list[tuple[date, float, float, int]]) -> Figure:
    title = "Time to the first review"
    series = [("median", "half are reviewed within", [week[1] for week in weeks]),
              ("late", "nine of ten within", [week[2] for week in weeks])]  # fmt: skip
    plot = charts.lines(title, [_day(week[0]) for week in weeks], series) if weeks else ""
    rows = [
        [week.isoformat(), median, late, Link(count, _week(week, "first_review", date.min))]
        for week, median, late, count in weeks
    ]
    return Figure(
        title, "Days from submission to the first comment of somebody else, by the week of that comment.", plot,
        ["Week of", "Median, days", "90th percentile, days", "Reviews"], rows,
    )  # fmt: skip


def _throughput(weeks: dict[date, dict[str, int]], since: date) -> Figure:
    title = "Throughput per week"
    kinds = [("submitted", "submitted"), (State.MERGED, "merged"), (State.CLOSED, "closed"),
             (State.ABANDONED, "abandoned")]  # fmt: skip
    series = [(str(kind), word, [counts.get(kind, 0) for counts in weeks.values()]) for kind, word in kinds]
    links = [[_throughput_link(week, kind, since) for week in weeks] for kind, _ in kinds]
    plot = charts.columns(title, [_day(week) for week in weeks], series, links) if weeks else ""
    rows = [
        [week.isoformat(), *(Link(counts.get(kind, 0), _throughput_link(week, kind, since)) for kind, _ in kinds)]
        for week, counts in weeks.items()
    ]
    return Figure(
        title, "Items that came and items that left, of those this queue knows.", plot,
        ["Week of", *(word.capitalize() for _, word in kinds)], rows,
    )  # fmt: skip


def _throughput_link(week: date, kind: str, since: date) -> str:
    return _week(week, "submitted", since) if kind == "submitted" else _week(week, "closed", since, state=kind)


def _outcomes(now: dict[str, dict[str, int]], runs: list[tuple[str, dict[str, int]]]) -> Figure:
    title = "Tests of open items per substrate, now"
    rates = {name: pass_rate(counts) for name, counts in runs}
    names = [name for name, _ in runs if name in now] + sorted(now.keys() - {name for name, _ in runs})
    links = [[search_address(state="open", substrate=name, outcome=status) for name in names] for status in OUTCOMES]
    series = [(str(status), Status(status).label, [now[name][status] for name in names]) for status in OUTCOMES]
    plot = charts.columns(title, names, series, links) if names else ""
    rows = [
        [name, *(Link(now[name][status], links[n][i]) for n, status in enumerate(OUTCOMES)), rates.get(name, "–")]
        for i, name in enumerate(names)
    ]
    words = (
        "What the newest run of the current revision says. The table also says how many of a hundred runs passed in "
        "the time above."
    )
    headings = ["Substrate", *(Status(status).label.capitalize() for status in OUTCOMES), "Runs passed, %"]
    return Figure(title, words, plot, headings, rows)


def _sources(waits: list[stats.Waits], firsts: list[stats.Waits], since: date) -> list[list[Any]]:
    """Of each source: what waits and how long, what was first reviewed and after how long."""
    now = {each.source: each for each in waits}
    done = {each.source: each for each in firsts}
    rows: list[list[Any]] = []
    for name in sorted(now.keys() | done.keys()):
        waiting, reviewed = now.get(name), done.get(name)
        link = search_address(source=name, state="open", next_actor=Actor.REVIEWER)
        first = search_address(source=name, first_review_from=since)
        rows.append(
            [name, Link(waiting.count if waiting else 0, link), waiting.median if waiting else "–",
             waiting.late if waiting else "–", Link(reviewed.count if reviewed else 0, first),
             reviewed.median if reviewed else "–", reviewed.late if reviewed else "–"]
        )  # fmt: skip
    return rows


def newest_outcomes() -> dict[str, dict[str, int]]:
    """What the newest runs of open items say, by substrate. One query."""
    found: dict[str, dict[str, int]] = {}
    for marks in Review.objects.visible_to(None).open().exclude(marks=[]).order_by().values_list("marks", flat=True):
        for name, status, _ in marks:
            if status in OUTCOMES:
                found.setdefault(name, dict.fromkeys(OUTCOMES, 0))[status] += 1
    return found


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
