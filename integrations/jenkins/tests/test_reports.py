"""A test report is read as Jenkins makes it of JUnit files, plain or of the parts of a build."""

import json
from pathlib import Path

import pytest

from integrations.jenkins.backend import Jenkins
from integrations.jenkins.reports import LARGEST_REPORT, parse_report
from integrations.jenkins.results import MAX_OUTPUT, MAX_TESTS

HERE = Path(__file__).parent


def read(name):
    return parse_report((HERE / name).read_bytes()).tests


def only(**fields):
    case = {"className": "install.Test", "name": "fresh", "status": "PASSED", **fields}
    [test] = parse_report(json.dumps({"suites": [{"name": "install", "cases": [case]}]}).encode()).tests
    return test


def test_each_test_has_its_outcome():
    assert [(test.test, test.outcome) for test in read("testreport-plain.json")] == [
        ("test_fresh", "pass"), ("test_upgrade[xenial-1.0]", "fail"), ("test_ünïcode", "pass"),
        ("tests.test_broken", "fail"), ("test_power8", "skip"),
    ]  # fmt: skip


def test_a_failure_is_read_whole():
    test = read("testreport-plain.json")[1]
    assert (test.suite, test.duration, test.error) == ("tests.test_install.InstallTest", 1.2, "AssertionError: 1 != 2")
    assert "--- Standard output ---\nsetting up" in test.output
    assert test.output.endswith("AssertionError: 1 != 2")


def test_why_a_test_was_skipped_is_kept():
    assert read("testreport-plain.json")[4].error == "needs power8"


def test_without_a_class_the_file_is_the_suite():
    assert read("testreport-plain.json")[3].suite == "tests.test_install"


def test_a_test_of_a_matrix_job_says_which_cell_ran_it():
    assert [(test.suite, test.outcome) for test in read("testreport-matrix.json")] == [
        ("label=a: s.T", "pass"),
        ("label=b: s.T", "fail"),
    ]


def test_a_failure_without_details_says_the_last_line_of_its_trace():
    assert only(status="FAILED", errorStackTrace="Traceback\n  x\nKeyError: 'a'\n").error == "KeyError: 'a'"


def test_a_status_that_jenkins_adds_is_neither_a_pass_nor_a_failure():
    test = only(status="QUARANTINED")
    assert (test.outcome, test.error) == ("skip", "Jenkins says: QUARANTINED")


def test_of_long_outputs_the_end_is_kept():
    output = only(status="FAILED", stdout="a" * 50_000, stderr="b" * 50_000, errorStackTrace="c" * 50_000 + "!").output
    assert output.endswith("c!")
    assert {letter for letter in "abc" if letter * 1000 in output} == {"a", "b", "c"}
    assert len(output) <= MAX_OUTPUT


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"<html>log in</html>", b"{}", b'{"suites": 1}', b'{"suites": [1, {"cases": [2]}]}',
        b'{"childReports": [{"child": 1, "result": []}]}', b'{"suites": [{"name": "x", "cases": [',
    ],
)  # fmt: skip
def test_what_holds_no_test_is_no_report(body):
    assert parse_report(body) is None


@pytest.mark.parametrize("value", [None, 5, [], {}, "\0\ud800", "x" * 5000, float("nan"), -1])
def test_fields_of_another_type_do_no_harm(value):
    names = ("className", "name", "duration", "errorDetails", "errorStackTrace", "skippedMessage", "stdout", "stderr")
    test = only(status="FAILED", **dict.fromkeys(names, value))
    assert (test.outcome, len(test.test) <= 255, len(test.suite) <= 255, "\0" in test.output) == (
        "fail", True, True, False,
    )  # fmt: skip


def test_of_more_tests_than_anybody_reads_the_failed_ones_are_kept():
    cases = [{"name": f"t{n}", "status": "PASSED"} for n in range(MAX_TESTS)] + [{"name": "bad", "status": "FAILED"}]
    results = parse_report(json.dumps({"suites": [{"cases": cases}]}).encode())
    assert (len(results.tests), results.failed, results.tests[0].test) == (MAX_TESTS, True, "bad")


def answer_by_tree(whole, short):
    return lambda request: (200, {}, whole if "stdout" in request["parameters"]["tree"] else short)


@pytest.fixture
def build(jenkins):
    jenkins.report = "/job/charm-test/7/testReport/api/json"
    return f"{jenkins.job_url}/7/"


def test_a_report_that_is_too_large_is_read_without_outputs(jenkins, build):
    short = json.dumps({"suites": [{"name": "s", "cases": [{"name": "t", "status": "FAILED"}]}]}).encode()
    jenkins.answers[jenkins.report] = answer_by_tree(b" " * (LARGEST_REPORT + 1), short)
    assert [test.test for test in Jenkins().results(build).tests] == ["t"]


def test_a_report_that_is_too_large_even_so_is_none(jenkins, build):
    jenkins.answers[jenkins.report] = (200, {}, b" " * (LARGEST_REPORT + 1))
    assert Jenkins().results(build) is None
