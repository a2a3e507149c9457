"""Jenkins as a CI engine: what is asked of it over HTTP, and what its answers mean. Knows no model.

Three rules keep this safe: redirects are never followed (one that is ends in a 200 and looks like success), nothing is
asked but below the configured Jenkins, and every answer is bounded in bytes and seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import TypeVar

from django.conf import settings

from core.http import BodyTooLarge, HttpError, Response, Timeout, Values, send
from integrations.jenkins.addresses import BUILD_WITH_PARAMETERS, JobAddress
from integrations.jenkins.answers import Answer, Build, Executable, Job, Queue, QueueItem, read_answer
from integrations.jenkins.reports import LARGEST_REPORT, REPORT_TREE, SHORT_REPORT_TREE, parse_report
from integrations.jenkins.results import LARGEST_RESULTS, UNUSABLE, parse_results
from testing.ci import (
    BuildRecord,
    BuildRef,
    BuildRequest,
    Change,
    CIBackend,
    ConfigurationError,
    Diagnosis,
    JobAccess,
    Results,
    TemporaryError,
)

AnswerType = TypeVar("AnswerType", bound=Answer)

LARGEST_LIST = 2 * 1024 * 1024  # bytes of a list of builds
LARGEST_ANSWER = 256 * 1024  # bytes of any other answer
MAX_BUILDS = 300  # looked through for one that was lost; some versions of Jenkins list the newest 100 only
MAX_REASON = 64  # characters kept of Jenkins' word for a result
CANCELLED = "cancelled in Jenkins"
ENVIRONMENT_ACCOUNT = "JENKINS_USER with JENKINS_API_TOKEN"
PARAMETERS_TREE = "actions[parameters[name,value]]"
PARAMETERS = ("url", "callback_url", "job_id", "envs")  # what the job has to declare
CHANGE_PARAMETERS = tuple(field.name for field in fields(Change))  # what it declares if it needs them

# Jenkins' words for the result of a build, and the outcome they mean for us.
OUTCOMES = {"SUCCESS": "pass", "UNSTABLE": "fail", "FAILURE": "fail", "ABORTED": "error", "NOT_BUILT": "error"}

REFUSALS: dict[int, str] = {
    400: "Jenkins says that the job takes no parameters (400). Declare its parameters as docs/jenkins.md shows.",
    401: "Jenkins does not know {account} (401). Check both.",
    403: (
        "Jenkins refused (403): wrong {token}, a missing permission, or an API token that is no longer valid. "
        "Check them as docs/jenkins.md says."
    ),
    404: "Jenkins knows no such job, or hides it (404). Check {address} and the user's permissions.",
    405: "Jenkins wants a POST (405): {token} is not the job's token. Set it as the job has it.",
    409: "The job is disabled in Jenkins (409). Enable it.",
}


class Jenkins(CIBackend):
    """A job that staff entered, or the one at ``JENKINS_JOB_URL``."""

    def __init__(self, access: JobAccess | None = None) -> None:
        super().__init__(access)
        self.name = f"Jenkins {access.server}" if access else "Jenkins"
        self.job = JobAddress(access.url if access else settings.JENKINS_JOB_URL)
        self.token: str
        user, api_token, self.token = (
            (access.user, access.api_token, access.token)
            if access
            else (settings.JENKINS_USER, settings.JENKINS_API_TOKEN, settings.JENKINS_TOKEN)
        )
        self.auth = (user, api_token) if user and api_token else None
        # What a person has to look at, in words.
        self.account = f"the user and API token of the server {access.server}" if access else ENVIRONMENT_ACCOUNT
        self.token_words = f"token of the job {access.job}" if access else "JENKINS_TOKEN"
        self.address = f"the path of the job {access.job}" if access else "JENKINS_JOB_URL"
        self.server_address = f"the address of the server {access.server}" if access else "JENKINS_JOB_URL"

    def __repr__(self) -> str:
        return f"<Jenkins {'(a setting that is not valid)' if self.job.problem else self.job.url}>"

    def job_url(self) -> str:
        return self.job.url

    def at(self, job_url: str) -> Jenkins:
        there = self.job.sibling(job_url)
        return Jenkins(replace(self.access, url=there)) if self.access and there else self

    def unconfigured(self) -> str:
        if self.access and self.access.problem:
            return self.access.problem
        if not self.job.setting:
            return (
                "No Jenkins is configured: set JENKINS_JOB_URL, and JENKINS_TOKEN or JENKINS_USER with its API token."
            )
        if self.job.problem:
            return self.job.problem
        if self.auth or self.token:
            return ""
        if self.access:
            return (
                f"Jenkins lets nobody in without a token: enter a token for the job {self.access.job}, or a user and "
                f"an API token for the server {self.access.server}."
            )
        return "Jenkins lets nobody in without a token: set JENKINS_TOKEN, or JENKINS_USER and JENKINS_API_TOKEN."

    def refusal(self, status: int) -> str:
        """What a status means that refuses a request, in words; empty when it is no such status."""
        words = REFUSALS.get(status, "")
        return words.format(account=self.account, token=self.token_words, address=self.address)

    def start(self, request: BuildRequest) -> BuildRef:
        parameters = {
            **request.extra,
            "url": request.url,
            "cause": request.cause,
            "callback_url": request.callback_url,
            "job_id": str(request.run_id),
            "envs": request.substrate,
        }
        parameters |= asdict(request.change)  # empty ones too: else a default that the job declares takes their place
        optional = {"token": self.token, "revision": request.revision, "branch": request.branch}
        parameters |= {name: value for name, value in optional.items() if value}
        target = f"{self.job.url}/{BUILD_WITH_PARAMETERS}"
        if self.auth:
            answer = self._send("POST", target, data=parameters)
        else:  # Jenkins' CSRF filter refuses a POST that has no API token
            answer = self._send("GET", target, params=parameters)
        queue_url = self.job.queue_item(answer.headers.get("location", ""))
        if answer.status in (200, 201) or (answer.status == 303 and queue_url):
            return BuildRef(queue_url=queue_url)
        if 300 <= answer.status < 400:
            if moved := self.job.moved_to(answer.headers.get("location", "")):
                raise ConfigurationError(
                    f"Jenkins redirected ({answer.status}) and queued nothing. Set {self.address} to {moved}."
                )
            raise ConfigurationError(
                f"Jenkins redirected ({answer.status}) and queued nothing: nobody is logged in, or the queue refused."
            )
        if words := self.refusal(answer.status):
            raise ConfigurationError(words)
        raise TemporaryError(
            f"{self.name} answered {answer.status} and did not queue the build.",
            # What a proxy answers when Jenkins was too slow says nothing of what Jenkins did.
            may_have_happened=answer.status in (502, 504),
        )

    def lately_started(self) -> dict[str, BuildRef]:
        found: dict[str, BuildRef] = {}
        # The queue first: what leaves it in the meantime is among the builds then.
        tree = f"items[id,task[url],{PARAMETERS_TREE}]"
        queue = self._read(Queue, self.job.root + "queue/api/json", tree, LARGEST_LIST)
        for item in queue.items if queue else []:
            if item.id is not None and self._is_for_job(item):
                found[item.parameter("callback_url")] = BuildRef(queue_url=self.job.queue_item_url(item.id))
        job = self._read(
            Job, self.job.url + "/api/json", f"builds[number,{PARAMETERS_TREE}]{{0,{MAX_BUILDS}}}", LARGEST_LIST
        )
        for build in job.builds if job else []:
            if build.number is not None:
                found.setdefault(build.parameter("callback_url"), BuildRef(build_url=self.job.build_url(build.number)))
        found.pop("", None)
        return found

    def cancel(self, build: BuildRef) -> None:
        record = self.record(build)
        build_url = record.build_url if record else self.job.build(build.build_url)
        if record and record.waiting:
            self._stop(self.job.root + "queue/cancelItem", {"id": self.job.queue_item_number(build.queue_url)})
        elif build_url and not (record and record.outcome):
            self._stop(build_url + "stop")

    def _stop(self, url: str, params: dict[str, str] | None = None) -> None:
        answer = self._send("POST", url, params=params)
        if answer.status >= 500:
            raise TemporaryError(f"{self.name} answered {answer.status} when asked to stop the build.")

    def record(self, build: BuildRef) -> BuildRecord | None:
        build_url = self.job.build(build.build_url)
        if not build_url:
            queue_url = self.job.queue_item(build.queue_url)
            item = self._read(QueueItem, queue_url + "api/json") if queue_url else None
            if item is None or not self._is_for_job(item):
                return None
            if item.cancelled:
                return BuildRecord(outcome="error", reason=CANCELLED, canceled=True)
            if item.executable is None:
                return BuildRecord(waiting=True)
            build_url = self._build_of(item.executable)
        if not build_url:
            return None
        facts = self._read(Build, build_url + "api/json", "building,result,timestamp,duration,url,number")
        if facts is None:
            return None
        if facts.building or facts.result is None:
            return BuildRecord(build_url=build_url, building=True)
        return BuildRecord(
            build_url=build_url,
            outcome=OUTCOMES.get(facts.result, "error"),
            finished_at=facts.finished_at,
            reason=facts.result[:MAX_REASON],
        )

    def _is_for_job(self, item: QueueItem) -> bool:
        """Whether a queue item is for our job: a Jenkins that was set up anew gives its numbers a second time."""
        return item.task is None or item.task.url is None or self.job.is_job(item.task.url)

    def _build_of(self, executable: Executable) -> str:
        """Our address of the build that a queue item became; empty when it is none of our job's."""
        if executable.url:
            return self.job.build(executable.url)
        return "" if executable.number is None else self.job.build_url(executable.number)

    def results(self, build_url: str) -> Results | None:
        build_url = self.job.build(build_url)
        if not build_url:
            return None
        try:
            answer = self._send("GET", build_url + "artifact/results.json", limit=LARGEST_RESULTS)
        except AnswerTooLarge:
            return UNUSABLE
        if answer.status >= 500 or answer.status == 429:
            raise TemporaryError(f"{self.name} answered {answer.status} when asked for the results.")
        return parse_results(answer.body) if answer.status == 200 else self._test_report(build_url)

    def _test_report(self, build_url: str) -> Results | None:
        """The single tests of a build's test report; one that is too large is read without outputs.

        Raises TemporaryError when Jenkins can't be asked now.
        """
        for tree in (REPORT_TREE, SHORT_REPORT_TREE):
            try:
                answer = self._send(
                    "GET", build_url + "testReport/api/json", params={"tree": tree}, limit=LARGEST_REPORT
                )
            except AnswerTooLarge:
                continue
            if answer.status >= 500 or answer.status == 429:
                raise TemporaryError(f"{self.name} answered {answer.status} when asked for the test report.")
            return parse_report(answer.body) if answer.status == 200 else None
        return None

    def build_of_job(self, url: str) -> str:
        return self.job.build(url)

    def is_part_of_build(self, url: str) -> bool:
        return self.job.is_part_of_build(url)

    def diagnose(self, extra: Iterable[str] = ()) -> Diagnosis:
        """What is wrong with the configuration and the job, in words. One request.

        ``extra``: names of parameters of the job's own, that it has to declare as well.
        """
        if reason := self.unconfigured():
            return Diagnosis([reason])
        tree = "url,buildable,property[parameterDefinitions[name]]"
        try:
            answer = self._send("GET", self.job.url + "/api/json", params={"tree": tree})
        except TemporaryError as error:
            mend = f"Check {self.server_address}, the network and that Jenkins runs; runs wait until it is back."
            return Diagnosis([f"{error} {mend}"], reachable=False)
        if answer.status != 200:
            words = (
                f"{self.name} answered {answer.status} when asked about the job. Check {self.address} and its own log."
            )
            return Diagnosis([self.refusal(answer.status) or words], reachable=answer.status < 500)
        job = read_answer(Job, answer.body)
        if job is None:
            words = (
                f"{self.name} answered something that is not JSON when asked about the job: is {self.address} right?"
            )
            return Diagnosis([words])
        problems = ["The job can't be built in Jenkins: enable it."] if job.buildable is False else []
        missing = [name for name in (*PARAMETERS, *extra) if name not in job.declared()]
        if missing:
            problems.append(
                f"The job does not declare the parameters {', '.join(missing)}; Jenkins drops them silently. "
                "Declare them as text parameters (docs/jenkins.md)."
            )
        notes = []
        declares_merge = "merge_proposal" in job.declared() or {"source_url", "target_url"} <= job.declared()
        if not declares_merge:
            notes.append(
                "The job declares none of the parameters that name the target, so it tests what is proposed and not "
                f"the merge. docs/jenkins.md shows how; these can be declared: {', '.join(CHANGE_PARAMETERS)}"
            )
        if job.url and not self.job.is_job(job.url):
            problems.append(
                f"Jenkins says that the job's address is {job.url}: builds that report it are not recognised. "
                f"Set {self.address} to the job's own address."
            )
        elif job.url and job.url.rstrip("/") != self.job.url:
            notes.append(f"Jenkins calls the job {job.url}: its builds report that address, and are read at ours")
        return Diagnosis(problems, notes, declaration(missing))

    def diagnose_server(self) -> Diagnosis:
        try:
            answer = self._send("GET", self.job.root + "api/json", params={"tree": "mode"})
        except TemporaryError as error:
            return Diagnosis(
                [f"{error} Check {self.server_address}, the network and that Jenkins runs."], reachable=False
            )
        if answer.status in (401, 403):
            return Diagnosis([f"{self.name} does not let us in ({answer.status}). Check the user and the API token."])
        if answer.status != 200:
            words = f"{self.name} answered {answer.status}. Check {self.server_address} and its own log."
            return Diagnosis([words], reachable=answer.status < 500)
        if read_answer(Answer, answer.body) is None:
            return Diagnosis([f"What answers at {self.server_address} is not a Jenkins: it does not answer with JSON."])
        return Diagnosis([])

    def _read(
        self, model: type[AnswerType], url: str, tree: str = "", limit: int = LARGEST_ANSWER
    ) -> AnswerType | None:
        """A typed answer; None when it is gone or is something else. Raises TemporaryError."""
        try:
            answer = self._send("GET", url, params={"tree": tree} if tree else None, limit=limit)
        except AnswerTooLarge:
            return None
        if answer.status >= 500 or answer.status in (401, 403, 429):
            raise TemporaryError(f"{self.name} answered {answer.status} when asked about the build.")
        return read_answer(model, answer.body) if answer.status == 200 else None

    def _send(
        self, method: str, url: str, *, params: Values | None = None, data: Values | None = None,
        limit: int = LARGEST_ANSWER,
    ) -> Response:  # fmt: skip
        """One request, of at most ``JENKINS_TIMEOUT`` seconds and ``limit`` bytes.

        Raises TemporaryError, whose text never holds the URL: it may hold tokens.
        """
        try:
            return send(
                method, url, params=params, data=data, auth=self.auth, timeout=settings.JENKINS_TIMEOUT, limit=limit
            )
        except BodyTooLarge as error:
            raise AnswerTooLarge(f"Jenkins' answer can't be used: {error}", may_have_happened=True) from None
        except Timeout as error:
            words = f"{self.name} did not answer within {settings.JENKINS_TIMEOUT:g} seconds."
            raise TemporaryError(words, may_have_happened=error.sent) from None
        except HttpError as error:
            raise TemporaryError(f"{self.name} can't be reached: {error}", may_have_happened=error.sent) from None


def declaration(names: list[str]) -> str:
    """What to paste into a job that does not declare these parameters; empty when it declares all."""
    if not names:
        return ""
    lines = "".join(f"\n    string(name: '{name}', defaultValue: '', trim: true)" for name in names)
    return (
        f"In a Jenkinsfile:\nparameters {{{lines}\n}}\n\n"
        "In a freestyle job: tick “This project is parameterized”, and add a “String Parameter” with an empty default "
        f"for each of {', '.join(names)}."
    )


class AnswerTooLarge(TemporaryError):
    """Jenkins answered with more than we read."""
