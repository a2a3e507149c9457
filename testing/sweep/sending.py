"""Sending due runs to the CI engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.concurrency import PATIENCE, ask_each
from testing.ci import BuildRef, BuildRequest, CIBackend, CIError, TemporaryError
from testing.models import Attempt, Status, TestRun
from testing.runs import accept, callback_url_of, lock_run
from testing.sweep.claims import (
    ASKERS,
    Claim,
    SweepReport,
    _claims,
    _is_down,
    _put_off,
    pause_after,
)
from testing.sweep.stopping import _try_to_stop

logger = logging.getLogger(__name__)


def _send_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Send what waits, until nothing does, the time is over, or the engine is down."""
    known: dict[str, BuildRef] = {}
    looked = 0.0
    down: CIError | None = None

    def unknown_to_the_engine(claims: Iterator[Claim]) -> Iterator[Claim]:
        nonlocal known, looked
        for claim in claims:
            if claim.unsure:
                if looked < claim.at:  # whoever sent it did so before this claim: look after it
                    looked, known = time.monotonic(), _lately_started(ci)
                if build := known.get(callback_url_of(claim.run)):
                    report.sent += _record_answer(ci, claim.run, build)
                    continue
            yield claim

    with closing(_claims((Status.RETRY,))) as claims:
        asked = ask_each(
            unknown_to_the_engine(claims), lambda claim: ci.start(build_request(claim.run)),
            width=ASKERS, until=until, problem=CIError, is_down=_is_down,
        )  # fmt: skip
        failures = 0
        for claim, answer in asked:
            failures = failures + 1 if isinstance(answer, TemporaryError) else 0
            if _record_answer(ci, claim.run, answer):
                report.sent += 1
            else:
                report.refused += 1
            down = answer if isinstance(answer, TemporaryError) and failures >= PATIENCE else None
    if down:  # an engine that is down is asked a few times a sweep, not once a run
        _put_off((Status.RETRY,), str(down), settings.TESTING_FIRST_PAUSE)


def _lately_started(ci: CIBackend) -> dict[str, BuildRef]:
    for _ in range(2):
        try:
            return ci.lately_started()
        except CIError as error:
            logger.info("lost acceptances not looked for reason=%s", error)
    return {}  # then it is sent again: builds of one attempt share their token, and one outcome counts


def build_request(run: TestRun) -> BuildRequest:
    """What the engine is told for the run's current attempt."""
    return BuildRequest(
        run_id=run.pk,
        url=run.review.test_url or run.review.url,
        substrate=run.substrate.name,
        callback_url=callback_url_of(run),
        revision=run.revision,
        branch=run.review.branch,
        cause=f"Review Queue: {run.review.title}"[:200],
    )


def _record_answer(ci: CIBackend, sent: TestRun, answer: BuildRef | CIError) -> bool:
    """Write down whether the engine accepted what was sent. A callback may have been faster than its answer."""
    now = timezone.now()
    with transaction.atomic():
        run = lock_run(sent.pk)
        current = run.attempt == sent.attempt and not run.is_finished
        mine = run.status == Status.RETRY and run.attempt == sent.attempt
        attempt = Attempt.objects.filter(run=run, number=sent.attempt)
        if isinstance(answer, CIError):
            if mine:
                run.refusals += 1
                run.error, run.next_attempt_at = str(answer), now + pause_after(run.refusals, answer)
                run.save()
                # No note when it may have been accepted all the same: the next sender then looks for it first.
                unknown = isinstance(answer, TemporaryError) and answer.may_have_happened
                attempt.update(note="" if unknown else run.error)
            return False
        urls = {"queue_url": answer.queue_url} if answer.queue_url else {"build_url": answer.build_url}
        attempt.update(accepted_at=now, note="", **urls)
        if mine:
            accept(run, answer.build_url)
        if current:
            run.sent_at = now
            run.save()
        unwanted = run.status == Status.CANCELED or run.attempt != sent.attempt
    if unwanted:  # cancelled or superseded while it was on its way
        _try_to_stop(ci, answer)
    return True
