"""Start-up checks: which setting is wrong and how to mend it (docs/specification.md, section 10)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.http.request import split_domain_port, validate_host

from core.logging import FORMATS
from core.web_urls import is_web_url
from testing.ci import get_ci

MIN_METRICS_TOKEN_LENGTH = 16  # characters: fewer can be guessed

YEAR = 365 * 24 * 3600  # seconds
# The least and the most that is accepted; dates that are calculated with them must exist.
BOUNDS: dict[str, tuple[float, float]] = {
    "TESTING_TIMEOUT": (1, YEAR),
    "TESTING_MAX_ATTEMPTS": (1, 1000),
    "TESTING_FIRST_PAUSE": (1, 3600),
    "CLAIM_SECONDS": (1, YEAR),
    "PRUNE_DAYS": (1, 36500),
    "LAUNCHPAD_TIMEOUT": (0.1, 3600),
    "JENKINS_TIMEOUT": (0.1, 3600),
    "JENKINS_AT_ONCE": (1, 256),
    "AXES_FAILURE_LIMIT": (1, 1_000_000),
    "LOGIN_FAILURE_LIMIT_PER_ADDRESS": (0, 1_000_000),
}
ENVIRONMENT_NAMES = {"AXES_FAILURE_LIMIT": "LOGIN_FAILURE_LIMIT"}  # where it differs from the setting's


def _out_of_bounds() -> Iterator[CheckMessage]:
    values: list[tuple[str, float, tuple[float, float]]] = [
        (ENVIRONMENT_NAMES.get(name, name), getattr(settings, name), bounds) for name, bounds in BOUNDS.items()
    ]
    minutes = {"default": settings.REFRESH_DEFAULT_MINUTES, **settings.REFRESH_MINUTES}
    for state, value in minutes.items():
        values.append((f"REFRESH_{state.replace('-', '_').upper()}_MINUTES", value, (1, YEAR / 60)))
    values.append(("NUM_PROXIES", settings.REST_FRAMEWORK["NUM_PROXIES"], (0, 100)))
    for name, value, (least, most) in values:
        if value < least:
            yield Error(f"{name} must be {least:g} or more.", id="queue.E005")
        elif value > most:
            yield Error(f"{name} must be {most:.0f} or less.", id="queue.E005")


@register()
def check_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every setting that has a form is of that form."""
    found: list[CheckMessage] = []
    if not is_web_url(settings.BASE_URL):
        found.append(Error("BASE_URL is not an http or https URL.", hint="Builds call back to it.", id="queue.E001"))
    elif not validate_host(split_domain_port(urlsplit(settings.BASE_URL).netloc)[0], settings.ALLOWED_HOSTS):
        words = "ALLOWED_HOSTS does not name the host of BASE_URL: pages and callbacks are refused there (400)."
        found.append(Warning(words, hint="Add it to ALLOWED_HOSTS.", id="queue.W003"))
    root = settings.LAUNCHPAD_SERVICE_ROOT
    if root not in ("production", "staging", "qastaging", "dogfood", "dev") and not is_web_url(root):
        found.append(
            Error(
                "LAUNCHPAD_SERVICE_ROOT is neither production, staging nor the URL of a service root.", id="queue.E002"
            )
        )
    try:
        reason = get_ci().unconfigured()
    except (ImportError, TypeError):
        found.append(Error("TESTING_CI_BACKEND is not the dotted path of a CI engine's class.", id="queue.E008"))
        reason = ""
    if settings.JENKINS_JOB_URL and reason:
        found.append(Error(reason, hint="README.md shows the settings for a Jenkins job.", id="queue.E003"))
    if bool(settings.JENKINS_USER) != bool(settings.JENKINS_API_TOKEN):
        found.append(Error("Of JENKINS_USER and JENKINS_API_TOKEN only one is set: set both.", id="queue.E004"))
    again = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout")
    if again is not None and again <= settings.CELERY_TASK_TIME_LIMIT:
        words = f"CELERY_VISIBILITY_TIMEOUT must be more than {settings.CELERY_TASK_TIME_LIMIT} seconds"
        found.append(Error(f"{words}: tasks under way would begin a second time.", id="queue.E007"))
    if settings.LOG_FORMAT not in FORMATS:
        found.append(Error(f"LOG_FORMAT must be one of {', '.join(FORMATS)}.", id="queue.E006"))
    found += _out_of_bounds()
    for scope, rate in settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"].items():
        if not re.fullmatch(r"[1-9][0-9]*/(s|sec|m|min|h|hour|d|day)", rate):
            words = f"API_THROTTLE_{scope.upper()} is not a rate: every such request would fail."
            found.append(Error(words, hint="Write it like 600/min; the units are s, min, hour, day.", id="queue.E009"))
    if 0 < len(settings.METRICS_TOKEN) < MIN_METRICS_TOKEN_LENGTH:
        words = f"METRICS_TOKEN is shorter than {MIN_METRICS_TOKEN_LENGTH} characters: it can be guessed."
        found.append(Warning(words, hint="Make one with: openssl rand -hex 32", id="queue.W002"))
    path = settings.LAUNCHPAD_CREDENTIALS_FILE
    if path.exists() and path.stat().st_mode & 0o077:
        found.append(Warning(f"{path.name} can be read by others.", hint=f"chmod 600 {path.name}", id="queue.W001"))
    return found
