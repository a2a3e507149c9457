"""What pages show of test runs: rows with everything at hand, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, F, IntegerField, Q, Subquery, When, Window
from django.db.models.functions import Right, RowNumber
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from core.text import counted
from reviews.managers import Reader
from reviews.models import Review
from reviews.tables import marks_of, square_cell
from reviews.texts import verdict_words, why_tests_wait
from testing.evidence import Evidence, get_evidence, history_url
from testing.managers import FAILED_FIRST, TestRunQuerySet
from testing.models import UNFINISHED, Attempt, AttemptOutcome, Status, TestOutcome, TestResult, TestRun
from testing.runs import REPEATABLE
from testing.signals import verdict_shown

MAX_RUNS = 100  # newest runs of a review that its page shows
MAX_RESULTS = 25  # single tests of a run that the page of all runs shows, failed ones first; the run's page has all
MAX_FAILING = 5  # failing tests of a run that the overview shows with their last lines
TAIL_LINES = 4  # lines of a failing test that the overview shows
TAIL_LENGTH = 600  # characters of them

# What of a run changes the version of the part of the page that shows it.
VERSION_FIELDS = (
    "pk", "status", "attempt", "refusals", "build_url", "result_url", "error", "next_attempt_at", "sent_at",
    "started_at", "finished_at", "results_due_at", "standing_at", "posted_at", "target_revision",
)  # fmt: skip

# What each status means, in words beside the status itself.
MEANINGS: dict[str, str] = {
    Status.RETRY: "waits to be sent",
    Status.PENDING: "accepted, waits for a machine",
    Status.RUNNING: "in progress",
    Status.PASS: "no test failed",
    Status.FAIL: "a test failed",
    Status.ERROR: "no usable outcome",
    Status.CANCELED: "not needed any more",
}
SYMBOLS: dict[str, str] = {
    Status.RETRY: "↻", Status.PENDING: "…", Status.RUNNING: "▶", Status.PASS: "✓", Status.FAIL: "✗", Status.ERROR: "!",
    Status.CANCELED: "–",
}  # fmt: skip


# What became of an attempt, of a run that has ended and otherwise.
ENDED_WORDS: dict[str, str] = {
    Status.PASS: "Passed.", Status.FAIL: "Failed.", Status.ERROR: "No usable outcome.", Status.CANCELED: "Cancelled.",
}  # fmt: skip
ATTEMPT_WORDS: dict[str, str] = {
    AttemptOutcome.SENDING: "Being sent.",
    AttemptOutcome.UNKNOWN: "Sent, but the answer was lost:",
    AttemptOutcome.ACCEPTED: "Accepted; no build has reported yet.",
    AttemptOutcome.REFUSED: "Refused:",
    AttemptOutcome.LOST: "Lost:",
}


@dataclass(frozen=True)
class AttemptRow:
    """One attempt, and what became of it in words."""

    attempt: Attempt
    description: str


@dataclass(frozen=True)
class FailingTest:
    """A failing test, the end of what it said, and what is known of it."""

    result: TestResult
    last_lines: str
    evidence: Evidence


@dataclass(frozen=True)
class ResultRow:
    """A single test in a table, and what is known of it if it failed."""

    result: TestResult
    url: str  # its own page, with its output
    history: str  # the page of the test
    evidence: Evidence | None = None


@dataclass(frozen=True)
class RunRow:
    """A run and what is said of it."""

    run: TestRun
    outdated: bool
    tests: int
    failed: int
    skipped: int
    results: list[ResultRow]
    attempts: list[AttemptRow]
    is_newest: bool = True  # on its substrate
    failing: list[FailingTest] = field(default_factory=list)  # on the overview only

    @property
    def words(self) -> str:
        """What became of it, in a few words: what its single tests say where there are some."""
        if not self.tests or self.run.status not in (Status.PASS, Status.FAIL):
            return MEANINGS[self.run.status]
        is_plain = not self.failed and not self.skipped
        return f"{counted(self.tests, 'test')} passed" if is_plain else self.tests_words

    @property
    def at(self) -> datetime:
        """When what is said of it became so."""
        return self.run.finished_at or self.run.started_at or self.run.sent_at or self.run.created_at

    @property
    def has_gone_wrong(self) -> bool:
        return self.run.status in (Status.FAIL, Status.ERROR)

    @property
    def more_failing(self) -> int:
        """Failing tests that the overview leaves to the run's page."""
        return self.failed - len(self.failing)

    @property
    def may_be_repeated(self) -> bool:
        """Whether *Run again* makes sense of it: it is over, and its substrate is in use."""
        return self.run.is_finished and self.run.substrate.active

    @property
    def meaning(self) -> str:
        return MEANINGS[self.run.status]

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.run.status]

    @property
    def tests_words(self) -> str:
        """What became of its single tests, as ``2 of 41 failed, 3 skipped``."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        if self.failed:
            return f"{self.failed} of {self.tests} failed{skipped}"
        return f"{self.tests - self.skipped} of {self.tests} passed{skipped}" if skipped else f"{self.tests} passed"

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
    def newest(self) -> list[RunRow]:
        """The newest of each substrate, of the current revision, in the order of the substrates."""
        found = [row for row in self.current if row.is_newest]
        return sorted(found, key=lambda row: (row.run.substrate.order, row.run.substrate.name))

    @property
    def older(self) -> list[RunRow]:
        """Of the current revision too, but a later run on the same substrate took their place."""
        return [row for row in self.current if not row.is_newest]

    @property
    def outages(self) -> list[str]:
        """Which of the substrates where it failed fail for most items now, in sentences."""
        return [row.run.substrate.outage for row in self.newest if row.run.substrate.outage and row.has_gone_wrong]

    @property
    def to_repeat(self) -> list[str]:
        """The substrates where *Run again what failed* launches a run: by the newest run of each."""
        rows = [row for row in self.newest if row.run.status in REPEATABLE and row.may_be_repeated]
        return [row.run.substrate.name for row in rows]


@dataclass(frozen=True)
class NewestRuns(Runs):
    """The newest run of each substrate; ``total`` is how many runs the review has in all."""

    total: int = 0

    @property
    def others(self) -> int:
        """Runs that the overview leaves to the page of all runs."""
        return self.total - len(self.current)

    @property
    def merged_into(self) -> str:
        """The revision of the target that all of them were merged into; empty where they differ or it is not known."""
        found = {row.run.target_revision for row in self.current}
        return found.pop() if len(found) == 1 else ""


def get_newest_runs(review: Review) -> NewestRuns:
    """The newest run of each substrate with its failing tests and their last lines. Three queries at most."""
    found = newest_runs(review).select_related("substrate", "requested_by", "compared_with").with_test_counts()
    count = review.test_runs.order_by().values("review").annotate(total=Count("pk")).values("total")
    runs = list(found.annotate(total=Subquery(count)))
    current = [run for run in runs if run.revision == review.revision]
    failing = failing_by_run([run for run in current if run.failed_count])
    rows = [replace(build_row(run, review, [], []), failing=failing[run.pk]) for run in current]
    versions = [tuple(getattr(run, name) for name in VERSION_FIELDS) for run in runs]
    return NewestRuns(rows, [], False, versions, runs[0].total if runs else 0)


def newest_runs(review: Review) -> TestRunQuerySet:
    """Of each substrate that the review was ever tested on its newest run, of the current revision if there is one, in
    the order of the substrates."""
    is_current = Case(When(revision=review.revision, then=0), default=1, output_field=IntegerField())
    place = Window(RowNumber(), partition_by="substrate", order_by=[is_current, "-created_at", "-id"])
    newest = review.test_runs.order_by().annotate(place=place).filter(place=1).values("pk")
    found: TestRunQuerySet = TestRun.objects.filter(pk__in=newest).order_by("substrate__order", "substrate__name")
    return found


def failing_by_run(runs: list[TestRun]) -> dict[int, list[FailingTest]]:
    """The first failing tests of each run of an item. Two queries at most; none without runs."""
    found: dict[int, list[FailingTest]] = defaultdict(list)
    if not runs:
        return found
    place = Window(RowNumber(), partition_by=F("run_id"), order_by=F("position").asc())
    results = TestResult.objects.failed().filter(run__in=runs).annotate(place=place, tail=Right("output", TAIL_LENGTH))
    shown = list(results.filter(place__lte=MAX_FAILING).defer("output").order_by("run_id", "position"))
    evidence = get_evidence(shown, {run.pk: run for run in runs})
    for result in shown:
        lines = last_lines(result.error or result.tail)
        found[result.run_id].append(FailingTest(result, lines, evidence[result.pk]))
    return found


def last_lines(text: str) -> str:
    """The end of a test's output, as much as the overview shows."""
    lines = [line.rstrip() for line in text[-TAIL_LENGTH:].splitlines() if line.strip()]
    return "\n".join(lines[-TAIL_LINES:])


def get_runs(review: Review) -> Runs:
    """The newest ``MAX_RUNS`` runs of a review. Four queries at most, however many there are."""
    found = review.test_runs.select_related("substrate", "requested_by", "job__server", "compared_with")
    runs = list(found.with_test_counts()[: MAX_RUNS + 1])
    shown = runs[:MAX_RUNS]
    if not shown:
        return Runs([], [], False, [])
    attempts, results = attempts_by_run(shown), results_by_run(review, shown)
    rows, seen = [], set()
    for run in shown:
        key = (run.substrate_id, run.revision)
        rows.append(build_row(run, review, attempts[run.pk], results[run.pk], is_newest=key not in seen))
        seen.add(key)
    return Runs(
        [row for row in rows if not row.outdated],
        [row for row in rows if row.outdated],
        len(runs) > MAX_RUNS,
        [tuple(getattr(run, name) for name in VERSION_FIELDS) for run in runs],
    )


def attempts_by_run(runs: list[TestRun]) -> dict[int, list[Attempt]]:
    """The attempts of the runs in their order, by the run's id. One query."""
    found: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(run__in=runs).order_by("run_id", "number"):
        found[attempt.run_id].append(attempt)
    return found


def results_by_run(review: Review, runs: list[TestRun]) -> dict[int, list[ResultRow]]:
    """The first single tests of each run of the current revision, failed ones first, by the run's id. Two queries at
    most."""
    place = Window(RowNumber(), partition_by=F("run_id"), order_by=[FAILED_FIRST, F("position")])
    current = [run for run in runs if run.revision == review.revision]
    # Failed ones and the first of each run: only those are sorted, of however many there are.
    candidates = TestResult.objects.filter(Q(outcome=TestOutcome.FAIL) | Q(position__lt=MAX_RESULTS), run__in=current)
    results = candidates.annotate(place=place).filter(place__lte=MAX_RESULTS)
    found: dict[int, list[ResultRow]] = defaultdict(list)
    for row in build_results(results.defer("output").order_by("run_id", "place"), runs):
        found[row.result.run_id].append(row)
    return found


def build_results(results: Iterable[TestResult], runs: Iterable[TestRun]) -> list[ResultRow]:
    """Rows of single tests of an item's runs, which are at hand with ``compared_with``. A query at most besides."""
    shown, by_id = list(results), {run.pk: run for run in runs}
    evidence = get_evidence(shown, by_id)
    return [
        ResultRow(
            row, reverse("single-test", args=[by_id[row.run_id].review_id, row.run_id, row.position]),
            history_url(row.test, row.suite), evidence.get(row.pk),
        )
        for row in shown
    ]  # fmt: skip


def build_target_results(results: Iterable[TestResult], target_id: int) -> list[ResultRow]:
    """Rows of single tests of a target's run."""
    return [
        ResultRow(
            row, reverse("target-test", args=[target_id, row.run_id, row.position]), history_url(row.test, row.suite)
        )
        for row in results
    ]


def verdict_notes(review: Review) -> list[str]:
    """What other rooms have to say of the verdict, in sentences."""
    return [words for _, words in verdict_shown.send(Review, review=review) if words]


def build_row(
    run: TestRun, review: Review, attempts: Iterable[Attempt], results: list[ResultRow], *, is_newest: bool = True
) -> RunRow:
    """The row of a run that ``with_test_counts`` read."""
    rows = [AttemptRow(attempt, describe_attempt(attempt, run)) for attempt in attempts]
    outdated = run.revision != review.revision
    return RunRow(run, outdated, run.test_count, run.failed_count, run.skipped_count, results, rows, is_newest)


def build_target_row(run: TestRun, attempts: Iterable[Attempt] = ()) -> RunRow:
    """The row of a run that tests a target by itself, and that ``with_test_counts`` read."""
    rows = [AttemptRow(attempt, describe_attempt(attempt, run)) for attempt in attempts]
    return RunRow(run, False, run.test_count, run.failed_count, run.skipped_count, [], rows)


def describe_attempt(attempt: Attempt, run: TestRun) -> str:
    """What became of an attempt, in a sentence or two."""
    is_current = attempt.number == run.attempt
    if is_current and run.status in ENDED_WORDS:
        words = ENDED_WORDS[run.status]
    elif is_current and run.status == Status.RUNNING:
        return "Building."
    else:
        words = ATTEMPT_WORDS[attempt.outcome]
    return f"{words} {attempt.note}".strip()


def version_of(rows: Iterable[tuple[Any, ...]]) -> str:
    """Changes whenever what a page shows of these runs does; while one goes on also once a minute, since it says for
    how long. ``rows`` are the runs' values of ``VERSION_FIELDS``."""
    shown = list(rows)
    goes_on = any(row[VERSION_FIELDS.index("status")] in UNFINISHED for row in shown)
    minute = timezone.now().replace(second=0, microsecond=0) if goes_on else None
    return sha256(repr((shown, minute, settings.TESTING_MAX_ATTEMPTS)).encode()).hexdigest()[:32]


def may_launch(user: Reader, review: Review) -> bool:
    """Whether this reader is offered to launch tests: a reviewer, of what is open and in the queue."""
    return isinstance(user, User) and review.is_open and review.is_in_queue and user.is_reviewer


def runs_context(review: Review, runs: Runs, is_launcher: bool) -> dict[str, Any]:
    """All that the templates of a review's runs need. ``is_launcher``: whether the reader may launch tests."""
    return {
        "review": review,
        "square": square_cell(review.square, review.verdict, marks_of(review.marks), review.tests_wait_for),
        "verdict_notes": verdict_notes(review),
        "verdict": verdict_words(review.verdict, marks_of(review.marks)),
        "waits": why_tests_wait(review, timezone.now()),
        "runs": runs,
        "may_launch": is_launcher,
        "version": version_of(runs.versions),
        "most_runs": MAX_RUNS,
    }
