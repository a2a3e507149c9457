"""A results.json is read as the test runner writes it; anything else has a problem."""

import json
from datetime import UTC, datetime

import pytest

from integrations.jenkins.results import MAX_OUTPUT, MAX_TESTS, UNUSABLE, parse_results

DEPLOY = {"suite": "bundle", "test": "10-deploy", "returncode": 0, "duration": 1.5, "output": "fine"}


def parse(*tests, **more):
    return parse_results(json.dumps({"tests": tests, **more}).encode())


def only(**fields):
    [test] = parse({**DEPLOY, **fields}).tests
    return test


def test_a_test_is_read_whole():
    test = only()
    assert (test.suite, test.test, test.returncode, test.duration, test.output) == (
        "bundle",
        "10-deploy",
        0,
        1.5,
        "fine",
    )


def test_a_file_passes_when_every_test_returned_0():
    assert parse(DEPLOY, DEPLOY).passed
    assert not parse(DEPLOY, {**DEPLOY, "returncode": 1}).passed


def test_without_tests_nothing_is_proved():
    results = parse()
    assert (results.problem, results.passed) == ("", False)


def test_a_missing_return_code_counts_as_0():
    assert only(returncode=None).returncode == 0
    assert parse({"test": "lint"}).passed


def test_a_return_code_is_kept_within_what_the_database_holds():
    assert only(returncode=2**40).returncode == 2**31 - 1
    assert only(returncode=-(2**40)).returncode == -(2**31 - 1)


@pytest.mark.parametrize("duration", [-1, 1e12, "1.5", True, None, float("nan")])
def test_a_duration_that_can_not_be_is_left_out(duration):
    assert only(duration=duration).duration is None


def test_a_suite_can_be_null_and_a_name_can_be_missing():
    test = only(suite=None, test=None)
    assert (test.suite, test.test) == ("", "(no name)")


def test_names_are_kept_without_what_the_database_can_not_hold():
    assert only(test="a\0b" + "c" * 300).test == "ab" + "c" * 253
    assert only(test="half a pair \ud83d").test == "half a pair ?"


def test_of_a_long_output_the_end_is_kept():
    assert only(output="a" * MAX_OUTPUT + "the error").output == "a" * (MAX_OUTPUT - 9) + "the error"


@pytest.mark.parametrize(
    ("finished", "read"),
    [
        ("2015-10-19T13:56:55Z", datetime(2015, 10, 19, 13, 56, 55, tzinfo=UTC)),
        ("2015-10-19T15:56:55+02:00", datetime(2015, 10, 19, 13, 56, 55, tzinfo=UTC)),
        ("2015-10-19T13:56:55", datetime(2015, 10, 19, 13, 56, 55, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None), ("2015-13-19T13:56:55Z", None), ("yesterday", None), (1445262000, None),
    ],
)  # fmt: skip
def test_the_finish_time_is_utc_or_nothing(finished, read):
    assert parse(DEPLOY, finished=finished).finished_at == read


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"<html>log in</html>", b'{"tests": [{"returncode": 0', b'{"tests": {}}',
        b'{"tests": [1]}', b'{"tests": [{"returncode": "0"}]}', b'{"tests": [{"returncode": NaN}]}', b"[" * 100000,
        b'{"tests": [{"returncode": true}]}', b'{"tests": [{"returncode": 0.5}]}', b'{"finished": null}',
        b"\xff\xfe", b'{"tests": [{"returncode": ' + b"9" * 5000 + b"}]}",
    ],
)  # fmt: skip
def test_what_is_not_of_that_form_has_a_problem(body):
    assert parse_results(body) == UNUSABLE


def test_more_tests_than_anybody_reads_are_a_problem():
    assert parse(*[{}] * (MAX_TESTS + 1)) == UNUSABLE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_of_any_unicode_encoding_is_read(encoding):
    body = json.dumps({"tests": [{**DEPLOY, "output": "fertig: ä"}]}, ensure_ascii=False).encode(encoding)
    assert parse_results(body).tests[0].output == "fertig: ä"


def test_a_file_in_another_encoding_is_a_problem():
    body = json.dumps({"tests": [{**DEPLOY, "output": "fertig: ä"}]}, ensure_ascii=False).encode("latin-1")
    assert parse_results(body) == UNUSABLE
