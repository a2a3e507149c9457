"""A build's test report, as Jenkins makes it from JUnit files and all that it reads else: docs/jenkins.md shows how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, StrictStr

from integrations.jenkins.answers import Answer, Lenient, Objects, read_answer
from integrations.jenkins.results import MAX_OUTPUT, MAX_TESTS, Seconds
from testing.choices import TestOutcome
from testing.ci import Results, SingleTest

LARGEST_REPORT = 8 * 1024 * 1024  # bytes
# What is asked for, whole and, where that is too large, without outputs. A matrix or Maven job has a report a part.
CASE = "className,name,status,duration,errorDetails,skippedMessage"
SHORT_SUITES = f"suites[name,cases[{CASE}]]"
SUITES = f"suites[name,cases[{CASE},errorStackTrace,stdout,stderr]]"
SHORT_REPORT_TREE = f"{SHORT_SUITES},childReports[child[url],result[{SHORT_SUITES}]]"
REPORT_TREE = f"{SUITES},childReports[child[url],result[{SUITES}]]"

OUTCOMES: dict[str, str] = {
    "PASSED": TestOutcome.PASS, "FIXED": TestOutcome.PASS, "FAILED": TestOutcome.FAIL, "REGRESSION": TestOutcome.FAIL,
    "SKIPPED": TestOutcome.SKIP,
}  # fmt: skip

Text = Lenient[StrictStr]


class Case(Answer):
    """One test."""

    class_name: Annotated[Text, Field(alias="className")] = None
    name: Text = None
    status: Text = None
    duration: Seconds = None
    error_details: Annotated[Text, Field(alias="errorDetails")] = None
    stack_trace: Annotated[Text, Field(alias="errorStackTrace")] = None
    skipped_message: Annotated[Text, Field(alias="skippedMessage")] = None
    stdout: Text = None
    stderr: Text = None

    def single_test(self, suite: str, part: str) -> SingleTest:
        """The test as the testing room knows it. Its class is its suite: a file's own name says less, or nothing."""
        # A status that Jenkins adds tomorrow is neither a pass nor a failure.
        outcome = OUTCOMES.get(self.status or "", TestOutcome.SKIP)
        suite = self.class_name or suite
        return SingleTest(
            suite=f"{part}: {suite}" if part else suite,
            test=self.name or "(no name)",
            returncode=int(outcome == TestOutcome.FAIL),
            duration=self.duration,
            output=self.output,
            outcome=outcome,
            error=self._error(outcome).strip(),
        )

    def _error(self, outcome: str) -> str:
        if outcome == TestOutcome.FAIL:
            return self.error_details or (self.stack_trace or "").strip().rpartition("\n")[2]
        if outcome == TestOutcome.SKIP:
            return self.skipped_message or (
                "" if self.status == "SKIPPED" else f"Jenkins says: {self.status or 'nothing'}"
            )
        return ""

    @property
    def output(self) -> str:
        """What it wrote, and its stack trace at the end; of each the end, where they are long."""
        written = {"Standard output": self.stdout, "Standard error": self.stderr, "Stack trace": self.stack_trace}
        parts = [(title, (text or "").strip("\n")) for title, text in written.items()]
        most = MAX_OUTPUT // len(parts) - 50  # which leaves room for the titles
        return "\n\n".join(f"--- {title} ---\n{text[-most:]}" for title, text in parts if text)


class Suite(Answer):
    """The tests of one file."""

    name: Text = None
    cases: Objects[Case] = []


class Report(Answer):
    """The tests of one build."""

    suites: Objects[Suite] = []

    def single_tests(self, part: str = "") -> Iterator[SingleTest]:
        """All tests in their order; ``part`` is the cell or module that ran them."""
        for suite in self.suites:
            for case in suite.cases:
                yield case.single_test(suite.name or "", part)


class Child(Answer):
    """The build of a cell of a matrix job or of a module of a Maven job."""

    url: Text = None

    @property
    def name(self) -> str:
        """What the cell or module is called: it stands before the number of its build."""
        path = (self.url or "").split("?")[0]
        segments = [segment for segment in path.split("/") if segment]
        return unquote(segments[-2]) if len(segments) > 1 else ""


class ChildReport(Answer):
    """The report of one part of a build."""

    child: Lenient[Child] = None
    result: Lenient[Report] = None


class TestReport(Report):
    """The whole report."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    child_reports: Annotated[Objects[ChildReport], Field(alias="childReports")] = []

    def all_tests(self) -> Iterator[SingleTest]:
        """The build's own tests, and those of its parts."""
        yield from self.single_tests()
        for each in self.child_reports:
            if each.result:
                yield from each.result.single_tests(each.child.name if each.child else "")


def parse_report(body: bytes) -> Results | None:
    """A test report as single tests, at most ``MAX_TESTS``, those that failed before all; None when it holds none."""
    report = read_answer(TestReport, body)
    tests = list(report.all_tests()) if report else []
    if len(tests) > MAX_TESTS:
        tests.sort(key=lambda test: test.outcome != TestOutcome.FAIL)
    return Results(tuple(tests[:MAX_TESTS]), None, record_decides=True) if tests else None
