"""Sending due runs to the CI engine."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from reviews.models import Review
from testing.callbacks import callback_url_of
from testing.ci import BuildRef, BuildRequest, Change, CIError, TemporaryError
from testing.engines import Engines
from testing.managers import TestRunQuerySet
from testing.models import Attempt, AttemptOutcome, Status, TestRun
from testing.parameters import filled_in
from testing.sweep.claims import Claim, SweepReport, claim_to_send, pause_after, put_off
from testing.sweep.lanes import Step
from testing.sweep.lookups import SOON
from testing.transitions import accept, accept_all, lock_run, lock_runs

logger = structlog.get_logger(__name__)

MAX_TITLE = 200  # characters


class Sending(Step[Claim, BuildRef]):
    """Sends what is due. What an engine has already, though nobody wrote that down, is not sent a second time."""

    about_the_server = True

    def __init__(self, engines: Engines, report: SweepReport) -> None:
        super().__init__(engines)
        self.report = report

    def due(self) -> TestRunQuerySet:
        runs: TestRunQuerySet = TestRun.objects.to_send().due()  # when the step began: nothing is sent twice in one
        return runs

    def claim(self, due: QuerySet[TestRun], most: int) -> list[Claim]:
        return claim_to_send(due, most, self.engines)

    def ask(self, work: Claim) -> BuildRef:
        return find_lost_acceptance(work) or work.ci.start(build_request(work.run))

    def record(self, answers: list[tuple[Claim, BuildRef | CIError]]) -> None:
        accepted = []
        for claim, answer in answers:
            if isinstance(answer, CIError):
                record_refusal(claim.run, answer)
                self.report.refused += 1
                self.report.problems[str(answer)] += 1
            else:
                accepted.append((claim, answer))
        record_acceptances(accepted)
        self.report.sent += len(accepted)

    def give_up(self, due: QuerySet[TestRun], problem: CIError, seconds: float) -> None:
        self.report.problems[str(problem)] += put_off(due, str(problem), seconds)


def build_request(run: TestRun) -> BuildRequest:
    """The build request of the run's current attempt."""
    review, target = run.review, run.baseline
    url, branch, what = run.target_url, run.target_branch, f"the target {target}"
    if review is not None:
        url, branch, what = review.build_url, review.branch, review.title
    return BuildRequest(
        run_id=run.pk,
        url=url,
        substrate=run.substrate.name,
        callback_url=callback_url_of(run),
        revision=run.revision,
        branch=branch,
        cause=f"Review Queue: {what}"[:200],
        change=change_of(run),
        extra=filled_in(run.job.parameters, run) if run.job else {},
    )


def change_of(run: TestRun) -> Change:
    """What the run merges into what, for its build. The target is the run's own, where it was known when it was made.

    The title is one line of at most ``MAX_TITLE`` characters: parameters can be part of a URL. A target that is tested
    by itself is merged into itself, which changes nothing.
    """
    review = run.review
    if review is None:
        return Change(
            source_url=run.target_url, source_branch=run.target_branch, target_url=run.target_url,
            target_branch=run.target_branch, title=_one_line(f"The target {run.baseline}"),
        )  # fmt: skip
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
        title=_one_line(review.title),
    )


def _one_line(title: str) -> str:
    return " ".join(title.split())[:MAX_TITLE]


def find_lost_acceptance(claim: Claim) -> BuildRef | None:
    """The build of a claimed run that the engine has already, though nobody wrote that down.

    None when the engine can't be asked: a second build of one attempt does no harm, as one outcome counts.
    """
    if claim.lately is None or claim.attempt is None:
        return None
    try:
        return claim.lately.find(claim.attempt, tries=2)
    except CIError as problem:
        logger.info("lost acceptances not looked for", reason=str(problem))
        return None


def record_acceptances(accepted: list[tuple[Claim, BuildRef]]) -> None:
    """Write down that the engine accepted what was sent. What is as it was when it was sent is written together."""
    if not accepted:
        return
    builds = {claim.run.pk: build for claim, build in accepted}
    sent = {claim.run.pk: claim for claim, _ in accepted}
    together = []
    with transaction.atomic():
        for run in lock_runs(builds):
            as_sent = run.status == Status.RETRY and run.attempt == sent[run.pk].run.attempt
            if as_sent and not builds[run.pk].build_url:
                together.append(run)
        accept_all(together)
        now, attempts = timezone.now(), []
        for run in together:
            if attempt := sent[run.pk].attempt:
                attempt.outcome, attempt.queue_url = AttemptOutcome.ACCEPTED, builds[run.pk].queue_url
                attempt.accepted_at, attempt.note, attempt.lookup_due_at = now, "", now + SOON
                attempts.append(attempt)
        # All have their rows, which are changed: ``bulk_update`` needs twice the time for it.
        Attempt.objects.bulk_create(
            attempts, update_conflicts=True, unique_fields=["pk"],
            update_fields=["outcome", "queue_url", "accepted_at", "note", "lookup_due_at"],
        )  # fmt: skip
    written = {run.pk for run in together}
    for claim, build in accepted:
        if claim.run.pk not in written:
            record_acceptance(claim.run, build)


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
