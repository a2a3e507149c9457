"""When a review is brought up to date, and asking for it (docs/specification.md, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Person
from core.enqueue import enqueue_each_on_commit, enqueue_on_commit
from reviews.history import build_event, record_all
from reviews.models import Event, Review

MAX_AT_ONCE = 20  # refreshes that go before all others that wait


def due_after(state: str, now: datetime) -> datetime:
    """When a review in this state is due again after it was brought up to date."""
    return now + timedelta(minutes=settings.REFRESH_MINUTES.get(state, settings.REFRESH_DEFAULT_MINUTES))


def longest_pause() -> timedelta:
    """The longest that any rule lets a review wait: no time to be due that lies further ahead is believed."""
    minutes = max(*settings.REFRESH_MINUTES.values(), settings.REFRESH_DEFAULT_MINUTES)
    return timedelta(minutes=minutes) + timedelta(hours=1)


def request_refresh(reviews: Sequence[Review], actor: Person | None) -> None:
    """Somebody wants these brought up to date now: write it down, and wake the worker.

    They are due at once: whatever becomes of the message, the next round of refreshes finds them.
    """
    with transaction.atomic():
        record_all(
            [build_event(review, Event.Kind.STAFF, new="refresh from Launchpad", actor=actor) for review in reviews]
        )
        make_due([review.pk for review in reviews])


def make_due(review_ids: Sequence[int]) -> None:
    """Have these reviews brought up to date as soon as a worker is free. Call it in a transaction."""
    Review.objects.filter(pk__in=review_ids).update(due_at=timezone.now(), extras_read_at=None)
    if len(review_ids) <= MAX_AT_ONCE:
        enqueue_each_on_commit("integrations.tasks.refresh_review", review_ids)
    else:
        enqueue_on_commit("integrations.tasks.refresh_active")
