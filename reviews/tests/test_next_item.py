"""*Next for me*: which item a reviewer is given, why, what skipping does, and what is said when there is none."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import TeamMembership
from reviews.models import Review
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db


def waiting(title, days, **facts):
    return make_review(title, days=days, turn_since=timezone.now() - timedelta(days=days), **facts)


def open_next(client, path="/next/", **form):
    """Press the button; the page that it leads to, in one line."""
    return " ".join(client.post(path, form, follow=True).content.decode().split())


def held_by(user):
    return [review.title for review in Review.objects.locked_by(user.person).order_by("title")]


def age_locks():
    """The locks were taken long enough ago to be no double click."""
    Review.objects.locked().update(locked_at=timezone.now() - timedelta(minutes=1))


def test_next_locks_what_waited_longest_and_opens_it(client, reviewer):
    waiting("young", 1)
    old = waiting("old", 5)
    assert client.post("/next/").url == f"/reviews/{old.pk}/"
    assert held_by(reviewer) == ["old"]


def test_next_takes_what_best_first_puts_first(client, reviewer):
    """Its order is tested with it, in test_managers.py."""
    waiting("old", 5)
    waiting("green", 1, verdict="pass")
    open_next(client)
    assert held_by(reviewer) == ["green"]


@pytest.mark.parametrize(("who", "words"), [("rev", "a review was asked of you"), ("charmers", "asked of Charmers")])
def test_its_page_says_of_whom_a_review_was_asked(client, reviewer, who, words):
    TeamMembership.objects.create(team="charmers", person=reviewer.person)
    asked = make_person(who, display_name=who.capitalize())
    waiting("it", 1).requests.create(reviewer=asked, requested_at=timezone.now())
    assert f"{words}; no review yet" in open_next(client)


def test_what_is_their_own_held_by_another_private_or_not_a_reviewers_turn_is_left_out(client, reviewer):
    waiting("own", 9, owner=reviewer.person)
    waiting("held", 9, locked_by=make_person("eve"), locked_at=timezone.now())
    waiting("private", 9, private=True)
    waiting("failed", 9, verdict="fail")
    waiting("reviewed", 9, state="reviewed")
    assert "others are reviewing 1 and 1 you submitted yourself" in open_next(client)
    assert held_by(reviewer) == []


def test_its_page_says_why_it_is_this_one(client, reviewer):
    review = waiting("mine", 6, state="follow-up", verdict="pass", lines_added=4, lines_removed=2)
    make_comment(review, reviewer.person)
    Review.objects.update(first_reviewed_at=timezone.now(), answered_at=timezone.now())
    assert (
        "Taken for you as your next item: you have reviewed it before; the submitter has answered; its tests passed; "
        "6 lines are changed; it has waited for 6 days." in open_next(client)
    )


def test_once_released_its_page_gives_no_reason_any_more(client, reviewer):
    review = waiting("it", 2)
    open_next(client)
    client.post(f"/reviews/{review.pk}/unlock/")
    assert "Taken for you" not in client.get(f"/reviews/{review.pk}/").content.decode()


def test_a_double_click_locks_one_item(client, reviewer):
    waiting("old", 5)
    waiting("young", 1)
    open_next(client)
    open_next(client)
    assert held_by(reviewer) == ["old"]


def test_next_on_an_items_page_takes_another_one_however_soon(client, reviewer):
    old = waiting("old", 5)
    waiting("young", 1)
    open_next(client)
    open_next(client, here=old.pk)
    assert held_by(reviewer) == ["old", "young"]


def test_what_they_hold_already_is_not_given_again(client, reviewer):
    waiting("old", 5)
    waiting("young", 1)
    open_next(client)
    age_locks()
    open_next(client)
    assert held_by(reviewer) == ["old", "young"]


def test_skip_releases_it_and_takes_the_next_one(client, reviewer):
    old = waiting("old", 5)
    young = waiting("young", 1)
    open_next(client)
    assert client.post("/next/skip/", {"review": old.pk}).url == f"/reviews/{young.pk}/"
    assert held_by(reviewer) == ["young"]


def test_what_was_skipped_is_not_offered_again_that_day(client, reviewer):
    only = waiting("only", 5)
    open_next(client)
    assert "1 item waits for a reviewer: 1 you have skipped today." in open_next(client, "/next/skip/", review=only.pk)
    assert "1 you have skipped today" in open_next(client)
    assert held_by(reviewer) == []


def test_what_was_skipped_is_offered_again_on_demand(client, reviewer):
    only = waiting("only", 5)
    open_next(client, "/next/skip/", review=only.pk)
    open_next(client, again=1)
    assert held_by(reviewer) == ["only"]


def test_what_was_skipped_is_offered_again_the_next_day(client, reviewer):
    only = waiting("only", 5)
    open_next(client, "/next/skip/", review=only.pk)
    session = client.session
    session["next_skipped"] = {str(only.pk): timezone.now().timestamp() - 13 * 3600}
    session.save()
    open_next(client)
    assert held_by(reviewer) == ["only"]


def test_skipping_what_another_holds_leaves_their_lock(client, reviewer):
    held = waiting("held", 5, locked_by=make_person("eve"), locked_at=timezone.now())
    open_next(client, "/next/skip/", review=held.pk)
    held.refresh_from_db()
    assert held.locked_by.username == "eve"


@pytest.mark.parametrize("review", ["", "x", "-1", "999", "9" * 40, "1\x00"])
def test_skipping_an_unknown_item_changes_nothing_and_says_so(client, reviewer, review):
    waiting("it", 1)
    assert "the form contains an unknown id" in open_next(client, "/next/skip/", review=review)
    assert held_by(reviewer) == []


def test_a_get_locks_nothing_and_says_which_one_it_would_be(client, reviewer):
    waiting("it", 6)
    page = client.get("/next/").content.decode()
    assert "it</bdi></a>" in page
    assert "no review yet; it has waited for 6 days" in page
    assert held_by(reviewer) == []


def test_nothing_at_all_is_said_in_words(client, reviewer):
    assert "There is nothing for you to take up now. No item waits for a reviewer." in open_next(client)


def test_visitors_log_in_first(client, db):
    assert client.post("/next/").url == "/login/?next=/next/"


def test_who_is_no_reviewer_is_refused(client, boss):
    waiting("it", 1)
    assert client.post("/next/").status_code == 403
    assert client.post("/next/skip/", {"review": Review.objects.get().pk}).status_code == 403


def test_only_reviewers_are_shown_the_button(client, db):
    review = waiting("it", 1)
    assert "Next for me" not in client.get("/").content.decode()
    assert "Next for me" not in client.get(f"/reviews/{review.pk}/").content.decode()
