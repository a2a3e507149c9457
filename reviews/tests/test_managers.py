"""Who finds what: the questions about reviews."""

from itertools import product

import pytest
from django.utils import timezone

from accounts.models import TeamMembership
from reviews.models import (
    CLOSED_STATES,
    INCOMING_STATES,
    OPEN_STATES,
    REVIEWING_STATES,
    Review,
    ReviewRequest,
    State,
)
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db


def titles(reviews):
    return sorted(review.title for review in reviews)


@pytest.mark.parametrize(
    ("question", "states"),
    [
        ("open", OPEN_STATES),
        ("closed", CLOSED_STATES),
        ("waiting", INCOMING_STATES + REVIEWING_STATES),
    ],
)
def test_questions_about_the_state(question, states):
    for state in State.values:
        make_review(state, state=state)
    assert titles(getattr(Review.objects, question)()) == sorted(states)


def test_a_reviewer_can_take_up_what_nobody_else_holds_and_others_submitted():
    rev, eve, now = make_person("rev"), make_person("eve"), timezone.now()
    make_review("free")
    make_review("mine", locked_by=rev, locked_at=now)
    make_review("held by another", locked_by=eve, locked_at=now)
    make_review("my own", owner=rev)
    make_review("not a reviewer's turn", state=State.REVIEWED)
    assert titles(Review.objects.waiting_for(rev)) == ["free", "mine"]


def test_a_reviewer_without_a_person_can_take_up_what_nobody_holds():
    make_review("free")
    make_review("held", locked_by=make_person("eve"), locked_at=timezone.now())
    assert titles(Review.objects.waiting_for(None)) == ["free"]


def test_what_needs_a_person():
    ada, now = make_person("ada"), timezone.now()
    make_review("must answer", owner=ada, state=State.REVIEWED)
    make_review("waits", owner=ada, state=State.PENDING)
    make_review("holds", owner="bob", locked_by=ada, locked_at=now)
    make_comment(make_review("was answered", owner="bob", state=State.FOLLOW_UP), ada)
    make_comment(make_review("not answered yet", owner="bob", state=State.REVIEWED), ada)
    make_comment(make_review("merged", owner="bob", state=State.MERGED), ada)
    assert titles(Review.objects.needs(ada)) == ["holds", "must answer", "was answered"]


@pytest.mark.parametrize("by_name", [True, False])
def test_reviewed_are_items_of_others_that_somebody_commented_on(by_name):
    eve = make_person("eve")
    make_comment(make_review("of another"), eve)
    make_comment(make_review("her own", owner=eve), eve)
    make_comment(make_review("only posted by the queue"), eve, is_automated=True)
    make_comment(make_review("only its description"), eve, is_description=True)
    assert titles(Review.objects.reviewed_by("eve" if by_name else eve)) == ["of another"]


def test_counts_by_state_have_what_occurs():
    make_review(state=State.NEW)
    make_review(state=State.READY)
    make_review(state=State.READY)
    assert Review.objects.count_by_state() == {"new": 1, "ready": 2}


def test_words_are_found_in_title_address_and_submitter():
    make_person("bob", "Bob Builder")
    make_review("Fix mysql", owner="bob")
    make_review("Fix apache")
    assert titles(Review.objects.matching("mysql")) == ["Fix mysql"]
    assert titles(Review.objects.matching("launchpad.net/2")) == ["Fix apache"]
    assert titles(Review.objects.matching("BUILDER fix")) == ["Fix mysql"]


def test_the_reverse_of_an_order_is_its_opposite():
    for title in "bca":
        make_review(title)
    assert [review.title for review in Review.objects.sorted_by("title")] == ["a", "b", "c"]
    assert [review.title for review in Review.objects.sorted_by("-title")] == ["c", "b", "a"]


@pytest.mark.parametrize("actor", ["reviewer", "submitter", "none"])
def test_whose_turn_it_is_is_the_same_asked_of_many_and_of_one(db, actor):
    cases = product(State.values, ["", "pass", "fail"], [None, True, False], [0, 1])
    for number, (state, verdict, conflicts, objections) in enumerate(cases):
        make_review(f"item {number}", state=state, verdict=verdict, conflicts=conflicts, objections=objections)
    by_one = {review.pk for review in Review.objects.all() if review.next_actor == actor}
    assert set(Review.objects.next_for(actor).values_list("pk", flat=True)) == by_one


def test_best_first_is_asked_then_answered_then_green_and_small():
    me, team = make_person("me"), make_person("the-team", is_team=True)
    TeamMembership.objects.create(team="the-team", person=me)
    make_review("Plain", lines_added=5, lines_removed=0)
    make_review("Large", lines_added=900, lines_removed=0, verdict="pass")
    make_review("Green", lines_added=10, lines_removed=2, verdict="pass")
    answered = make_review("Answered", state="follow-up")
    make_comment(answered, me, "needs work")
    asked_of_team, asked_of_me, voted = (
        make_review("Asked of the team"),
        make_review("Asked of me"),
        make_review("Voted"),
    )
    for review, who, is_pending in ((asked_of_team, team, True), (asked_of_me, me, True), (voted, me, False)):
        ReviewRequest.objects.create(review=review, reviewer=who, requested_at=timezone.now(), is_pending=is_pending)
    found = [review.title for review in Review.objects.best_first(me)]
    assert found == ["Asked of me", "Asked of the team", "Answered", "Green", "Large", "Plain", "Voted"]


def test_best_first_without_a_person_asks_nobody():
    make_review("Red", verdict="fail")
    make_review("Green", verdict="pass")
    assert [review.title for review in Review.objects.best_first(None)] == ["Green", "Red"]
