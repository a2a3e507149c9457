"""All checks together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import astuple

from django.conf import settings
from django.db import DatabaseError

from reviewqueue.operations.health.background import BackgroundChecks
from reviewqueue.operations.health.clocks import check_clocks
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviewqueue.operations.health.launchpad import (
    check_account,
    check_missing_items,
    check_reviewers,
    check_status_reports,
    check_whose_code_runs,
)
from reviewqueue.operations.health.notifications import check_notifications
from reviewqueue.operations.health.processes import check_beat, check_schedules, check_worker
from reviewqueue.operations.health.queue import (
    check_outages,
    check_own_posts,
    check_posting,
    check_runs,
    check_sources,
)
from reviewqueue.operations.health.services import (
    ServerCheck,
    check_broker,
    check_database,
    check_jenkins,
    check_launchpad,
    check_secrets,
    check_settings,
    server_checks,
)

KEPT_SECONDS = 30.0  # that an answer from outside is shown again

LOCAL_CHECKS: dict[str, Callable[[], Finding]] = {
    "settings": check_settings,
    "database": check_database,
    "worker": check_worker,
    "beat": check_beat,
    "schedules": check_schedules,
    "sources": check_sources,
    "test runs": check_runs,
    "substrates": check_outages,
    "posting": check_posting,
    "own posts": check_own_posts,
    "status reports": check_status_reports,
    "notifications": check_notifications,
    "reviewers": check_reviewers,
    "missing items": check_missing_items,
    "whose code runs": check_whose_code_runs,
    "clocks": check_clocks,
    "secrets": check_secrets,
}
service_checks = BackgroundChecks(
    {"broker": check_broker, "Launchpad": check_launchpad, "Jenkins": check_jenkins}, kept_seconds=KEPT_SECONDS
)


def check_all(timeout: float, *, fresh: bool = False) -> list[Finding]:
    """Every check; waits at most ``timeout`` seconds for those that ask outside.

    While the database is not ready, the checks that need it are left out: it is one problem with one remedy.
    """
    findings: list[Finding] = []
    for name, check in LOCAL_CHECKS.items():
        try:
            findings.append(check())
        except DatabaseError:
            if all(finding.ok for finding in findings if finding.name == "database"):  # else that says it once for all
                findings.append(found(name, Problem("This check failed: the database does not answer it.")))
    try:
        servers = server_checks()
    except DatabaseError:  # which another line says
        servers = {}
    version = _version_of_settings(servers)
    findings += service_checks.run(timeout, fresh=fresh, version=version, more=servers)
    for account in [finding.account for finding in findings if finding.account]:
        try:
            findings.append(check_account(account))
        except DatabaseError:  # which another line says
            continue
    return findings


def _version_of_settings(servers: dict[str, Callable[[], Finding]]) -> str:
    """Changes with whatever the outside checks depend on; no secret can be read from it."""
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    values = [
        settings.CELERY_BROKER_URL, settings.LAUNCHPAD_SERVICE_ROOT, path, settings.JENKINS_JOB_URL,
        settings.JENKINS_TOKEN, settings.JENKINS_USER, settings.JENKINS_API_TOKEN,
        path.stat().st_mtime_ns if path.exists() else 0,
    ]  # fmt: skip
    for check in servers.values():
        if isinstance(check, ServerCheck):
            values += [(*astuple(access), parameters) for access, parameters in check.jobs]
    return hashlib.sha256(repr(values).encode()).hexdigest()
