"""Rows from before numbers were kept get theirs out of the addresses that they have."""

from datetime import timedelta
from importlib import import_module

from django.apps import apps
from django.utils import timezone

from reviews.models import Comment, Review
from reviews.tests.factories import make_comment, make_review

ROOT = "https://api.launchpad.net/devel/"
migration = import_module("reviews.migrations.0006_numbers")


def make_old(api_url, **fields):
    review = make_review(**fields)
    Review.objects.filter(pk=review.pk).update(api_url=ROOT + api_url)
    return review


def test_reviews_get_number_and_target(db):
    proposal = make_old("~ada/thing/fix/+merge/7")
    task = make_old("charms/+bug/7", kind="new")
    package = make_old("charms/+source/mysql/+bug/8", kind="new")
    nothing = make_old("elsewhere")
    migration.number_reviews(apps, None)
    numbers = {pk: (number, target) for pk, number, target in Review.objects.values_list("pk", "number", "bug_target")}
    assert numbers == {
        proposal.pk: (7, ""), task.pk: (7, "charms"), package.pk: (8, "charms/+source/mysql"), nothing.pk: (None, ""),
    }  # fmt: skip


def test_of_two_rows_of_one_proposal_the_one_read_last_keeps_the_number(db):
    now = timezone.now()
    old = make_old("~ada/thing/fix/+merge/7", synced_at=now - timedelta(days=3))
    new = make_old("~renamed/thing/fix/+merge/7", synced_at=now)
    never = make_old("~other/thing/fix/+merge/7")
    migration.number_reviews(apps, None)
    assert dict(Review.objects.values_list("pk", "number")) == {old.pk: None, new.pk: 7, never.pk: None}


def test_of_one_message_that_was_kept_twice_the_newer_row_keeps_the_number(db):
    review = make_review()
    older = make_comment(review, api_url=ROOT + "charms/+bug/1/comments/2")
    newer = make_comment(review, api_url=ROOT + "elsewhere/+bug/1/comments/2")
    migration.number_comments(apps, None)
    assert dict(Comment.objects.values_list("pk", "number")) == {older.pk: None, newer.pk: 2}
