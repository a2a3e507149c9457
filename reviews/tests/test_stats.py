"""What the stats page counts, and that it counts it once."""

from datetime import UTC, datetime, timedelta

import pytest

from reviews.models import Source
from reviews.stats import (
    Waits,
    ages,
    busiest,
    first_reviews,
    first_reviews_by_source,
    queue_lengths,
    throughput,
    waits_by_source,
)
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def make(**fields):
    return make_review(**{"created_at": NOW, "updated_at": NOW, "state": "pending", "kind": "new", **fields})


def test_the_length_is_known_from_the_first_day_on():
    make(created_at=NOW - 3 * DAY)
    make(created_at=NOW - 2 * DAY, kind="update", state="merged", closed_at=NOW - DAY)
    make(created_at=NOW - 2 * DAY, private=True)
    make(created_at=NOW - 2 * DAY, state="closed", closed_at=None)  # nobody knows when
    today = NOW.date()
    assert queue_lengths(today - 30 * DAY, today) == {
        today - 3 * DAY: {"new": 1, "update": 0},
        today - 2 * DAY: {"new": 1, "update": 1},
        today - DAY: {"new": 1, "update": 0},
        today: {"new": 1, "update": 0},
    }


def test_what_was_open_before_the_range_counts_in_it():
    make(created_at=NOW - 90 * DAY)
    assert queue_lengths(NOW.date() - DAY, NOW.date()) == {
        NOW.date() - DAY: {"new": 1, "update": 0}, NOW.date(): {"new": 1, "update": 0},
    }  # fmt: skip


def test_ages_count_what_waits_for_a_reviewer():
    make(updated_at=NOW - timedelta(hours=1))
    make(updated_at=NOW - 2 * DAY)
    make(updated_at=NOW - 400 * DAY, state="ready")
    make(updated_at=NOW - 2 * DAY, state="reviewed")
    make(updated_at=NOW - 2 * DAY, conflicts=True)
    make(updated_at=NOW - 2 * DAY, state="merged")
    assert {age.words: age.count for age in ages(NOW.date()) if age.count} == {
        "1 day": 1, "3 days": 1, "older": 1,
    }  # fmt: skip


def test_waits_are_counted_by_source():
    source = Source.objects.get(name="charms")
    for days in (1, 2, 9):
        make(source=source, turn_since=NOW - days * DAY)
    make(source=source, turn_since=NOW, state="reviewed")
    assert waits_by_source(NOW) == [Waits("charms", 3, 2, 9)]


def test_first_reviews_are_counted_by_source():
    source = Source.objects.get(name="charms")
    for days in (1, 4):
        make(source=source, created_at=NOW - days * DAY, first_reviewed_at=NOW)
    make(source=source, created_at=NOW - 99 * DAY, first_reviewed_at=NOW - 90 * DAY)
    assert first_reviews_by_source(NOW - 30 * DAY) == [Waits("charms", 2, 1, 4)]


@pytest.mark.parametrize(
    ("days", "median", "late"),
    [([4], 4, 4), ([1, 9], 1, 9), (range(1, 11), 5, 9), (range(1, 12), 6, 10), ([2, 2, 2], 2, 2)],
)
def test_waiting_times_by_nearest_rank(days, median, late):
    for took in days:
        make(created_at=NOW - took * DAY, first_reviewed_at=NOW)
    make()
    assert first_reviews(NOW - 30 * DAY) == [(datetime(2026, 3, 16).date(), median, late, len(days))]


def test_throughput_by_week():
    make()
    make(created_at=NOW - 7 * DAY, state="merged", closed_at=NOW)
    make(created_at=NOW - 700 * DAY, state="closed", closed_at=NOW - 500 * DAY)
    assert throughput(NOW - 30 * DAY) == {
        datetime(2026, 3, 9).date(): {"submitted": 1},
        datetime(2026, 3, 16).date(): {"submitted": 1, "merged": 1},
    }


def test_busiest_count_the_comments_on_items_of_others():
    first, second = make(), make()
    eve = make_person("eve", "Eve")
    for review in (first, first, second):
        make_comment(review, eve, created_at=NOW)
    make_comment(first, first.owner, created_at=NOW)
    make_comment(first, eve, created_at=NOW, is_automated=True)
    make_comment(first, eve, created_at=NOW - 90 * DAY)
    assert busiest(NOW - 30 * DAY) == [("eve", "Eve", 2, 3)]
