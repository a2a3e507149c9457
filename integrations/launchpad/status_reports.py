"""Revision status reports on Launchpad, for Git proposals: one for each run, one for the verdict.

A report is a row, ``StatusReport``. It is made waiting, and brought up to date as its run goes on, one write at a time.
A process claims a few rows for a while, writes, and notes what Launchpad has now. If it dies in between, the claim runs
out, and whoever claims the row next asks Launchpad what is there before it writes (docs/specification.md, section 5).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from pydantic import PlainValidator

from core.concurrency import ask_all
from core.text import counted, shorten
from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import Address, Entry, Short, parse
from integrations.launchpad.errors import ConfigurationError, InvalidEntry, LaunchpadError, NotAccessible, Refused
from integrations.launchpad.reporting import MAX_AGE, claim_time
from integrations.launchpad.verdict_comment import first_line, get_tested_revisions, one_line
from integrations.models import ReportRefusal, StatusReport, reported_reviews
from reviews.models import Review, Source
from testing.models import Status, TestRun

logger = structlog.get_logger(__name__)

AT_ONCE = 4  # reports that one process claims and writes at a time
TIME_LIMIT_SECONDS = 90.0  # after which the rest is left to the next call
REFUSED_FOR = timedelta(days=1)
MAX_PAUSE = timedelta(days=1)
MAX_SUMMARY = 250  # characters
PLACE = re.compile(r"/([^/]+/([0-9]{1,18}))$")


class ReportEntry(Entry):
    """A revision status report as Launchpad answers it."""

    result: Short = ""
    url: Address = ""
    result_summary: Annotated[str, PlainValidator(lambda value: value if isinstance(value, str) else "")] = ""


@dataclass
class SendReport:
    """What one call did."""

    written: int = 0  # reports that were made or moved on, each counted once for each step
    failed: int = 0
    problems: list[str] = field(default_factory=list)


class RepositoryRefused(Refused):
    """Launchpad lets our account report nothing on this repository."""


def send_reports() -> SendReport:
    """Bring the status reports on Launchpad up to date. Any number of processes may do it at once."""
    done = SendReport()
    if not Source.objects.filter(active=True, status_reports=True).exists():
        return done
    started = time.monotonic()
    create_reports()
    while time.monotonic() - started < TIME_LIMIT_SECONDS and (reports := claim_reports()):
        deadline = time.monotonic() + claim_time().total_seconds() / 2
        write = partial(_write, summaries=_summaries(reports), deadline=deadline)
        answers = ask_all(reports, write, at_once=AT_ONCE, problem=LaunchpadError)
        for report, answer in answers:
            if isinstance(answer, LaunchpadError):
                _try_later(report, answer)
                done.failed += 1
                done.problems.append(f"{report.review}: {answer}")
            else:
                _note(report, answer)
                done.written += 1
        create_reports()  # a verdict whose place is taken by a run's report gets another one
        if all(isinstance(answer, LaunchpadError) and not isinstance(answer, Refused) for _, answer in answers):
            break  # Launchpad may be down: the others would only wait longer for their turn
    return done


def create_reports() -> None:
    """Make a row for each run, and for each revision's verdict, that is to be reported and has none.

    The verdict of a revision gets another one when a run was reported after it: Launchpad reads the last report on a
    commit, and that has to be the verdict's. Another process may make the same rows at the same moment: the constraints
    keep one of each.
    """
    since = timezone.now() - MAX_AGE
    runs = TestRun.objects.current().exclude(status=Status.CANCELED).filter(reported_reviews("review__"))
    runs = runs.filter(Q(finished_at=None) | Q(finished_at__gte=since) | Q(created_at__gte=since))
    runs = runs.exclude(Exists(StatusReport.objects.filter(run=OuterRef("pk")))).select_related("review")
    rows = [
        StatusReport(review=run.item, revision=run.revision, run=run, repository=repository_of(run.item))
        for run in runs.order_by("pk")
    ]
    StatusReport.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)

    of_revision = StatusReport.objects.filter(review=OuterRef("pk"), revision=OuterRef("revision"))
    waiting = of_revision.of_verdicts().filter(remote_id=None)
    later = of_revision.of_runs().filter(Q(remote_id=None) | Q(remote_id__gt=OuterRef("newest")))
    verdicts = of_revision.of_verdicts().order_by("-number")
    reviews = Review.objects.filter(reported_reviews()).annotate(
        newest=Coalesce(Subquery(verdicts.values("remote_id")[:1]), 0),
        verdicts_before=Coalesce(Subquery(verdicts.values("number")[:1]), 0),
    )
    rows = [
        StatusReport(
            review=review, revision=review.revision, number=review.verdicts_before + 1, repository=repository_of(review)
        )
        for review in reviews.filter(Exists(later), ~Exists(waiting)).order_by("pk")
    ]  # fmt: skip
    StatusReport.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


def claim_reports() -> list[StatusReport]:
    """Take a few rows that are due: each goes to exactly one process. What was tried least comes first, so that reports
    that can't be written hold up nobody but themselves; runs come before verdicts."""
    with transaction.atomic():
        rows = StatusReport.objects.due().select_for_update(of=("self",), skip_locked=True, no_key=True)
        rows = rows.select_related("review", "run__substrate")
        reports = list(rows.order_by("tries", F("run").asc(nulls_last=True), "pk")[:AT_ONCE])
        until = timezone.now() + claim_time()
        StatusReport.objects.filter(pk__in=[report.pk for report in reports]).update(
            claimed_until=until, tries=F("tries") + 1
        )
    return reports


def repository_of(review: Review) -> str:
    """The source repository of a Git proposal, by its address in Launchpad's API: the proposal lies below it."""
    return review.api_url.partition("/+merge/")[0]


def _summaries(reports: Sequence[StatusReport]) -> dict[int, str]:
    """What there is to say of each result, in a line, by the report's id. Three queries."""
    over = [report for report in reports if report.wanted in StatusReport.FINAL]
    runs = TestRun.objects.filter(pk__in=[report.run_id for report in over if report.run_id]).with_test_counts()
    run_of = {run.pk: run for run in runs}
    tested = get_tested_revisions([report.review for report in over if report.run_id is None])
    summaries = {}
    for report in over:
        if report.run_id:
            words = _summary_of_run(run_of[report.run_id])
        else:
            words = "" if report.wanted == StatusReport.Result.CANCELLED else first_line(tested[report.review_id])
        summaries[report.pk] = shorten(one_line(words), MAX_SUMMARY)
    return summaries


def _summary_of_run(run: TestRun) -> str:
    if run.status == Status.FAIL and run.failed_count:
        return f"{run.failed_count} of {counted(run.test_count, 'test')} failed"
    if run.status == Status.PASS and run.test_count:
        return f"{counted(run.test_count - run.skipped_count, 'test')} passed"
    return run.error


def _page_of(report: StatusReport) -> str:
    """Our own page on it: a report that is made leads there, and is found again by it."""
    if report.run_id:
        return settings.BASE_URL + reverse("test-run", args=[report.review_id, report.run_id])
    return f"{settings.BASE_URL}{report.review.get_absolute_url()}#verdict-{report.number}"


def _link_of(report: StatusReport) -> str:
    """Where it leads now: to the build, where there is one."""
    run = report.run
    return (run.build_url or run.result_url if run else "")[:1000] or _page_of(report)


@dataclass(frozen=True)
class Written:
    """What Launchpad has of a report after a step. Empty: not made, and not wanted any more."""

    place: str = ""
    result: str = ""
    url: str = ""
    summary: str = ""


def _write(report: StatusReport, summaries: dict[int, str], deadline: float) -> Written:
    """The next step of a report: make it, say where it leads and what came of it, or give it its result. One write.

    After a try of which nobody knows how it ended, Launchpad is asked first. Touches no row. Raises LaunchpadError,
    also when ``deadline`` (of ``time.monotonic()``) has passed: then another process may soon claim the row.
    """
    launchpad = get_launchpad()
    if launchpad.anonymous:
        raise ConfigurationError("Nobody is logged in to Launchpad. Run: manage.py setup_launchpad_credentials")
    try:
        if report.remote_id is None:
            return _make(launchpad, report, deadline)
        return _move_on(launchpad, report, summaries.get(report.pk, ""), deadline)
    except NotAccessible as problem:
        launchpad.reach()  # raises, in words, where it is the credentials that are refused
        raise RepositoryRefused(f"Launchpad answered {problem.status}.", problem.status) from None


def _make(launchpad: Launchpad, report: StatusReport, deadline: float) -> Written:
    repository, page = repository_of(report.review), _page_of(report)
    if report.tries:
        commit = json.dumps(report.revision)
        for entry in launchpad.entries(repository, ws_op="getStatusReports", commit_sha1=commit):
            found = parse(ReportEntry, entry)
            if found.url == page:
                place = _place_of(found.self_link)
                return Written(place, found.result or StatusReport.Result.WAITING, found.url, found.result_summary)
        if report.wanted == StatusReport.Result.CANCELLED:
            return Written()
    _check_time(deadline)
    title = f"Tests on {report.run.substrate.name}" if report.run else "Tests: the verdict"
    texts = {"title": title, "commit_sha1": report.revision, "url": page}
    fields = {name: json.dumps(text) for name, text in texts.items()}
    answer = launchpad.post(repository, "newStatusReport", {**fields, "result": StatusReport.Result.WAITING.value})
    return Written(_place_of(answer.headers.get("location", "")), StatusReport.Result.WAITING, page)


def _move_on(launchpad: Launchpad, report: StatusReport, summary: str, deadline: float) -> Written:
    address = f"{repository_of(report.review)}/{report.place}"
    result, url, said = report.result, report.url, report.summary
    if report.tries:
        entry = parse(ReportEntry, launchpad.get(address))
        result, url, said = entry.result, entry.url, entry.result_summary
    changes = {"url": _link_of(report)} if _link_of(report) != url else {}
    changes |= {"result_summary": summary} if summary and summary != said else {}
    _check_time(deadline)
    if changes:
        launchpad.post(address, "update", {name: json.dumps(text) for name, text in changes.items()})
        url, said = changes.get("url", url), changes.get("result_summary", said)
    elif result != report.wanted:
        launchpad.post(address, "transitionToNewResult", {"result": report.wanted})
        result = report.wanted
    return Written(report.place, result, url, said)


def _place_of(link: str) -> str:
    """The end of a report's address, with its number. Raises InvalidEntry."""
    found = PLACE.search(urlsplit(link).path)
    if found is None:
        raise InvalidEntry("Launchpad did not say where the status report is.")
    return found.group(1)[:100]


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise LaunchpadError("Launchpad took too long; the status report was not sent.")


def _note(report: StatusReport, written: Written) -> None:
    """Write down what Launchpad has now, and that its repository takes reports; unless the claim ran out, and another
    process took the row."""
    now = timezone.now()
    StatusReport.objects.filter(pk=report.pk, tries=report.tries + 1).update(
        place=written.place, remote_id=int(written.place.rpartition("/")[2]) if written.place else None,
        result=written.result, url=written.url[:1000], summary=written.summary[:255], written_at=now, due_at=now,
        claimed_until=None, tries=0, error="",
    )  # fmt: skip
    ReportRefusal.objects.filter(repository=report.repository).delete()


def _try_later(report: StatusReport, problem: LaunchpadError) -> None:
    """It was not written, or perhaps it was: try again soon, and later and later if that does not help either.

    A repository on which we may report nothing is left alone for a day, with all its reports.
    """
    now, soon = timezone.now(), timedelta(seconds=settings.CLAIM_SECONDS / 2)
    if isinstance(problem, RepositoryRefused):
        pause, refused = soon, ReportRefusal.objects.filter(repository=report.repository)
        if not refused.in_force().exists():  # said once, however many reports of it were under way
            logger.warning("status reports refused", repository=report.repository, reason=str(problem))
        refused.update_or_create(
            repository=report.repository, defaults={"until": now + REFUSED_FOR, "words": str(problem)}
        )
    else:
        pause = min(soon * 2 ** min(report.tries, 12), MAX_PAUSE)
        logger.warning("status report not sent", review=report.review_id, run=report.run_id, reason=str(problem))
    StatusReport.objects.filter(pk=report.pk).update(due_at=now + pause, claimed_until=None, error=str(problem))
