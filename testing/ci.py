"""What the testing layer needs from a CI engine. ``settings.TESTING_CI_BACKEND`` names the implementation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string


class CIError(Exception):
    """The engine did not do it. ``str()`` is the reason in words for staff; never holds a secret."""

    retry = True
    unsure = False  # whether what was asked for may have been done all the same


class TryLater(CIError):
    """Down, busy or unreachable: trying again helps. ``unsure`` when the answer to a request that was heard is lost."""

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


class TellStaff(CIError):
    """Refused for a reason that only a person can mend (wrong token, no such job). Tried again, but rarely."""

    retry = False


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Everything an engine needs to start a build."""

    run_id: int
    url: str
    substrate: str
    callback_url: str = field(repr=False)  # holds the callback token
    revision: str = ""
    branch: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class BuildRef:
    """Where a build is, as far as it is known: its place in the queue, its own URL, or both."""

    queue_url: str = ""
    build_url: str = ""


@dataclass(frozen=True, slots=True)
class SingleTest:
    """One test out of a results file."""

    suite: str
    test: str
    returncode: int
    duration: float | None  # seconds
    output: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """A results file. An empty list of tests proves nothing. ``problem`` says why a file is not usable."""

    tests: tuple[SingleTest, ...]
    finished_at: datetime | None
    problem: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.tests) and all(test.returncode == 0 for test in self.tests)


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What the engine itself knows of a build. ``outcome`` is pass, fail, error, or empty while it goes on."""

    build_url: str = ""
    waiting: bool = False  # still in the engine's queue
    building: bool = False
    outcome: str = ""
    finished_at: datetime | None = None
    reason: str = ""


class CIBackend(ABC):
    """A CI engine. Every call is bounded in time and memory and raises nothing but ``CIError``."""

    @abstractmethod
    def unconfigured(self) -> str:
        """Why nothing can be sent at all, in words; empty when something can."""

    @abstractmethod
    def start(self, request: BuildRequest) -> BuildRef:
        """Ask for a build. Returns where it queues; raises TryLater or TellStaff when it was not accepted."""

    def lately_started(self) -> dict[str, BuildRef]:
        """Builds that queue or ran lately, by the callback URL that they were given; what an engine can't tell is left
        out. An acceptance that nobody wrote down is found again by it."""
        return {}

    @abstractmethod
    def cancel(self, build: BuildRef) -> None:
        """Take it out of the queue or stop it, where possible."""

    @abstractmethod
    def record(self, build: BuildRef) -> BuildRecord | None:
        """The engine's own record; None when it has none (deleted, never known)."""

    @abstractmethod
    def results(self, build_url: str) -> Results | None:
        """The results file of a build; None when there is none (yet)."""

    @abstractmethod
    def is_ours(self, url: str) -> bool:
        """Whether a URL that came from outside lies below the configured engine, so that it may be fetched."""


@cache
def _load(path: str) -> type[CIBackend]:
    backend: type[CIBackend] = import_string(path)
    return backend


def get_ci() -> CIBackend:
    """The configured engine."""
    return _load(settings.TESTING_CI_BACKEND)()
