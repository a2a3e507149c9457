"""Posting outcomes back to Launchpad: each once, whatever crashes in between (SPEC section 5)."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from core.concurrency import PATIENCE, ask_each
from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.comments import comments_of
from integrations.launchpad.entries import BadItem, Gone, LaunchpadProblem, text_of
from reviews.history import record
from reviews.ingest import MARKER
from reviews.models import Event, Review, Source
from testing.models import OUTCOMES, Status, TestRun
from testing.runs import lock_run

logger = logging.getLogger(__name__)

CHUNK = 20  # outcomes claimed at a time
POSTERS = 4  # requests to Launchpad at a time
NEWS = timedelta(days=7)  # an outcome that is older when posting is switched on is not posted any more
BUDGET = 90.0  # seconds after which the rest is left to the next call
VOTES = {Status.PASS: "Approve", Status.FAIL: "Needs Fixing"}


@dataclass(frozen=True, slots=True)
class _Post:
    """An outcome that this process posts, and where."""

    run: TestRun
    claimed: float  # time.monotonic()
    url: str


def lease() -> timedelta:
    """How long a claim holds: longer than posting can take. After it, the claim of a process that died is free."""
    return timedelta(seconds=5 * settings.CLAIM_SECONDS)


def publish_results() -> int:
    """Post the outcomes that were not posted yet. Returns how many were. Any number may run at once."""
    until, posted = time.monotonic() + BUDGET, 0
    if not _unposted().exists():
        return 0
    try:
        launchpad = get_launchpad()
        if launchpad.anonymous:
            raise LaunchpadProblem("Nobody is logged in to Launchpad. Run: manage.py setup_launchpad_credentials")
    except LaunchpadProblem as problem:
        logger.warning("outcomes not posted reason=%s", problem)
        for run in _claim_some():
            _wait(run, problem)
        return 0
    failures = 0

    def posts() -> Iterator[_Post]:
        nonlocal posted, failures
        for run, claimed in claims:
            try:
                url = _place_of(launchpad, run)
            except LaunchpadProblem as problem:
                failures = failures + 1 if _is_down(problem) else 0
                _wait(run, problem)
                if failures >= PATIENCE:
                    return
                continue
            if url:
                yield _Post(run, claimed, url)
            else:  # a process posted this outcome and died before it could say so
                posted += _posted(run)

    def post(job: _Post) -> None:
        if time.monotonic() - job.claimed > lease().total_seconds() / 2:
            raise LaunchpadProblem("It took too long to get to it.")  # another process may claim it soon
        subject = f"{job.run.substrate.name.upper()} Test Results: {job.run.review.title}"[:500]
        is_bug, vote = job.run.review.kind == Review.Kind.NEW, VOTES.get(Status(job.run.status))
        launchpad.post_comment(job.url, content_of(job.run), subject, vote, is_bug=is_bug)

    with closing(_claims()) as claims:
        asked = ask_each(
            posts(), post, width=POSTERS, until=until, problem=LaunchpadProblem, is_down=_is_down
        )  # fmt: skip
        for job, failure in asked:
            if failure:
                _wait(job.run, failure)
            else:
                posted += _posted(job.run)
    return posted


def _is_down(problem: LaunchpadProblem) -> bool:
    """Whether it may be Launchpad as a whole, rather than one item that only a person can mend."""
    return not isinstance(problem, Gone | BadItem)


def unposted() -> QuerySet[TestRun]:
    """Outcomes that are to be posted and were not yet.

    Not those from long before posting was switched on, but one that was tried once stays wanted however long it takes.
    A run's own time counts besides the end that Jenkins states: its clock may be wrong.
    """
    wanted = Q(review__source__comments=Source.Comments.ON)
    if settings.TESTING_COMMENTS:
        wanted |= Q(review__source__comments=Source.Comments.DEFAULT)
    since = timezone.now() - NEWS
    news = Q(finished_at__gte=since) | Q(created_at__gte=since) | Q(posting_at__isnull=False)
    runs: QuerySet[TestRun] = TestRun.objects.filter(wanted, news, status__in=OUTCOMES, posted_at=None)
    return runs.filter(revision=F("review__revision"))


def _unposted() -> QuerySet[TestRun]:
    """Those that no process is posting."""
    return unposted().filter(Q(posting_at=None) | Q(posting_at__lt=timezone.now() - lease()))


def _claims() -> Generator[tuple[TestRun, float], None, None]:
    """Claim what is to be posted, chunk by chunk. Close it: what was claimed and not taken is given back."""
    waiting: list[TestRun] = []
    try:
        while waiting := _claim_some():
            claimed = time.monotonic()
            while waiting:
                yield waiting.pop(0), claimed
    finally:
        for run in waiting:
            TestRun.objects.filter(pk=run.pk, posted_at=None).update(posting_at=run.posting_at)


def _claim_some() -> list[TestRun]:
    """Take a chunk for this process: each goes to exactly one. ``posting_at`` stays what it was before the claim.

    What was never tried comes first: however many can't be posted, they hold up nobody but themselves.
    """
    with transaction.atomic():
        rows = _unposted().select_for_update(of=("self",), skip_locked=True, no_key=True)
        in_turn = rows.order_by(F("posting_at").asc(nulls_first=True), "finished_at", "pk")
        runs = list(in_turn.select_related("review", "substrate")[:CHUNK])
        TestRun.objects.filter(pk__in=[run.pk for run in runs]).update(posting_at=timezone.now())
    return runs


def _place_of(launchpad: Launchpad, run: TestRun) -> str:
    """Where to comment: the proposal, or the bug of a task. Empty when this outcome is there already."""
    entry: dict[str, Any] = {}
    if run.posting_at or run.review.kind == Review.Kind.NEW:
        entry = launchpad.get(run.review.api_url)
        if "bug_link" in entry:
            entry = launchpad.get(text_of(entry, "bug_link"))
    if run.posting_at and any(_marker(run) in comment.content for comment in comments_of(launchpad, entry)):
        return ""
    return text_of(entry, "self_link") or run.review.api_url


def _posted(run: TestRun) -> bool:
    """Write it down. An outcome that was recovered in the meantime is another one, and waits for its turn."""
    with transaction.atomic():
        same = lock_run(run.pk).status == run.status
        facts = {"posted_at": timezone.now()} if same else {"posting_at": None}
        TestRun.objects.filter(pk=run.pk).update(post_error="", **facts)
        record(run.review, Event.Kind.POSTED, new=f"{run.status} on {run.substrate.name}", run_id=run.pk)
    return True


def _wait(run: TestRun, problem: LaunchpadProblem) -> None:
    """It was not posted, or nobody can tell: looked for and tried again a little later.

    What only a person can mend keeps its claim, and so waits longer.
    """
    logger.warning("outcome not posted run=%s reason=%s", run.pk, problem)
    now = timezone.now()
    since = now - lease() + timedelta(seconds=settings.CLAIM_SECONDS / 2) if _is_down(problem) else now
    TestRun.objects.filter(pk=run.pk).update(post_error=str(problem), posting_at=since)


def content_of(run: TestRun) -> str:
    """The comment's text: outcome, links, and the marker by which it is found again."""
    words = {Status.PASS: "passed", Status.FAIL: "failed", Status.ERROR: "brought no usable outcome"}
    lines = [f"Automated testing on {run.substrate.name} {words[Status(run.status)]}."]
    lines += [f"Revision: {run.revision}"] if run.revision else []
    lines += [run.error] if run.error else []
    lines += [f"Results: {url}" for url in [run.result_url or run.build_url] if url]
    lines += [f"{settings.BASE_URL}{run.review.get_absolute_url()}", _marker(run)]
    return "\n\n".join(lines)


def _marker(run: TestRun) -> str:
    return f"{MARKER}{run.pk} of {settings.BASE_URL}: {run.status}"
