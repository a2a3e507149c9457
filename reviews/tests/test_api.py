"""The REST API of reviews: fields, and their locks."""

import pytest
from django.utils import timezone

from accounts.models import User
from reviews.models import Source, State
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def review():
    return make_review()


def locker(review):
    review.refresh_from_db()
    return review.locked_by and review.locked_by.username


def lock_url(review):
    return f"/api/reviews/{review.pk}/lock/"


def test_a_reviewer_takes_the_lock(client, reviewer, review):
    answer = client.post(lock_url(review))
    assert (answer.status_code, answer.json()["locked_by"]) == (200, "rev")
    assert locker(review) == "rev"
    assert review.events.get(kind="lock").actor.username == "rev"


def test_taking_it_again_changes_nothing(client, reviewer, review):
    client.post(lock_url(review))
    assert client.post(lock_url(review)).status_code == 200
    assert review.events.filter(kind="lock").count() == 1


def test_a_lock_that_somebody_else_has_is_a_conflict(client, reviewer):
    review = make_review(locked_by=make_person("eve", "Eve"), locked_at=timezone.now())
    answer = client.post(lock_url(review))
    assert (answer.status_code, answer.json()) == (409, {"detail": "Eve holds the lock."})
    assert locker(review) == "eve"


def test_an_item_of_a_source_that_is_switched_off_is_not_locked(client, reviewer):
    review = make_review(source=Source.objects.create(name="asleep", kind="project", target="asleep", active=False))
    answer = client.post(lock_url(review))
    words = "The source asleep is switched off: its items are not reviewed until it is on again."
    assert (answer.status_code, answer.json()) == (409, {"detail": words})
    assert locker(review) is None


def test_a_lock_from_before_its_source_was_switched_off_is_given_back(client, reviewer):
    source = Source.objects.create(name="asleep", kind="project", target="asleep", active=False)
    review = make_review(source=source, locked_by=reviewer.person, locked_at=timezone.now())
    assert client.delete(lock_url(review)).status_code == 200
    assert locker(review) is None


def test_a_reviewer_gives_the_lock_back(client, reviewer, review):
    client.post(lock_url(review))
    answer = client.delete(lock_url(review))
    assert (answer.status_code, answer.json()["locked_by"]) == (200, None)
    assert locker(review) is None


def test_giving_back_what_nobody_holds_is_harmless(client, reviewer, review):
    assert client.delete(lock_url(review)).status_code == 200


def test_a_reviewer_can_not_release_the_lock_of_another(client, reviewer):
    review = make_review(locked_by=make_person("eve", "Eve"), locked_at=timezone.now())
    answer = client.delete(lock_url(review))
    assert (answer.status_code, answer.json()["detail"]) == (409, "Eve holds the lock. Staff can release it.")
    assert locker(review) == "eve"


def test_staff_release_the_lock_of_another(client, boss):
    review = make_review(locked_by=make_person("eve"), locked_at=timezone.now())
    assert client.delete(lock_url(review)).status_code == 200
    assert locker(review) is None


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_visitor_is_refused(client, review, method):
    assert getattr(client, method)(lock_url(review)).status_code == 403


@pytest.mark.parametrize("method", ["post", "delete"])
def test_who_is_no_reviewer_is_refused_in_words(client, review, method):
    client.force_login(User.objects.create_user("someone"))
    answer = getattr(client, method)(lock_url(review))
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("Only reviewers can do this.")


def test_staff_who_are_no_reviewers_take_no_lock(client, boss, review):
    assert client.post(lock_url(review)).status_code == 403


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize("fields", [{"private": True}, None])
def test_the_lock_of_what_is_not_there_is_not_found(client, reviewer, method, fields):
    number = make_review(**fields).pk if fields else 7
    assert getattr(client, method)(f"/api/reviews/{number}/lock/").status_code == 404


def test_reading_a_lock_is_no_method_of_it(client, reviewer, review):
    assert client.get(lock_url(review)).status_code == 405


def test_an_item_out_of_reach_says_since_when(client):
    since = timezone.now().replace(microsecond=0)
    review = make_review(missing_since=since)
    assert client.get(f"/api/reviews/{review.pk}/").json()["missing_since"] == since.isoformat().replace("+00:00", "Z")


def test_why_an_item_is_abandoned_is_said(client):
    review = make_review(state=State.ABANDONED, state_reason="It is a duplicate of X.", duplicate_of="https://x/bugs/1")
    answer = client.get(f"/api/reviews/{review.pk}/").json()
    assert (answer["state_reason"], answer["duplicate_of"]) == ("It is a duplicate of X.", "https://x/bugs/1")


def test_items_of_a_source_that_is_switched_off_are_marked(client):
    make_review("Off", source=Source.objects.get(name="charmers"))
    make_review("On")
    Source.objects.update(active=False)
    found = {row["title"]: row["in_queue"] for row in client.get("/api/reviews/").json()["results"]}
    assert found == {"Off": False, "On": True}


def test_a_review_says_what_is_merged_into_what(client):
    change = {
        "description": "Why.", "commit_message": "Fix it", "target": "~ada/thing/+git/main:master",
        "target_revision": "9b1e", "prerequisite": "~ada/thing/+git/base:first", "conflicts": True, "lines_added": 12,
        "lines_removed": 3,
    }  # fmt: skip
    review = make_review(**change)
    for answer in (client.get(f"/api/reviews/{review.pk}/").json(), client.get("/api/reviews/").json()["results"][0]):
        assert {name: answer[name] for name in change} == change


def test_what_no_diff_has_said_yet_is_null(client, review):
    answer = client.get(f"/api/reviews/{review.pk}/").json()
    assert [answer[name] for name in ("conflicts", "conflicts_since", "lines_added", "lines_removed")] == [None] * 4
