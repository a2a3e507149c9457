"""What builds report of themselves, and how they are let in (docs/specification.md, section 5).

The token in a callback URL is unguessable, one for each run and attempt, derived and never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from core.enqueue import enqueue_on_commit
from core.web_urls import is_web_url
from testing.choices import Status
from testing.ci import MAX_URL
from testing.engines import engine_of
from testing.models import TestRun
from testing.transitions import Trigger, finish, lock_run, record_build, start

SALT = "testing.api.callback"

# What a callback may say, the words of CI engines included, and what it means.
CALLBACK_STATUS: dict[str, str] = {
    "RUNNING": Status.RUNNING,
    "STARTED": Status.RUNNING,
    "PASS": Status.PASS,
    "SUCCESS": Status.PASS,
    "FAIL": Status.FAIL,
    "UNSTABLE": Status.FAIL,
    "FAILURE": Status.FAIL,
    "ERROR": Status.ERROR,
    "ABORTED": Status.ERROR,
    "NOT_BUILT": Status.ERROR,
}
PART_ONLY = "This is a part of the build, as a matrix job's cell: only the whole build has an outcome."
MAX_REVISION = 255  # characters
ACCEPTED = f"Accepted, in any case: {', '.join(CALLBACK_STATUS)}."


class UnknownRun(Exception):
    """There is no such run."""


class WrongToken(Exception):
    """The token does not belong to this run."""


class InvalidCallback(Exception):
    """The callback says something that is not valid; ``field`` names where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class CallbackResult:
    """The run after a callback, whether the callback changed it, and why not."""

    run: TestRun
    applied: bool
    reason: str = ""


def callback_token(run_id: int, attempt: int, secret: str | None = None) -> str:
    """The token that lets the builds of this attempt call back; ``secret`` is SECRET_KEY unless it is given."""
    return salted_hmac(SALT, f"{run_id}:{attempt}", secret=secret, algorithm="sha256").hexdigest()


def callback_url_of(run: TestRun) -> str:
    """Where a build of the run's current attempt reports to. Holds everything needed to be let in: keep it secret."""
    return callback_url(run.pk, run.attempt)


def callback_url(run_id: int, attempt: int) -> str:
    """Where a build of this attempt of the run reports to."""
    path = reverse("test-run-callback", args=[run_id])
    return f"{settings.BASE_URL}{path}?token={callback_token(run_id, attempt)}"


def attempt_of(token: str, run_id: int) -> int:
    """Which attempt of the run the token belongs to. No query if it is right. Raises UnknownRun or WrongToken."""
    number = _find_attempt(token, run_id, settings.TESTING_MAX_ATTEMPTS)
    if number is None:
        last_attempt = TestRun.objects.filter(pk=run_id).values_list("attempt", flat=True).first()
        if last_attempt is None:
            raise UnknownRun
        number = _find_attempt(token, run_id, last_attempt)  # the setting may have been larger once
    if number is None:
        raise WrongToken
    return number


def _find_attempt(token: str, run_id: int, last_attempt: int) -> int | None:
    """The attempt, from the last to the first, that the token was derived from; with a key or one of its fallbacks."""
    for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        for number in range(last_attempt, 0, -1):
            if constant_time_compare(token, callback_token(run_id, number, secret)):
                return number
    return None


def apply_callback(
    run_id: int, token: str, status: str, build_url: str = "", result_url: str = "", target_revision: str = ""
) -> CallbackResult:
    """Apply what a build reports; harmless when repeated, late or out of order.

    ``target_revision`` is what the build merged into, where it says so.
    A ``build_url`` that is no build of our own job is kept as a link, and nothing else is done with it.
    Raises UnknownRun, WrongToken or InvalidCallback, and then nothing has changed.
    """
    number = attempt_of(token, run_id)
    word = status.strip().upper()
    meaning = CALLBACK_STATUS.get(word)
    if meaning is None:
        raise InvalidCallback("status", f"Unknown status. {ACCEPTED}")
    build_url, result_url = web_url("build_url", build_url), web_url("result_url", result_url)
    target_revision = revision_id("target_revision", target_revision)
    with transaction.atomic():
        try:
            run = lock_run(run_id)
        except TestRun.DoesNotExist:  # it was removed while its build went on
            raise UnknownRun from None
        if number != run.attempt:
            return CallbackResult(run, False, f"Attempt {number} was superseded by attempt {run.attempt}.")
        if run.is_finished:
            return CallbackResult(run, False, f"The run is finished already: {run.status}.")
        ci = engine_of(run)
        build = ci.build_of_job(build_url)
        if meaning != Status.RUNNING and not build and ci.is_part_of_build(build_url):
            return CallbackResult(run, False, PART_ONLY)
        is_new_target = target_revision not in ("", run.target_revision)
        run.target_revision = target_revision or run.target_revision
        if meaning != Status.RUNNING:
            reason = f"The build reported {word}." if meaning == Status.ERROR else ""
            finish(
                run, meaning, Trigger.CALLBACK, reason=reason, link=build_url, build=build, result_url=result_url
            )  # fmt: skip
            if run.results_due_at:
                enqueue_on_commit("testing.tasks.collect_results", run.pk)
        elif run.status != Status.RUNNING:
            start(run, link=build_url, build=build)
        elif build_url and not run.build_url:
            record_build(run, link=build_url, build=build)
        elif is_new_target:
            record_build(run, link=run.build_url, build="")
        else:
            return CallbackResult(run, False, "The run is running already.")
    return CallbackResult(run, True)


def revision_id(field: str, revision: str) -> str:
    """The revision if it can be one, without blanks around it, or empty. Raises InvalidCallback."""
    revision = revision.strip()
    if len(revision) > MAX_REVISION or not revision.isprintable() or " " in revision:
        raise InvalidCallback(field, f"{field} must be a revision of at most {MAX_REVISION} characters.")
    return revision


def web_url(field: str, url: str) -> str:
    """The URL if it is a plain http(s) one or empty, without credentials: everybody sees it.

    Raises InvalidCallback.
    """
    if not url:
        return ""
    unreadable = any(char.isspace() or not char.isprintable() for char in url)
    if len(url) > MAX_URL or unreadable or not is_web_url(url):
        raise InvalidCallback(field, f"{field} must be an http or https URL of at most {MAX_URL} characters.")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return url
