"""Texts, ages and durations in words."""

from datetime import UTC, datetime, timedelta

import pytest

from core.text import age, ago, duration, short_revision, shorten, time_passed, until

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, ""), ("👩‍👧", 2, "👩…")]
)
def test_a_text_that_is_too_long_ends_with_an_ellipsis(text, length, shown):
    assert shorten(text, length) == shown


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=23), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=20), "20 days"),
        (timedelta(days=21), "3 weeks"),
        (timedelta(days=60), "2 months"),
        (timedelta(days=729), "24 months"),
        (timedelta(days=730), "2 years"),
        (timedelta(days=-3), "now"),
    ],
)
def test_an_age_is_one_number_and_one_unit(passed, words):
    assert age(NOW - passed, NOW) == words


def test_an_age_in_a_sentence():
    assert ago(NOW - timedelta(days=3), NOW) == "3 days ago"
    assert ago(NOW - timedelta(seconds=20), NOW) == "just now"


def test_a_time_to_come_in_a_sentence():
    assert until(NOW + timedelta(days=3), NOW) == "in 3 days"
    assert until(NOW + timedelta(seconds=20), NOW) == "within a minute"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0, "0 s"), (12.5, "12.5 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(20, ""), (120, "2 min"), (3 * 86400, "3 days")])
def test_how_long_something_has_lasted_is_not_said_below_a_minute(seconds, words):
    assert time_passed(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("revision", "short"),
    [
        ("", ""), ("rev-7", "rev-7"), ("noor@example.com-380", "noor@example.com-380"),
        ("0123456789abcdef0123456789abcdef01234567", "0123456789ab"),
        ("noor.haddad@canonical.example.com-20150401123456-abcdefgh", "…e.com-20150401123456-abcdefgh"),
    ],
)  # fmt: skip
def test_a_short_revision_keeps_what_tells_it_from_others(revision, short):
    assert short_revision(revision) == short
