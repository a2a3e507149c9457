"""The sweep (SPEC section 5): sends what is due, recovers what was lost, collects single tests.

Each step claims its rows by moving their due time forward in a transaction of its own, then talks to the engine
outside of any transaction, then records what came of it. A process that dies in between leaves rows that are due again.
Threads only talk to the engine; every row is read and written by the thread that sweeps.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from reviews.models import CLOSED_STATES, Person, Review
from testing.ci import BuildRef, BuildRequest, CIBackend, CIError, Results, TryLater, get_ci
from testing.models import ON_ENGINE, UNFINISHED, Attempt, Status, TestResult, TestRun
from testing.parallel import PATIENCE, ask_each
from testing.runs import accept, callback_url_of, cancel_run, finish, lock_run, next_attempt

logger = logging.getLogger(__name__)

BUDGET = 45.0  # seconds after which a sweep leaves the rest to the next one
SENDING, FOLLOWING = 0.6, 0.85  # of the budget: each step leaves something to the next
ASKERS = 8  # requests to the engine at a time
CHUNK = 24  # rows claimed at a time
MOST_CANCELED, MOST_RESULTS = 200, 1000  # runs that one sweep cancels, and collects the single tests of
PUT_OFF = 5000  # rows told at a time that the engine is down
LONGEST_PAUSE = 3600  # seconds
UNCONFIGURED_PAUSE = 60  # seconds
RESULT_TRIES = 10  # while the engine does not answer
RESULT_LOOKS = 5  # while there is no usable file: many jobs call back before they archive it, some never write one


@dataclass
class SweepReport:
    """What one sweep did."""

    canceled: int = 0
    sent: int = 0
    refused: int = 0
    recovered: int = 0
    lost: int = 0
    collected: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this process brings on, and the attempt that counts."""

    run: TestRun
    attempt: Attempt | None
    unsure: bool = False  # a process that died, or was cut off, may have sent this attempt already
    at: float = 0.0  # time.monotonic()

    @property
    def build(self) -> BuildRef:
        """Where its build is, as far as it is known."""
        attempt = self.attempt
        return BuildRef(attempt.queue_url if attempt else "", self.run.build_url)


def lease() -> timedelta:
    """How long a claim holds: longer than a chunk takes. After it, the claim of a process that died is free again."""
    return timedelta(seconds=settings.CLAIM_SECONDS)


def sweep() -> SweepReport:
    """Bring every due run on. Three queries when nothing is due; any number may run at once."""
    report, start = SweepReport(), time.monotonic()
    _cancel_pointless(report, start + BUDGET * SENDING)
    now = timezone.now()
    due = TestRun.objects.filter(status__in=UNFINISHED, next_attempt_at__lte=now).order_by()
    waiting = set(due.values_list("status", flat=True).distinct())
    if waiting:
        ci = get_ci()
        if reason := ci.unconfigured():
            _put_off(UNFINISHED, reason, UNCONFIGURED_PAUSE)
        else:
            if Status.RETRY in waiting:
                _send_due(ci, report, start + BUDGET * SENDING)
            if waiting & set(ON_ENGINE):
                _follow_due(ci, report, start + BUDGET * FOLLOWING)
    if TestRun.objects.filter(results_due_at__lte=now).exists():
        _stop_due(get_ci(), start + BUDGET)
        _collect_due(get_ci(), report, start + BUDGET)
    return report


def _cancel_pointless(report: SweepReport, until: float) -> None:
    """Cancel the runs of closed items and old revisions; stop their builds while there is time."""
    # Asked the other way round, so that only open reviews are looked at, however many closed ones there are.
    wanted = Review.objects.open().filter(pk=OuterRef("review"), revision=OuterRef("revision"))
    pointless = TestRun.objects.filter(~Exists(wanted), status__in=UNFINISHED).order_by()
    found = list(pointless.values_list("pk", flat=True)[:MOST_CANCELED])
    for run in TestRun.objects.filter(pk__in=found).select_related("review") if found else ():
        closed = run.review.state in CLOSED_STATES
        note = f"The item is {run.review.get_state_display()}." if closed else "A newer revision is proposed."
        if cancel_run(run, actor=None, note=note):
            report.canceled += 1
            if time.monotonic() < until:
                stop_build(run.pk)


def _claims(statuses: tuple[str, ...]) -> Generator[Claim, None, None]:
    """Claim what is due, chunk by chunk. Close it: what was claimed and not taken is given back."""
    waiting: list[Claim] = []
    try:
        while waiting := _claim_due(statuses):
            while waiting:
                yield waiting.pop(0)
    finally:
        for claim in waiting:
            run = claim.run
            TestRun.objects.filter(
                pk=run.pk, status=run.status, attempt=run.attempt, next_attempt_at=run.next_attempt_at
            ).update(next_attempt_at=timezone.now())
            if run.status == Status.RETRY and not claim.unsure:
                Attempt.objects.filter(run=run, number=run.attempt, accepted_at=None).update(note="Not sent yet.")


def _claim_due(statuses: tuple[str, ...]) -> list[Claim]:
    """Take a chunk of due runs for this process: each goes to exactly one of any number of sweeps."""
    with transaction.atomic():
        now = timezone.now()
        due = TestRun.objects.filter(status__in=statuses, next_attempt_at__lte=now).order_by("next_attempt_at", "pk")
        rows = due.select_for_update(of=("self",), skip_locked=True, no_key=True)
        runs = list(rows.select_related("review", "substrate")[:CHUNK])
        TestRun.objects.filter(pk__in=[run.pk for run in runs]).update(next_attempt_at=now + lease())
        attempts = {(attempt.run_id, attempt.number): attempt for attempt in Attempt.objects.filter(run__in=runs)}
        new = [
            Attempt(run=run, number=run.attempt)
            for run in runs
            if run.status == Status.RETRY and (run.pk, run.attempt) not in attempts
        ]
        Attempt.objects.bulk_create(new)
    claims = []
    for run in runs:
        run.next_attempt_at = now + lease()
        attempt = attempts.get((run.pk, run.attempt))
        unsure = run.status == Status.RETRY and attempt is not None and not attempt.note
        claims.append(Claim(run, attempt, unsure, time.monotonic()))
    return claims


def _put_off(statuses: tuple[str, ...], reason: str, seconds: float) -> None:
    """Let all that is due wait, and say why. What another process holds is left to it."""
    with transaction.atomic():
        now = timezone.now()
        due = TestRun.objects.filter(status__in=statuses, next_attempt_at__lte=now).order_by("pk")
        rows = due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:PUT_OFF]
        TestRun.objects.filter(pk__in=list(rows)).update(error=reason, next_attempt_at=now + timedelta(seconds=seconds))


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
            failures = failures + 1 if isinstance(answer, TryLater) else 0
            if _record_answer(ci, claim.run, answer):
                report.sent += 1
            else:
                report.refused += 1
            down = answer if isinstance(answer, TryLater) and failures >= PATIENCE else None
    if down:  # an engine that is down is asked a few times a sweep, not once a run
        _put_off((Status.RETRY,), str(down), settings.TESTING_FIRST_PAUSE)


def _is_down(error: CIError) -> bool:
    return isinstance(error, TryLater)


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
                run.error, run.next_attempt_at = str(answer), now + pause_after(run.refusals, answer.retry)
                run.save()
                # No note when it may have been accepted all the same: the next sender then looks for it first.
                attempt.update(note="" if answer.unsure else run.error)
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


def pause_after(refusals: int, retry: bool) -> timedelta:
    """How long to wait after so many refusals in a row: doubling, spread by chance so that not all return at once."""
    pause = settings.TESTING_FIRST_PAUSE
    first = pause if retry else 10 * pause  # only a person can mend it; asking often does not help
    seconds = min(LONGEST_PAUSE, first * 2 ** min(refusals - 1, 10))
    return timedelta(seconds=seconds * random.uniform(1.0, 1.1))  # noqa: S311 (no secret)


def _follow_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Builds beyond their time: outcome from their results, else from the engine's record, else the next attempt."""
    with closing(_claims(ON_ENGINE)) as claims:
        asked = ask_each(
            claims, lambda claim: find_outcome(ci, claim.build, patient=_is_recent(claim.run)),
            width=ASKERS, until=until, problem=CIError, is_down=_is_down,
        )  # fmt: skip
        for claim, found in asked:
            if _record_outcome(ci, claim, found):
                report.recovered += 1
            else:
                report.lost += 1


def _is_recent(run: TestRun) -> bool:
    """Whether results that can't be had just now are worth waiting for: for as long again as the build had."""
    since = run.started_at or run.sent_at or run.created_at
    return timezone.now() < since + timedelta(seconds=2 * settings.TESTING_TIMEOUT)


def _record_outcome(ci: CIBackend, claim: Claim, found: Found | CIError | None) -> bool:
    """Write down what was found of a build beyond its time."""
    run = claim.run
    if isinstance(found, CIError):  # can't tell now: no attempt is burnt while the engine is unreachable
        TestRun.objects.filter(pk=run.pk, status=run.status, attempt=run.attempt).update(
            error=f"No outcome in time, and it could not be looked for: {found}",
            next_attempt_at=timezone.now() + pause_after(1, found.retry),
        )
        return False
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.status != run.status or locked.attempt != run.attempt:
            return True  # it called back in the meantime
        if found:
            locked.build_url = found.build_url or locked.build_url
            finish(locked, found.status, reason=found.reason, finished_at=found.finished_at)
            return True
        next_attempt(locked, f"Attempt {locked.attempt} brought no outcome within {settings.TESTING_TIMEOUT} seconds.")
    if claim.build != BuildRef():
        _try_to_stop(ci, claim.build)
    return False


@dataclass(frozen=True)
class Found:
    """An outcome that was found rather than reported."""

    status: str
    build_url: str
    finished_at: datetime | None
    reason: str


def find_outcome(ci: CIBackend, build: BuildRef, *, patient: bool = True) -> Found | None:
    """Look for the outcome of a build: results file first, then the engine's record. Touches no row.

    Raises CIError when it can't be told now; when not ``patient``, results that can't be had count as none.
    """
    build_url = build.build_url if build.build_url and ci.is_ours(build.build_url) else ""
    record = ci.record(BuildRef(build.queue_url, build_url)) if not build_url else None
    build_url = build_url or (record.build_url if record else "")
    try:
        results = ci.results(build_url) if build_url else None
    except CIError:
        if patient:
            raise
        results = None
    usable = results is not None and not results.problem
    if build_url and record is None and not (results and usable and results.finished_at):
        try:
            record = ci.record(BuildRef(build.queue_url, build_url))
        except CIError:
            if not usable:
                raise
    if results and usable:
        finished_at = results.finished_at or (record.finished_at if record else None)
        if not results.tests:
            return Found(Status.ERROR, build_url, finished_at, "The results file holds no test: it proves nothing.")
        return Found(Status.PASS if results.passed else Status.FAIL, build_url, finished_at, "")
    if record is None or not record.outcome:
        return None
    if results and record.outcome == Status.PASS:  # it should have results, and what it has can't be read
        return Found(Status.ERROR, build_url, record.finished_at, results.problem)
    reason = f"Jenkins' record of the build says: {record.reason}" if record.outcome == Status.ERROR else ""
    return Found(record.outcome, build_url, record.finished_at, reason)


def recover(run: TestRun, actor: Person | None = None) -> str:
    """Staff's *recover results*: look for the outcome now. Returns what came of it, in words."""
    if run.status not in (Status.PENDING, Status.RUNNING, Status.ERROR):
        return f"Run {run.pk} is {run.status}: there is nothing to recover."
    try:
        attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
        found = find_outcome(get_ci(), Claim(run, attempt).build)
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
        locked.build_url = found.build_url or locked.build_url
        finish(locked, found.status, reason=found.reason, finished_at=found.finished_at, actor=actor)
        if locked.posted_at:  # that was the error; this is another outcome, and is posted as well
            locked.posted_at = locked.posting_at = None
            locked.save(update_fields=["posted_at", "posting_at"])
    return f"Run {run.pk} recovered: {found.status}."


def collect_results(run_id: int) -> bool:
    """Keep the single tests of a finished run, if its engine has them. True when they were kept."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run is None or run.results_due_at is None or run.status == Status.CANCELED or not _claim_results(run):
        return False
    ci = get_ci()
    try:
        results = _results_of(ci, run)
    except CIError as error:
        return _keep_results(run, error)
    return _keep_results(run, results)


def _collect_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Keep the single tests of runs whose message was lost, or whose results could not be had."""
    due = TestRun.objects.filter(results_due_at__lte=timezone.now()).exclude(status=Status.CANCELED)
    due = due.order_by("results_due_at")[:MOST_RESULTS]
    claimed = (run for run in due if _claim_results(run))
    asked = ask_each(
        claimed, partial(_results_of, ci), width=ASKERS, until=until, problem=CIError, is_down=_is_down
    )  # fmt: skip
    for run, results in asked:
        report.collected += _keep_results(run, results)


def _claim_results(run: TestRun) -> bool:
    claim = TestRun.objects.filter(pk=run.pk, results_due_at=run.results_due_at)
    run.results_tries += 1
    return bool(claim.update(results_due_at=timezone.now() + lease(), results_tries=F("results_tries") + 1))


def _results_of(ci: CIBackend, run: TestRun) -> Results | None:
    return ci.results(run.build_url) if run.build_url and ci.is_ours(run.build_url) else None


def _keep_results(run: TestRun, results: Results | CIError | None) -> bool:
    """Write down the single tests, or when they are asked for next; after the last try, never."""
    if not isinstance(results, Results) or not results.tests:
        tries = RESULT_TRIES if isinstance(results, CIError) and results.retry else RESULT_LOOKS
        again = run.results_tries < tries and bool(run.build_url)
        due = timezone.now() + pause_after(run.results_tries, True) if again else None
        TestRun.objects.filter(pk=run.pk).update(results_due_at=due)
        return False
    with transaction.atomic():
        TestRun.objects.filter(pk=run.pk).update(results_due_at=None)
        TestResult.objects.bulk_create(
            [
                TestResult(
                    run_id=run.pk, position=position, suite=test.suite, test=test.test,
                    returncode=test.returncode, duration=test.duration, output=test.output,
                )
                for position, test in enumerate(results.tests)
            ],
            ignore_conflicts=True,
        )  # fmt: skip
    return True


def _stop_due(ci: CIBackend, until: float) -> None:
    """Stop the builds of cancelled runs whose message was lost, or that could not be stopped."""
    due = TestRun.objects.filter(results_due_at__lte=timezone.now(), status=Status.CANCELED)
    runs = [run for run in due.order_by("results_due_at")[:MOST_CANCELED] if _claim_results(run)]
    attempts = {(attempt.run_id, attempt.number): attempt for attempt in Attempt.objects.filter(run__in=runs)}
    claims = iter([Claim(run, attempts.get((run.pk, run.attempt))) for run in runs])
    asked = ask_each(
        claims, lambda claim: ci.cancel(claim.build), width=ASKERS, until=until, problem=CIError, is_down=_is_down
    )  # fmt: skip
    for claim, problem in asked:
        _note_stopped(claim.run, problem)


def _note_stopped(run: TestRun, problem: CIError | None) -> None:
    """Write down that the build was stopped, or when that is tried next; after the last try, never."""
    again = problem and problem.retry and run.results_tries < RESULT_TRIES
    due = timezone.now() + pause_after(run.results_tries, True) if again else None
    TestRun.objects.filter(pk=run.pk).update(results_due_at=due)


def stop_build(run_id: int) -> None:
    """Take the build of a cancelled run out of the engine, where that is possible."""
    run = TestRun.objects.filter(pk=run_id).first()
    if run is None or run.status != Status.CANCELED or run.results_due_at is None or not _claim_results(run):
        return
    attempt = Attempt.objects.filter(run=run, number=run.attempt).first()
    try:
        get_ci().cancel(Claim(run, attempt).build)
    except CIError as problem:
        _note_stopped(run, problem)
    else:
        _note_stopped(run, None)


def _try_to_stop(ci: CIBackend, build: BuildRef) -> None:
    try:
        ci.cancel(build)
    except CIError as error:
        logger.info("build not stopped reason=%s", error)
