"""Is all well, and if not, what to do: one set of checks, shown by the admin's Health page and by ``check_queue``.

What lies outside (broker, Launchpad, Jenkins) is asked from threads of its own, each bounded in time, and its answer is
kept for half a minute: however often the page is loaded, nobody is hammered, and a dead Jenkins holds nothing up.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, F, OuterRef, Subquery
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from integrations.jenkins.backend import Jenkins
from integrations.launchpad.client import get_launchpad
from integrations.launchpad.errors import ConfigurationError, LaunchpadError
from integrations.models import ImportReport, OutcomePost
from reviewqueue.celery import app
from reviewqueue.operations.checks import settings_make_sense
from reviewqueue.operations.models import Heartbeat
from reviews.models import Source
from testing.models import ON_ENGINE, UNFINISHED, Status, TestRun

SWEEP = "testing.tasks.sweep_test_runs"
# The schedules without which the queue stands still, and what stands still then.
SCHEDULES: dict[str, str] = {
    "integrations.tasks.import_from_launchpad": "nothing new is imported",
    "integrations.tasks.refresh_active": "reviews are not brought up to date",
    SWEEP: "no test run is sent, followed or recovered",
    "integrations.tasks.publish_results": "outcomes are not posted to Launchpad",
}
BEAT_SILENCE = timedelta(minutes=5)  # how long the one-minute schedules may be silent
STALE = timedelta(minutes=45)  # since a source's last good import, before that counts as a failure
OVERDUE = timedelta(minutes=15)  # how long a run that is due may be left alone
UNPOSTED = timedelta(hours=1)
KEPT = 30.0  # seconds that an outside answer is shown again
BROKER_TIMEOUT = 3  # seconds
MOST_SHOWN = 10


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it."""

    words: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.words} {self.remedy}".strip()


@dataclass(frozen=True)
class Finding:
    """What one check found: facts when all is well, problems when not, neither while it is still being asked."""

    name: str
    problems: tuple[Problem, ...] = ()
    facts: str = ""
    known: bool = True

    @property
    def ok(self) -> bool:
        return self.known and not self.problems


def _found(name: str, *problems: Problem, facts: str = "") -> Finding:
    return Finding(name, problems, facts)


# --- Inside: settings and rows -----------------------------------------------------------------------------


def settings_found() -> Finding:
    """What the start-up checks say of the settings."""
    return _found("settings", *(Problem(message.msg, message.hint or "") for message in settings_make_sense(None)))


def database_found() -> Finding:
    """Unreachable, or behind the code."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return _found("database", Problem("It can't be reached.", "Check DATABASE_URL and that the server runs."))
    if plan:
        return _found("database", Problem("Its tables are older than the program.", "Run: manage.py migrate"))
    return _found("database", facts=f"{connection.display_name}, up to date")


def worker_found() -> Finding:
    """None alive."""
    if workers := Heartbeat.objects.workers().alive():
        return _found("worker", facts=", ".join(row.host for row in workers))
    problem = Problem("None gave a sign of life lately.", "Start one: celery -A reviewqueue worker")
    return _found("worker", problem)


def beat_found() -> Finding:
    """Not sending. Beat keeps in its rows when it last sent each task."""
    last = (
        PeriodicTask.objects.filter(task=SWEEP, enabled=True).order_by(F("last_run_at").desc(nulls_last=True)).first()
    )
    beats = Heartbeat.objects.beats().alive()
    names = ", ".join(row.host for row in beats)
    if last is None:
        return _found("beat", facts=names)  # ``schedules_found`` says that the sweep is switched off
    if last.last_run_at is None and beats:
        return _found("beat", facts=f"{names}, has only just begun")
    if last.last_run_at is None or last.last_run_at < timezone.now() - BEAT_SILENCE:
        since = f" since {_moment(last.last_run_at)}" if last.last_run_at else ""
        return _found("beat", Problem(f"It sends nothing{since}.", "Start it: celery -A reviewqueue beat"))
    return _found("beat", facts=names)


def schedules_found() -> Finding:
    """A schedule that the queue lives by is missing or switched off."""
    enabled = set(PeriodicTask.objects.filter(task__in=SCHEDULES, enabled=True).values_list("task", flat=True))
    problems = [
        Problem(
            f"The schedule of {task} is missing or switched off: {effect}.",
            "Enable it among the periodic tasks in the admin.",
        )
        for task, effect in SCHEDULES.items()
        if task not in enabled
    ]
    return _found("schedules", *problems, facts=f"{len(enabled)} enabled")


def sources_found() -> Finding:
    """An active source whose last import failed, or which was not imported for too long."""
    sources = list(Source.objects.filter(active=True))
    problems, now = [], timezone.now()
    for source in sources:
        if source.last_error:
            remedy = (
                "Check the source's kind and target in the admin, and Launchpad below; it is tried again at the "
                "next import."
            )
            problems.append(Problem(f"The last import of {source.name} failed: {source.last_error}", remedy))
        elif source.last_success_at and source.last_success_at < now - STALE:
            problems.append(
                Problem(
                    f"{source.name} was last imported at {_moment(source.last_success_at)}.",
                    "Check worker, beat and the schedule of the import, or import it now from the list of sources.",
                )
            )
    if not sources:
        problems.append(Problem("No source is active: nothing is imported.", "Activate or add one in the admin."))
    waiting = [source.name for source in sources if not source.last_import_at]
    facts = f"{len(sources)} active" + (f"; not imported yet: {', '.join(waiting)}" if waiting else "")
    return _found("sources", *problems, facts=facts)


def runs_found() -> Finding:
    """Runs that are due and left alone."""
    due = TestRun.objects.filter(status__in=UNFINISHED, next_attempt_at__lt=timezone.now() - OVERDUE)
    count = due.count()
    if not count:
        return _found("test runs")
    minutes = int(OVERDUE.total_seconds() / 60)
    words = f"{count} test runs have been due for more than {minutes} minutes and nobody brought them on."
    return _found("test runs", Problem(words, "Check worker, beat and the schedule of the sweep."))


def posting_found() -> Finding:
    """Outcomes that should have been posted and could not be."""
    if not settings.TESTING_COMMENTS and not Source.objects.filter(comments=Source.Comments.ON).exists():
        return _found("posting", facts="switched off")
    late = OutcomePost.objects.wanted().filter(created_at__lt=timezone.now() - UNPOSTED)
    if failed := late.exclude(error="").order_by("created_at").first():
        words = f"{late.count()} outcomes wait to be posted for more than an hour: {failed.error}"
        return _found("posting", Problem(words, "They are tried again every 15 minutes."))
    if not settings.LAUNCHPAD_CREDENTIALS_FILE.exists():
        problem = Problem(
            "Outcomes can't be posted: nobody is logged in.", "Run: manage.py setup_launchpad_credentials"
        )
        return _found("posting", problem)
    return _found("posting", facts="switched on")


# --- Outside: asked from threads, bounded in time ----------------------------------------------------------


def broker_found() -> Finding:
    """Unreachable. Bounded, also when it takes the connection and never answers."""
    patience = {"socket_connect_timeout": BROKER_TIMEOUT, "socket_timeout": BROKER_TIMEOUT}
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS}
    if settings.CELERY_BROKER_URL.startswith(("redis", "rediss")):
        options |= patience
    try:
        with app.connection_for_write(connect_timeout=BROKER_TIMEOUT, transport_options=options) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
    except Exception as error:  # each transport has exceptions of its own
        words = f"It can't be reached ({type(error).__name__})."
        return _found("broker", Problem(words, "Check CELERY_BROKER_URL and that the server runs."))
    return _found("broker", facts=settings.CELERY_BROKER_URL.split(":")[0])


def launchpad_found() -> Finding:
    """Unreachable, or the credentials are broken, expired or revoked."""
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    renew = "Run: manage.py setup_launchpad_credentials"
    try:
        launchpad = get_launchpad()
        launchpad.reach()
        if launchpad.anonymous:
            return _found("Launchpad", facts="read anonymously")
        return _found("Launchpad", facts=f"acts as {launchpad.me()}, by the credentials in {path.name}")
    except ConfigurationError as problem:
        if not problem.status:
            return _found("Launchpad", Problem(str(problem)))
        if problem.status in (401, 403) and path.exists():
            words = f"It refuses the credentials in {path.name} ({problem.status}): they expired or were revoked."
            return _found("Launchpad", Problem(words, renew))
        words = f"It answered {problem.status}: LAUNCHPAD_SERVICE_ROOT is not the root of its web service."
        return _found("Launchpad", Problem(words, "Set it to production, staging, or the URL of a service root."))
    except LaunchpadError as problem:
        known = "run: " in str(problem).lower() or "Check " in str(problem)
        remedy = "" if known else "Check the network and LAUNCHPAD_SERVICE_ROOT; the next import carries on by itself."
        return _found("Launchpad", Problem(str(problem), remedy))


def jenkins_found() -> Finding:
    """Not configured, unreachable, refusing, or a job that would never call back."""
    jenkins = Jenkins()
    problems = [Problem(words) for words in jenkins.diagnose()]
    return _found("Jenkins", *problems, facts="" if problems else f"{jenkins.job_url}, all parameters declared")


INSIDE: tuple[Callable[[], Finding], ...] = (
    settings_found, database_found, worker_found, beat_found, schedules_found, sources_found, runs_found, posting_found,
)  # fmt: skip
OUTSIDE: dict[str, Callable[[], Finding]] = {
    "broker": broker_found, "Launchpad": launchpad_found, "Jenkins": jenkins_found,
}  # fmt: skip


class Asker:
    """Asks each outside system from one thread at a time. Whoever wants to know meanwhile waits for the same answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._asked: dict[str, Future[Finding]] = {}
        self._answers: dict[str, tuple[float, Finding]] = {}

    def ask(self, patience: float, *, fresh: bool = False) -> list[Finding]:
        """What each outside system answers, from the last half minute unless ``fresh``; waits at most ``patience``
        seconds in all. An answer that takes longer is there for the next who asks."""
        deadline = time.monotonic() + patience
        stamp = _stamp()
        waiting = {name: self._answer(name, find, stamp, fresh) for name, find in OUTSIDE.items()}
        found = []
        for name, answer in waiting.items():
            if isinstance(answer, Finding):
                found.append(answer)
                continue
            try:
                found.append(answer.result(max(0.0, deadline - time.monotonic())))
            except Late:
                found.append(Finding(name, facts="No answer yet. Load this page again in a moment.", known=False))
        return found

    def _answer(self, name: str, find: Callable[[], Finding], stamp: str, fresh: bool) -> Finding | Future[Finding]:
        key = f"{name} {stamp}"
        with self._lock:
            at, answer = self._answers.get(key, (0.0, None))
            if answer and not fresh and time.monotonic() - at < KEPT:
                return answer
            if key in self._asked:
                return self._asked[key]
            self._pool = self._pool or ThreadPoolExecutor(max_workers=2 * len(OUTSIDE), thread_name_prefix="health")
            future = self._asked[key] = self._pool.submit(_without_surprise, name, find)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    def _keep(self, key: str, done: Future[Finding]) -> None:
        with self._lock:
            self._asked.pop(key, None)
            self._answers = {} if len(self._answers) > 100 else self._answers
            self._answers[key] = (time.monotonic(), done.result())


def _without_surprise(name: str, find: Callable[[], Finding]) -> Finding:
    try:
        return find()
    except Exception as error:
        words = f"It could not be looked at ({type(error).__name__})."
        return _found(name, Problem(words, "Please report this as an error of Review Queue."))


def _stamp() -> str:
    """Changes with whatever the outside checks depend on; no secret can be read from it."""
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    facts = [
        settings.CELERY_BROKER_URL, settings.LAUNCHPAD_SERVICE_ROOT, path, settings.JENKINS_JOB_URL,
        settings.JENKINS_TOKEN, settings.JENKINS_USER, settings.JENKINS_API_TOKEN,
        path.stat().st_mtime_ns if path.exists() else 0,
    ]  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()


asker = Asker()


def check_all(patience: float, *, fresh: bool = False) -> list[Finding]:
    """Every check. A check that the database is not ready for says so instead of failing."""
    found = []
    for find in INSIDE:
        try:
            found.append(find())
        except DatabaseError:
            name = find.__name__.removesuffix("_found").replace("runs", "test runs")
            found.append(_found(name, Problem("It could not be looked at: the database is not ready.")))
    return found + asker.ask(patience, fresh=fresh)


# --- What the Health page shows besides --------------------------------------------------------------------


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


def overview() -> Overview:
    """Eight queries, however much there is."""
    sources = list(Source.objects.all())
    newest = {
        report.source_id: report
        for report in ImportReport.objects.filter(pk__in=[pk for pk in _newest_reports() if pk])
    }
    return Overview(
        sources=[(source, newest.get(source.pk)) for source in sources],
        runs=_runs_by_status(),
        oldest=oldest_waiting(),
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
    unfinished = dict(
        TestRun.objects.filter(status__in=UNFINISHED).order_by().values_list("status").annotate(Count("pk"))
    )
    ended = dict(
        TestRun.objects.filter(created_at__gt=day)
        .exclude(status__in=UNFINISHED)
        .order_by()
        .values_list("status")
        .annotate(Count("pk"))
    )
    return [
        (status, "now" if status in UNFINISHED else "of those begun in the last day",
         (unfinished if status in UNFINISHED else ended).get(status, 0))
        for status in Status.values
    ]  # fmt: skip


def oldest_waiting() -> list[Waiting]:
    """The unfinished runs that wait longest, each with the reason.

    A query for each status: over all of them at once PostgreSQL walks through the finished runs, oldest first.
    """
    runs = TestRun.objects.select_related("review", "substrate").order_by("created_at")
    oldest = [run for status in UNFINISHED for run in runs.filter(status=status)[:MOST_SHOWN]]
    oldest.sort(key=lambda run: run.created_at)
    return [Waiting(run, why_waiting(run)) for run in oldest[:MOST_SHOWN]]


def why_waiting(run: TestRun) -> str:
    """Why an unfinished run is not finished, in a sentence."""
    if run.error:
        return run.error
    if run.status == Status.RETRY:
        return "It is sent with the next sweep."
    if run.status in ON_ENGINE:
        what = "builds it" if run.status == Status.RUNNING else "has queued it and did not begin yet"
        then = (
            f", at the latest {_moment(run.next_attempt_at)} its outcome is looked for" if run.next_attempt_at else ""
        )
        return f"Jenkins {what}{then}."
    return ""


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
