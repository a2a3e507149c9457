"""The comment that tells Launchpad a verdict: its text, bounded, and its vote (docs/specification.md, section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from core.text import counted, duration, join_words, shorten
from reviews.comments import MARKER
from reviews.models import Review, Source, Verdict
from reviews.texts import verdict_words
from testing.evidence import Evidence, get_evidence
from testing.models import Status, TestResult, TestRun
from testing.outages import get_outages

MAX_NAMES = 10  # failing tests that are named for each substrate
MAX_NAME = 120  # characters of a name, of an error, of a substrate's line
MAX_SUBSTRATES = 30
MAX_LENGTH = 8000  # characters of the whole comment
OUTCOME_WORDS = {Status.PASS: "passed", Status.FAIL: "failed", Status.ERROR: "could not be run to an end"}


@dataclass
class TestedRevision:
    """The newest run on each substrate of a review's current revision, each with its failing single tests."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    review: Review
    runs: list[TestRun] = field(default_factory=list)  # with_test_counts
    failing: dict[int, list[TestResult]] = field(default_factory=dict)  # by the run's id


def get_tested_revisions(reviews: Sequence[Review]) -> dict[int, TestedRevision]:
    """What the verdicts of these reviews rest on, by the review's id. Two queries."""
    runs = TestRun.objects.filter(review__in=reviews).current().exclude(status=Status.CANCELED)
    rows = (
        runs.with_test_counts()
        .select_related("substrate", "compared_with")
        .order_by("substrate__order", "substrate__name", "pk")
    )
    newest: dict[int | None, dict[int, TestRun]] = defaultdict(dict)
    for run in rows:
        newest[run.review_id][run.substrate_id] = run
    failed = [run.pk for by_substrate in newest.values() for run in by_substrate.values() if run.failed_count]
    failing: dict[int, list[TestResult]] = defaultdict(list)
    for result in TestResult.objects.filter(run__in=failed).failed().defer("output").order_by("run", "position"):
        if len(failing[result.run_id]) < MAX_NAMES:
            failing[result.run_id].append(result)
    return {review.pk: TestedRevision(review, list(newest[review.pk].values()), failing) for review in reviews}


def vote_for(review: Review, verdict: str, standing: str) -> str:
    """The vote that goes with a verdict; empty for none. ``standing`` is our own last vote on the proposal.

    Launchpad keeps one vote a person: Abstain takes our own Needs Fixing back without approving code that nobody read.
    """
    policy = review.source.vote_policy if review.source else Source.VotePolicy.NONE
    if review.kind == Review.Kind.NEW or policy == Source.VotePolicy.NONE:
        return ""
    if verdict == Verdict.FAIL:
        return "Needs Fixing"
    if verdict == Verdict.PASS:
        if policy == Source.VotePolicy.BOTH:
            return "Approve"
        return "Abstain" if standing == "Needs Fixing" else ""
    return ""


def subject_of(review: Review) -> str:
    return shorten(f"Test results: {one_line(review.title)}", 500)


def marker_of(review: Review, revision: str, number: int) -> str:
    """The comment's last line, by which it is found again: review, revision, and which verdict of it this is."""
    named = one_line(revision) or "unknown"
    return f"{MARKER}review {review.pk}, revision {named}, number {number} of {settings.BASE_URL}"


def compose(tested: TestedRevision, vote: str, number: int) -> str:
    """The text of the comment. Two queries at most."""
    review, marker = tested.review, marker_of(tested.review, tested.review.revision, number)
    shown = tested.runs[:MAX_SUBSTRATES]
    lines = [first_line(tested), *_outage_lines(tested), ""]
    failing = [result for run in shown for result in tested.failing.get(run.pk, [])]
    evidence = get_evidence(failing, {run.pk: run for run in shown})
    for run in shown:
        lines += _lines_of(run, tested.failing.get(run.pk, []), evidence)
    if len(tested.runs) > MAX_SUBSTRATES:
        lines.append(f"and {len(tested.runs) - MAX_SUBSTRATES} more substrates.")
    lines += ["", *_what_was_tested(tested)]
    lines.append(f"Details: {settings.BASE_URL}{review.get_absolute_url()}")
    if vote == "Abstain":
        lines.append("This takes back the earlier Needs Fixing of the tests.")
    if review.verdict != Verdict.PASS and review.is_open:
        lines.append(
            "To run again what failed, a reviewer or the trusted submitter answers with a line that says only: recheck"
        )
    text = "\n".join(lines)
    return f"{shorten(text, MAX_LENGTH - len(marker) - 2)}\n\n{marker}"


def first_line(tested: TestedRevision) -> str:
    """``Tests failed on azure (2 of 41); lxc and aws passed.``"""
    marks = [(run.substrate.name, run.status, run.counts) for run in tested.runs]
    shares = {run.substrate.name: f"{run.failed_count} of {run.test_count}" for run in tested.runs if run.failed_count}
    return verdict_words(tested.review.verdict, marks, shares)


def _outage_lines(tested: TestedRevision) -> list[str]:
    """Which of its substrates fail for most items now."""
    bad = {run.substrate.name for run in tested.runs if run.status in (Status.FAIL, Status.ERROR)}
    return [outage.words for outage in get_outages() if outage.substrate in bad] if bad else []


def _lines_of(run: TestRun, failing: list[TestResult], evidence: Mapping[int, Evidence]) -> list[str]:
    """A line for the run's substrate, and one for each failing test."""
    words = OUTCOME_WORDS.get(Status(run.status), "is under way")
    tests = ""
    if run.failed_count:
        tests = f", {run.failed_count} of {counted(run.test_count, 'test')}"
    elif run.test_count:
        tests = f", {counted(run.test_count, 'test')}"
    if run.skipped_count:
        tests += f", {run.skipped_count} skipped"
    took = ""
    if run.finished_at and run.started_at and run.finished_at > run.started_at:
        took = f", in {duration((run.finished_at - run.started_at).total_seconds())}"
    aside = "" if run.counts else " (does not count for the verdict)"
    lines = [f"{run.substrate.name}: {words}{tests}{took}{aside}"]
    if run.error and run.status == Status.ERROR:
        lines.append(f"  {shorten(one_line(run.error), 2 * MAX_NAME)}")
    for result in failing:
        name = " / ".join(shorten(one_line(part), MAX_NAME) for part in (result.suite, result.test) if part)
        why = f": {shorten(one_line(result.error), MAX_NAME)}" if result.error else ""
        known = evidence[result.pk]
        standing = f" ({known.label}: {one_line(known.words)})" if known.label else ""
        lines.append(f"  - {name}{standing}{why}")
    if run.failed_count > len(failing):
        lines.append(f"  - and {run.failed_count - len(failing)} more")
    if link := run.result_url or run.build_url:
        lines.append(f"  {one_line(link)}")
    return lines


def _what_was_tested(tested: TestedRevision) -> list[str]:
    review = tested.review
    if not review.revision:
        return []
    into = ""
    if revisions := sorted({run.target_revision for run in tested.runs if run.target_revision}):
        target = one_line(review.target or review.target_branch) or "its target"
        into = f", merged into {target} at {join_words(revisions[:3])}"
    return [f"Revision: {one_line(review.revision)}{into}"]


def one_line(text: str) -> str:
    """A stranger's text as a part of a line."""
    return " ".join(text.split())
