"""Whose the votes of an item are, as its row says on hover."""

import pytest

from reviews.models import Review
from reviews.tests.factories import make_comment, make_person, make_review
from reviews.votes import MAX_VOTERS, count_votes

pytestmark = pytest.mark.django_db


def vote(review, who, sentiment, position):
    make_comment(review, make_person(who, who.title()), sentiment=sentiment, vote="x", position=position)


def counted(review):
    count_votes(review)
    review.save()
    return Review.objects.get(pk=review.pk).voters


def test_each_persons_latest_vote_is_kept_by_name():
    review = make_review()
    for position, (who, sentiment) in enumerate([("ana", "negative"), ("bo", "positive"), ("ana", "positive")]):
        vote(review, who, sentiment, position)
    assert counted(review) == [["Bo", "+1"], ["Ana", "+1"]]


def test_a_vote_that_was_taken_back_is_nobodys():
    review = make_review()
    vote(review, "ana", "negative", 1)
    vote(review, "ana", "neutral", 2)
    assert counted(review) == []


def test_of_very_many_the_newest_are_kept():
    review = make_review()
    for number in range(MAX_VOTERS + 3):
        vote(review, f"p{number}", "positive", number)
    assert counted(review)[-1] == [f"P{MAX_VOTERS + 2}", "+1"]
    assert len(review.voters) == MAX_VOTERS


def test_a_row_says_who_votes_how(client):
    make_review(positive_votes=1, voters=[["<Ana>", "+1"]])
    assert 'class="c-votes" title="&lt;Ana&gt; +1"' in client.get("/").content.decode()
