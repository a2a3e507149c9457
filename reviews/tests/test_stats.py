"""What the stats page counts, and that it counts it once."""

from datetime import UTC, datetime, timedelta

import pytest

from reviews.models import QueueSample
from reviews.stats import ages, busiest, first_reviews, queue_lengths, sample_queue, throughput
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def make(**fields):
    return make_review(**{"created_at": NOW, "updated_at": NOW, "state": "pending", "kind": "new", **fields})


def test_the_queue_is_sampled_once_per_hour():
    noon = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
    assert sample_queue(noon)
    assert not sample_queue(noon + timedelta(minutes=19))
    assert sample_queue(noon + timedelta(minutes=20))
    assert QueueSample.objects.values("at").distinct().count() == 2
    assert QueueSample.objects.filter(at__minute=0).count() == 12


def test_lengths_are_the_mean_of_each_day():
    for hour, count in ((1, 10), (2, 20)):
        QueueSample.objects.create(at=NOW.replace(hour=hour), state="new", count=count)
    QueueSample.objects.create(at=NOW - 90 * DAY, state="new", count=99)
    assert queue_lengths(NOW - 30 * DAY) == {NOW.date(): {"new": 15.0}}


def test_ages_count_what_waits_for_a_reviewer():
    make(updated_at=NOW - timedelta(hours=1))
    make(updated_at=NOW - 2 * DAY)
    make(updated_at=NOW - 400 * DAY, state="ready")
    make(updated_at=NOW - 2 * DAY, state="reviewed")
    make(updated_at=NOW - 2 * DAY, state="merged")
    assert {word: count for word, count in ages(NOW) if count} == {
        "1 day": 1, "3 days": 1, "older": 1,
    }  # fmt: skip


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
