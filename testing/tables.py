"""What pages show of test runs: rows with everything at hand, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Case, Count, F, IntegerField, OuterRef, QuerySet, Subquery, Value, When, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from core.compiled_queries import Given, prepared
from reviews.models import Review
from reviews.tables import SQUARE_CELLS
from testing.models import UNFINISHED, Attempt, Status, TestResult, TestRun
from testing.signals import runs_shown

OfRun = TypeVar("OfRun", Attempt, TestResult)

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
    note: str = ""  # what another room has to say of it

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
    found = prepared("runs of review", _runs, review_id=review.pk)
    if not found:
        return Runs([], [], False, [])
    attempts = _by_run(prepared("attempts of review", _attempts, review_id=review.pk))
    results = _by_run(prepared("results of review", _results, review_id=review.pk, revision=review.revision))
    notes = notes_of(review, found[:MOST_RUNS])
    rows = [row_of(run, review, attempts[run.pk], results[run.pk], notes.get(run.pk, "")) for run in found[:MOST_RUNS]]
    return Runs(
        [row for row in rows if not row.outdated],
        [row for row in rows if row.outdated],
        len(found) > MOST_RUNS,
        [tuple(getattr(run, name) for name in SHOWN) for run in found],
    )


def _runs() -> QuerySet[TestRun]:
    runs = TestRun.objects.filter(review_id=Given(TestRun, "review_id")).select_related("substrate", "requested_by")
    return with_counts(runs)[: MOST_RUNS + 1]


def _newest() -> QuerySet[TestRun]:
    return TestRun.objects.filter(review_id=Given(TestRun, "review_id"))[:MOST_RUNS]


def _attempts() -> QuerySet[Attempt]:
    return Attempt.objects.filter(run__in=_newest().values("pk")).order_by("run_id", "number")


def _results() -> QuerySet[TestResult]:
    """The first single tests of each run of the current revision, failed ones first."""
    failed_first = Case(When(returncode=0, then=1), default=0, output_field=IntegerField())
    place = Window(RowNumber(), partition_by=F("run_id"), order_by=[failed_first, F("position")])
    results = TestResult.objects.defer("output").filter(
        run__in=_newest().values("pk"), run__revision=Given(TestRun, "revision")
    )
    return results.annotate(place=place).filter(place__lte=MOST_RESULTS).order_by("run_id", "place")


def _by_run(rows: Iterable[OfRun]) -> dict[int, list[OfRun]]:
    found: dict[int, list[OfRun]] = defaultdict(list)
    for row in rows:
        found[row.run_id].append(row)
    return found


def with_counts(runs: QuerySet[TestRun]) -> QuerySet[TestRun]:
    """How many single tests each run has, and how many of them failed."""
    results = TestResult.objects.filter(run=OuterRef("pk")).order_by().values("run")

    def count(of: QuerySet[TestResult, Any]) -> Coalesce:
        return Coalesce(Subquery(of.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), Value(0))

    return runs.annotate(tests=count(results), failed=count(results.exclude(returncode=0)))


def notes_of(review: Review, runs: list[TestRun]) -> dict[int, str]:
    """What other rooms have to say of the runs: a sentence by the run's id."""
    notes: dict[int, str] = {}
    answers: list[tuple[Any, Any]] = runs_shown.send(Review, review=review, runs=runs)
    for _, answer in answers:
        notes.update(answer or {})
    return notes


def row_of(
    run: TestRun, review: Review, attempts: Iterable[Attempt], results: list[TestResult], note: str = ""
) -> RunRow:
    """The row of a run that ``with_counts`` read."""
    told = [AttemptRow(attempt, story_of(attempt, run)) for attempt in attempts]
    counts: tuple[int, int] = run.tests, run.failed  # type: ignore[attr-defined]
    return RunRow(run, run.revision != review.revision, *counts, results, told, note)


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
    "started_at", "finished_at", "results_due_at", "posted_at",
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
