"""A review is brought up to date from Launchpad, comments included (docs/specification.md, sections 3 and 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import Review
from reviews.signals import revision_changed


def only():
    return Review.objects.get()


@pytest.mark.parametrize(("days", "holds"), [(-1, False), (1, True)])
def test_what_was_said_before_a_lock_was_taken_does_not_release_it(launchpad, bugs, days, holds):
    """The first reading of the comments brings what is new to us, and may be old."""
    import_source(bugs(launchpad.bug(1, "Incomplete")))
    launchpad.collection(
        "bugs/1/messages", [launchpad.message(1, 0, "bob", "+1"), launchpad.message(1, 1, "bob", "done")]
    )
    said = datetime(2026, 2, 2, 10, tzinfo=UTC)
    Review.objects.update(locked_by=Person.objects.create(username="eve"), locked_at=said + timedelta(days=days))
    assert refresh(only()) == ""
    assert only().state == "follow-up"
    assert bool(only().locked_by) is holds


def test_a_status_that_changed_before_the_first_reading_releases_the_lock(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    Review.objects.update(locked_by=Person.objects.create(username="eve"), locked_at=timezone.now())
    launchpad.proposal(1, "Work in progress")
    assert refresh(only()) == ""
    assert only().locked_by is None


def test_reviewed_and_the_submitter_spoke_last_is_follow_up(launchpad, bugs):
    import_source(bugs(launchpad.bug(1, "Incomplete")))
    assert only().state == "reviewed"  # the description is no answer
    say = launchpad.message
    talk = [say(1, 0, "bob", "+1"), say(1, 1, "rev", "needs work"), say(1, 2, "bob", "done")]
    launchpad.collection("bugs/1/messages", talk)
    assert refresh(only()) == ""
    review = only()
    assert (review.state, review.positive_votes, review.negative_votes) == ("follow-up", 0, 1)
    assert review.first_reviewed_at.isoformat() == "2026-02-02T10:00:00+00:00"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_gone_is_abandoned(launchpad, project, status):
    import_source(project(launchpad.proposal(1)))
    review = only()
    launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)] = (status, {}, b"")
    refresh(review)
    assert only().state == "abandoned"
    assert review.test_runs.get().status == "canceled"


def moved(launchpad, number, to):
    """Launchpad redirects from where an item was, as it does when a project is renamed."""
    old = launchpad.proposal(number)
    new = launchpad.proposal(to)
    path = old["self_link"].removeprefix(launchpad.url.rstrip("/"))
    launchpad.answers[path] = (301, {"Location": new["self_link"]}, b"")
    return new


def test_a_review_goes_along_when_its_item_moves(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    old, new = only(), moved(launchpad, 1, to=2)
    assert refresh(old) == ""
    assert (only().pk, only().api_url, only().url) == (old.pk, new["self_link"], new["web_link"])
    assert only().due_at > timezone.now()


def test_an_item_that_moved_to_where_it_is_known_appears_once(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    old, new = only(), moved(launchpad, 1, to=2)
    import_source(project(new))
    assert refresh(old) == ""
    assert dict(Review.objects.values_list("api_url", "state")) == {
        old.api_url: "abandoned",
        new["self_link"]: "pending",
    }


def test_another_kind_of_item_is_none(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    path = only().api_url.removeprefix(launchpad.url.rstrip("/"))
    launchpad.answers[path] = (301, {"Location": launchpad.bug(1)["self_link"]}, b"")
    assert "another kind" in refresh(only())
    assert only().state == "pending"


def gone(launchpad, review, status=404):
    launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)] = (status, {}, b"")


def test_a_bug_that_became_private_is_abandoned_though_its_task_can_be_read(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    launchpad.answers["/devel/bugs/1"] = (401, {}, b"")
    assert refresh(only()) == ""
    assert only().state == "abandoned"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_who_is_not_let_in_at_all_abandons_nothing(launchpad, project, status):
    import_source(project(launchpad.proposal(1)))
    launchpad.answers = dict.fromkeys(launchpad.answers, (status, {}, b""))
    assert "service root" in refresh(only())
    assert (only().state, only().sync_error != "") == ("pending", True)


def test_an_abandoned_item_that_is_there_again_comes_back(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    gone(launchpad, only())
    refresh(only())
    assert only().state == "abandoned"
    import_source(project(launchpad.proposal(1)))
    review = only()
    assert (review.state, review.sync_error) == ("pending", "")
    assert review.due_at - timezone.now() < timedelta(minutes=11)


def test_every_released_lock_is_written_down(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    review = only()
    Review.objects.update(locked_by=Person.objects.create(username="rev2"), locked_at=review.created_at)
    gone(launchpad, review)
    refresh(only())
    assert only().locked_by is None
    assert review.events.get(kind="lock").old == "rev2"


def test_who_quotes_our_comment_still_votes(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    ours = "Automated testing on lxc passed. LGTM\n\n-- posted by Review Queue, run 5 of http://localhost:8000"
    quoting = "> " + ours.replace("\n", "\n> ") + "\n+1"
    launchpad.collection(
        "bugs/1/messages",
        [launchpad.message(1, n, "rev", text) for n, text in enumerate(["What it is", ours, quoting])],
    )
    refresh(only())
    assert only().positive_votes == 1


@pytest.mark.parametrize("moment", ["2026-02-31T10:00:00+00:00", "9999-12-31T23:59:59-12:00", "yesterday"])
def test_a_comment_of_no_time_is_left_out(launchpad, bugs, moment):
    import_source(bugs(launchpad.bug(1)))
    said = [launchpad.message(1, number, "rev", "+1") for number in range(3)]
    said[1]["date_created"] = moment
    launchpad.collection("bugs/1/messages", said)
    assert refresh(only()) == ""
    assert only().positive_votes == 1


def test_one_review_that_can_not_be_written_stops_no_other_refresh(launchpad, project, capsys):
    import_source(project(*[launchpad.proposal(number) for number in (1, 2, 3)]))
    broken = Review.objects.order_by("due_at", "pk").first()
    for number in (1, 2, 3):
        launchpad.proposal(number, diff=2)

    def break_one(review, **_):
        if review.pk == broken.pk:
            raise ArithmeticError

    revision_changed.connect(break_one)
    try:
        with pytest.raises(CommandError, match="1 could not be brought up to date"):
            call_command("refresh_reviews")
    finally:
        revision_changed.disconnect(break_one)
    assert "ArithmeticError; the log says where." in capsys.readouterr().err
    assert Review.objects.get(synced_at=None) == broken
    broken.refresh_from_db()
    assert broken.due_at > timezone.now()
    assert broken.sync_error
