"""Stats say what history says, in plots and in tables; about tells the queue's own tables."""

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Person
from reviewqueue.stats import pass_rate, run_outcomes
from reviews.models import Comment, QueueSample, Review, Square, State
from reviews.stats import ages, busiest, first_reviews, queue_lengths, throughput
from testing.models import Status, Substrate, TestRun

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def make(number, **facts):
    owner, _ = Person.objects.get_or_create(username="ada")
    facts = {"state": "pending", "kind": "new", "created_at": NOW, "updated_at": NOW, **facts}
    return Review.objects.create(title=f"{number}", url="http://x/", api_url=f"{number}", owner=owner, **facts)


def test_lengths_are_the_mean_of_each_day():
    for hour, count in ((1, 10), (2, 20)):
        QueueSample.objects.create(at=NOW.replace(hour=hour), state="new", count=count)
    QueueSample.objects.create(at=NOW - 90 * DAY, state="new", count=99)
    assert queue_lengths(NOW - 30 * DAY) == {NOW.date(): {"new": 15.0}}


def test_ages_count_what_waits_for_a_reviewer():
    make(1, updated_at=NOW - timedelta(hours=1))
    make(2, updated_at=NOW - 2 * DAY)
    make(3, updated_at=NOW - 400 * DAY, state="ready")
    make(4, updated_at=NOW - 2 * DAY, state="reviewed")
    make(5, updated_at=NOW - 2 * DAY, state="merged")
    assert {word: count for word, count in ages(NOW) if count} == {
        "1 day": 1, "3 days": 1, "older": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("days", "median", "late"),
    [([4], 4, 4), ([1, 9], 1, 9), (range(1, 11), 5, 9), (range(1, 12), 6, 10), ([2, 2, 2], 2, 2)],
)
def test_waiting_times_by_nearest_rank(days, median, late):
    for number, took in enumerate(days):
        make(number, created_at=NOW - took * DAY, first_reviewed_at=NOW)
    make("never")
    assert first_reviews(NOW - 30 * DAY) == [(datetime(2026, 3, 16).date(), median, late, len(days))]


def test_throughput_by_week():
    make(1)
    make(2, created_at=NOW - 7 * DAY, state="merged", closed_at=NOW)
    make(3, created_at=NOW - 700 * DAY, state="closed", closed_at=NOW - 500 * DAY)
    assert throughput(NOW - 30 * DAY) == {
        datetime(2026, 3, 9).date(): {"submitted": 1},
        datetime(2026, 3, 16).date(): {"submitted": 1, "merged": 1},
    }


def test_busiest_count_the_work_on_others_items():
    first, second = make(1), make(2)
    eve = Person.objects.create(username="eve", display_name="Eve")
    facts = {"created_at": NOW, "content": "+1"}
    for number, (review, author, more) in enumerate(
        [(first, eve, {}), (first, eve, {}), (second, eve, {}), (first, first.owner, {}),
         (first, eve, {"is_automated": True}), (first, eve, {"created_at": NOW - 90 * DAY})]
    ):  # fmt: skip
        Comment.objects.create(review=review, author=author, api_url=str(number), **(facts | more))
    assert busiest(NOW - 30 * DAY) == [("eve", "Eve", 2, 3)]


def test_outcomes_by_substrate():
    lxc, aws = Substrate.objects.get(name="lxc"), Substrate.objects.get(name="aws")
    for substrate, status in ((lxc, "pass"), (lxc, "pass"), (lxc, "fail"), (aws, "error"), (aws, "canceled")):
        TestRun.objects.create(review=make(f"{TestRun.objects.count()}"), substrate=substrate, status=status,
                               finished_at=NOW)  # fmt: skip
    found = dict(run_outcomes(NOW - DAY))
    assert found["lxc"] == {"pass": 2, "fail": 1, "error": 0}
    assert (pass_rate(found["lxc"]), pass_rate(found["aws"])) == (67, 0)


def test_an_empty_queue_has_no_plots_but_words(client):
    page = client.get("/stats/")
    assert page.content.count(b"Not enough history yet.") == 6
    assert b"<svg" not in page.content


@pytest.mark.parametrize("query", ["", "?days=30", "?days=365", "?days=nonsense", "?days=-1&days=%00"])
def test_every_plot_is_well_formed_and_has_its_table(client, django_assert_max_num_queries, query):
    now = timezone.now()
    lxc = Substrate.objects.get(name="lxc")
    for number in range(20):
        review = make(number, created_at=now - number * DAY, first_reviewed_at=now, closed_at=now, updated_at=now)
        TestRun.objects.create(review=review, substrate=lxc, status="pass", finished_at=now)
        QueueSample.objects.create(at=now - number * DAY, state="new", count=number)
    with django_assert_max_num_queries(8):
        page = client.get(f"/stats/{query}").content.decode()
    plots = [part.split("</svg>")[0] for part in page.split("<svg ")[1:]]
    assert len(plots) == 5
    for plot in plots:
        drawn = ElementTree.fromstring(f"<svg {plot}</svg>")
        assert drawn.find("title").text
        assert drawn.get("role") == "img"
    assert page.count("<details>") == 5
    assert "style=" not in page
    with django_assert_max_num_queries(0):  # kept for a while
        client.get(f"/stats/{query}")


def test_about_tells_every_state_square_and_status(client):
    PeriodicTask.objects.filter(task="testing.tasks.sweep_test_runs").update(enabled=False)
    page = client.get("/about/").content.decode()
    for state in State:
        assert f'badge-{state}">{state.label}<' in page
    for square in Square:
        assert f"square-{square}" in page
    for status in Status:
        assert f"badge-{status}" in page
    assert "Needs review" in page
    assert "Import from Launchpad" in page
    assert "Sweep test runs" not in page
    assert "charmers" in page
