"""The history of one test over items, revisions, substrates and targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import median

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from core.text import ago
from reviews.managers import Reader, visibility
from testing.choices import Standing, Status, TestOutcome
from testing.evidence import history_url
from testing.managers import TestResultQuerySet
from testing.models import TestResult

MAX_RESULTS = 1000  # newest results that are looked at
STRIP = 60  # results of a substrate that its strip shows
SYMBOLS: dict[str, str] = {TestOutcome.PASS: "✓", TestOutcome.FAIL: "✗", TestOutcome.SKIP: "–"}


@dataclass(frozen=True, slots=True)
class PastResult:
    """One result of a test: where and when, and how it ended."""

    pk: int
    run_id: int
    position: int
    outcome: str
    duration: float | None  # seconds
    substrate: str
    review_id: int | None
    baseline_id: int | None
    revision: str
    at: datetime

    @property
    def url(self) -> str:
        """The page with its output."""
        if self.review_id is not None:
            return reverse("single-test", args=[self.review_id, self.run_id, self.position])
        return reverse("target-test", args=[self.baseline_id, self.run_id, self.position])

    @property
    def symbol(self) -> str:
        return SYMBOLS.get(self.outcome, "?")

    @property
    def words(self) -> str:
        """The outcome and when, for those who point at it and for screen readers."""
        what = TestOutcome(self.outcome).label if self.outcome in TestOutcome.values else self.outcome
        return f"{what} {ago(self.at, timezone.now())}"


@dataclass(frozen=True)
class History:
    """The newest results of a test, newest first, and what they say together."""

    results: Sequence[PastResult]
    is_cut: bool

    @property
    def failed(self) -> int:
        return sum(result.outcome == TestOutcome.FAIL for result in self.results)

    @property
    def skipped(self) -> int:
        return sum(result.outcome == TestOutcome.SKIP for result in self.results)

    @property
    def ran(self) -> int:
        """How often it passed or failed."""
        return len(self.results) - self.skipped

    @property
    def failed_percent(self) -> int:
        """Of those that passed or failed."""
        return round(100 * self.failed / self.ran) if self.ran else 0

    @property
    def failed_items(self) -> int:
        """On how many items it failed."""
        failed = {result.review_id for result in self.results if result.outcome == TestOutcome.FAIL}
        return len(failed - {None})

    @property
    def flapped(self) -> int:
        """On how many revisions of items, each on one substrate, it passed and failed."""
        outcomes: dict[tuple[int, str, str], set[str]] = defaultdict(set)
        for result in self.results:
            if result.review_id is not None and result.revision:
                outcomes[result.review_id, result.revision, result.substrate].add(result.outcome)
        return sum({TestOutcome.PASS, TestOutcome.FAIL} <= found for found in outcomes.values())

    @property
    def seconds(self) -> float | None:
        """How long it takes: the median of those that passed, in seconds."""
        durations = [r.duration for r in self.results if r.outcome == TestOutcome.PASS and r.duration is not None]
        return median(durations) if durations else None

    @property
    def strips(self) -> list[tuple[str, list[PastResult]]]:
        """The newest results of each substrate, oldest first, by the name of the substrate."""
        by_substrate: dict[str, list[PastResult]] = defaultdict(list)
        for result in self.results:
            by_substrate[result.substrate].append(result)
        return [(name, list(islice(found, STRIP))[::-1]) for name, found in sorted(by_substrate.items())]


def results_of(user: Reader, test: str, suite: str | None) -> TestResultQuerySet:
    """What this reader may see of a test, on items and on targets; of every suite for None."""
    found: TestResultQuerySet = TestResult.objects.filter(
        visibility(user, "run__review__") | Q(run__baseline__isnull=False), test=test
    )
    return found if suite is None else found.filter(suite=suite)


def get_history(results: TestResultQuerySet) -> History:
    """The newest of the results. One query."""
    names = (
        "pk", "run_id", "position", "outcome", "duration", "run__substrate__name", "run__review_id", "run__baseline_id",
        "run__revision", "run__finished_at",
    )  # fmt: skip
    rows = results.filter(run__finished_at__isnull=False).order_by("-run_id", "position").values_list(*names)
    found = [PastResult(*row) for row in rows[: MAX_RESULTS + 1]]
    return History(found[:MAX_RESULTS], len(found) > MAX_RESULTS)


@dataclass(frozen=True, slots=True)
class WorstTest:
    """How often a test failed, on how many items, and on how many of them it is flaky."""

    suite: str
    test: str
    failures: int
    items: int
    flapped: int

    @property
    def url(self) -> str:
        """The page of the test."""
        return history_url(self.test, self.suite)


def worst_tests(since: datetime, order: str, most: int = 15) -> list[WorstTest]:
    """The tests of public items that failed most since then, by ``failures`` or by ``flapped``. One query."""
    failed = TestResult.objects.failed().filter(
        run__status=Status.FAIL, run__finished_at__gte=since, run__review__private=False
    )
    rows = (
        failed.order_by()
        .values_list("suite", "test")
        .annotate(
            failures=Count("pk"),
            items=Count("run__review", distinct=True),
            flapped=Count("run__review", distinct=True, filter=Q(standing=Standing.FLAKY)),
        )
        .filter(**{f"{order}__gt": 0})
        .order_by(f"-{order}", "-failures", "suite", "test")
    )
    return [WorstTest(*row) for row in rows[:most]]
