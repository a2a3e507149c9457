"""Pruning: old rows that nobody needs any more are deleted, batch by batch (docs/operations.md says what stays).

Open reviews are never touched, nor runs that are unfinished, young or still have results to collect; what posting
needs (the run and its marker on Launchpad) is never pruned at all. Outcomes, votes and states stay for the statistics.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.models import Exists, Max, Model, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from core.secret_field import encrypt_anew
from integrations.models import ImportReport, LaunchpadConnection, OwnPost, WebhookDelivery
from integrations.notifications.find import LOOKBACK
from integrations.notifications.folder import prune_mails
from integrations.notifications.models import Delivery, News
from reviewqueue.operations.models import Heartbeat
from reviews.diff_requests import KEPT_DIFFS
from reviews.models import PRUNED_TEXT, Comment, Diff, Event, Review, Source
from testing.models import Attempt, Job, Server, TestResult, TestRun

logger = structlog.get_logger(__name__)

# What is encrypted anew each night, so that an old key can be taken out of SECRET_KEY_FALLBACKS the day after.
SECRETS: tuple[tuple[type[Model], str], ...] = (
    (Server, "api_token"), (Job, "token"), (Source, "webhook_secret"),
    (LaunchpadConnection, "token"), (LaunchpadConnection, "secret"),
)  # fmt: skip
BATCH_SIZE = 1000  # rows of one transaction
KEPT_EVENTS = (Event.Kind.IMPORTED, Event.Kind.STATE)  # the statistics read them
NIGHTLY_SECONDS = 300.0  # what is left after that is done the next night
HEARTBEAT_AGE = timedelta(days=7)


def prune(
    *, days: int, dry_run: bool = False, budget: float | None = None, report: Callable[[str, int], None] | None = None
) -> dict[str, int]:
    """Prune what is older than so many days. Returns how many rows of each sort, in words.

    ``budget``: seconds after which the rest is left to the next time. Interrupting it at any moment does no harm.
    """
    now = timezone.now()
    cutoff = now - timedelta(days=days)
    deadline = time.monotonic() + budget if budget is not None else float("inf")
    pruned: dict[str, int] = {}
    for words, rows, change in _rows_to_prune(now, cutoff):
        pruned[words] = rows.count() if dry_run else _in_batches(rows, change, deadline)
        if report:
            report(words, pruned[words])
    if not dry_run:
        for model, name in SECRETS:
            encrypt_anew(model, name)
        expire_logins(days)
        prune_mails(now - timedelta(days=days))
    return pruned


def expire_logins(days: int) -> None:
    """Expired sessions, old login logs and unfinished single sign-ons, by the commands of the apps that own them.

    (django-axes deletes failed attempts itself, at each login.)
    """
    call_command("clearsessions")
    call_command("clearsocial")
    call_command("axes_reset_logs", age=days, stdout=io.StringIO())
    call_command("axes_reset_failure_logs", age=days, stdout=io.StringIO())


def prune_nightly() -> None:
    """Prune as PRUNE_DAYS says, for five minutes at most."""
    pruned = prune(days=settings.PRUNE_DAYS, budget=NIGHTLY_SECONDS)
    logger.info("pruned", rows=sum(pruned.values()))


def _rows_to_prune(now: datetime, cutoff: datetime) -> Iterator[tuple[str, QuerySet[Any], Callable[[Any], Any]]]:
    """What is pruned, in words; the rows; and what is done to a batch of them."""
    old = Review.objects.closed_before(cutoff)
    runs = TestRun.objects.finished().filter(review__in=old, finished_at__lt=cutoff, results_due_at__isnull=True)
    yield "single test results of long closed reviews", TestResult.objects.filter(run__in=runs), _delete
    yield "attempts of long closed reviews", Attempt.objects.filter(run__in=runs, stop_due_at=None), _delete
    # Older than anything that is told: with their news gone, nothing is told again.
    told_before = min(cutoff, now - 2 * LOOKBACK)
    told = Delivery.objects.exclude(state__in=Delivery.UNSENT).filter(created_at__lt=told_before)
    yield "messages that were sent or given up", told, _delete
    yield "news that were not told", News.objects.filter(created_at__lt=told_before, delivery=None), _delete
    yield "runs of targets", TestRun.objects.of_targets().finished().filter(finished_at__lt=cutoff), _delete
    # The history of a run that is kept whole is kept whole too.
    unfinished = TestRun.objects.unfinished().filter(review=OuterRef("review"))
    events = Event.objects.filter(review__in=old, at__lt=cutoff).exclude(kind__in=KEPT_EVENTS)
    yield "history of long closed reviews", events.exclude(Exists(unfinished)), _delete
    # The text of a diff comes back when somebody opens it.
    place = Window(RowNumber(), partition_by="review", order_by="-id")
    older = Diff.objects.alias(place=place).filter(place__gt=KEPT_DIFFS).order_by()
    yield "diffs, but for the newest of each review", older, _delete
    yield "diffs of long closed reviews", Diff.objects.filter(review__in=old, asked_at__lt=cutoff), _delete
    newest = (
        ImportReport.objects.order_by().values("source").annotate(newest=Max("id")).values_list("newest", flat=True)
    )
    reports = ImportReport.objects.filter(started_at__lt=cutoff).exclude(pk__in=list(newest))
    yield "import reports", reports, _delete
    yield "webhook deliveries", WebhookDelivery.objects.filter(received_at__lt=cutoff), _delete
    posts = OwnPost.objects.filter(state=OwnPost.State.POSTED, posted_at__lt=cutoff)
    yield "what people posted in their own name (it is on Launchpad)", posts, _delete
    yield "drafts on long closed reviews", OwnPost.objects.drafts().filter(review__in=old, saved_at__lt=cutoff), _delete
    yield "heartbeats of processes that are gone", Heartbeat.objects.filter(at__lt=now - HEARTBEAT_AGE), _delete
    # The rows stay: they are the votes, and without them the next refresh would bring the texts back.
    texts = Comment.objects.filter(review__in=old).exclude(content__in=("", PRUNED_TEXT))
    yield "comment texts of long closed reviews", texts, _remove_text


def _delete(batch: QuerySet[Any]) -> None:
    batch.delete()


def _remove_text(comments: QuerySet[Comment]) -> None:
    comments.update(content=PRUNED_TEXT)


def _in_batches(rows: QuerySet[Any], change: Callable[[Any], Any], deadline: float) -> int:
    """Change all the rows, each batch in a transaction of its own, so that nobody waits long for a lock."""
    total = 0
    while time.monotonic() < deadline:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE])
        if not keys:
            break
        with transaction.atomic():
            # The condition is asked again: a review may have been opened again in the meantime.
            change(rows.model._default_manager.filter(pk__in=keys).filter(pk__in=rows.values("pk")))
        total += len(keys)
    return total
