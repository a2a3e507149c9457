"""Rows from before numbers were kept get theirs out of the addresses that they have."""

from datetime import timedelta
from importlib import import_module

from django.apps import apps
from django.utils import timezone

from reviews.models import AllowedRevision, Comment, Review, Source
from reviews.tests.factories import make_comment, make_person, make_review

ROOT = "https://api.launchpad.net/devel/"
migration = import_module("reviews.migrations.0006_numbers")
owners = import_module("reviews.migrations.0018_whose_code_is_tested")


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


def test_whose_branch_it_is_is_found_in_the_addresses(db):
    proposal = make_old("~ada/thing/fix/+merge/7", code_owner=None, prerequisite="~bob/thing/+git/base:first")
    bug = make_old("charms/+bug/7", kind="new", code_owner=None, test_url="lp:~eve/charms/trusty/a/trunk")
    short = make_old("charms/+bug/8", kind="new", code_owner=None, test_url="lp:charms/a")
    owners.keep_owners(apps, None)
    found = Review.objects.values_list("pk", "code_owner__username", "prerequisite_owner__username")
    assert set(found) == {(proposal.pk, "ada", "bob"), (bug.pk, "eve", None), (short.pk, None, None)}


def test_what_was_trusted_for_its_submitter_alone_waits_and_nothing_where_everybodys_code_runs(db):
    asking = Source.objects.create(name="asking", kind="project", target="a", starts_tests="trusted")
    everybody = Source.objects.create(name="everybody", kind="project", target="b", starts_tests="everybody")
    mallory = make_person("mallory")
    own = make_review(source=asking)
    foreign = make_review(source=asking, code_owner=mallory)
    unknown = make_review(source=asking, code_owner=None)
    before = make_review(source=asking, prerequisite="lp:~mallory/a/b", prerequisite_owner=mallory)
    allowed = make_review(source=asking, code_owner=mallory, revision="r1")
    AllowedRevision.objects.create(review=allowed, revision="r1")
    of_all = make_review(source=everybody, code_owner=mallory)
    owners.ask_again(apps, None)
    kept = set(Review.objects.filter(trusted=True, tests_wait_for="").values_list("pk", flat=True))
    assert kept == {own.pk, allowed.pk, of_all.pk}
    held = set(Review.objects.filter(trusted=False, tests_wait_for="permission").values_list("pk", flat=True))
    assert held == {foreign.pk, unknown.pk, before.pk}
