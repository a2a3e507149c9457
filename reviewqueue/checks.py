"""Start-up checks: wrong settings say which and how to mend it (SPEC section 10)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.http.request import split_domain_port, validate_host

from reviewqueue.logs import FORMATS
from testing.ci import get_ci

SHORTEST_METRICS_TOKEN = 16  # characters: fewer can be guessed


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


@register()
def settings_make_sense(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every setting of SPEC section 10 that has a form is of that form."""
    found: list[CheckMessage] = []
    if not _is_web_url(settings.BASE_URL):
        found.append(Error("BASE_URL is not an http or https URL.", hint="Builds call back to it.", id="queue.E001"))
    elif not validate_host(split_domain_port(urlsplit(settings.BASE_URL).netloc)[0], settings.ALLOWED_HOSTS):
        words = "ALLOWED_HOSTS does not name the host of BASE_URL: pages and callbacks are refused there (400)."
        found.append(Warning(words, hint="Add it to ALLOWED_HOSTS.", id="queue.W003"))
    root = settings.LAUNCHPAD_SERVICE_ROOT
    if root not in ("production", "staging", "qastaging", "dogfood", "dev") and not _is_web_url(root):
        found.append(
            Error(
                "LAUNCHPAD_SERVICE_ROOT is neither production, staging nor the URL of a service root.", id="queue.E002"
            )
        )
    if settings.JENKINS_JOB_URL and (reason := get_ci().unconfigured()):
        found.append(Error(reason, hint="README.md shows the settings for a Jenkins job.", id="queue.E003"))
    if bool(settings.JENKINS_USER) != bool(settings.JENKINS_API_TOKEN):
        found.append(Error("Of JENKINS_USER and JENKINS_API_TOKEN only one is set: set both.", id="queue.E004"))
    again = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout")
    if again is not None and again <= settings.CELERY_TASK_TIME_LIMIT:
        words = f"CELERY_VISIBILITY_TIMEOUT must be more than {settings.CELERY_TASK_TIME_LIMIT} seconds"
        found.append(Error(f"{words}: tasks under way would begin a second time.", id="queue.E007"))
    if settings.LOG_FORMAT not in FORMATS:
        found.append(Error(f"LOG_FORMAT is none of {', '.join(FORMATS)}.", id="queue.E006"))
    for name in ("TESTING_TIMEOUT", "TESTING_MAX_ATTEMPTS", "PRUNE_DAYS"):
        if getattr(settings, name) < 1:
            found.append(Error(f"{name} must be 1 or more.", id="queue.E005"))
    if 0 < len(settings.METRICS_TOKEN) < SHORTEST_METRICS_TOKEN:
        words = f"METRICS_TOKEN is shorter than {SHORTEST_METRICS_TOKEN} characters: it can be guessed."
        found.append(Warning(words, hint="Make one with: openssl rand -hex 32", id="queue.W002"))
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    if path.exists() and path.stat().st_mode & 0o077:
        found.append(Warning(f"{path.name} can be read by others.", hint=f"chmod 600 {path.name}", id="queue.W001"))
    return found
