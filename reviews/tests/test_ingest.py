"""An item's facts become its review: activity, times, identity (docs/specification.md, sections 3 and 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.comments import MARKER
from reviews.facts import DiffFacts, ExtraFacts
from reviews.ingest import add_comments
from reviews.models import Review
from reviews.refresh import request_refresh
from reviews.tests.factories import make_review

OURS = f"Automated testing on lxc failed.\n\n{MARKER}1 of http://localhost:8000: fail"


@pytest.fixture
def bug(launchpad, bugs):
    """A bug of bob's that eve has locked, read once, comments included."""
    import_source(bugs(launchpad.bug(1, "Incomplete")))
    refresh(Review.objects.get())
    lock()
    return Review.objects.get()


def lock(name="eve"):
    holder = Person.objects.get_or_create(username=name)[0]
    Review.objects.update(locked_by=holder, locked_at=timezone.now())


def say(launchpad, *said):
    """Messages on the bug; the bug's own times follow the last one, as they do on Launchpad."""
    messages = [launchpad.message(1, 0, "bob", "What it is")]
    for number, (author, text) in enumerate(said, 1):
        messages.append(launchpad.message(1, number, author, text))
    launchpad.collection("bugs/1/messages", messages)
    last = datetime.fromisoformat(messages[-1]["date_created"])
    changes = {"date_last_message": last.isoformat(), "date_last_updated": (last + timedelta(seconds=1)).isoformat()}
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), **changes})


def state(review):
    return review.updated_at, review.locked_by_id, review.state


def test_our_own_outcome_on_a_bug_is_no_activity(launchpad, bugs, bug):
    say(launchpad, ("queue-bot", OURS))
    import_source(bugs(launchpad.entry("charms/+bug/1")))
    refresh(bug)
    assert state(Review.objects.get()) == state(bug)


def test_our_own_outcome_is_no_answer_though_launchpad_counts_it_as_one(launchpad, bugs, bug):
    """A message makes "Incomplete (without response)" one "(with response)"."""
    say(launchpad, ("rev", "-1"), ("queue-bot", OURS))
    task = launchpad.entry("charms/+bug/1")
    launchpad.put("charms/+bug/1", {**task, "status": "Incomplete (with response)"})
    refresh(bug)
    assert Review.objects.get().state == "reviewed"


def test_our_own_outcome_on_a_proposal_is_no_activity(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    refresh(Review.objects.get())
    lock()
    before = Review.objects.get()
    path = "~ada/charms/trusty/mysql/fix-1/+merge/1"
    said = {"self_link": f"{launchpad.root}{path}/comments/7", "author_link": f"{launchpad.root}~queue-bot"}
    ours = {**said, "content": OURS, "vote": "Needs Fixing", "date_created": timezone.now().isoformat()}
    launchpad.collection(path + "/all_comments", [ours])
    refresh(before)
    after = Review.objects.get()
    assert state(after) == state(before)
    assert (after.comments.count(), after.negative_votes, after.first_reviewed_at) == (1, 0, None)


@pytest.mark.parametrize(("author", "holds"), [("rev", False), ("bob", False), ("eve", True)])
def test_a_lock_is_released_by_what_somebody_else_says(launchpad, bug, author, holds):
    say(launchpad, (author, "a word"))
    refresh(bug)
    after = Review.objects.get()
    assert after.updated_at > bug.updated_at
    # What the submitter says moves the state besides.
    assert bool(after.locked_by) is holds


@pytest.mark.parametrize("seen_by", ["import", "refresh"])
def test_a_lock_outlives_what_was_known_when_it_was_taken(launchpad, bugs, bug, seen_by):
    """The submitter's answer made the item FOLLOW UP before: reading the same once more is no news."""
    say(launchpad, ("rev", "why?"), ("bob", "because"))
    refresh(bug)
    lock()
    before = Review.objects.get()
    assert before.state == "follow-up"
    if seen_by == "import":
        import_source(bugs(launchpad.entry("charms/+bug/1")))
    else:
        refresh(before)
    assert state(Review.objects.get()) == state(before)


def test_a_bot_releases_no_lock(launchpad, bug, settings):
    settings.BOT_ACCOUNTS = ["ci-bot"]
    say(launchpad, ("ci-bot", "-1"))
    refresh(bug)
    assert state(Review.objects.get()) == state(bug)


def test_a_change_of_a_bug_that_nothing_explains_is_somebodys(launchpad, bug):
    moment = timezone.now() - timedelta(minutes=1)
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), "date_last_updated": moment.isoformat(), "title": "Another"})
    refresh(bug)
    after = Review.objects.get()
    assert (after.updated_at, after.locked_by) == (moment, None)


def test_a_changed_bug_is_read_with_its_messages_before_it_moves(launchpad, bugs, bug):
    moment = timezone.now() + timedelta(seconds=1)
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), "date_last_updated": moment.isoformat()})
    import_source(bugs(launchpad.entry("charms/+bug/1")))
    after = Review.objects.get()
    assert (after.updated_at, after.locked_by_id) == (bug.updated_at, bug.locked_by_id)
    assert after.due_at <= timezone.now()


@pytest.mark.parametrize("seen_by", ["import", "refresh"])
def test_a_last_change_in_the_year_9999_does_not_stick(launchpad, bugs, seen_by):
    task = launchpad.bug(1)
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), "date_last_updated": "9999-01-01T00:00:00+00:00"})
    import_source(bugs(task))
    if seen_by == "refresh":
        refresh(Review.objects.get())
    assert Review.objects.get().updated_at == datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_a_time_in_the_future_that_was_written_once_is_set_back(launchpad, bugs, bug):
    Review.objects.update(updated_at=timezone.now() + timedelta(days=365))
    refresh(bug)
    assert Review.objects.get().updated_at <= timezone.now()


@pytest.mark.parametrize(
    "fields", [{"kind": "update", "number": 7}, {"kind": "new", "number": 7, "bug_target": "charms"}]
)
def test_the_database_keeps_an_item_to_one_row(db, fields):
    make_review(**fields)
    with transaction.atomic(), pytest.raises(IntegrityError):
        make_review(**fields)


def test_tasks_of_one_bug_on_two_targets_are_two_items(db):
    make_review(kind="new", number=7, bug_target="charms")
    make_review(kind="new", number=7, bug_target="elsewhere")
    assert Review.objects.count() == 2


def test_a_hidden_registrant_is_nobody_that_there_is(launchpad, project):
    launchpad.put("~unknown", {"name": "unknown", "display_name": "A Person"})
    import_source(project(launchpad.proposal(1, registrant_link="tag:launchpad.net:2008:redacted")))
    owner = Review.objects.get().owner
    assert (str(owner), owner.username == "unknown") == ("hidden by Launchpad", False)


def test_a_diff_that_is_not_the_newest_any_more_says_nothing(db):
    review = make_review(diff_marker="new", conflicts=False)
    for url, conflicts in (("old", False), ("new", True)):
        add_comments(review.pk, [], now=timezone.now(), diff=DiffFacts(url, conflicts=True))
        review.refresh_from_db()
        assert review.conflicts is conflicts


@pytest.mark.parametrize(("minutes", "is_read_again"), [(-1, True), (1, False)])
def test_requests_are_read_again_when_the_item_is_asked_for_while_they_are_read(db, minutes, is_read_again):
    review = make_review()
    request_refresh([review], None)
    begun = timezone.now() + timedelta(minutes=minutes)
    add_comments(review.pk, [], now=begun, extras=ExtraFacts(requests=(), bugs=()))
    review.refresh_from_db()
    assert (review.extras_read_at is None) == is_read_again
