"""Posting verdicts to Launchpad: each once, whatever crashes in between (docs/specification.md, section 5).

A verdict that is to be posted is a row, ``VerdictPost``. A process claims a few rows for a while, posts them, and marks
them as posted. If it dies in between, the claim runs out, and whoever claims the row next looks on Launchpad for the
comment's marker before it posts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
from integrations.launchpad.errors import ConfigurationError, InvalidEntry, LaunchpadError, NotAccessible, Refused
from integrations.launchpad.verdict_comment import compose, get_tested_revisions, marker_of, subject_of, vote_for
from integrations.models import VerdictPost, posting_sources, posts_outcomes, tests_to_come
from reviews.history import record
from reviews.managers import ReviewQuerySet
from reviews.models import Event, Review, Verdict
from testing.models import TestRun
from testing.transitions import lock_review

logger = structlog.get_logger(__name__)

AT_ONCE = 4  # verdicts that one process claims and posts at a time
MAX_AGE = timedelta(days=7)  # an outcome that is older when posting is switched on is not posted any more
TIME_LIMIT_SECONDS = 90.0  # after which the rest is left to the next call
MAX_PAUSE = timedelta(days=1)
MAX_REFUSALS = 10  # after which a verdict is not tried again by itself: 32 hours, with a claim of 15 minutes


@dataclass(frozen=True)
class Target:
    """Where a comment goes, and whether an earlier try has posted it already."""

    url: str
    is_said: bool


@dataclass(frozen=True)
class PlannedPost:
    """A comment that would be posted now, for those who look before they post."""

    review: Review
    verdict: str
    vote: str  # empty: none
    subject: str
    text: str


@dataclass
class PublishReport:
    """What one call did."""

    posted: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)  # item and reason


def publish_results() -> PublishReport:
    """Post the verdicts that were not posted yet. Any number of processes may do it at once."""
    started, report = time.monotonic(), PublishReport()
    create_posts()
    while time.monotonic() - started < TIME_LIMIT_SECONDS and (posts := claim_posts()):
        deadline = time.monotonic() + claim_time().total_seconds() / 2
        problems = _post_all(posts, deadline)
        for post in posts:
            if problem := problems.get(post.pk):
                _try_later(post, problem)
                report.failed += 1
                report.problems.append(f"{post.review}: {problem}")
            else:
                _mark_posted(post)
                report.posted += 1
        if len(problems) == len(posts) and all(map(_may_be_down, problems.values())):
            break  # the others would only wait longer for their turn
    return report


def plan_posts() -> list[PlannedPost]:
    """What ``publish_results`` would post if it were called now, whenever the next try of each is. Writes nothing."""
    waiting = VerdictPost.objects.wanted().exclude(state=VerdictPost.State.REFUSED).select_related("review__source")
    posts = [*waiting.order_by("created_at", "pk"), *_new_posts(_reviews_to_post())]
    return [_planned(post, text, vote) for post, (text, vote) in zip(posts, _composed(posts), strict=True)]


def plan_post(review: Review) -> tuple[PlannedPost | None, str]:
    """The comment that the review's verdict makes, wherever posting stands, and why it is not posted now; each may be
    empty."""
    if not review.verdict:
        return None, "There is no verdict: no counted run of this revision has ended, or one is under way."
    newest = _newest_posts([review]).get(review.pk)
    if newest and newest.verdict == review.verdict:
        post = newest
    else:
        number = newest.number + 1 if newest else 1
        post = VerdictPost(review=review, revision=review.revision, number=number, verdict=review.verdict)
    [(text, vote)] = _composed([post])
    return _planned(post, text, vote), _why_not_posted(review, post)


def _why_not_posted(review: Review, post: VerdictPost) -> str:
    if post.state == VerdictPost.State.POSTED:
        return f"It was posted on {post.posted_at:%Y-%m-%d at %H:%M} UTC."
    if not posts_outcomes(review.source):
        return "Its source does not post verdicts."
    if post.state == VerdictPost.State.REFUSED:
        return f"It is not tried again by itself: {post.error}"
    if post.error:
        return f"The last try failed: {post.error} The next one is due on {post.due_at:%Y-%m-%d at %H:%M} UTC."
    if post.pk is None and not _reviews_to_post().filter(pk=review.pk).exists():
        return "It is not posted now: the outcomes are old, their single tests are still being read, or it is hidden."
    return ""


def _planned(post: VerdictPost, text: str, vote: str) -> PlannedPost:
    return PlannedPost(post.review, post.verdict, vote, subject_of(post.review), text)


def create_posts() -> None:
    """Make a row for each verdict that is to be posted and has none."""
    with transaction.atomic():
        # A verdict that changed before anybody tried to post it is as if it had never been.
        stale = VerdictPost.objects.filter(tries=0, revision=F("review__revision")).exclude(
            verdict=F("review__verdict")
        )
        rows = stale.order_by().select_for_update(of=("self",), skip_locked=True)
        VerdictPost.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
    # Another process may make the same rows at the same moment: the constraint keeps one of each.
    VerdictPost.objects.bulk_create(_new_posts(_reviews_to_post()), batch_size=500, ignore_conflicts=True)


def _reviews_to_post() -> ReviewQuerySet:
    """Reviews with a verdict that rests on an outcome which no post has said yet.

    Outcomes from long before posting was switched on make none. A run's own time counts besides the end that Jenkins
    states: its clock may be wrong.
    """
    now = timezone.now()
    since = now - MAX_AGE
    current = TestRun.objects.filter(review=OuterRef("pk"), revision=OuterRef("revision"))
    news = current.unposted().filter(Q(finished_at__gte=since) | Q(created_at__gte=since))
    unread = current.filter(tests_to_come())
    reviews: ReviewQuerySet = Review.objects.exclude(verdict="").filter(posting_sources("source"), Exists(news))
    return reviews.exclude(Exists(unread)).select_related("source").order_by("pk")


def _new_posts(reviews: Iterable[Review]) -> list[VerdictPost]:
    """Rows, not saved, for those of the reviews whose verdict no post of their current revision says."""
    found = list(reviews)
    newest = _newest_posts(found)
    posts = []
    for review in found:
        last = newest.get(review.pk)
        if last is None or last.verdict != review.verdict:
            number = last.number + 1 if last else 1
            posts.append(VerdictPost(review=review, revision=review.revision, number=number, verdict=review.verdict))
    return posts


def _newest_posts(reviews: Sequence[Review]) -> dict[int, VerdictPost]:
    """The newest post of each review's current revision that can be on Launchpad or still go there. One query.

    One that nobody has tried, and whose verdict does not hold any more, is as if it had never been.
    """
    posts = VerdictPost.objects.filter(review__in=reviews, revision=F("review__revision"))
    wanted = posts.perhaps_on_launchpad() | posts.filter(verdict=F("review__verdict"))
    return {post.review_id: post for post in wanted.select_related("review__source").order_by("review", "number")}


def claim_posts() -> list[VerdictPost]:
    """Take a few rows that are due: each goes to exactly one process. What was tried least comes first, so that
    verdicts that can't be posted hold up nobody but themselves."""
    with transaction.atomic():
        rows = VerdictPost.objects.due().select_for_update(of=("self",), skip_locked=True, no_key=True)
        posts = list(rows.select_related("review__source").order_by("tries", "due_at", "pk")[:AT_ONCE])
        until = timezone.now() + claim_time()
        VerdictPost.objects.filter(pk__in=[post.pk for post in posts]).update(
            state=VerdictPost.State.CLAIMED, claimed_until=until, tries=F("tries") + 1
        )
    return posts


def claim_time() -> timedelta:
    """How long a claim holds: longer than posting can take. After it, the claim of a process that died is free."""
    return timedelta(seconds=5 * settings.CLAIM_SECONDS)


def _post_all(posts: list[VerdictPost], deadline: float) -> dict[int, LaunchpadError]:
    """Post those that are not on Launchpad yet. Returns what was wrong, by the post's id.

    What a post says is written down before it is sent: an earlier try that reached Launchpad said what the row says.
    """
    problems: dict[int, LaunchpadError] = {}
    targets: dict[int, Target] = {}
    for post, found in ask_all(posts, _find_target, at_once=AT_ONCE, problem=LaunchpadError):
        if isinstance(found, LaunchpadError):
            problems[post.pk] = found
        elif not found.is_said:
            targets[post.pk] = found
    unsaid = [post for post in posts if post.pk in targets]
    for post, (post.text, post.vote) in zip(unsaid, _composed(unsaid), strict=True):
        VerdictPost.objects.filter(pk=post.pk).update(text=post.text, vote=post.vote)
    send = partial(_send, targets=targets, deadline=deadline)
    for post, problem in ask_all(unsaid, send, at_once=AT_ONCE, problem=LaunchpadError):
        if problem is not None:
            problems[post.pk] = problem
    return problems


def _find_target(post: VerdictPost) -> Target:
    """Where the comment goes; asks Launchpad for it only for a bug, or where an earlier try may have posted it.

    Touches no row. Raises LaunchpadError.
    """
    launchpad = get_launchpad()
    if launchpad.anonymous:
        raise ConfigurationError("Nobody is logged in to Launchpad. Run: manage.py setup_launchpad_credentials")
    tried_before = post.tries > 0
    if post.review.kind != Review.Kind.NEW and not tried_before:
        return Target(post.review.api_url, is_said=False)
    item = parse_item(launchpad.get(post.review.api_url))
    if isinstance(item, Task):
        bug = parse(Bug, launchpad.get(item.bug_link))
        url, comments_url = bug.self_link, bug.messages_collection_link
    else:
        url, comments_url = item.self_link, item.all_comments_collection_link
    marker = marker_of(post.review, post.revision, post.number)
    return Target(url, bool(tried_before and comments_url and is_said(launchpad, comments_url, marker)))


def _send(post: VerdictPost, targets: dict[int, Target], deadline: float) -> None:
    """Comment on the proposal, or on the bug of a task. Touches no row.

    Raises LaunchpadError, also when ``deadline`` (of ``time.monotonic()``) has passed: then another process may soon
    claim the row.
    """
    if time.monotonic() > deadline:
        raise LaunchpadError("Launchpad took too long; the verdict was not posted.")
    launchpad = get_launchpad()
    is_bug = post.review.kind == Review.Kind.NEW
    try:
        launchpad.post_comment(
            targets[post.pk].url, post.text, subject_of(post.review), post.vote or None, is_bug=is_bug
        )
    except NotAccessible as problem:
        account = launchpad.me()  # raises, in words, where it is the credentials that are refused
        why = {401: "may not comment on it", 403: "may not comment on it"}.get(problem.status, "is not shown it")
        raise Refused(f"Launchpad answered {problem.status}: the account {account} {why}.", problem.status) from None


def _composed(posts: Sequence[VerdictPost]) -> list[tuple[str, str]]:
    """Text and vote of each of these posts, as things are now. Three queries."""
    reviews = [post.review for post in posts]
    tested, standing = get_tested_revisions(reviews), _standing_votes(reviews)
    composed = []
    for post in posts:
        vote = vote_for(post.review, post.verdict, standing.get(post.review_id, ""))
        composed.append((compose(tested[post.review_id], vote, post.number), vote))
    return composed


def _standing_votes(reviews: Sequence[Review]) -> dict[int, str]:
    """Our own last vote on each of these reviews, of whatever revision: Launchpad keeps one a person. One query."""
    voted = VerdictPost.objects.filter(review__in=reviews).perhaps_on_launchpad().exclude(vote="")
    return dict(voted.order_by("pk").values_list("review_id", "vote"))


def _mark_posted(post: VerdictPost) -> None:
    """Write it down, on the outcomes that it says as well."""
    now = timezone.now()
    with transaction.atomic():
        review = lock_review(post.review_id)
        VerdictPost.objects.filter(pk=post.pk).update(
            state=VerdictPost.State.POSTED, posted_at=now, claimed_until=None, error=""
        )
        if review.verdict == post.verdict and review.revision == post.revision:
            TestRun.objects.filter(review=review, revision=post.revision).unposted().update(posted_at=now)
        words = " with ".join(filter(None, [Verdict(post.verdict).label, post.vote]))
        record(review, Event.Kind.POSTED, new=f"verdict: {words}")


def _try_later(post: VerdictPost, problem: LaunchpadError) -> None:
    """It was not posted, or perhaps it was: try again soon, or later and later where Launchpad said no."""
    logger.warning("verdict not posted", review=post.review_id, reason=str(problem))
    tries = post.tries + 1
    state, pause = VerdictPost.State.WAITING, claim_time()
    if _may_be_down(problem):
        pause = timedelta(seconds=settings.CLAIM_SECONDS / 2)
    elif not isinstance(problem, ConfigurationError):
        # An outage can look like a refusal: only what was refused three times is left alone for longer.
        pause = min(claim_time() * 2 ** max(0, min(tries, MAX_REFUSALS) - 3), MAX_PAUSE)
        if tries >= MAX_REFUSALS:
            state = VerdictPost.State.REFUSED
    VerdictPost.objects.filter(pk=post.pk).update(
        state=state, due_at=timezone.now() + pause, claimed_until=None, error=str(problem)
    )


def _may_be_down(problem: LaunchpadError) -> bool:
    """Whether it may be Launchpad as a whole, rather than one item that only a person can mend."""
    return not isinstance(problem, NotAccessible | InvalidEntry | ConfigurationError | Refused)


def posting_problem(review: Review) -> str:
    """Why the verdict on a review is not posted yet, in a sentence; empty if it is. A query only where verdicts are
    posted."""
    if not review.verdict or not posts_outcomes(review.source):
        return ""
    posts = VerdictPost.objects.unposted().filter(review=review, revision=review.revision, verdict=review.verdict)
    error = posts.order_by("-number").values_list("error", flat=True).first()
    return f"Not posted to Launchpad yet: {error}" if error else ""
