"""Sending due runs to the CI engine."""

from __future__ import annotations

import time
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.concurrency import ask_all
from reviews.models import Review
from testing.callbacks import callback_url_of
from testing.ci import BuildRef, BuildRequest, Change, CIBackend, CIError, TemporaryError
from testing.models import AttemptOutcome, Status, TestRun
from testing.sweep.claims import AT_ONCE, Claim, SweepReport, claim_to_send, is_down, pause_after, put_off
from testing.sweep.lookups import SOON, find_builds
from testing.transitions import accept, lock_run

logger = structlog.get_logger(__name__)

MAX_TITLE = 200  # characters


def send_due(ci: CIBackend, report: SweepReport, until: float) -> None:
    """Send what is due, until nothing is, the time (of ``time.monotonic()``) is over, or the engine is down."""
    due = TestRun.objects.to_send().due()  # when the step began: nothing is sent twice in one sweep
    while time.monotonic() < until and (claims := claim_to_send(due)):
        found = find_lost_acceptances(ci, claims)
        to_send = [claim for claim in claims if claim.run.pk not in found]
        answers = ask_all(to_send, partial(start_build, ci), at_once=AT_ONCE, problem=CIError)
        for claim in claims:
            if claim.run.pk in found:
                answers.append((claim, found[claim.run.pk]))
        for claim, answer in answers:
            if isinstance(answer, CIError):
                record_refusal(claim.run, answer)
                report.refused += 1
                report.problems[str(answer)] += 1
            else:
                record_acceptance(claim.run, answer)
                report.sent += 1
        if problem := is_down(answers):  # an engine that is down is asked a few times a sweep, not once a run
            report.problems[str(problem)] += put_off(due, str(problem), settings.TESTING_FIRST_PAUSE)
            return


def start_build(ci: CIBackend, claim: Claim) -> BuildRef:
    """Ask the engine for a build of the claimed run. Raises CIError when it was not accepted, as far as is known."""
    return ci.start(build_request(claim.run))


def build_request(run: TestRun) -> BuildRequest:
    """The build request of the run's current attempt."""
    return BuildRequest(
        run_id=run.pk,
        url=run.review.build_url,
        substrate=run.substrate.name,
        callback_url=callback_url_of(run),
        revision=run.revision,
        branch=run.review.branch,
        cause=f"Review Queue: {run.review.title}"[:200],
        change=change_of(run),
    )


def change_of(run: TestRun) -> Change:
    """What the run merges into what, for its build. The target is the run's own, where it was known when it was made.

    The title is one line of at most ``MAX_TITLE`` characters: parameters can be part of a URL.
    """
    review = run.review
    is_proposal = review.kind == Review.Kind.UPDATE
    return Change(
        merge_proposal=review.url if is_proposal else "",
        source_url=review.source_url or review.test_url,
        source_branch=review.source_branch,
        target_url=run.target_url or review.target_url,
        target_branch=run.target_branch or review.target_branch,
        prerequisite_url=review.prerequisite_url,
        prerequisite_branch=review.prerequisite_branch,
        bug="" if is_proposal or review.number is None else str(review.number),
        title=" ".join(review.title.split())[:MAX_TITLE],
    )


def find_lost_acceptances(ci: CIBackend, claims: list[Claim]) -> dict[int, BuildRef]:
    """The builds of claimed runs that the engine has already, though nobody wrote that down, by the run's id.

    Empty when the engine can't be asked: a second build of one attempt does no harm, as one outcome counts.
    """
    unsure = [claim for claim in claims if claim.unsure]
    if not unsure:
        return {}
    attempts = {claim.attempt.pk: claim.run.pk for claim in unsure if claim.attempt}
    for _ in range(2):
        try:
            found = find_builds(ci, [claim.attempt for claim in unsure if claim.attempt])
            return {attempts[pk]: build for pk, build in found.items()}
        except CIError as problem:
            logger.info("lost acceptances not looked for", reason=str(problem))
    return {}


def record_acceptance(sent: TestRun, build: BuildRef) -> None:
    """Write down that the engine accepted what was sent. A callback may have been faster than its answer."""
    now = timezone.now()
    with transaction.atomic():
        run = lock_run(sent.pk)
        is_current = run.attempt == sent.attempt
        # Cancelled or given up while it was on its way.
        unwanted = run.status == Status.CANCELED or not is_current
        attempts = run.attempts.filter(number=sent.attempt)
        outcome = AttemptOutcome.ACCEPTED if is_current else AttemptOutcome.LOST
        attempts.update(accepted_at=now, outcome=outcome, queue_url=build.queue_url)
        if build.build_url:
            attempts.update(build_url=build.build_url)
        if unwanted:
            attempts.update(stop_due_at=now, stop_tries=0)
        else:
            attempts.update(note="")
            attempts.filter(build_url="").update(lookup_due_at=now + SOON)
        if is_current and run.status == Status.RETRY:
            accept(run, build)
        elif is_current and not run.is_finished:
            run.sent_at = now
            run.save(update_fields=["sent_at"])


def record_refusal(sent: TestRun, problem: CIError) -> None:
    """Write down why it was not accepted, and when it is tried again."""
    unknown = isinstance(problem, TemporaryError) and problem.may_have_happened
    outcome = AttemptOutcome.UNKNOWN if unknown else AttemptOutcome.REFUSED
    with transaction.atomic():
        run = lock_run(sent.pk)
        attempt = run.attempts.filter(number=sent.attempt, outcome=AttemptOutcome.SENDING)
        attempt.update(outcome=outcome, note=str(problem))
        if run.status == Status.RETRY and run.attempt == sent.attempt:
            run.refusals += 1
            run.error, run.next_attempt_at = str(problem), timezone.now() + pause_after(run.refusals, problem)
            run.save(update_fields=["refusals", "error", "next_attempt_at"])
