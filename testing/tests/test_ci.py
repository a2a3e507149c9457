"""What an engine says fits into the columns that keep it."""

import pytest

from testing.ci import BuildRecord, BuildRef, SingleTest
from testing.models import Attempt, TestResult, TestRun

TOO_LONG = "https://ci.example.com/job/x/" + "7" * 1001 + "/"


@pytest.mark.parametrize("url", [TOO_LONG, "https://ci.example.com/job/x/7/\0", "https://ci.example.com/\n"])
def test_an_address_that_does_not_fit_is_none(url):
    assert BuildRef(url, url) == BuildRef()
    assert BuildRecord(build_url=url).build_url == ""


def test_an_address_of_the_greatest_length_is_kept():
    url = TOO_LONG[:999] + "/"
    assert len(url) == TestRun._meta.get_field("build_url").max_length
    assert BuildRef(url, url).build_url == url == BuildRef(url, url).queue_url


def test_names_and_numbers_of_single_tests_fit():
    test = SingleTest("s" * 300, "t\0" * 300, 2**40, 1.0, "out\ud800put\0")
    for name in ("suite", "test"):
        assert len(getattr(test, name)) <= TestResult._meta.get_field(name).max_length
    assert (test.returncode, test.output) == (2**31 - 1, "out?put")


def test_the_engines_word_is_bounded_and_has_no_nul():
    assert BuildRecord(reason="\0" + "x" * 10_000).reason == "x" * 500


def test_bounds_are_those_of_the_columns():
    assert {Attempt._meta.get_field(name).max_length for name in ("queue_url", "build_url")} == {1000}
