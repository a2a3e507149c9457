"""A build's results.json, as the test runner writes it: docs/jenkins.md shows one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.utils.dateparse import parse_datetime
from pydantic import BaseModel, BeforeValidator, Field, StrictInt, ValidationError

from integrations.jenkins.answers import read_object
from testing.ci import Results, SingleTest

LARGEST_RESULTS = 4 * 1024 * 1024  # bytes of a results.json
MAX_TESTS = 20_000
MAX_OUTPUT = 20_000  # characters kept of a single test's output, from its end
MAX_DURATION = 1e9  # seconds

UNUSABLE = Results(
    (), None, "The build's results.json can't be read as one: it is cut off, too large or something else."
)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < MAX_DURATION else None


def _return_code(value: Any) -> Any:
    return 0 if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
Seconds = Annotated[float | None, BeforeValidator(_seconds)]


class ResultsEntry(BaseModel):
    """One test. A missing return code counts as 0; one that is no whole number makes the file unusable."""

    suite: Text = ""
    test: Text = ""
    returncode: Annotated[StrictInt, BeforeValidator(_return_code)] = 0
    duration: Seconds = None
    output: Text = ""

    def single_test(self) -> SingleTest:
        """The test as the testing room knows it, which sees to it that it can be stored."""
        return SingleTest(
            suite=self.suite,
            test=self.test or "(no name)",
            returncode=self.returncode,
            duration=self.duration,
            output=self.output[-MAX_OUTPUT:],
        )


def _time(value: Any) -> datetime | None:
    """A time as the runner writes it, in UTC when it names no zone; None when it is none."""
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class ResultsFile(BaseModel):
    """The whole file."""

    tests: Annotated[list[ResultsEntry], Field(max_length=MAX_TESTS)]
    finished: Annotated[datetime | None, BeforeValidator(_time)] = None


def parse_results(body: bytes) -> Results:
    """A results.json as single tests; anything that is not of that form has a ``problem``."""
    document = read_object(body)
    if document is None:
        return UNUSABLE
    try:
        file = ResultsFile.model_validate(document)
    except ValidationError:
        return UNUSABLE
    return Results(tests=tuple(entry.single_test() for entry in file.tests), finished_at=file.finished)
