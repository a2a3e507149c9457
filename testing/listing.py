"""What pages show of test runs: rows with everything at hand, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, IntegerField, OuterRef, Prefetch, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from reviews.models import Review
from reviews.rows import SQUARE_CELLS
from testing.models import UNFINISHED, Attempt, Status, TestResult, TestRun

MOST_RUNS = 100  # newest runs of a review that its page shows
MOST_RESULTS = 25  # single tests of a run that the review's page shows, failed ones first; the run's page has all

# What each status means, in words beside the status itself.
MEANINGS: dict[str, str] = {
    Status.RETRY: "waits to be sent",
    Status.PENDING: "accepted, waits for a machine",
    Status.RUNNING: "in progress",
    Status.PASS: "every test passed",
    Status.FAIL: "a test failed",
    Status.ERROR: "no usable outcome",
    Status.CANCELED: "not needed any more",
}
SYMBOLS: dict[str, str] = {
    Status.RETRY: "↻", Status.PENDING: "…", Status.RUNNING: "▶", Status.PASS: "✓", Status.FAIL: "✗", Status.ERROR: "!",
    Status.CANCELED: "–",
}  # fmt: skip


@dataclass(frozen=True)
class AttemptRow:
    """One attempt and what became of it."""

    attempt: Attempt
    story: str


@dataclass(frozen=True)
class RunRow:
    """A run and what is said of it."""

    run: TestRun
    outdated: bool
    tests: int
    failed: int
    results: list[TestResult]
    attempts: list[AttemptRow]

    @property
    def meaning(self) -> str:
        return MEANINGS[self.run.status]

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.run.status]

    @property
    def more(self) -> int:
        """Single tests that the review's page leaves to the run's page."""
        return self.tests - len(self.results)

    @property
    def lost_at(self) -> datetime | None:
        """When the build counts as lost unless it reports."""
        return self.run.next_attempt_at if self.run.status in (Status.PENDING, Status.RUNNING) else None

    @property
    def next_try(self) -> datetime | None:
        return self.run.next_attempt_at if self.run.status == Status.RETRY else None

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has been running."""
        if not self.run.started_at:
            return None
        return max(0.0, ((self.run.finished_at or timezone.now()) - self.run.started_at).total_seconds())

    @property
    def links(self) -> list[tuple[str, str]]:
        """Where its console and its result are."""
        found = [("Console", self.run.build_url), ("Result", self.run.result_url)]
        return [(name, url) for name, url in found if url]


@dataclass(frozen=True)
class Runs:
    """A review's runs: those of its current revision, the outdated ones, and whether older ones were left out."""

    current: list[RunRow]
    outdated: list[RunRow]
    shortened: bool
    versions: list[tuple[Any, ...]]  # what ``version_of`` reads

    @property
    def unfinished(self) -> bool:
        """Whether something may still happen: a run goes on, or its single tests are being collected."""
        rows = [*self.current, *self.outdated]
        return any(row.run.status in UNFINISHED or row.run.results_due_at for row in rows)


def runs_of(review: Review) -> Runs:
    """The newest ``MOST_RUNS`` runs of a review. Three queries however many there are."""
    failed_first = Case(When(returncode=0, then=1), default=0, output_field=IntegerField())
    first = TestResult.objects.defer("output").filter(run__revision=review.revision)
    first = first.order_by(failed_first, "position")[:MOST_RESULTS]
    runs = with_counts(review.test_runs.select_related("substrate", "requested_by"))
    found = list(
        runs.prefetch_related(Prefetch("attempts"), Prefetch("results", queryset=first, to_attr="first_results"))[
            : MOST_RUNS + 1
        ]
    )
    rows = [row_of(run, review, run.first_results) for run in found[:MOST_RUNS]]
    return Runs(
        [row for row in rows if not row.outdated],
        [row for row in rows if row.outdated],
        len(found) > MOST_RUNS,
        [tuple(getattr(run, name) for name in SHOWN) for run in found],
    )


def with_counts(runs: QuerySet[TestRun]) -> QuerySet[TestRun]:
    """How many single tests each run has, and how many of them failed."""
    results = TestResult.objects.filter(run=OuterRef("pk")).order_by().values("run")

    def count(of: QuerySet[TestResult, Any]) -> Coalesce:
        return Coalesce(Subquery(of.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), Value(0))

    return runs.annotate(tests=count(results), failed=count(results.exclude(returncode=0)))


def row_of(run: TestRun, review: Review, results: list[TestResult]) -> RunRow:
    """The row of a run that ``with_counts`` read."""
    attempts = [AttemptRow(attempt, story_of(attempt, run)) for attempt in run.attempts.all()]
    counts: tuple[int, int] = run.tests, run.failed  # type: ignore[attr-defined]
    return RunRow(run, run.revision != review.revision, *counts, results, attempts)


def story_of(attempt: Attempt, run: TestRun) -> str:
    """What became of an attempt, in a sentence."""
    if attempt.number < run.attempt:
        return f"Lost: {attempt.note}" if attempt.note else "Lost."
    if run.status == Status.RETRY:
        return f"Refused: {attempt.note}" if attempt.note else "Not accepted yet."
    if run.status in (Status.PENDING, Status.RUNNING):
        return "Building." if run.status == Status.RUNNING else "Accepted; no build has reported yet."
    words = {Status.PASS: "Passed.", Status.FAIL: "Failed.", Status.CANCELED: "Cancelled."}
    said = words.get(Status(run.status), "No usable outcome.")
    return f"{said} {attempt.note}".strip()


SHOWN = (
    "pk", "status", "attempt", "refusals", "build_url", "result_url", "error", "next_attempt_at", "sent_at",
    "started_at", "finished_at", "results_due_at", "posted_at", "post_error",
)  # fmt: skip


def version_of(review: Review, rows: Iterable[tuple[Any, ...]] | None = None) -> str:
    """Changes whenever what a page shows of the review's runs does; so it does once a minute, for the ages on it.
    ``rows`` are the runs' values of ``SHOWN``, newest first; reading them costs one query."""
    shown = list(review.test_runs.values_list(*SHOWN)[: MOST_RUNS + 1] if rows is None else rows)
    minute = timezone.now().replace(second=0, microsecond=0)
    facts = (shown, review.revision, review.state, review.square, minute, settings.TESTING_MAX_ATTEMPTS)
    return sha256(repr(facts).encode()).hexdigest()[:32]


def runs_context(review: Review) -> dict[str, Any]:
    """All that ``testing/_runs.html`` needs, on the page and in its refresh. Three queries."""
    runs = runs_of(review)
    return {
        "review": review,
        "square": SQUARE_CELLS[review.square],
        "runs": runs,
        "version": version_of(review, runs.versions),
        "most_attempts": settings.TESTING_MAX_ATTEMPTS,
        "most_runs": MOST_RUNS,
    }
