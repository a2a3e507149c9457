"""The life of a test run: every change of its status, and the steps that make them.

A step is called with a run that ``lock_run`` returned, in the caller's transaction. It writes the run and its attempt,
the Square of the review, and the review's history. Nothing else changes a status (docs/specification.md, section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db import connection
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import Person
from reviews.history import build_event, record, record_all
from reviews.models import Event, Review
from testing.ci import BuildRef
from testing.models import ON_ENGINE, AttemptOutcome, Baseline, Status, Substrate, TestRun
from testing.plan import Planned
from testing.verdicts import update_verdicts

NOTHING = ""  # the status of a run that is being made


class Trigger(Enum):
    """What changes a status."""

    LAUNCH = "a launch"
    ACCEPTANCE = "the engine's acceptance"
    CALLBACK = "a callback"
    SWEEP = "the sweep"
    CANCEL = "a cancellation"
    RECOVERY = "staff's recovery"


# From which status to which ones, by what. What is not in here does not happen.
TRANSITIONS: dict[Trigger, dict[str, tuple[str, ...]]] = {
    Trigger.LAUNCH: {NOTHING: (Status.RETRY,)},
    Trigger.ACCEPTANCE: {Status.RETRY: (Status.PENDING,)},
    Trigger.CALLBACK: {  # a build can report before the engine's answer has been read
        Status.RETRY: (Status.RUNNING, Status.PASS, Status.FAIL, Status.ERROR),
        Status.PENDING: (Status.RUNNING, Status.PASS, Status.FAIL, Status.ERROR),
        Status.RUNNING: (Status.PASS, Status.FAIL, Status.ERROR),
    },
    Trigger.SWEEP: {
        Status.PENDING: (Status.PASS, Status.FAIL, Status.ERROR, Status.RETRY),
        Status.RUNNING: (Status.PASS, Status.FAIL, Status.ERROR, Status.RETRY),
    },
    Trigger.CANCEL: {
        Status.RETRY: (Status.CANCELED,),
        Status.PENDING: (Status.CANCELED,),
        Status.RUNNING: (Status.CANCELED,),
    },
    Trigger.RECOVERY: {
        Status.PENDING: (Status.PASS, Status.FAIL, Status.ERROR),
        Status.RUNNING: (Status.PASS, Status.FAIL, Status.ERROR),
        Status.ERROR: (Status.PASS, Status.FAIL),
    },
}


REPORTED = ("build_url", "target_revision")  # what a build says of itself besides its status
REVIEW_FIELDS = ["id", "revision"]

# Each callback needs this. The ORM takes three times as long for it (0.71 against 0.21 ms), most of that to make the
# same SQL again and again. ``LOCKED_RUNS`` is the same query by the ORM, and a test compares the two.
LOCK_RUN_SQL = f"""
    SELECT {", ".join(f'run."{field.column}"' for field in TestRun._meta.concrete_fields)},
        review.revision AS locked_revision,
        substrate.name AS substrate_name, requester.username AS requester
    FROM testing_testrun run
    JOIN reviews_review review ON review.id = run.review_id
    JOIN testing_substrate substrate ON substrate.id = run.substrate_id
    LEFT JOIN accounts_person requester ON requester.id = run.requested_by_id
    WHERE run.id = %s
"""  # noqa: S608 (names of columns, and no value)
ROW_LOCKS = " FOR NO KEY UPDATE OF review, run"  # SQLite locks the whole database when a transaction begins

LOCKED_RUNS = (
    TestRun.objects.select_related("review", "substrate", "requested_by")
    .only(
        *(field.name for field in TestRun._meta.concrete_fields),
        *("review__revision", "substrate__name", "requested_by__username"),
    )
    .filter(review__revision__isnull=False)  # runs of items: an inner join, as PostgreSQL can lock no other
    .order_by()
    .select_for_update(of=("review", "self"), no_key=True)
)
LOCKED_TARGET_RUNS = (
    TestRun.objects.of_targets()
    .select_related("baseline", "substrate", "requested_by")
    .order_by()
    .select_for_update(of=("self",), no_key=True)
)


class WrongTransition(Exception):
    """A run can't change from its status to that one by this."""


def change_status(run: TestRun, status: str, trigger: Trigger) -> str:
    """Set the status; the caller saves it. Returns the status before. Raises WrongTransition."""
    old = run.status
    if status not in TRANSITIONS[trigger].get(old, ()):
        raise WrongTransition(f"Run {run.pk} can't become {status} from {old or 'nothing'} by {trigger.value}.")
    run.status = status
    return old


def lock_review(review_id: int) -> Review:
    """The review with its source, its own row locked until the transaction ends. Raises Review.DoesNotExist."""
    review: Review = (
        Review.objects.select_related("source").select_for_update(of=("self",), no_key=True).get(pk=review_id)
    )
    return review


def lock_run(run_id: int) -> TestRun:
    """The run with its review, both rows locked until the transaction ends; of a target's run its own row alone.
    Raises TestRun.DoesNotExist.

    The review is locked first, here and everywhere, so that no two processes wait for each other: PostgreSQL locks the
    rows of one statement in the order in which it names their tables. Of the joined rows only what the steps below need
    is read. One query; two of a target's run.
    """
    sql = LOCK_RUN_SQL + (ROW_LOCKS if connection.vendor == "postgresql" else "")
    run: Any = next(iter(TestRun.objects.raw(sql, [run_id])), None)  # with the columns of the joined rows
    if run is None:
        target_run: TestRun = LOCKED_TARGET_RUNS.get(pk=run_id)
        return target_run
    alias = connection.alias
    run.review = Review.from_db(alias, REVIEW_FIELDS, [run.review_id, run.locked_revision])
    run.substrate = Substrate.from_db(alias, ["id", "name"], [run.substrate_id, run.substrate_name])
    if run.requested_by_id:
        run.requested_by = Person.from_db(alias, ["id", "username"], [run.requested_by_id, run.requester])
    locked: TestRun = run
    return locked


def lock_runs(run_ids: Iterable[int]) -> list[TestRun]:
    """Those of the runs that there are, each as ``lock_run`` has it, locked in the order of their reviews."""
    keys = list(run_ids)
    found = list(LOCKED_RUNS.filter(pk__in=keys).order_by("review_id", "pk"))
    if len(found) < len(keys):
        found += LOCKED_TARGET_RUNS.filter(pk__in=keys).order_by("pk")
    return found


def new_run(review: Review, substrate: Substrate, requested_by: Person | None, planned: Planned) -> TestRun:
    """A run of the review's current revision, to be sent at once, that keeps what the plan says now; not saved yet."""
    run = TestRun(
        review=review, substrate=substrate, revision=review.revision, target_url=review.target_url,
        target_branch=review.target_branch, requested_by=requested_by, status=NOTHING, job=planned.job,
        counts=planned.counts, timeout=planned.timeout, max_attempts=planned.attempts,
    )  # fmt: skip
    change_status(run, Status.RETRY, Trigger.LAUNCH)
    return run


def new_target_run(baseline: Baseline, substrate: Substrate, planned: Planned) -> TestRun:
    """A run that tests a target by itself, to be sent at once; not saved yet."""
    run = TestRun(
        baseline=baseline, substrate=substrate, target_url=baseline.url, target_branch=baseline.branch, status=NOTHING,
        job=planned.job, counts=planned.counts, timeout=planned.timeout, max_attempts=planned.attempts,
    )  # fmt: skip
    change_status(run, Status.RETRY, Trigger.LAUNCH)
    return run


def accept(run: TestRun, build: BuildRef) -> None:
    """The engine took the build request. The time-out counts from now."""
    old = change_status(run, Status.PENDING, Trigger.ACCEPTANCE)
    run.error, run.refusals, run.sent_at = "", 0, timezone.now()
    run.build_url = build.build_url or run.build_url
    run.next_attempt_at = run.sent_at + timedelta(seconds=run.timeout_seconds)
    run.save(update_fields=["status", "error", "refusals", "sent_at", "build_url", "next_attempt_at"])
    _record(run, old)


def accept_all(runs: Sequence[TestRun]) -> None:
    """The engine took the build requests of all these runs, which wait to be sent: as ``accept``, in a few queries."""
    now = timezone.now()
    old = [change_status(run, Status.PENDING, Trigger.ACCEPTANCE) for run in runs]
    for seconds in {run.timeout_seconds for run in runs}:
        keys = [run.pk for run in runs if run.timeout_seconds == seconds]
        TestRun.objects.filter(pk__in=keys).update(
            status=Status.PENDING, error="", refusals=0, sent_at=now, next_attempt_at=now + timedelta(seconds=seconds)
        )
    record_all(
        build_event(run.review, Event.Kind.RUN, old=before, new=status_words(run), run_id=run.pk)
        for run, before in zip(runs, old, strict=True)
        if run.review is not None
    )


def start(run: TestRun, *, link: str, build: str) -> None:
    """The build reports that it has begun. The time-out counts from now. The caller has set ``target_revision``.

    ``link`` is where it says it is, for people; ``build`` its address if it is a build of our own job.
    """
    old = change_status(run, Status.RUNNING, Trigger.CALLBACK)
    run.error, run.refusals, run.started_at = "", 0, timezone.now()
    run.build_url = link or run.build_url
    run.next_attempt_at = run.started_at + timedelta(seconds=run.timeout_seconds)
    run.save(update_fields=["status", "error", "refusals", "started_at", *REPORTED, "next_attempt_at"])
    _update_attempt(run, old, build)
    _record(run, old)


def record_build(run: TestRun, *, link: str, build: str) -> None:
    """Where the build of an accepted run is, as ``start`` has it. Its status stays."""
    run.build_url = link
    run.save(update_fields=REPORTED)
    _update_attempt(run, Status.PENDING, build)


def finish(
    run: TestRun,
    status: str,
    trigger: Trigger,
    *,
    reason: str = "",
    link: str = "",
    build: str = "",
    result_url: str = "",
    finished_at: datetime | None = None,
    actor: Person | None = None,
) -> None:
    """End the run with an outcome. Its single tests are collected later, where there can be any.

    ``link`` and ``build`` as ``start`` has them. A ``finished_at`` that has not come yet is not believed.
    """
    old, now = change_status(run, status, trigger), timezone.now()
    run.error, run.finished_at, run.next_attempt_at = reason, min(finished_at or now, now), None
    run.build_url, run.result_url = link or run.build_url, result_url or run.result_url
    run.results_due_at = now if status in (Status.PASS, Status.FAIL) else None
    run.posted_at = None  # an outcome that takes the place of another one is posted as well
    run.save(
        update_fields=[
            "status", "error", "finished_at", "next_attempt_at", *REPORTED, "result_url", "results_due_at",
            "posted_at",
        ]
    )  # fmt: skip
    _update_attempt(run, old, build, ended_at=now, note=reason)
    _update_verdict(run)
    _record(run, old, actor=actor, note=reason)


def cancel(run: TestRun, reason: str, actor: Person | None) -> None:
    """End the run without an outcome. If the engine has its build, or may have it, that is to be stopped."""
    old, now = change_status(run, Status.CANCELED, Trigger.CANCEL), timezone.now()
    run.error, run.finished_at, run.next_attempt_at = reason, now, None
    run.save(update_fields=["status", "error", "finished_at", "next_attempt_at"])
    attempt = run.attempts.filter(number=run.attempt)
    attempt.update(ended_at=now, note=reason, lookup_due_at=None)
    attempt.exclude(outcome=AttemptOutcome.REFUSED).update(stop_due_at=now)
    _update_verdict(run)
    _record(run, old, actor=actor, note=reason)


def give_up_attempt(run: TestRun, reason: str) -> None:
    """The current attempt brought no outcome in time: again as the next one, or, after the last, error.

    Its build is to be stopped, should there be one.
    """
    number, now = run.attempt, timezone.now()
    if number >= run.most_attempts:
        finish(run, Status.ERROR, Trigger.SWEEP, reason=f"Given up after {number} attempts. {reason}")
    else:
        old = change_status(run, Status.RETRY, Trigger.SWEEP)
        run.attempt += 1
        run.error, run.refusals, run.build_url, run.target_revision = reason, 0, "", ""
        run.sent_at, run.started_at, run.next_attempt_at = None, None, now
        run.save()
        _record(run, old, note=reason)
    run.attempts.filter(number=number).update(
        outcome=AttemptOutcome.LOST, ended_at=now, note=reason, stop_due_at=now, lookup_due_at=None
    )


def _update_attempt(run: TestRun, old: str, build: str, **values: Any) -> None:
    """Write what its build reports onto the current attempt. A build that reports was accepted, noted or not."""
    if build:
        values |= {"build_url": build, "lookup_due_at": None}
    if old not in ON_ENGINE:
        values |= {"outcome": AttemptOutcome.ACCEPTED, "accepted_at": Coalesce("accepted_at", timezone.now())}
    if values:
        run.attempts.filter(number=run.attempt).update(**values)


def _update_verdict(run: TestRun) -> None:
    """Keep what the review's runs say now; a target has no verdict."""
    if run.review_id is not None:
        update_verdicts([run.review_id])


def _record(run: TestRun, old: str, *, actor: Person | None = None, note: str = "") -> None:
    """Write the change into the review's history; a target has none."""
    if run.review is None:
        return
    record(run.review, Event.Kind.RUN, old=old, new=status_words(run), actor=actor, note=note, run_id=run.pk)


def status_words(run: TestRun) -> str:
    """How the history names a run's status."""
    return f"{run.status} on {run.substrate.name}"
