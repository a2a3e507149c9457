"""What Launchpad does not show is suspected first, and believed after several looks over hours (section 3)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.missing import note_deleted, summarize_missing
from reviews.models import Review


def hide(launchpad, *reviews, status=404):
    """Launchpad answers wrongly for these items, while its service root answers."""
    for review in reviews:
        launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)] = (status, {}, b"")


def hours_pass(hours):
    for review in Review.objects.exclude(missing_since=None):
        review.missing_since -= timedelta(hours=hours)
        review.save()


def look(*reviews):
    for review in reviews:
        refresh(Review.objects.select_related("source").get(pk=review.pk))


@pytest.fixture
def review(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    return Review.objects.get()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_one_bad_answer_is_a_suspicion(launchpad, review, status):
    Review.objects.update(locked_by=Person.objects.create(username="eve"), locked_at=timezone.now())
    hide(launchpad, review, status=status)
    assert f"Launchpad answered {status}" in refresh(review)
    review.refresh_from_db()
    assert (review.state, review.missing_looks, review.locked_by.username) == ("pending", 1, "eve")
    assert review.test_runs.get().status == "retry"
    assert f"Launchpad answered {status}" in review.sync_error


def test_the_next_look_at_a_missing_item_comes_sooner(launchpad, review):
    look(review)
    review.refresh_from_db()
    usual = review.due_at
    hide(launchpad, review)
    look(review)
    review.refresh_from_db()
    assert timezone.now() < review.due_at < usual


def test_enough_looks_over_enough_hours_abandon_it(launchpad, review):
    hide(launchpad, review)
    look(review, review)
    hours_pass(2)
    look(review)
    review.refresh_from_db()
    assert (review.state, "has not shown it since" in review.state_reason) == ("abandoned", True)
    assert review.test_runs.get().status == "canceled"


@pytest.mark.parametrize(("looks", "hours"), [(2, 5), (6, 1)])
def test_too_few_looks_or_hours_abandon_nothing(launchpad, review, looks, hours):
    hide(launchpad, review)
    look(*[review] * (looks - 1))
    hours_pass(hours)
    look(review)
    review.refresh_from_db()
    assert (review.state, review.missing_looks) == ("pending", looks)


def test_an_item_that_is_there_again_is_suspected_anew(launchpad, review):
    entry = launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)]
    hide(launchpad, review)
    look(review, review)
    hours_pass(3)
    launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)] = entry
    look(review)
    review.refresh_from_db()
    assert (review.missing_since, review.missing_looks, review.sync_error) == (None, 0, "")
    hide(launchpad, review)
    look(review)
    review.refresh_from_db()
    assert (review.state, review.missing_looks) == ("pending", 1)


def test_a_bug_that_can_not_be_read_is_missing_though_its_task_can(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    launchpad.answers["/devel/bugs/1"] = (401, {}, b"")
    look(Review.objects.get())
    assert Review.objects.get().missing_looks == 1


def test_a_webhooks_deleted_suffices_with_one_look(launchpad, review):
    note_deleted([review.pk])
    review.refresh_from_db()
    assert review.state == "pending"
    hide(launchpad, review)
    look(review)
    review.refresh_from_db()
    assert review.state == "abandoned"


def test_a_deleted_that_a_look_contradicts_is_forgotten(launchpad, review):
    note_deleted([review.pk])
    look(review)
    hide(launchpad, review)
    look(review)
    review.refresh_from_db()
    assert review.state == "pending"


def abandoned(launchpad, review):
    note_deleted([review.pk])
    hide(launchpad, review)
    look(review)


@pytest.mark.parametrize("seen_by", ["refresh", "import"])
def test_what_comes_back_has_its_history_comments_and_runs(launchpad, project, review, seen_by):
    path = "~ada/charms/trusty/mysql/fix-1/+merge/1"
    said = {"self_link": f"{launchpad.root}{path}/comments/1", "author_link": launchpad.root + "~rev", "content": "hi"}
    launchpad.collection(path + "/all_comments", [{**said, "date_created": "2026-01-03T10:00:00+00:00"}])
    look(review)
    abandoned(launchpad, review)
    entry = launchpad.proposal(1)
    launchpad.collection(path + "/all_comments", [{**said, "date_created": "2026-01-03T10:00:00+00:00"}])
    if seen_by == "import":
        import_source(project(entry))
    else:
        look(review)
    review.refresh_from_db()
    assert (review.state, review.state_reason, review.missing_since) == ("pending", "", None)
    assert review.comments.count() == 1
    assert [event.new for event in review.events.filter(kind="state")] == ["ABANDONED", "PENDING"]
    assert sorted(run.status for run in review.test_runs.all()) == ["canceled", "retry"]


def test_the_lock_of_a_missing_item_is_released_and_that_is_written_down(launchpad, review):
    Review.objects.update(locked_by=Person.objects.create(username="rev2"), locked_at=timezone.now())
    abandoned(launchpad, review)
    review.refresh_from_db()
    assert review.locked_by is None
    assert review.events.get(kind="lock").old == "rev2"


@pytest.fixture
def many(launchpad, project):
    import_source(project(*[launchpad.proposal(number) for number in range(1, 13)]))
    reviews = list(Review.objects.order_by("pk"))
    look(*reviews)
    return reviews


def test_many_missing_at_once_are_an_outage_and_none_is_abandoned(launchpad, many):
    hide(launchpad, *many[:6])
    look(*many[:6], *many[:6])
    hours_pass(3)
    look(*many[:6])
    assert set(Review.objects.values_list("state", flat=True)) == {"pending"}
    summary = summarize_missing()
    assert (summary.missing, summary.looked_at, summary.is_braked) == (6, 12, True)
    assert "No item is abandoned" in summary.words


def test_a_few_missing_ones_are_no_outage(launchpad, many):
    hide(launchpad, *many[:4])
    look(*many[:4], *many[:4])
    hours_pass(3)
    look(*many[:4])
    assert Review.objects.filter(state="abandoned").count() == 4


def test_what_was_abandoned_long_ago_does_not_count_as_an_outage(launchpad, many):
    Review.objects.filter(pk__in=[review.pk for review in many[:8]]).update(
        state="abandoned", missing_since=timezone.now(), closed_at=timezone.now() - timedelta(days=9)
    )
    assert (summarize_missing().missing, summarize_missing().looked_at) == (0, 4)


def test_a_service_root_that_does_not_answer_is_no_look(launchpad, review):
    launchpad.answers = dict.fromkeys(launchpad.answers, (404, {}, b""))
    assert "service root" in refresh(review)
    review.refresh_from_db()
    assert (review.missing_looks, review.missing_since) == (0, None)


def test_an_outage_that_goes_on_over_a_pause_of_the_queue_abandons_nothing(launchpad, many):
    hide(launchpad, *many)
    look(*many, *many)
    hours_pass(3)
    Review.objects.update(looked_at=timezone.now() - timedelta(hours=3))  # no worker ran meanwhile
    look(*many)
    assert set(Review.objects.values_list("state", flat=True)) == {"pending"}


def test_missing_items_of_a_source_that_is_off_are_no_outage(launchpad, many):
    past = timezone.now() - timedelta(days=2)
    Review.objects.filter(pk__in=[review.pk for review in many[1:]]).update(
        looked_at=past, missing_since=past, withdrawn_at=past
    )
    hide(launchpad, many[0])
    look(many[0])
    assert (summarize_missing().missing, summarize_missing().is_braked) == (1, False)
