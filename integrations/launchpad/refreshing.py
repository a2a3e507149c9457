"""Bringing reviews up to date from Launchpad, comments included (docs/specification.md, section 4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.comments import read_comments
from integrations.launchpad.entries import parse_item
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.resolve import Item, read_people, resolve_items
from reviews.ingest import abandon, add_comments, ingest, move
from reviews.models import Review
from reviews.refresh import due_after

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
        _refresh(review, now)
        return ""
    except LaunchpadError as problem:
        words = str(problem)
    except Exception as error:  # whatever is wrong with one review, the others go on
        logger.exception("review not refreshed", review=review.pk)
        words = f"{type(error).__name__}; the log says where."
    Review.objects.filter(pk=review.pk).update(sync_error=words, due_at=due_after(review.state, now))
    return words


def _refresh(review: Review, now: datetime) -> None:
    launchpad = get_launchpad()
    try:
        item = Item(parse_item(launchpad.get(review.api_url)), review)
        resolve_items(launchpad, [item], review.source)
        if isinstance(item.problem, NotAccessible):  # of a task whose bug is gone, Launchpad may still tell
            raise item.problem
    except NotAccessible as gone:
        launchpad.reach()  # are we let in at all? a revoked token must not abandon the whole queue
        abandon(review.pk, str(gone), now=now)
        return
    if item.problem or not item.facts:
        raise item.problem or LaunchpadError("Launchpad says too little of it.")
    if item.facts.kind != review.kind:
        raise LaunchpadError("Launchpad answered another kind of item.")
    if item.facts.api_url != review.api_url and not move(review.pk, item.facts.api_url, now=now):
        return
    comments = read_comments(launchpad, item.facts.comments_url, is_bug=review.kind == Review.Kind.NEW)
    read_people(launchpad, {comment.author.username for comment in comments})
    ingest(review.source, item.facts, comments, now=now, include_closed=True, service_account=launchpad.me())


def refresh_comments(review: Review) -> str:
    """Read what was said on a review that the import has just seen: its entry is not fetched a second time.

    Returns what is wrong, in words; empty when nothing is.
    """
    now = timezone.now()
    try:
        launchpad = get_launchpad()
        comments = read_comments(launchpad, review.comments_url, is_bug=review.kind == Review.Kind.NEW)
        read_people(launchpad, {comment.author.username for comment in comments})
        add_comments(review.pk, comments, now=now, service_account=launchpad.me())
    except LaunchpadError:
        return refresh(review)
    return ""


def claim_due() -> list[ClaimedReview]:
    """Claim the reviews that are due, for a few minutes: none is claimed twice.

    Open ones first: a long past that is all due at once, as after an outage, keeps nobody's open item waiting.
    """
    now = timezone.now()
    claim = now + CLAIM
    claimed: list[ClaimedReview] = []
    with transaction.atomic():
        for reviews in (Review.objects.due(now).open(), Review.objects.due(now).closed()):
            free = reviews.order_by("due_at", "pk").select_for_update(skip_locked=True, no_key=True)
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
