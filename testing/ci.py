"""What the testing room needs from a CI engine. ``settings.TESTING_CI_BACKEND`` names the implementation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from testing.choices import TestOutcome

MAX_URL = 1000  # characters
MAX_NAME = 255
MAX_REASON = 500
MAX_ERROR = 1000
LARGEST_INTEGER = 2**31 - 1


class CIError(Exception):
    """The engine did not do what it was asked. ``str()`` is the reason in words for staff and never holds a secret."""


class TemporaryError(CIError):
    """The engine is down, busy or out of reach: trying again helps.

    ``may_have_happened`` is True when the request was heard and only its answer was lost.
    """

    def __init__(self, message: str, *, may_have_happened: bool = False) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened


class ConfigurationError(CIError):
    """The engine refused for a reason that only a person can mend, as a wrong token or a job that does not exist.

    It is tried again all the same, but rarely.
    """


@dataclass(frozen=True, slots=True)
class Change:
    """What is merged into what; a text is empty where there is none. Each is a parameter of that name of a build.

    Of Bazaar a URL is all; of Git it is the repository's, and the branch its own. ``merge_proposal`` is the
    proposal's page, ``bug`` a bug's number.
    """

    merge_proposal: str = ""
    source_url: str = ""
    source_branch: str = ""
    target_url: str = ""
    target_branch: str = ""
    prerequisite_url: str = ""
    prerequisite_branch: str = ""
    bug: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class JobAccess:
    """Where a job that staff entered is, and how it lets us in. ``server`` and ``job`` are what people call them."""

    server: str
    job: str
    url: str
    user: str = ""
    api_token: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    problem: str = ""  # why it can't be used at all, in words


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a job or server and what to do, and what is only worth knowing."""

    problems: list[str]
    notes: list[str] = field(default_factory=list)
    paste: str = ""  # lines to paste into the job, so that it declares what it has to
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Everything an engine needs to start a build. ``extra``: parameters of the job's own, besides ours."""

    run_id: int
    url: str
    substrate: str
    callback_url: str = field(repr=False)  # holds the callback token
    revision: str = ""
    branch: str = ""
    cause: str = ""
    change: Change = Change()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildRef:
    """Where a build is, as far as it is known: its place in the engine's queue, its own URL, both, or neither."""

    queue_url: str = ""
    build_url: str = ""

    def __post_init__(self) -> None:
        _bound(self, queue_url=usable_url(self.queue_url), build_url=usable_url(self.build_url))


@dataclass(frozen=True, slots=True)
class SingleTest:
    """One test of a results file or a test report. Without an ``outcome`` its return code says it."""

    suite: str
    test: str
    returncode: int
    duration: float | None  # seconds
    output: str = ""
    outcome: str = ""
    error: str = ""  # what was wrong, or why it was skipped, in short

    def __post_init__(self) -> None:
        outcome = self.outcome or (TestOutcome.PASS if self.returncode == 0 else TestOutcome.FAIL)
        _bound(
            self, suite=storable(self.suite, MAX_NAME), test=storable(self.test, MAX_NAME),
            returncode=max(-LARGEST_INTEGER, min(self.returncode, LARGEST_INTEGER)), output=storable(self.output),
            outcome=outcome, error=storable(self.error, MAX_ERROR),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Results:
    """The single tests of a build. An empty list proves nothing. ``problem`` says why a file is not usable.

    With ``record_decides`` no failure among them is no pass yet: the engine's own record of the build decides.
    """

    tests: tuple[SingleTest, ...]
    finished_at: datetime | None
    problem: str = ""
    record_decides: bool = False

    @property
    def failed(self) -> bool:
        """Whether one of the tests failed."""
        return any(test.outcome == TestOutcome.FAIL for test in self.tests)

    @property
    def passed(self) -> bool:
        """Whether there are tests, and none of them failed."""
        return bool(self.tests) and not self.failed


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What the engine itself knows of a build.

    ``outcome`` is ``pass``, ``fail`` or ``error``, or empty while the build waits or goes on; ``reason`` is the
    engine's own word for it.
    """

    build_url: str = ""
    waiting: bool = False  # still in the engine's queue
    building: bool = False
    outcome: str = ""
    finished_at: datetime | None = None
    reason: str = ""
    canceled: bool = False  # a person took it out of the engine's queue: it never became a build

    def __post_init__(self) -> None:
        _bound(self, build_url=usable_url(self.build_url), reason=storable(self.reason, MAX_REASON))


def usable_url(url: str) -> str:
    """The URL, or nothing when it is too long to be kept: half of a URL is another one."""
    return url if len(url) <= MAX_URL and url.isprintable() else ""


def storable(text: str, length: int | None = None) -> str:
    """The text as every database can keep it: without NUL and halves of surrogate pairs, and not longer than that."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:length]


def _bound(answer: BuildRef | SingleTest | BuildRecord, **values: str | int) -> None:
    """What an engine says becomes rows: here, and nowhere else, it is made to fit into their columns."""
    for name, value in values.items():
        object.__setattr__(answer, name, value)


class CIBackend(ABC):
    """A CI engine.

    Every call is bounded in time and memory. What a method raises is a ``TemporaryError`` (the engine can't be asked
    now: ask again) or a ``ConfigurationError`` (a person has to mend something first), nothing else.
    """

    name: str  # what people call the engine

    def __init__(self, access: JobAccess | None = None) -> None:
        """For a job that staff entered; without one for the job that the environment names."""
        self.access = access

    @abstractmethod
    def unconfigured(self) -> str:
        """Why nothing can be sent at all, in words; empty when something can. Asks nobody and raises nothing."""

    @abstractmethod
    def start(self, request: BuildRequest) -> BuildRef:
        """Ask for a build. Returns where it is in the queue, as far as the engine says.

        Raises TemporaryError when it was not accepted and may be later, ConfigurationError when the engine refused.
        """

    def lately_started(self) -> dict[str, BuildRef]:
        """Builds that were queued or started lately, by the callback URL that they were given.

        An acceptance that nobody wrote down is found again by it, and so is a build that left the queue unseen. What
        the engine does not know is not in it. Raises TemporaryError when the engine can't be asked now.
        """
        return {}

    def job_url(self) -> str:
        """The job's own address, for people and for later; empty when there is none."""
        return ""

    def at(self, job_url: str) -> CIBackend:
        """The engine of what was this job when it had that ``job_url``: it may have moved since."""
        return self

    @abstractmethod
    def cancel(self, build: BuildRef) -> None:
        """Take the build out of the queue or stop it; one that is over or unknown is left alone.

        Raises TemporaryError when the engine can't be asked now.
        """

    @abstractmethod
    def record(self, build: BuildRef) -> BuildRecord | None:
        """The engine's own record of a build; None when it has none (deleted, never known, not of our job).

        Raises TemporaryError when the engine can't be asked now.
        """

    @abstractmethod
    def results(self, build_url: str) -> Results | None:
        """The single tests of a build; None when there are none (yet).

        Raises TemporaryError when the engine can't be asked now.
        """

    @abstractmethod
    def build_of_job(self, url: str) -> str:
        """Our address of the build of the configured job that a URL from outside names; empty when it names none.

        The engine may call itself by another scheme, host, port or prefix than we do: the path below the job counts.
        Only such a build is ever asked about, read or stopped. Asks nobody and raises nothing.
        """

    def diagnose(self, extra: Iterable[str] = ()) -> Diagnosis:
        """What is wrong with the job, in words: one request. ``extra``: its own parameters, to be declared as well."""
        return Diagnosis([])

    def diagnose_server(self) -> Diagnosis:
        """Whether the server can be reached and lets us in, in words: one request."""
        return Diagnosis([])

    def is_part_of_build(self, url: str) -> bool:
        """Whether the URL lies below the configured job but is only a part of a build of it, as a matrix job's cell.

        Asks nobody and raises nothing.
        """
        return False


@cache
def _backend_class(path: str) -> type[CIBackend]:
    backend: type[CIBackend] = import_string(path)
    return backend


def get_ci(access: JobAccess | None = None) -> CIBackend:
    """The engine for a job that staff entered; without one for the job that the environment names."""
    return _backend_class(settings.TESTING_CI_BACKEND)(access)
