"""Staff remove what a switched-off source has brought in, for good."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from accounts.models import Person
from reviews.models import Comment, Event, Review, Source
from testing.models import Attempt, Substrate, TestResult, TestRun
from testing.removal import remove_items


@pytest.fixture
def source(db):
    source = Source.objects.get(name="charms")
    source.active, source.cursor = False, timezone.now()
    source.save()
    return source


def fill(source, count, *, status="pass", first=0):
    """Reviews of the source, each with a run, a result, a comment, an event."""
    now, owner = timezone.now(), Person.objects.get_or_create(username="ada")[0]
    reviews = Review.objects.bulk_create(
        Review(title=f"Item {n}", kind="new", state="new", url=f"https://lp/{source.pk}/{n}", source=source,
               api_url=f"https://api/{source.pk}/{n}", owner=owner, created_at=now, updated_at=now)
        for n in range(first, first + count)
    )  # fmt: skip
    ended = None if status in ("retry", "pending", "running") else now
    runs = TestRun.objects.bulk_create(
        TestRun(review=review, substrate=Substrate.objects.get(name="lxc"), status=status, finished_at=ended)
        for review in reviews
    )
    outcome, accepted = ("refused", None) if status == "retry" else ("accepted", now)
    Attempt.objects.bulk_create(
        Attempt(run=run, number=1, outcome=outcome, accepted_at=accepted, ended_at=ended) for run in runs
    )
    TestResult.objects.bulk_create(TestResult(run=run, position=0, test="t") for run in runs)
    Comment.objects.bulk_create(Comment(review=r, author=owner, api_url="c", created_at=now) for r in reviews)
    Event.objects.bulk_create(Event(review=run.review, kind="run", run=run) for run in runs)
    return runs


def remove(choose, *sources, **more):
    return choose("reviews/source", "remove_source_items", *sources, **more)


def test_it_asks_first_with_the_numbers(staff, source, choose):
    fill(source, 3)
    page = remove(choose, source)
    assert "charms: 3 reviews with 3 test runs" in page
    assert Review.objects.filter(source=source).count() == 3


def test_it_removes_all_of_the_source_and_nothing_else(staff, source, choose):
    fill(source, 3)
    fill(Source.objects.get(name="charmers"), 2)
    assert "Removed from charms: 3 reviews with 3 test runs" in remove(choose, source, post="yes")
    for model in (Review, TestRun, Attempt, TestResult, Comment, Event):
        assert model.objects.count() == 2, model
    assert Person.objects.filter(username="ada").exists()


def test_it_is_logged_with_the_name_of_staff(staff, source, choose):
    fill(source, 1)
    remove(choose, source, post="yes")
    log = LogEntry.objects.values_list("user__username", "object_repr", "change_message")
    assert list(log) == [("boss", "charms", "Removed from charms: 1 review with 1 test run")]


def test_a_source_that_is_on_keeps_its_items(staff, source, choose):
    Source.objects.update(active=True)
    fill(source, 1)
    assert "The source charms is on: switch it off first" in remove(choose, source, post="yes")
    assert Review.objects.filter(source=source).exists()


def test_it_needs_the_permission_to_delete_reviews(client, clerk, source, choose):
    clerk("view_source", "change_source", "view_review", "change_review")
    fill(source, 1)
    assert "remove_source_items" not in client.get("/admin/reviews/source/").content.decode()
    remove(choose, source, post="yes")
    assert Review.objects.filter(source=source).exists()


def test_an_emptied_source_can_be_deleted(client, staff, source, choose):
    fill(source, 1)
    page = f"/admin/reviews/source/{source.pk}/delete/"
    assert "reviews were imported from it" in client.post(page, {"post": "yes"}, follow=True).content.decode()
    remove(choose, source, post="yes")
    client.post(page, {"post": "yes"})
    assert not Source.objects.filter(pk=source.pk).exists()


def test_switched_on_again_it_is_read_from_the_start(staff, source, choose):
    remove(choose, source, post="yes")
    source.refresh_from_db()
    assert source.cursor is None


def test_a_run_that_was_never_sent_is_removed_at_once(staff, source, choose):
    fill(source, 1, status="retry")
    assert "Removed from charms: 1 review with 1 test run" in remove(choose, source, post="yes")
    assert not Review.objects.exists()


def test_an_item_stays_until_its_build_is_stopped(staff, source, choose):
    (run,) = fill(source, 1, status="running")
    fill(source, 1, first=1)
    page = remove(choose, source, post="yes")
    assert "1 review with 1 test run, 1 skipped: a build is still being stopped" in page
    run.refresh_from_db()
    assert (run.status, run.attempts.get().stop_due_at is not None) == ("canceled", True)
    Attempt.objects.update(stop_due_at=None)
    remove(choose, source, post="yes")
    assert not Review.objects.exists()


def test_many_items_go_in_batches_that_cost_the_same(source, django_assert_max_num_queries):
    fill(source, 250)
    with django_assert_max_num_queries(3 * 30 + 10):
        done = remove_items(source, actor=None)
    assert (done.reviews, done.runs, done.remaining) == (250, 250, 0)


def test_what_does_not_fit_in_the_time_of_a_page_is_said(staff, source, choose, monkeypatch):
    monkeypatch.setattr("testing.admin.REMOVAL_SECONDS", 0)
    fill(source, 2)
    assert "2 skipped: the page would have taken too long" in remove(choose, source, post="yes")
    assert Review.objects.count() == 2
