"""Posting outcomes back to Launchpad: each once, whatever crashes in between (SPEC section 5)."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations.importing import comments_of
from integrations.launchpad import Launchpad, LaunchpadProblem, get_launchpad, text_of
from reviews.history import record
from reviews.ingest import MARKER
from reviews.models import Event, Source
from testing.models import OUTCOMES, Status, TestRun

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=15)  # longer than posting can take; and the pause after a failure
BATCH = 50
VOTES = {Status.PASS: "Approve", Status.FAIL: "Needs Fixing"}


def publish_results() -> int:
    """Post the outcomes that were not posted yet. Returns how many were. One query when there is nothing to do."""
    wanted = Q(review__source__comments=Source.Comments.ON)
    if settings.TESTING_COMMENTS:
        wanted |= Q(review__source__comments=Source.Comments.DEFAULT)
    free = Q(posting_at=None) | Q(posting_at__lt=timezone.now() - LEASE)
    runs = TestRun.objects.filter(wanted, free, status__in=OUTCOMES, posted_at=None, revision=F("review__revision"))
    posted = 0
    for run in runs.select_related("review", "substrate").order_by("finished_at")[:BATCH]:
        posted += _publish(run)
    return posted


def _publish(run: TestRun) -> bool:
    """Post one outcome, unless another process does or has."""
    now = timezone.now()
    begun_before = run.posting_at is not None
    mine = TestRun.objects.filter(pk=run.pk, posted_at=None, posting_at=run.posting_at).update(posting_at=now)
    if not mine:
        return False
    try:
        launchpad = get_launchpad()
        if launchpad.anonymous:
            raise LaunchpadProblem("Nobody is logged in to Launchpad. Run: manage.py setup_launchpad_credentials")
        if not (begun_before and _is_posted(launchpad, run)):
            subject = f"{run.substrate.name.upper()} Test Results: {run.review.title}"[:500]
            launchpad.post_comment(run.review.api_url, content_of(run), subject, VOTES.get(Status(run.status)))
    except LaunchpadProblem as problem:
        TestRun.objects.filter(pk=run.pk).update(post_error=str(problem))
        logger.warning("outcome not posted run=%s reason=%s", run.pk, problem)
        return False
    with transaction.atomic():
        TestRun.objects.filter(pk=run.pk).update(posted_at=timezone.now(), post_error="")
        record(run.review, Event.Kind.POSTED, new=f"{run.status} on {run.substrate.name}", run_id=run.pk)
    return True


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
    return f"{MARKER}{run.pk} of {settings.BASE_URL}"


def _is_posted(launchpad: Launchpad, run: TestRun) -> bool:
    """Whether a process posted this outcome and died before it could say so."""
    entry = launchpad.get(run.review.api_url)
    holder = launchpad.get(text_of(entry, "bug_link")) if "bug_link" in entry else entry
    return any(_marker(run) in comment.content for comment in comments_of(launchpad, holder))
