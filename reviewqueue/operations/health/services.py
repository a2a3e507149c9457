"""Checks of what the queue talks to (database, broker, Launchpad, Jenkins), and of the settings that name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from core.concurrency import ask_all
from core.secret_field import ENTER_AGAIN, Undecryptable
from core.text import utc
from integrations.jenkins.backend import Jenkins
from integrations.launchpad.account import read_account
from integrations.launchpad.client import get_launchpad
from integrations.launchpad.errors import ConfigurationError, LaunchpadError
from reviewqueue.celery import app
from reviewqueue.operations.checks import check_settings as run_settings_checks
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviews.models import Source
from testing.ci import CIError, Diagnosis, JobAccess
from testing.engines import Engines, access_of
from testing.models import Job, Server

BROKER_TIMEOUT_SECONDS = 3
JOBS_AT_ONCE = 8  # requests to a server


def check_settings() -> Finding:
    """What the start-up checks say of the settings."""
    messages = run_settings_checks(None)
    return found("settings", *(Problem(message.msg, message.hint or "") for message in messages))


def check_database() -> Finding:
    """Whether it can be reached and its tables are those of this version."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        remedy = "Check DATABASE_URL and that the server runs, then check again: what needs the database was left out."
        return found("database", Problem("It can't be reached.", remedy))
    if plan:
        is_new = not executor.loader.applied_migrations
        words = "It has no tables yet." if is_new else "Its tables are older than the program."
        return found("database", Problem(words, "Run: manage.py migrate. Then check again."))
    return found("database", facts=f"{connection.display_name}, up to date")


def check_broker() -> Finding:
    """Whether it can be reached. Bounded in time, also when it accepts the connection and never answers."""
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS}
    if settings.CELERY_BROKER_URL.startswith("redis"):
        options |= {"socket_connect_timeout": BROKER_TIMEOUT_SECONDS, "socket_timeout": BROKER_TIMEOUT_SECONDS}
    try:
        with app.connection_for_write(connect_timeout=BROKER_TIMEOUT_SECONDS, transport_options=options) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
    except Exception as error:  # each transport has exceptions of its own
        words = f"It can't be reached ({type(error).__name__})."
        return found("broker", Problem(words, "Check CELERY_BROKER_URL and that the server runs."))
    return found("broker", facts=settings.CELERY_BROKER_URL.split(":")[0])


def check_launchpad() -> Finding:
    """Whether it can be reached, and accepts our credentials where there are any."""
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    try:
        launchpad = get_launchpad()
        launchpad.reach()
        account = read_account(launchpad)
        if account is None:
            return found("Launchpad", facts="read anonymously")
        facts = f"acts as {account.name}, by the credentials in {path.name}"
        return Finding("Launchpad", facts=facts, account=account)
    except ConfigurationError as refusal:
        if not refusal.status:
            return found("Launchpad", Problem(str(refusal)))
        if refusal.status in (401, 403) and path.exists():
            words = f"It refuses the credentials in {path.name} ({refusal.status}): they expired or were revoked."
            return found("Launchpad", Problem(words, "Run: manage.py setup_launchpad_credentials"))
        words = f"It answered {refusal.status}: LAUNCHPAD_SERVICE_ROOT is not the root of its web service."
        return found("Launchpad", Problem(words, "Set it to production, staging, or the URL of a service root."))
    except LaunchpadError as problem:
        says_how = "run: " in str(problem).lower() or "Check " in str(problem)
        remedy = "Check the network and LAUNCHPAD_SERVICE_ROOT; the next import carries on by itself."
        return found("Launchpad", Problem(str(problem), "" if says_how else remedy))


def check_jenkins() -> Finding:
    """Whether the environment's job is configured, can be reached, accepts builds, and calls back."""
    jenkins = Jenkins()
    diagnosis = jenkins.diagnose()
    problems = [Problem(words) for words in diagnosis.problems]
    facts = ". ".join([f"{jenkins.job_url()}, all parameters declared", *diagnosis.notes])
    return found("Jenkins", *problems, facts="" if problems else facts)


@dataclass(frozen=True)
class ServerCheck:
    """The same of the jobs of a server that staff entered. It holds all that it needs: it runs in a thread."""

    name: str
    jobs: tuple[tuple[JobAccess, tuple[str, ...]], ...]  # with the names of their own parameters
    failing_since: datetime | None

    def __call__(self) -> Finding:
        problems, facts = [], []
        answers = ask_all(self.jobs, diagnose_job, at_once=JOBS_AT_ONCE, problem=CIError)
        for (access, _), diagnosis in answers:
            if isinstance(diagnosis, CIError):
                problems.append(Problem(f"{access.job}: {diagnosis}"))
                continue
            problems += [Problem(f"{access.job}: {words}") for words in diagnosis.problems]
            facts.append(". ".join([f"{access.job}: all parameters declared", *diagnosis.notes]))
        if problems and self.failing_since:
            problems.append(Problem(f"It has not answered builds since {utc(self.failing_since)}; its runs wait."))
        return found(self.name, *problems, facts="" if problems else "; ".join(facts))


def diagnose_job(job: tuple[JobAccess, tuple[str, ...]]) -> Diagnosis:
    """What is wrong with a job that staff entered; touches no row."""
    access, parameters = job
    return Jenkins(access).diagnose(parameters)


def no_jenkins_needed() -> Finding:
    """What is said of the environment's Jenkins where there is none, and the test plan has jobs."""
    return found("Jenkins", facts="none in the environment; the servers that staff entered are used")


def server_checks() -> dict[str, Callable[[], Finding]]:
    """A check for each active server with jobs. One query."""
    engines = Engines()
    checks: dict[str, Callable[[], Finding]] = {}
    if engines.jobs and not settings.JENKINS_JOB_URL:
        checks["Jenkins"] = no_jenkins_needed
    for server in engines.servers.values():
        if server.active:
            name = f"server {server.name}"
            jobs = tuple((access_of(job), tuple(job.parameters)) for job in engines.jobs_of(server))
            checks[name] = ServerCheck(name, jobs, server.failing_since)
    return checks


def check_secrets() -> Finding:
    """Secrets that can't be decrypted any more, as a key was lost."""
    problems = [
        Problem(f"The {words} {row} {ENTER_AGAIN}.", "Or bring the key back in SECRET_KEY_FALLBACKS.")
        for rows, name, words in (
            (Server.objects.all(), "api_token", "API token of the server"),
            (Job.objects.all(), "token", "token of the job"),
            (Source.objects.all(), "webhook_secret", "webhook secret of the source"),
        )
        for row in rows
        if isinstance(getattr(row, name), Undecryptable)
    ]
    return found("secrets", *problems)
