"""Bringing reviews up to date from Launchpad."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.comments import _comments_at, comments_of
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.resolve import Item, gather, know_people
from reviews.ingest import abandon, add_comments, due_after, ingest, move
from reviews.models import CLOSED_STATES, Review

logger = logging.getLogger(__name__)


MOST_REFRESHES = 500  # that one round claims


CLAIM = timedelta(minutes=5)  # when a claimed review that nobody refreshed is free again


JUST_IMPORTED = timedelta(minutes=10)


def refresh(review: Review) -> str:
    """Bring one review up to date, comments included. Returns what is wrong, in words; empty when nothing is."""
    now = timezone.now()
    try:
        _refresh(review, now)
    except LaunchpadError as problem:
        words = str(problem)
    except Exception as error:  # whatever is wrong with one review, the others go on
        logger.exception("review not refreshed review=%s", review.pk)
        words = f"{type(error).__name__}; the log says where."
    else:
        return ""
    Review.objects.filter(pk=review.pk).update(sync_error=words, due_at=due_after(review.state, now))
    return words


def _refresh(review: Review, now: datetime) -> None:
    launchpad = get_launchpad()
    try:
        entry = launchpad.get_again(review.api_url)
        item = Item(entry, review)
        gather(launchpad, [item], review.source)
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
    comments = comments_of(launchpad, item.bug or entry)
    know_people(launchpad, {comment.author.username for comment in comments})
    ingest(review.source, item.facts, comments, now=now, include_closed=True, service_account=launchpad.me())


def read_comments(review: Review) -> str:
    """Read what was said on a review that the import has just seen: its entry is not fetched a second time."""
    now = timezone.now()
    try:
        launchpad = get_launchpad()
        comments = _comments_at(launchpad, review.comments_url, is_bug=review.kind == Review.Kind.NEW)
        know_people(launchpad, {comment.author.username for comment in comments})
        add_comments(review.pk, comments, now=now, service_account=launchpad.me())
    except LaunchpadError:
        return refresh(review)
    return ""


def claim_due() -> list[tuple[int, str, bool]]:
    """The reviews to refresh now: id, claim, and whether the import has just seen them. No review is claimed twice.

    Open ones first: a long past that is all due at once, as after an outage, keeps nobody's open item waiting.
    """
    now = timezone.now()
    claim = now + CLAIM
    with transaction.atomic():
        due: list[tuple[Any, ...]] = []
        for rows in (Review.objects.due().open(), Review.objects.due().filter(state__in=CLOSED_STATES)):
            free = rows.order_by("due_at", "pk").select_for_update(skip_locked=True, no_key=True)
            due += free.values_list("pk", "due_at", "imported_at", "synced_at")[: MOST_REFRESHES - len(due)]
        Review.objects.filter(pk__in=[row[0] for row in due]).update(due_at=claim)
    return [
        (pk, claim.isoformat(), synced is None and due_at == imported_at > now - JUST_IMPORTED)
        for pk, due_at, imported_at, synced in due
    ]


def refresh_by_id(review_id: int, claim: str = "", just_imported: bool = False) -> None:
    """Refresh a review, unless it is gone or the claim is not the newest: then it was refreshed, or will be."""
    review = Review.objects.select_related("source").filter(pk=review_id).first()
    if review is None or (claim and review.due_at != datetime.fromisoformat(claim)):
        return
    if just_imported and review.comments_url:
        read_comments(review)
    else:
        refresh(review)
