"""The sweep (SPEC section 5): sends what is due, recovers what was lost, collects single tests.

Each step claims its row by moving its due time forward in a transaction of its own, then talks to the engine outside
of any transaction, then records what came of it. A process that dies in between leaves a row that is due again.
"""

from __future__ import annotations

import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from reviews.models import CLOSED_STATES, Person
from testing.ci import BuildRef, BuildRequest, CIBackend, CIError, TryLater, get_ci
from testing.models import UNFINISHED, Attempt, Status, TestResult, TestRun
from testing.runs import callback_url_of, cancel_run, finish, lock_run, next_attempt

logger = logging.getLogger(__name__)

BATCH = 200  # runs of each sort that one sweep brings on
BUDGET = 45.0  # seconds after which a sweep leaves the rest to the next one
SENDERS = 4  # requests to the engine at a time
LEASE = timedelta(minutes=3)  # longer than any request; when a claim of a dead process is free again
FIRST_PAUSE, LONGEST_PAUSE = 30, 3600  # seconds
UNCONFIGURED_PAUSE = timedelta(seconds=60)
RESULT_TRIES = 5


@dataclass
class SweepReport:
    """What one sweep did."""

    canceled: int = 0
    sent: int = 0
    refused: int = 0
    recovered: int = 0
    lost: int = 0
    collected: int = 0


def sweep() -> SweepReport:
    """Bring every due run on. Three queries when nothing is due; any number may run at once."""
    report, deadline = SweepReport(), time.monotonic() + BUDGET
    pointless = Q(review__state__in=CLOSED_STATES) | ~Q(revision=F("review__revision"))
    for run in TestRun.objects.filter(pointless, status__in=UNFINISHED).select_related("review")[:BATCH]:
        closed = run.review.state in CLOSED_STATES
        note = f"The item is {run.review.get_state_display()}." if closed else "A newer revision is proposed."
        if cancel_run(run, actor=None, note=note):
            report.canceled += 1
            stop_build(run.pk)
    now = timezone.now()
    due = list(
        TestRun.objects.filter(status__in=UNFINISHED, next_attempt_at__lte=now)
        .select_related("review", "substrate")
        .order_by("next_attempt_at")[:BATCH]
    )
    if due:
        _bring_on(due, report, deadline)
    results = TestRun.objects.filter(results_due_at__lte=now).order_by("results_due_at")
    for run_id in list(results.values_list("pk", flat=True)[:BATCH]):
        if time.monotonic() > deadline:
            break
        report.collected += collect_results(run_id)
    return report


def _bring_on(due: list[TestRun], report: SweepReport, deadline: float) -> None:
    ci = get_ci()
    waiting = [run for run in due if run.status == Status.RETRY]
    if waiting and (reason := ci.unconfigured()):
        TestRun.objects.filter(status=Status.RETRY, next_attempt_at__lte=timezone.now()).update(
            error=reason, next_attempt_at=timezone.now() + UNCONFIGURED_PAUSE
        )
        waiting = []
    claimed = [run for run in waiting if _claim(run)]
    # One request first: an engine that is down is asked once a sweep, not once a run.
    for start in range(0, len(claimed), SENDERS):
        group = claimed[start : start + SENDERS]
        answers = _start_all(ci, group)
        for run, answer in zip(group, answers, strict=True):
            if _record_answer(ci, run, answer):
                report.sent += 1
            else:
                report.refused += 1
        if all(isinstance(answer, TryLater) for answer in answers) or time.monotonic() > deadline:
            _release(claimed[start + SENDERS :], answers[-1])
            break
    for run in due:
        if run.status == Status.RETRY or time.monotonic() > deadline or not _claim(run):
            continue
        if _follow(ci, run.pk):
            report.recovered += 1
        else:
            report.lost += 1


def _claim(run: TestRun) -> bool:
    """Take the run for this process: true for exactly one of any number of sweeps."""
    lease = timezone.now() + LEASE
    mine = TestRun.objects.filter(
        pk=run.pk, status=run.status, attempt=run.attempt, next_attempt_at=run.next_attempt_at
    ).update(next_attempt_at=lease)
    run.next_attempt_at = lease
    if mine and run.status == Status.RETRY:
        Attempt.objects.get_or_create(run=run, number=run.attempt)
    return bool(mine)


def _release(runs: list[TestRun], answer: BuildRef | CIError) -> None:
    reason = str(answer) if isinstance(answer, CIError) else ""
    for run in runs:
        pause = timedelta(seconds=FIRST_PAUSE if reason else 0)
        TestRun.objects.filter(
            pk=run.pk, status=Status.RETRY, attempt=run.attempt, next_attempt_at=run.next_attempt_at
        ).update(next_attempt_at=timezone.now() + pause, error=reason)


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


def _start_all(ci: CIBackend, runs: list[TestRun]) -> list[BuildRef | CIError]:
    def start(request: BuildRequest) -> BuildRef | CIError:
        try:
            return ci.start(request)
        except CIError as error:
            return error

    with ThreadPoolExecutor(max_workers=SENDERS) as pool:
        return list(pool.map(start, [build_request(run) for run in runs]))


def _record_answer(ci: CIBackend, sent: TestRun, answer: BuildRef | CIError) -> bool:
    """Write down whether the engine accepted what was sent. A callback may have been faster than its answer."""
    now = timezone.now()
    stop = False
    with transaction.atomic():
        run = lock_run(sent.pk)
        mine = run.status == Status.RETRY and run.attempt == sent.attempt
        if isinstance(answer, CIError):
            if mine:
                run.refusals += 1
                run.error, run.next_attempt_at = str(answer), now + pause_after(run.refusals, answer.retry)
                run.save()
                Attempt.objects.filter(run=run, number=run.attempt).update(note=run.error)
            return False
        Attempt.objects.filter(run=run, number=sent.attempt).update(
            accepted_at=now, queue_url=answer.queue_url, note=""
        )
        if mine:
            run.status, run.error, run.refusals, run.sent_at = Status.PENDING, "", 0, now
            run.next_attempt_at = now + timedelta(seconds=settings.TESTING_TIMEOUT)
            run.save()
        stop = run.status == Status.CANCELED
    if stop:  # cancelled while it was on its way
        stop_build(run.pk)
    return True


def pause_after(refusals: int, retry: bool) -> timedelta:
    """How long to wait after so many refusals in a row: doubling, spread by chance so that not all return at once."""
    seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(refusals - 1, 10))
    if not retry:
        seconds = max(seconds, 300)  # only a person can mend it; asking often does not help
    return timedelta(seconds=seconds * random.uniform(1.0, 1.1))  # noqa: S311 (no secret)


def _follow(ci: CIBackend, run_id: int) -> bool:
    """A build is beyond its time: outcome from its results, else from the engine's record, else the next attempt."""
    run = TestRun.objects.get(pk=run_id)
    try:
        found = find_outcome(ci, run)
    except CIError as error:  # can't tell now: no attempt is burnt while the engine is unreachable
        TestRun.objects.filter(pk=run_id, status=run.status, attempt=run.attempt).update(
            error=f"No outcome in time, and it could not be looked for: {error}",
            next_attempt_at=timezone.now() + pause_after(1, error.retry),
        )
        return False
    with transaction.atomic():
        locked = lock_run(run_id)
        if locked.status != run.status or locked.attempt != run.attempt:
            return True  # it called back in the meantime
        if found:
            finish(locked, found.status, reason=found.reason, finished_at=found.finished_at)
            return True
        lost = Attempt.objects.filter(run=locked, number=locked.attempt).first()
        next_attempt(locked, f"Attempt {locked.attempt} brought no outcome within {settings.TESTING_TIMEOUT} seconds.")
    if lost and (lost.queue_url or lost.build_url):
        _try_to_stop(ci, BuildRef(lost.queue_url, lost.build_url))
    return False


@dataclass(frozen=True)
class Found:
    """An outcome that was found rather than reported."""

    status: str
    finished_at: datetime | None
    reason: str


def find_outcome(ci: CIBackend, run: TestRun) -> Found | None:
    """Look for the outcome of a run's newest attempt: results file first, then the engine's record. Raises CIError."""
    attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
    queue_url = attempt.queue_url if attempt else ""
    build_url = run.build_url if run.build_url and ci.is_ours(run.build_url) else ""
    record = ci.record(BuildRef(queue_url, build_url)) if not build_url else None
    build_url = build_url or (record.build_url if record else "")
    if build_url and (results := ci.results(build_url)):
        if not run.build_url:
            TestRun.objects.filter(pk=run.pk).update(build_url=build_url)
        status = Status.PASS if results.passed else Status.FAIL
        return Found(status, results.finished_at, "")
    record = record or (ci.record(BuildRef(queue_url, build_url)) if build_url else None)
    if record is None or not record.outcome:
        return None
    reason = f"Jenkins' record of the build says: {record.reason}" if record.outcome == Status.ERROR else ""
    return Found(record.outcome, record.finished_at, reason)


def recover(run: TestRun, actor: Person | None = None) -> str:
    """Staff's *recover results*: look for the outcome now. Returns what came of it, in words."""
    if run.status not in (Status.PENDING, Status.RUNNING, Status.ERROR):
        return f"Run {run.pk} is {run.status}: there is nothing to recover."
    try:
        found = find_outcome(get_ci(), run)
    except CIError as error:
        return f"Run {run.pk}: {error}"
    if not found:
        return f"Run {run.pk}: Jenkins knows no outcome of it."
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return f"Run {run.pk} became {locked.status} in the meantime."
        if locked.status == found.status:
            return f"Run {run.pk} stays {locked.status}: {found.reason}"
        finish(locked, found.status, reason=found.reason, finished_at=found.finished_at, actor=actor)
    return f"Run {run.pk} recovered: {found.status}."


def collect_results(run_id: int) -> bool:
    """Keep the single tests of a finished run, if its engine has them. True when they were kept."""
    run = TestRun.objects.get(pk=run_id)
    if run.results_due_at is None:
        return False
    lease = timezone.now() + LEASE
    claim = TestRun.objects.filter(pk=run_id, results_due_at=run.results_due_at)
    if not claim.update(results_due_at=lease, results_tries=F("results_tries") + 1):
        return False
    ci = get_ci()
    try:
        results = ci.results(run.build_url) if run.build_url and ci.is_ours(run.build_url) else None
    except CIError as error:
        if error.retry and run.results_tries + 1 < RESULT_TRIES:
            TestRun.objects.filter(pk=run_id).update(results_due_at=timezone.now() + pause_after(1, True))
            return False
        results = None
    with transaction.atomic():
        if results:
            TestResult.objects.bulk_create(
                [
                    TestResult(
                        run_id=run_id, position=position, suite=test.suite, test=test.test,
                        returncode=test.returncode, duration=test.duration, output=test.output,
                    )
                    for position, test in enumerate(results.tests)
                ],
                ignore_conflicts=True,
            )  # fmt: skip
        TestRun.objects.filter(pk=run_id).update(results_due_at=None)
    return bool(results)


def stop_build(run_id: int) -> None:
    """Take the build of a cancelled run out of the engine, where that is possible."""
    run = TestRun.objects.get(pk=run_id)
    attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
    build = BuildRef(attempt.queue_url if attempt else "", run.build_url)
    if run.status == Status.CANCELED and (build.queue_url or build.build_url):
        _try_to_stop(get_ci(), build)


def _try_to_stop(ci: CIBackend, build: BuildRef) -> None:
    try:
        ci.cancel(build)
    except CIError as error:
        logger.info("build not stopped reason=%s", error)
