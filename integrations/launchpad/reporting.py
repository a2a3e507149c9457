"""Posting outcomes back to Launchpad: each once, whatever crashes in between (docs/specification.md, section 5).

An outcome that is to be posted is a row, ``OutcomePost``. A process claims a few rows for a while, posts them, and
marks them as posted. If it dies in between, the claim runs out, and whoever claims the row next looks on Launchpad for
the comment's marker before it posts.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from core.concurrency import ask_all
from integrations.launchpad.client import get_launchpad
from integrations.launchpad.comments import is_said
from integrations.launchpad.entries import Bug, Task, parse, parse_item
from integrations.launchpad.errors import ConfigurationError, InvalidEntry, LaunchpadError, NotAccessible
from integrations.models import OutcomePost, posting_sources, posts_outcomes
from reviews.comments import MARKER
from reviews.history import record
from reviews.models import Event, Review
from testing.models import Status, TestRun
from testing.transitions import lock_run

logger = structlog.get_logger(__name__)

AT_ONCE = 4  # outcomes that one process claims and posts at a time
MAX_AGE = timedelta(days=7)  # an outcome that is older when posting is switched on is not posted any more
TIME_LIMIT_SECONDS = 90.0  # after which the rest is left to the next call
VOTES = {Status.PASS: "Approve", Status.FAIL: "Needs Fixing"}
WORDS = {Status.PASS: "passed", Status.FAIL: "failed", Status.ERROR: "brought no usable outcome"}


def publish_results() -> int:
    """Post the outcomes that were not posted yet. Returns how many were. Any number of processes may do it at once."""
    started, posted = time.monotonic(), 0
    create_posts()
    while time.monotonic() - started < TIME_LIMIT_SECONDS and (posts := claim_posts()):
        deadline = time.monotonic() + claim_time().total_seconds() / 2
        answers = ask_all(posts, partial(_post, deadline=deadline), at_once=AT_ONCE, problem=LaunchpadError)
        for post, problem in answers:
            if problem is None:
                _mark_posted(post)
                posted += 1
            else:
                _try_later(post, problem)
        if all(problem and _may_be_down(problem) for _, problem in answers):
            break  # the others would only wait longer for their turn
    return posted


def create_posts() -> None:
    """Make a row for each outcome that is to be posted and has none.

    Outcomes from long before posting was switched on get none. A run's own time counts besides the end that Jenkins
    states: its clock may be wrong.
    """
    since = timezone.now() - MAX_AGE
    runs = (
        TestRun.objects.unposted()
        .current()
        .filter(
            posting_sources("review__source"),
            Q(finished_at__gte=since) | Q(created_at__gte=since),
        )
    )
    known = OutcomePost.objects.filter(run=OuterRef("pk"), outcome=OuterRef("status"))
    found = runs.exclude(Exists(known)).order_by("finished_at", "pk").values_list("pk", "status")
    # Another process may make the same rows at the same moment: the constraint keeps one of each.
    OutcomePost.objects.bulk_create(
        [OutcomePost(run_id=run_id, outcome=outcome) for run_id, outcome in found],
        batch_size=500,
        ignore_conflicts=True,
    )


def claim_posts() -> list[OutcomePost]:
    """Take a few rows that are due: each goes to exactly one process. What was tried least comes first, so that
    outcomes that can't be posted hold up nobody but themselves."""
    with transaction.atomic():
        rows = OutcomePost.objects.due().select_for_update(of=("self",), skip_locked=True, no_key=True)
        rows = rows.select_related("run__review", "run__substrate").order_by("tries", "due_at", "pk")
        posts = list(rows[:AT_ONCE])
        until = timezone.now() + claim_time()
        OutcomePost.objects.filter(pk__in=[post.pk for post in posts]).update(
            state=OutcomePost.State.CLAIMED, claimed_until=until, tries=F("tries") + 1
        )
    return posts


def claim_time() -> timedelta:
    """How long a claim holds: longer than posting can take. After it, the claim of a process that died is free."""
    return timedelta(seconds=5 * settings.CLAIM_SECONDS)


def _post(post: OutcomePost, deadline: float) -> None:
    """Comment on the proposal, or on the bug of a task, unless the comment is there already. Touches no row.

    Raises LaunchpadError, also when ``deadline`` (of ``time.monotonic()``) has passed: then another process may soon
    claim the row.
    """
    launchpad = get_launchpad()
    if launchpad.anonymous:
        raise LaunchpadError("Nobody is logged in to Launchpad. Run: manage.py setup_launchpad_credentials")
    review, tried_before = post.run.review, post.tries > 0
    is_bug = review.kind == Review.Kind.NEW
    url = review.api_url
    if is_bug or tried_before:
        item = parse_item(launchpad.get(review.api_url))
        if isinstance(item, Task):
            bug = parse(Bug, launchpad.get(item.bug_link))
            url, comments_url = bug.self_link, bug.messages_collection_link
        else:
            url, comments_url = item.self_link, item.all_comments_collection_link
        if tried_before and comments_url and is_said(launchpad, comments_url, _marker(post)):
            return  # an earlier try did reach Launchpad
    if time.monotonic() > deadline:
        raise LaunchpadError("Launchpad took too long; the outcome was not posted.")
    subject = f"{post.run.substrate.name.upper()} Test Results: {review.title}"[:500]
    launchpad.post_comment(url, content_of(post), subject, VOTES.get(Status(post.outcome)), is_bug=is_bug)


def _mark_posted(post: OutcomePost) -> None:
    """Write it down. A run that has another outcome by now stays unposted: that one has a row of its own."""
    now = timezone.now()
    with transaction.atomic():
        run = lock_run(post.run_id)
        OutcomePost.objects.filter(pk=post.pk).update(
            state=OutcomePost.State.POSTED, posted_at=now, claimed_until=None, error=""
        )
        if run.status == post.outcome:
            TestRun.objects.filter(pk=run.pk).update(posted_at=now)
        record(run.review, Event.Kind.POSTED, new=f"{post.outcome} on {run.substrate.name}", run_id=run.pk)


def _try_later(post: OutcomePost, problem: LaunchpadError) -> None:
    """It was not posted, or perhaps it was: try again soon, or later where a person has to act first."""
    logger.warning("outcome not posted", run=post.run_id, reason=str(problem))
    pause = timedelta(seconds=settings.CLAIM_SECONDS / 2) if _may_be_down(problem) else claim_time()
    OutcomePost.objects.filter(pk=post.pk).update(
        state=OutcomePost.State.WAITING, due_at=timezone.now() + pause, claimed_until=None, error=str(problem)
    )


def _may_be_down(problem: LaunchpadError) -> bool:
    """Whether it may be Launchpad as a whole, rather than one item that only a person can mend."""
    return not isinstance(problem, NotAccessible | InvalidEntry | ConfigurationError)


def content_of(post: OutcomePost) -> str:
    """The comment's text: outcome, links, and the marker by which it is found again."""
    run = post.run
    lines = [f"Automated testing on {run.substrate.name} {WORDS[Status(post.outcome)]}."]
    lines += [f"Revision: {run.revision}"] if run.revision else []
    lines += [run.error] if run.error else []
    lines += [f"Results: {url}" for url in [run.result_url or run.build_url] if url]
    lines += [f"{settings.BASE_URL}{run.review.get_absolute_url()}", _marker(post)]
    return "\n\n".join(lines)


def _marker(post: OutcomePost) -> str:
    return f"{MARKER}{post.run_id} of {settings.BASE_URL}: {post.outcome}"


def posting_problems(review: Review, runs: list[TestRun]) -> dict[int, str]:
    """Why outcomes of these runs are not posted yet, by the run's id. A query only where outcomes are posted."""
    if not posts_outcomes(review.source):
        return {}
    posts = OutcomePost.objects.unposted().filter(run__in=runs, outcome=F("run__status"))
    return {post.run_id: f"Not posted to Launchpad yet: {post.error}" for post in posts if post.error}
