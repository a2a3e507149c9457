"""Checks of what the queue talks to (database, broker, Launchpad, Jenkins), and of the settings that name them."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from integrations.jenkins.backend import Jenkins
from integrations.launchpad.client import get_launchpad
from integrations.launchpad.errors import ConfigurationError, LaunchpadError
from reviewqueue.celery import app
from reviewqueue.operations.checks import check_settings as run_settings_checks
from reviewqueue.operations.health.findings import Finding, Problem, found

BROKER_TIMEOUT_SECONDS = 3


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
        if launchpad.anonymous:
            return found("Launchpad", facts="read anonymously")
        return found("Launchpad", facts=f"acts as {launchpad.me()}, by the credentials in {path.name}")
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
    """Whether it is configured, can be reached, accepts builds, and has a job that calls back."""
    jenkins = Jenkins()
    diagnosis = jenkins.diagnose()
    problems = [Problem(words) for words in diagnosis.problems]
    facts = ". ".join([f"{jenkins.job_url()}, all required parameters declared", *diagnosis.notes])
    return found("Jenkins", *problems, facts="" if problems else facts)
