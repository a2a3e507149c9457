"""Bringing reviews up to date from Launchpad, comments included (docs/specification.md, section 4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.comments import read_comments
from integrations.launchpad.entries import Entry, parse, parse_item
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.extras import has_news, is_due, people_of, read_extras, reread_inline_comments
from integrations.launchpad.resolve import Item, read_diff, read_people, resolve_items
from reviews.facts import ItemFacts
from reviews.ingest import abandon, add_comments, find_review, ingest, takes_private
from reviews.missing import note_missing
from reviews.models import Review, Source
from reviews.refresh import due_after, longest_pause

logger = structlog.get_logger(__name__)

MAX_CLAIMED = 500  # reviews, in one round
CLAIM = timedelta(minutes=5)  # after which a claimed review that nobody refreshed is due again
JUST_IMPORTED = timedelta(minutes=10)


class ClaimedReview(NamedTuple):
    """A review that a task is to refresh, and the claim that the task has to show."""

    review_id: int
    claim: str
    just_imported: bool  # its entry was read moments ago, its comments never


def refresh(review: Review) -> str:
    """Bring one review up to date, comments included. Returns what is wrong, in words; empty when nothing is."""
    now = timezone.now()
    try:
        return _refresh(review, now)
    except LaunchpadError as problem:
        words = str(problem)
    except Exception as error:  # whatever is wrong with one review, the others go on
        logger.exception("review not refreshed", review=review.pk)
        words = f"{type(error).__name__}; the log says where."
    Review.objects.filter(pk=review.pk).update(sync_error=words, due_at=due_after(review.state, now))
    return words


def _refresh(review: Review, now: datetime) -> str:
    """Returns why the item could not be seen, in words. Raises LaunchpadError when Launchpad is to blame."""
    launchpad = get_launchpad()
    try:
        item = Item(parse_item(launchpad.get(review.api_url)), review)
        resolve_items(launchpad, [item], review.source)
        if isinstance(item.problem, NotAccessible):  # the task may be there while its bug is gone
            raise item.problem
    except NotAccessible as problem:
        launchpad.reach()  # raises for a revoked token, which says nothing about this item
        return note_missing(review.pk, str(problem), now=now)
    if item.problem or not item.facts:
        raise item.problem or LaunchpadError("Launchpad says too little of it.")
    if item.facts.kind != review.kind or review.number not in (None, item.facts.number):
        raise LaunchpadError("Launchpad answered another item.")
    source, reason = _find_place(launchpad, review, item.facts)
    if reason:
        abandon(review.pk, reason, now=now)
        return ""
    read, unread, extras, is_news = None, "", None, False
    if not item.facts.private or takes_private(source):
        try:
            read = read_comments(launchpad, item.facts.comments_url, is_bug=review.kind == Review.Kind.NEW)
        except NotAccessible as error:  # a part that can't be read is not the item's absence
            unread = f"Its comments can't be read: {error}"
        is_news = read is not None and has_news(review, read.comments)
        if is_due(review, item.facts, now, is_news=is_news):
            extras = read_extras(launchpad, item.facts.api_url)
        said_by = {comment.author.username for comment in read.comments} if read else set()
        read_people(launchpad, said_by | people_of(extras))
    ingest(
        source,
        item.facts,
        read.comments if read else None,
        now=now,
        include_closed=True,
        service_account=launchpad.me(),
        comments_complete=read is not None and read.complete,
        review_id=review.pk,
        extras=extras,
    )
    if is_news:
        reread_inline_comments(review)
    if unread:
        raise LaunchpadError(unread)
    return ""


def _find_place(launchpad: Launchpad, review: Review, facts: ItemFacts) -> tuple[Source | None, str]:
    """The source that an item belongs to now; or, when it left the queue, why. A request only if a task moved."""
    known = find_review(facts)
    if known and known.pk != review.pk:
        return None, f"It is in the queue as review {known.pk}."
    if facts.kind != Review.Kind.NEW or review.bug_target in ("", facts.bug_target):
        return review.source, ""
    bugs = Source.objects.active().filter(kind=Source.Kind.DISTRIBUTION_BUGS)
    if source := next((one for one in bugs if one.target.strip("/") == facts.bug_target), None):
        return source, ""
    if review.source:  # its project may have another name now, which Launchpad redirects to
        try:
            target = parse(Entry, launchpad.get(review.source.target))
        except NotAccessible:
            target = Entry()
        if target.self_link == f"{launchpad.root}{facts.bug_target}":
            return review.source, ""
    return None, f"It was retargeted to {facts.bug_target}, which is none of this queue's sources."


def refresh_comments(review: Review) -> str:
    """Read what was said on a review that the import has just seen, and its diff if the import left it out.

    Its entry is not fetched a second time. Of an open proposal also who was asked to review it, and its bugs; those of
    a large import, which left out the diffs as well, are left to the next look.

    Returns what is wrong, in words; empty when nothing is.
    """
    now = timezone.now()
    try:
        launchpad = get_launchpad()
        read = read_comments(launchpad, review.comments_url, is_bug=review.kind == Review.Kind.NEW)
        is_of_few = review.diff_url == review.diff_marker
        is_open_proposal = review.kind == Review.Kind.UPDATE and review.is_open
        extras = read_extras(launchpad, review.api_url) if is_of_few and is_open_proposal else None
        read_people(launchpad, {comment.author.username for comment in read.comments} | people_of(extras))
        add_comments(
            review.pk,
            read.comments,
            now=now,
            service_account=launchpad.me(),
            comments_complete=read.complete,
            diff=read_diff(launchpad, review),
            extras=extras,
        )
    except LaunchpadError:
        return refresh(review)
    return ""


def claim_due() -> list[ClaimedReview]:
    """Claim the reviews that are due, for a few minutes: none is claimed twice.

    Open ones first, so that they do not wait for thousands of closed ones, all due at once after an outage.
    """
    now = timezone.now()
    claim = now + CLAIM
    claimed: list[ClaimedReview] = []
    if set_back := Review.objects.filter(due_at__gt=now + longest_pause()).update(due_at=now):
        logger.warning("reviews due too far ahead set back: a clock was wrong", reviews=set_back)
    with transaction.atomic():
        due = Review.objects.due(now).in_queue()
        for reviews in (due.open(), due.closed()):
            free = reviews.order_by("due_at", "pk").select_for_update(of=("self",), skip_locked=True, no_key=True)
            rows = free.values_list("pk", "due_at", "imported_at", "synced_at")[: MAX_CLAIMED - len(claimed)]
            for pk, due_at, imported_at, synced_at in rows:
                just_imported = synced_at is None and due_at == imported_at > now - JUST_IMPORTED
                claimed.append(ClaimedReview(pk, claim.isoformat(), just_imported))
        Review.objects.filter(pk__in=[review.review_id for review in claimed]).update(due_at=claim)
    return claimed


def refresh_by_id(review_id: int, claim: str = "", just_imported: bool = False) -> None:
    """Refresh a review, unless it is gone or the claim is not the newest: then it was refreshed, or will be."""
    review = Review.objects.select_related("source").filter(pk=review_id).first()
    if review is None or (claim and review.due_at != datetime.fromisoformat(claim)):
        return
    if just_imported and review.comments_url:
        refresh_comments(review)
    else:
        refresh(review)
