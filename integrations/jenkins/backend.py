"""Jenkins as a CI engine. Knows HTTP and Jenkins' answers; knows no model.

Three rules keep this safe: redirects are never followed (one that is ends in a 200 and looks like success), nothing is
fetched but from below the configured Jenkins, and every answer is bounded in bytes and seconds.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from django.conf import settings
from django.utils.dateparse import parse_datetime

from core.request_deadline import session_of
from core.urls import is_web_url
from testing.ci import (
    BuildRecord,
    BuildRef,
    BuildRequest,
    CIBackend,
    ConfigurationError,
    Results,
    SingleTest,
    TemporaryError,
)

LARGEST_RESULTS = 4 * 1024 * 1024  # bytes of a results.json
LARGEST_LIST = 2 * 1024 * 1024  # bytes of a list of builds
LARGEST_ANSWER = 256 * 1024  # bytes of any other answer
MOST_BUILDS = 300  # looked through for one whose acceptance was lost
LARGEST_OUTPUT = 20_000  # characters kept of a single test's output, from its end
MOST_TESTS = 20_000
BUILD_WITH_PARAMETERS = "/buildWithParameters"
_BUILD = re.compile(r"/job/[^/]+/(?:[^/]+/)*[0-9]+/?$")  # only to such an address `stop` is posted

_ITEM = re.compile(r"/queue/item/([0-9]{1,18})/?$")

UNUSABLE = Results(
    (), None, "The build's results.json can't be read as one: it is cut off, too large or something else."
)

# Jenkins' words for the result of a build, and the outcome they mean for us.
OUTCOMES = {"SUCCESS": "pass", "UNSTABLE": "fail", "FAILURE": "fail", "ABORTED": "error", "NOT_BUILT": "error"}

REFUSALS: dict[int, str] = {
    400: "Jenkins says that the job takes no parameters (400). Declare its parameters as docs/jenkins.md shows.",
    401: "Jenkins does not know JENKINS_USER with JENKINS_API_TOKEN (401). Check both.",
    403: (
        "Jenkins refused (403): wrong JENKINS_TOKEN, a missing permission, or an API token that is no longer valid. "
        "Check them as docs/jenkins.md says."
    ),
    404: "Jenkins knows no such job, or hides it (404). Check JENKINS_JOB_URL and the user's permissions.",
    405: "Jenkins wants a POST (405): JENKINS_TOKEN is not the job's token. Set it as the job has it.",
    409: "The job is disabled in Jenkins (409). Enable it.",
}


class Jenkins(CIBackend):
    """The job at ``JENKINS_JOB_URL``."""

    name = "Jenkins"

    def __init__(self) -> None:
        url = settings.JENKINS_JOB_URL.strip().split("?")[0].rstrip("/")
        self.job_url = url.removesuffix(BUILD_WITH_PARAMETERS).rstrip("/")
        self.root = _root_of(self.job_url)
        self.auth = (
            (settings.JENKINS_USER, settings.JENKINS_API_TOKEN)
            if settings.JENKINS_USER and settings.JENKINS_API_TOKEN
            else None
        )

    def __repr__(self) -> str:
        return f"<Jenkins {self.job_url if not self._userinfo() else '(URL with credentials)'}>"

    def _userinfo(self) -> bool:
        return "@" in self.job_url.partition("//")[2].partition("/")[0]

    def unconfigured(self) -> str:
        if not self.job_url:
            return (
                "No Jenkins is configured: set JENKINS_JOB_URL, and JENKINS_TOKEN or JENKINS_USER with its API token."
            )
        if self._userinfo():
            return "JENKINS_JOB_URL holds credentials. Take them out; set JENKINS_USER and JENKINS_API_TOKEN instead."
        if not is_web_url(self.job_url):
            return "JENKINS_JOB_URL is not an http or https URL."
        if not self.auth and not settings.JENKINS_TOKEN:
            return "Jenkins lets nobody in without a token: set JENKINS_TOKEN, or JENKINS_USER and JENKINS_API_TOKEN."
        return ""

    def start(self, request: BuildRequest) -> BuildRef:
        parameters = {
            "url": request.url,
            "cause": request.cause,
            "callback_url": request.callback_url,
            "job_id": str(request.run_id),
            "envs": request.substrate,
        }
        optional = {"token": settings.JENKINS_TOKEN, "revision": request.revision, "branch": request.branch}
        parameters |= {name: value for name, value in optional.items() if value}
        target = self.job_url + BUILD_WITH_PARAMETERS
        try:
            if self.auth:
                status, headers, _ = self._ask("POST", target, data=parameters)
            else:
                status, headers, _ = self._ask("GET", target, params=parameters)
        except TemporaryError as error:
            raise TemporaryError(str(error), may_have_happened=True) from None
        # Jenkins may know itself by another name than we do: the number of the item is what counts.
        item = _ITEM.search(headers.get("Location", "").split("?")[0])
        queue_url = f"{self.root}queue/item/{item.group(1)}/" if item else ""
        if status in (200, 201) or (status == 303 and queue_url):
            return BuildRef(queue_url=queue_url)
        if 300 <= status < 400:
            raise ConfigurationError(
                f"Jenkins redirected ({status}) and queued nothing: nobody is logged in, or the queue refused."
            )
        if status in REFUSALS:
            raise ConfigurationError(REFUSALS[status])
        # What a proxy answers when Jenkins was too slow says nothing of what Jenkins did.
        raise TemporaryError(
            f"Jenkins answered {status} and did not queue the build.", may_have_happened=status in (502, 504)
        )

    def lately_started(self) -> dict[str, BuildRef]:
        found: dict[str, BuildRef] = {}
        parameters = "actions[parameters[name,value]]"
        # The queue first: what leaves it in the meantime is among the builds then.
        queue = self._read_json(self.root + "queue/api/json", {"tree": f"items[id,{parameters}]"}, LARGEST_LIST)
        for item in _objects(queue, "items"):
            if isinstance(item.get("id"), int):
                found[_callback_of(item)] = BuildRef(queue_url=f"{self.root}queue/item/{item['id']}/")
        tree = f"builds[url,{parameters}]{{0,{MOST_BUILDS}}}"
        job = self._read_json(self.job_url + "/api/json", {"tree": tree}, LARGEST_LIST)
        for build in _objects(job, "builds"):
            url = build.get("url")
            if isinstance(url, str) and len(url) <= 1000 and self.is_ours(url):
                found.setdefault(_callback_of(build), BuildRef(build_url=url))
        found.pop("", None)
        return found

    def cancel(self, build: BuildRef) -> None:
        record = self.record(build)
        build_url = (record.build_url if record else "") or build.build_url
        if record and record.waiting and build.queue_url:
            number = urlsplit(build.queue_url).path.rstrip("/").rsplit("/", 1)[-1]
            self._stop(self.root + "queue/cancelItem", {"id": number})
        elif _BUILD.search(build_url) and self.is_ours(build_url):
            self._stop(build_url.rstrip("/") + "/stop")

    def _stop(self, url: str, params: dict[str, str] | None = None) -> None:
        status, _, _ = self._ask("POST", url, params=params)
        if status >= 500:
            raise TemporaryError(f"Jenkins answered {status} when asked to stop the build.")

    def record(self, build: BuildRef) -> BuildRecord | None:
        build_url = build.build_url if build.build_url and self.is_ours(build.build_url) else ""
        if not build_url and build.queue_url and self.is_ours(build.queue_url):
            item = self._read_json(build.queue_url.rstrip("/") + "/api/json")
            if item is None:
                return None
            if item.get("cancelled") is True:
                return BuildRecord(outcome="error", reason="cancelled in Jenkins' queue")
            started = item.get("executable")
            executable = started if isinstance(started, dict) else {}
            build_url = str(executable.get("url") or "")
            if build_url and not self.is_ours(build_url) and isinstance(executable.get("number"), int):
                build_url = f"{self.job_url}/{executable['number']}/"
            if not build_url:
                return BuildRecord(waiting=True)
        if not build_url or not self.is_ours(build_url):
            return None
        facts = self._read_json(
            build_url.rstrip("/") + "/api/json", params={"tree": "building,result,timestamp,duration,url,number"}
        )
        if facts is None:
            return None
        result = facts.get("result")
        if facts.get("building") is True or not isinstance(result, str):
            return BuildRecord(build_url=build_url, building=True)
        return BuildRecord(
            build_url=build_url,
            outcome=OUTCOMES.get(result, "error"),
            finished_at=_end_of(facts),
            reason=result[:64],
        )

    def results(self, build_url: str) -> Results | None:
        if not self.is_ours(build_url):
            return None
        status, _, body = self._ask("GET", build_url.rstrip("/") + "/artifact/results.json", limit=LARGEST_RESULTS)
        if status >= 500 or status == 429:
            raise TemporaryError(f"Jenkins answered {status} when asked for the results.")
        return parse_results(body) if status == 200 else None

    def is_ours(self, url: str) -> bool:
        """Whether the URL lies below our Jenkins however it is read; in doubt it does not."""
        if not self.root or not url.isascii() or any(char <= " " or char in "\\?#\x7f" for char in url):
            return False
        try:
            ours, theirs = urlsplit(self.root), urlsplit(url)
            same_place = _place(ours) == _place(theirs)
        except ValueError:
            return False
        # Decoded twice, as a careless proxy would, and without path parameters (`..;x`), as Java servers read it.
        path = unquote(unquote(theirs.path))
        steps = [step.split(";")[0] for step in path.split("/")]
        odd = "@" in theirs.netloc or "\\" in path or any(step in (".", "..") for step in steps)
        odd = odd or any(char < " " or char in "?#" for char in path)
        return same_place and not odd and theirs.path.startswith(ours.path)

    def diagnose(self) -> list[str]:
        """What is wrong with the configuration and the job, in words; empty when nothing is. One request."""
        if reason := self.unconfigured():
            return [reason]
        tree = "buildable,property[parameterDefinitions[name]]"
        try:
            status, _, body = self._ask("GET", self.job_url + "/api/json", params={"tree": tree})
        except TemporaryError as error:
            return [f"{error} Check JENKINS_JOB_URL, the network and that Jenkins runs; runs wait until it is back."]
        if status != 200:
            return [
                REFUSALS.get(
                    status,
                    f"Jenkins answered {status} when asked about the job. Check JENKINS_JOB_URL and Jenkins' own log.",
                )
            ]
        job = _json_object(body)
        if job is None:
            return ["Jenkins answered something that is not JSON when asked about the job: is JENKINS_JOB_URL right?"]
        problems = [] if job.get("buildable", True) else ["The job can't be built in Jenkins: enable it."]
        properties = job.get("property")
        declared = {
            definition.get("name")
            for entry in (properties if isinstance(properties, list) else [])
            if isinstance(entry, dict)
            for definition in entry.get("parameterDefinitions") or []
            if isinstance(definition, dict)
        }
        missing = [name for name in ("url", "callback_url", "job_id", "envs", "revision") if name not in declared]
        if missing:
            problems.append(
                f"The job does not declare the parameters {', '.join(missing)}; Jenkins drops them silently. "
                "Declare them as text parameters (docs/jenkins.md)."
            )
        return problems

    def _read_json(
        self, url: str, params: dict[str, str] | None = None, limit: int = LARGEST_ANSWER
    ) -> dict[str, Any] | None:
        """The JSON object at a URL below our Jenkins; None when it is gone or no JSON. Raises TemporaryError."""
        status, _, body = self._ask("GET", url, params=params, limit=limit)
        if status >= 500 or status in (401, 403, 429):
            raise TemporaryError(f"Jenkins answered {status} when asked about the build.")
        return _json_object(body) if status == 200 else None

    def _ask(
        self, method: str, url: str, *, limit: int = LARGEST_ANSWER, **arguments: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """One bounded request. Returns status, headers and at most ``limit`` bytes (empty when there are more).

        Raises TemporaryError, whose text never holds the URL: it may hold tokens.
        """
        deadline = time.monotonic() + settings.JENKINS_TIMEOUT
        late = f"Jenkins did not answer within {settings.JENKINS_TIMEOUT:g} seconds."
        try:
            with (
                session_of(settings.JENKINS_TIMEOUT) as session,
                session.request(
                    method,
                    url,
                    auth=self.auth,
                    timeout=settings.JENKINS_TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                    **arguments,
                ) as answer,
            ):
                body = b""
                while len(body) <= limit:
                    piece = answer.raw.read1(65536, decode_content=True)
                    if not piece:
                        break
                    body += piece
        except Exception as error:  # urllib3's own come out of reading the body
            if isinstance(error, requests.Timeout) or time.monotonic() >= deadline:
                raise TemporaryError(late) from None
            if isinstance(error, requests.ConnectionError):
                raise TemporaryError("Jenkins can't be reached: the connection failed.") from None
            raise TemporaryError(f"The request to Jenkins failed ({type(error).__name__}).") from None
        if time.monotonic() >= deadline:  # what was cut off can look whole
            raise TemporaryError(late)
        return answer.status_code, dict(answer.headers), body if len(body) <= limit else b""


def parse_results(body: bytes) -> Results:
    """A results.json as the test runner writes it; anything that is not of that form has a ``problem``."""
    document = _json_object(body)
    entries = document.get("tests") if document else None
    if not isinstance(entries, list) or len(entries) > MOST_TESTS:
        return UNUSABLE
    tests = [_single_test(entry) for entry in entries]
    if any(test is None for test in tests):
        return UNUSABLE
    finished = document.get("finished") if document else None
    return Results(tests=tuple(test for test in tests if test), finished_at=_parse_time(finished))


def _single_test(entry: object) -> SingleTest | None:
    if not isinstance(entry, dict):
        return None
    code = entry.get("returncode")
    code = 0 if code is None else code
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    duration = entry.get("duration")
    seconds = duration if isinstance(duration, int | float) and not isinstance(duration, bool) else None
    if seconds is not None and not 0 <= seconds < 1e9:
        seconds = None
    return SingleTest(
        suite=_text(entry.get("suite"), 255),
        test=_text(entry.get("test"), 255) or "(no name)",
        returncode=max(-(2**31), min(code, 2**31 - 1)),
        duration=seconds,
        output=_text(entry.get("output"), None)[-LARGEST_OUTPUT:],
    )


def _text(value: object, length: int | None) -> str:
    """The value as text without NUL, which PostgreSQL can't store, and without halves of surrogate pairs."""
    text = "" if value is None else str(value) if isinstance(value, str | int | float) else ""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:length]


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body.decode("utf-8"))
    except (JSONDecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _objects(document: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    value = document.get(name) if document else None
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _callback_of(item: dict[str, Any]) -> str:
    """The ``callback_url`` that a queue item or build was given; empty when it has none."""
    for action in _objects(item, "actions"):
        for parameter in _objects(action, "parameters"):
            if parameter.get("name") == "callback_url":
                return str(parameter.get("value"))
    return ""


def _parse_time(value: object) -> datetime | None:
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _end_of(facts: dict[str, Any]) -> datetime | None:
    """When a build ended: Jenkins gives its start and duration in milliseconds."""
    try:
        return datetime.fromtimestamp((int(facts["timestamp"]) + int(facts.get("duration") or 0)) / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _root_of(job_url: str) -> str:
    """Where Jenkins itself is: above the first ``/job/``, or the view that the job's URL was copied from."""
    found = re.match(r"([^:/]+://[^/]*)(/.*)?$", job_url)
    if not found:
        return ""
    above = re.split(r"/(?:job|view)/", found.group(2) or "", maxsplit=1)
    return found.group(1) + (above[0].rstrip("/") if len(above) > 1 else "") + "/"


def _place(parts: SplitResult) -> tuple[str, str | None, int]:
    port = parts.port
    return parts.scheme, parts.hostname, (443 if parts.scheme == "https" else 80) if port is None else port
