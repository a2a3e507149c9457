"""The life of a test run (SPEC section 5): launched, called back, finished, cancelled, retriggered.

Everything here is a short transaction on rows; talking to the CI engine is the sweep's. Lock order, everywhere:
the review first, then its run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import Person
from core.compiled_queries import Given, change, prepared, update
from core.urls import is_web_url
from reviews.history import build_event, record, record_all
from reviews.models import CLOSED_STATES, TESTABLE_STATES, Event, Review, Square
from testing.callback_tokens import attempt_of, callback_token
from testing.models import ON_ENGINE, UNFINISHED, Attempt, Status, Substrate, TestRun
from testing.squares import keep_square, update_square

# What a callback may say (SPEC section 5), Jenkins' own words included, and what it means.
CALLBACK_STATUS: dict[str, str] = {
    "RUNNING": Status.RUNNING,
    "STARTED": Status.RUNNING,
    "PASS": Status.PASS,
    "SUCCESS": Status.PASS,
    "FAIL": Status.FAIL,
    "UNSTABLE": Status.FAIL,
    "FAILURE": Status.FAIL,
    "ERROR": Status.ERROR,
    "ABORTED": Status.ERROR,
    "NOT_BUILT": Status.ERROR,
}
ACCEPTED = f"Accepted, in any case: {', '.join(CALLBACK_STATUS)}."
MAX_URL = 1000  # characters
OUTCOME_FIELDS = (
    "status", "error", "finished_at", "build_url", "result_url", "next_attempt_at", "results_due_at",
)  # fmt: skip


class NotAllowed(Exception):
    """What was asked for can't be done; ``str()`` says why, for a person."""


class UnknownRun(Exception):
    """There is no such run."""


class WrongToken(Exception):
    """The token does not belong to this run."""


class BadCallback(Exception):
    """The callback says something that nobody understands; ``field`` names where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class LaunchResult:
    """What a launch did: runs that are new, and runs that were under way already."""

    launched: list[TestRun] = field(default_factory=list)
    already: list[TestRun] = field(default_factory=list)


@dataclass(frozen=True)
class CallbackResult:
    """The run after a callback, whether the callback changed it, and why not."""

    run: TestRun
    applied: bool
    reason: str = ""


def lock_review(review_id: int, fields: Sequence[str] = ()) -> Review:
    """The review (or only these fields of it), its row locked until the transaction ends."""

    def build() -> QuerySet[Review]:
        rows: QuerySet[Review] = Review.objects.filter(id=Given(Review, "id")).order_by()
        return (rows.only(*fields) if fields else rows).select_for_update(of=("self",), no_key=True)

    found = prepared(f"lock review {fields}", build, id=review_id)
    if not found:
        raise Review.DoesNotExist
    return found[0]


def lock_run(run_id: int, review_id: int | None = None, of_review: Sequence[str] = ()) -> TestRun:
    """The run with its review, both rows locked in the agreed order until the transaction ends.

    Whoever knows the review's id spares a query, and a few ``of_review``'s fields are cheaper than all.
    """
    if review_id is None:
        review_id = TestRun.objects.values_list("review_id", flat=True).get(pk=run_id)
    review = lock_review(review_id, of_review)
    found = prepared("lock run", _run_to_lock, id=run_id)
    if not found:
        raise TestRun.DoesNotExist
    (run,) = found
    run.review = review
    return run


def _run_to_lock() -> QuerySet[TestRun]:
    rows: QuerySet[TestRun] = TestRun.objects.filter(id=Given(TestRun, "id")).order_by()
    return rows.select_related("substrate", "requested_by").select_for_update(of=("self",), no_key=True)


def callback_url_of(run: TestRun) -> str:
    """Where a build of the run's current attempt reports to. Holds everything needed to be let in: keep it secret."""
    path = reverse("test-run-callback", args=[run.pk])
    return f"{settings.BASE_URL}{path}?token={callback_token(run.pk, run.attempt)}"


def launch_runs(review: Review, substrates: Iterable[Substrate], requested_by: Person | None) -> LaunchResult:
    """Create a run per substrate for the review's current revision, unless one is unfinished there already.

    Raises NotAllowed when the review is closed or a substrate is not active.
    """
    result = LaunchResult()
    with transaction.atomic():
        locked = lock_review(review.pk)
        if locked.state in CLOSED_STATES:
            raise NotAllowed(f"This item is {locked.get_state_display()}: nothing is tested any more.")
        under_way = {
            run.substrate_id: run
            for run in TestRun.objects.filter(review=locked, revision=locked.revision, status__in=UNFINISHED)
        }
        for substrate in substrates:
            if not substrate.active:
                raise NotAllowed(f"The substrate {substrate.name} is not active.")
            if substrate.pk in under_way:
                result.already.append(under_way[substrate.pk])
                continue
            run = TestRun.objects.create(
                review=locked, substrate=substrate, revision=locked.revision, requested_by=requested_by
            )
            _note(run, "", actor=requested_by)
            under_way[substrate.pk] = run
            result.launched.append(run)
        update_square(locked.pk)
    return result


def launch_default_runs(
    reviews: Sequence[Review], states: Sequence[str] = TESTABLE_STATES, requested_by: Person | None = None
) -> list[TestRun]:
    """A run on each default substrate that has none yet for a review's current revision, for however many reviews.

    A constant number of queries. Nothing outside ``states`` is tested by itself. Returns the runs that are new.
    """
    with transaction.atomic():
        # In the order of their ids, so that no two launches deadlock.
        wanted = Review.objects.filter(pk__in=[review.pk for review in reviews], state__in=states)
        locked = list(wanted.order_by("pk").select_for_update(of=("self",)))
        substrates = list(Substrate.objects.filter(active=True, default=True)) if locked else []
        if not substrates:
            return []
        earlier = TestRun.objects.filter(review__in=locked, revision=F("review__revision")).order_by()
        known = set(earlier.exclude(status=Status.CANCELED).values_list("review_id", "substrate_id"))
        runs = TestRun.objects.bulk_create(
            TestRun(review=review, substrate=substrate, revision=review.revision, requested_by=requested_by)
            for review in locked
            for substrate in substrates
            if (review.pk, substrate.pk) not in known
        )
        record_all(
            build_event(run.review, Event.Kind.RUN, new=_words_of(run), actor=requested_by, run_id=run.pk)
            for run in runs
        )
        tested = {review_id for review_id, _ in known}
        launched = {run.review_id for run in runs}
        Review.objects.filter(pk__in=launched - tested).update(square=Square.BLACK)
        for review_id in launched & tested:
            update_square(review_id)
    return runs


def cancel_run(run: TestRun, *, actor: Person | None, note: str) -> bool:
    """Cancel an unfinished run; False when it was finished already. Stopping the build is ``sweep.stop_build``'s."""
    with transaction.atomic():
        locked = lock_run(run.pk)
        if locked.is_finished:
            return False
        finish(locked, Status.CANCELED, actor=actor, reason=note)
    return True


def retrigger(run: TestRun, *, actor: Person | None) -> TestRun:
    """A new run of the review's current revision on the same substrate. Raises NotAllowed, saying why."""
    result = launch_runs(run.review, [run.substrate], actor)
    if not result.launched:
        raise NotAllowed(f"A run on {run.substrate.name} is under way already.")
    return result.launched[0]


def finish(
    run: TestRun,
    status: str,
    *,
    reason: str = "",
    result_url: str = "",
    finished_at: datetime | None = None,
    actor: Person | None = None,
) -> None:
    """End a run that ``lock_run`` returned: status, attempt, Square and history in the caller's transaction."""
    old, now = run.status, timezone.now()
    run.status, run.error, run.finished_at = status, reason, finished_at or now
    run.result_url = result_url or run.result_url
    run.next_attempt_at = None
    to_stop = status == Status.CANCELED and old in ON_ENGINE
    run.results_due_at = now if status in (Status.PASS, Status.FAIL) or to_stop else None
    update(run, *OUTCOME_FIELDS)
    _end_attempt(run, now, reason)
    keep_square(run)
    _note(run, old, actor=actor, note=reason)


def accept(run: TestRun, build_url: str) -> None:
    """The engine took a run that ``lock_run`` returned; the caller saves it. The time-out counts from now."""
    old = run.status
    run.status, run.error, run.refusals = Status.PENDING, "", 0
    run.build_url = build_url or run.build_url
    run.next_attempt_at = timezone.now() + timedelta(seconds=settings.TESTING_TIMEOUT)
    _note(run, old)


def start_running(run: TestRun, build_url: str) -> None:
    """The engine builds a run that ``lock_run`` returned. The time-out counts from now."""
    old, now = run.status, timezone.now()
    run.status, run.started_at, run.error, run.refusals = Status.RUNNING, now, "", 0
    run.build_url = build_url or run.build_url
    run.next_attempt_at = now + timedelta(seconds=settings.TESTING_TIMEOUT)
    update(run, "status", "started_at", "error", "refusals", "build_url", "next_attempt_at")
    _note_build(run)
    _note(run, old)


def next_attempt(run: TestRun, reason: str) -> None:
    """The build of a run that ``lock_run`` returned is lost: again as the next attempt, or, after the last, error."""
    if run.attempt >= settings.TESTING_MAX_ATTEMPTS:
        finish(run, Status.ERROR, reason=f"Given up after {run.attempt} attempts. {reason}")
        return
    old, now = run.status, timezone.now()
    _end_attempt(run, now, reason)
    run.attempt += 1
    run.status, run.error, run.refusals = Status.RETRY, reason, 0
    run.build_url, run.sent_at, run.started_at, run.next_attempt_at = "", None, None, now
    run.save()
    _note(run, old, note=reason)


def apply_callback(run_id: int, token: str, status: str, build_url: str = "", result_url: str = "") -> CallbackResult:
    """Apply what a build says of itself; harmless when repeated, late or out of order (SPEC section 5).

    Raises UnknownRun, WrongToken or BadCallback, and then nothing has changed.
    """
    known = prepared("run known", _known_run, id=run_id)
    if not known:
        raise UnknownRun
    ((last_attempt, review_id),) = known
    number = attempt_of(token, run_id, last_attempt)
    if number is None:
        raise WrongToken
    meaning = CALLBACK_STATUS.get(status.strip().upper())
    if meaning is None:
        raise BadCallback("status", f"Unknown status. {ACCEPTED}")
    build_url, result_url = web_url("build_url", build_url), web_url("result_url", result_url)
    with transaction.atomic():
        run = lock_run(run_id, review_id, of_review=("revision", "square"))
        if number != run.attempt:
            return CallbackResult(run, False, f"Attempt {number} was superseded by attempt {run.attempt}.")
        if run.is_finished:
            return CallbackResult(run, False, f"The run is finished already: {run.status}.")
        if meaning == Status.RUNNING:
            if run.status == Status.RUNNING:
                if run.build_url or not build_url:
                    return CallbackResult(run, False, "The run is running already.")
                run.build_url = build_url
                update(run, "build_url")
                _note_build(run)
                return CallbackResult(run, True)
            start_running(run, build_url)
            return CallbackResult(run, True)
        run.build_url = build_url or run.build_url
        finish(run, meaning, result_url=result_url, reason=_outcome_reason(meaning, status))
        return CallbackResult(run, True)


def web_url(name: str, url: str) -> str:
    """The URL if it is a plain http(s) one or empty, without credentials: everybody sees it. Raises BadCallback."""
    if not url:
        return ""
    problem = BadCallback(name, f"{name} must be an http or https URL of at most {MAX_URL} characters.")
    if len(url) > MAX_URL or any(char.isspace() or not char.isprintable() for char in url):
        raise problem
    if not is_web_url(url):
        raise problem
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return url


def _outcome_reason(meaning: str, status: str) -> str:
    return f"The build reported {status.strip().upper()}." if meaning == Status.ERROR else ""


def _known_run() -> QuerySet[TestRun, Any]:
    return TestRun.objects.filter(id=Given(TestRun, "id")).order_by().values_list("attempt", "review_id")


def _attempt_of_run() -> QuerySet[Attempt]:
    return Attempt.objects.filter(run_id=Given(Attempt, "run_id"), number=Given(Attempt, "number"))


def _note_build(run: TestRun) -> None:
    change(
        "attempt's build", lambda: (_attempt_of_run(), {"build_url": Given(Attempt, "build_url")}),
        run_id=run.pk, number=run.attempt, build_url=run.build_url,
    )  # fmt: skip


def _end_attempt(run: TestRun, now: datetime, note: str) -> None:
    ended = {"ended_at": Given(Attempt, "ended_at"), "note": Given(Attempt, "note")}
    change(
        "attempt's end", lambda: (_attempt_of_run().filter(ended_at=None), ended),
        run_id=run.pk, number=run.attempt, ended_at=now, note=note,
    )  # fmt: skip


def _note(run: TestRun, old: str, *, actor: Person | None = None, note: str = "") -> None:
    record(run.review, Event.Kind.RUN, old=old, new=_words_of(run), actor=actor, note=note, run_id=run.pk)


def _words_of(run: TestRun) -> str:
    return f"{run.status} on {run.substrate.name}"
