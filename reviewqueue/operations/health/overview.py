"""What the Health page shows beside the checks: imports, runs, processes, schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, OuterRef, Subquery
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from core.text import utc
from integrations.models import ImportReport
from reviewqueue.operations.models import Heartbeat
from reviews.managers import Reader
from reviews.models import Source
from testing.models import ON_ENGINE, UNFINISHED, Status, TestRun

MAX_SHOWN = 10


@dataclass
class Waiting:
    """A run that waits, and why."""

    run: TestRun
    why: str


@dataclass
class Overview:
    """The facts beside the findings: imports, runs, schedules, processes."""

    sources: list[tuple[Source, ImportReport | None]] = field(default_factory=list)
    runs: list[tuple[str, str, int]] = field(default_factory=list)  # status, in words, how many
    oldest: list[Waiting] = field(default_factory=list)
    schedules: list[PeriodicTask] = field(default_factory=list)
    processes: list[Heartbeat] = field(default_factory=list)


def get_overview(reader: Reader) -> Overview:
    """What this reader of the Health page may know. Eight queries, however much there is."""
    sources = list(Source.objects.all())
    newest = {
        report.source_id: report
        for report in ImportReport.objects.filter(pk__in=[pk for pk in _newest_reports() if pk])
    }
    return Overview(
        sources=[(source, newest.get(source.pk)) for source in sources],
        runs=_runs_by_status(),
        oldest=oldest_waiting(reader),
        schedules=list(
            PeriodicTask.objects.exclude(task__startswith="celery.")
            .select_related("interval", "crontab", "solar", "clocked")
            .order_by("-enabled", "name")[:50]
        ),
        processes=list(Heartbeat.objects.filter(at__gt=timezone.now() - timedelta(days=1)).order_by("-at")[:50]),
    )


def _newest_reports() -> list[int | None]:
    newest = ImportReport.objects.filter(source=OuterRef("pk")).order_by("-started_at").values("pk")[:1]
    return list(Source.objects.annotate(newest=Subquery(newest)).values_list("newest", flat=True))


def _runs_by_status() -> list[tuple[str, str, int]]:
    """Unfinished runs exactly; outcomes of the last day."""
    day = timezone.now() - timedelta(days=1)
    unfinished = dict(TestRun.objects.unfinished().order_by().values_list("status").annotate(Count("pk")))
    ended = dict(
        TestRun.objects.finished().filter(created_at__gt=day).order_by().values_list("status").annotate(Count("pk"))
    )
    return [
        (status, "now" if status in UNFINISHED else "of those begun in the last day",
         (unfinished if status in UNFINISHED else ended).get(status, 0))
        for status in Status.values
    ]  # fmt: skip


def oldest_waiting(reader: Reader) -> list[Waiting]:
    """The unfinished runs that wait longest, each with the reason.

    A query for each status: over all of them at once PostgreSQL walks through the finished runs, oldest first.
    """
    runs = TestRun.objects.visible_to(reader).select_related("review", "substrate").order_by("created_at")
    oldest = [run for status in UNFINISHED for run in runs.filter(status=status)[:MAX_SHOWN]]
    oldest.sort(key=lambda run: run.created_at)
    return [Waiting(run, why_waiting(run)) for run in oldest[:MAX_SHOWN]]


def why_waiting(run: TestRun) -> str:
    """Why an unfinished run is not finished, in a sentence."""
    if run.error:
        return run.error
    if run.status == Status.RETRY:
        return "It is sent with the next sweep."
    if run.status in ON_ENGINE:
        words = "Jenkins builds it." if run.status == Status.RUNNING else "Jenkins has queued it and has not begun yet."
        due = run.next_attempt_at
        return f"{words} The queue looks for its outcome at {utc(due)} if no callback comes before." if due else words
    return ""
