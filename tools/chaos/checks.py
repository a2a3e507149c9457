"""What must be true at the end: read from the rows, and compared with what the sandbox's servers know."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q

from integrations.models import VerdictPost
from reviews.models import Event, Review, State
from testing.models import UNFINISHED, Attempt, TestResult, TestRun
from testing.verdicts import square_of

OUTCOMES = {"SUCCESS": "pass", "UNSTABLE": "fail", "ABORTED": "error"}
# A vote that a verdict may have: the chaos' sources vote on failures, and take that back.
VOTES = {"pass": ("", "Abstain"), "fail": ("Needs Fixing",), "error": ("",)}
MARKER = re.compile(r"-- posted by Review Queue, review (\d+), revision \S+, number (\d+) of ")
SHOWN = 10  # offending rows of each sort
# What a log may not hold, whatever is killed.
BAD_LINES = {
    "deadlock": re.compile(r"deadlock detected"),
    "task raised": re.compile(r"raised unexpected: (?!WorkerLostError)"),
    "integrity error": re.compile(r"IntegrityError"),
    "internal server error": re.compile(r"Internal Server Error|status=500"),
}


@dataclass
class Offences:
    """What is wrong, by sort, with the rows that show it."""

    rows: dict[str, list[str]] = field(default_factory=dict)

    def add(self, sort: str, row: object) -> None:
        self.rows.setdefault(sort, []).append(str(row))

    def count(self, sort: str) -> int:
        return len(self.rows.get(sort, ()))

    def lines(self) -> list[str]:
        found = []
        for sort, rows in self.rows.items():
            found.append(f"{sort}: {len(rows)}")
            found += [f"    {row}" for row in rows[:SHOWN]]
        return found


def unsettled(wanted: int) -> dict[str, int]:
    """What still moves, or is not there yet; empty when everything has come to rest. Three queries."""
    counts = TestRun.objects.aggregate(
        missing=wanted - Count("pk"),
        unfinished=Count("pk", filter=Q(status__in=UNFINISHED)),
        uncollected=Count("pk", filter=Q(results_due_at__isnull=False)),
    )
    said = VerdictPost.objects.filter(
        review=OuterRef("pk"),
        revision=OuterRef("revision"),
        verdict=OuterRef("verdict"),
        state=VerdictPost.State.POSTED,
    )
    counts["unposted"] = Review.objects.exclude(verdict="").exclude(Exists(said)).count()
    counts["out of reach"] = Review.objects.exclude(missing_since=None).count()
    return {name: count for name, count in counts.items() if count}


def check(reviews: int, substrates: int, jenkins: dict[str, Any], launchpad: dict[str, Any]) -> Offences:
    """Compare the rows with what Jenkins and Launchpad know."""
    found = Offences()
    runs = list(TestRun.objects.select_related("review", "substrate"))
    if (count := Review.objects.count()) != reviews:
        found.add("reviews that are missing or too many", f"{count} of {reviews}")
    if len(runs) != reviews * substrates:
        found.add("runs that are missing or too many", f"{len(runs)} of {reviews * substrates}")
    for event in Event.objects.filter(kind=Event.Kind.STATE, new=State.ABANDONED.label):  # it may be back since
        found.add("items abandoned", f"review {event.review_id} at {event.at}: {event.note}")
    _outcomes(found, runs, jenkins["builds"])
    _posts(found, launchpad["posts"])
    _rows(found, runs)
    _locks(found)
    return found


def _outcomes(found: Offences, runs: list[TestRun], builds: list[dict[str, Any]]) -> None:
    """Every run has the outcome of a build of its own that Jenkins knows, and no build is nobody's."""
    by_number = {build["number"]: build for build in builds}
    known = {str(run.pk): run for run in runs}
    for run in runs:
        if run.status in UNFINISHED:
            found.add("runs without an outcome", _shown(run))
            continue
        number = run.build_url.rstrip("/").rsplit("/", 1)[-1]
        build = by_number.get(int(number)) if number.isdigit() else None
        if build is None:
            found.add("runs with an outcome that no build of Jenkins has", _shown(run))
        elif build["job_id"] != str(run.pk) or build["envs"] != run.substrate.name:
            found.add("runs with another run's build", f"{_shown(run)} {build}")
        elif OUTCOMES.get(build["result"]) != run.status:
            found.add("runs with another outcome than Jenkins knows", f"{_shown(run)} {build}")
    for build in builds:
        if build["job_id"] not in known:
            found.add("builds that belong to no run", build)
        elif build["state"] in ("queued", "running"):
            found.add("builds that nobody waits for any more", build)


def _posts(found: Offences, posts: list[dict[str, str]]) -> None:
    """Every verdict is at Launchpad once, with its vote, and the last one of each review is that which holds."""
    by_review: dict[int, dict[int, list[dict[str, str]]]] = {}
    for post in posts:
        marker = MARKER.search(post["content"])
        review_id, number = (int(marker[1]), int(marker[2])) if marker else (0, 0)
        by_review.setdefault(review_id, {}).setdefault(number, []).append(post)
    for review in Review.objects.order_by("pk"):
        made = by_review.pop(review.pk, {})
        for number, same in made.items():
            if len(same) > 1:
                found.add("verdicts posted more than once", f"review {review.pk}, number {number}: {len(same)} times")
        if not made:
            if review.verdict:
                found.add("verdicts not posted", f"review {review.pk}: {review.verdict}")
            continue
        last = made[max(made)][0]
        posted = VerdictPost.objects.filter(review=review, state=VerdictPost.State.POSTED).order_by("number").last()
        if posted is None or posted.verdict != review.verdict:
            found.add("reviews whose last post says another verdict", f"review {review.pk}: {posted}, {review.verdict}")
        elif last.get("vote", "") not in VOTES[posted.verdict] and review.kind == Review.Kind.UPDATE:
            found.add("verdicts posted with another vote", f"review {review.pk} {last}")
        elif not review.api_url.endswith(last["to"]):
            found.add("verdicts posted elsewhere", f"review {review.pk} {last['to']}")
    for rest in by_review.values():
        found.add("comments that belong to no review", next(iter(rest.values()))[0])


def _rows(found: Offences, runs: list[TestRun]) -> None:
    """No row was left half way."""
    for post in VerdictPost.objects.wanted():
        found.add("posts that stopped half way", f"{post}, {post.tries} tries {post.error}")
    for run in runs:
        if run.results_due_at:
            found.add("runs whose single tests were never collected", f"{_shown(run)} due {run.results_due_at}")
        if run.status not in UNFINISHED and run.next_attempt_at:
            found.add("finished runs with a claim", f"{_shown(run)} {run.next_attempt_at}")
    for attempt in Attempt.objects.filter(run__in=TestRun.objects.finished(), ended_at=None):
        found.add("unfinished attempts of finished runs", f"{attempt} built at {attempt.build_url}")
    tested = set(TestResult.objects.values_list("run_id", flat=True).distinct())
    for run in runs:
        if run.status in ("pass", "fail") and run.pk not in tested:
            found.add("outcomes without their single tests", _shown(run))
    events = Counter(Event.objects.filter(kind=Event.Kind.POSTED).values_list("review_id", flat=True))
    posts = Counter(VerdictPost.objects.filter(state=VerdictPost.State.POSTED).values_list("review_id", flat=True))
    for pk, count in events.items():
        if count > posts[pk]:
            found.add("postings written down twice", f"review {pk}: {count} times for {posts[pk]} posts")
    statuses: dict[int, list[str]] = {}
    for run in runs:
        statuses.setdefault(run.item.pk, []).append(run.status)
    for review in Review.objects.all():
        if review.square != square_of(statuses.get(review.pk, [])):
            found.add("reviews with a wrong Square", f"{review.pk} {review.square} {statuses.get(review.pk)}")
        if review.state != "pending":
            found.add("reviews in a state that Launchpad does not know", f"{review.pk} {review.state}")


def _locks(found: Offences) -> None:
    """Every row can be locked now, and no transaction is open that nobody ends."""
    with transaction.atomic():
        for model in (Review, TestRun):
            free = model._default_manager.select_for_update(skip_locked=True).values_list("pk", flat=True)
            taken = set(model._default_manager.values_list("pk", flat=True)) - set(free)
            for pk in taken:
                found.add("rows that a transaction still locks", f"{model.__name__} {pk}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() "
            "AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'"
        )
        for row in cursor.fetchall():
            found.add("transactions that nobody ends", row)


def read_logs(found: Offences, logs: list[Path]) -> Counter[str]:
    """Count what went wrong in the processes; what may never happen is an offence."""
    counted: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
            for sort, pattern in BAD_LINES.items():
                if pattern.search(line):
                    counted[sort] += 1
                    found.add(f"{sort} in a log", f"{log.name}: {line[:300]}")
    return counted


def _shown(run: TestRun) -> str:
    return f"run {run.pk} {run.status} attempt {run.attempt} {run.build_url or '(no build)'} {run.error[:120]}".strip()
