"""A review is brought up to date from Launchpad, comments included (docs/specification.md, sections 3 and 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh
from reviews.models import Review, Source
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
def test_who_is_not_let_in_at_all_abandons_nothing(launchpad, project, status):
    import_source(project(launchpad.proposal(1)))
    launchpad.answers = dict.fromkeys(launchpad.answers, (status, {}, b""))
    assert "service root" in refresh(only())
    assert (only().state, only().sync_error != "") == ("pending", True)


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


@pytest.mark.parametrize("moment", ["2026-02-31T10:00:00+00:00", "0001-01-01T00:00:00+12:00", "yesterday"])
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


def moved(launchpad, item, to):
    """Launchpad answers at another address, and redirects from where the item was, as it does after a rename."""
    old = item["self_link"].removeprefix(launchpad.root)
    web_link = "https://code.launchpad.net/" + to
    launchpad.put(to, {**item, "self_link": launchpad.root + to, "web_link": web_link})
    launchpad.answers["/devel/" + old] = (301, {"Location": launchpad.root + to}, b"")
    return {**item, "self_link": launchpad.root + to, "web_link": web_link}


MOVED = "~ada-renamed/charms/trusty/mysql/other-name/+merge/1"


@pytest.mark.parametrize("seen_by", ["refresh", "import"])
def test_a_moved_proposal_keeps_its_review_lock_and_runs(launchpad, project, seen_by):
    entry = launchpad.proposal(1)
    import_source(project(entry))
    review, run = only(), only().test_runs.get()
    Review.objects.update(locked_by=Person.objects.create(username="eve"), locked_at=timezone.now())
    new = moved(launchpad, entry, MOVED)
    if seen_by == "refresh":
        assert refresh(review) == ""
    else:
        import_source(project(new))
    assert (only().pk, only().api_url, only().url) == (review.pk, new["self_link"], new["web_link"])
    assert only().locked_by.username == "eve"
    assert [(one.pk, one.status) for one in only().test_runs.all()] == [(run.pk, run.status)]


def test_two_rows_of_one_proposal_become_one(launchpad, project):
    """Rows from before numbers were kept: the old address of a proposal, and the new one."""
    entry = launchpad.proposal(1)
    import_source(project(entry))
    new = moved(launchpad, entry, MOVED)
    old = only()
    Review.objects.update(number=None)
    import_source(project(new))
    assert refresh(old) == ""
    assert dict(Review.objects.values_list("api_url", "state")) == {
        old.api_url: "abandoned",
        new["self_link"]: "pending",
    }


@pytest.mark.parametrize("other", ["a bug", "another proposal"])
def test_a_redirect_to_another_item_is_not_believed(launchpad, project, other):
    entry = launchpad.proposal(1)
    import_source(project(entry))
    to = launchpad.bug(1) if other == "a bug" else launchpad.proposal(2)
    path = entry["self_link"].removeprefix(launchpad.url.rstrip("/"))
    launchpad.answers[path] = (301, {"Location": to["self_link"]}, b"")
    assert "another item" in refresh(only())
    assert only().state == "pending"


def retargeted(launchpad, number, target):
    """The task of a bug is on something else now; Launchpad redirects to it."""
    task = launchpad.bug(number)
    path = f"{target}/+bug/{number}"
    launchpad.put(path, {**task, "self_link": launchpad.root + path, "web_link": f"https://bugs.launchpad.net/{path}"})
    launchpad.answers[f"/devel/charms/+bug/{number}"] = (301, {"Location": launchpad.root + path}, b"")


def test_a_bug_retargeted_out_of_the_queue_is_abandoned_with_the_reason(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    launchpad.put("charms", {"name": "charms"})
    retargeted(launchpad, 1, "elsewhere")
    assert refresh(only()) == ""
    assert (only().state, "retargeted to elsewhere" in only().state_reason) == ("abandoned", True)
    assert only().events.get(kind="state").note == only().state_reason


def test_a_bug_retargeted_to_another_source_goes_there(launchpad, bugs):
    other = Source.objects.create(name="other", kind="distribution-bugs", target="elsewhere")
    import_source(bugs(launchpad.bug(1)))
    retargeted(launchpad, 1, "elsewhere")
    assert refresh(only()) == ""
    assert (only().state, only().source, only().bug_target) == ("new", other, "elsewhere")


def test_a_bug_of_a_renamed_project_stays(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    pk = only().pk
    launchpad.put("new-name", {"name": "new-name"})
    retargeted(launchpad, 1, "new-name")
    launchpad.answers["/devel/charms"] = (301, {"Location": launchpad.root + "new-name"}, b"")
    assert refresh(only()) == ""
    assert (only().pk, only().state, only().bug_target) == (pk, "new", "new-name")


def test_messages_of_a_retargeted_bug_are_the_same_messages(launchpad, bugs):
    import_source(bugs(launchpad.bug(1, "Incomplete")))
    said = [launchpad.message(1, n, who, text) for n, (who, text) in enumerate([("bob", "New"), ("rev", "-1")])]
    launchpad.collection("bugs/1/messages", said)
    refresh(only())
    for number, message in enumerate(said):
        message["self_link"] = f"{launchpad.root}elsewhere/+bug/1/comments/{number}"
    launchpad.collection("bugs/1/messages", said)
    refresh(only())
    assert (only().comments.count(), only().negative_votes) == (2, 1)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("{root}bugs/7", "It is a duplicate of https://bugs.launchpad.net/bugs/7."),
        ("{root}bugs/8", "It is a duplicate of a bug that Launchpad does not show."),  # private
        ("{root}bugs/9", "It is a duplicate of a bug that Launchpad does not show."),  # 404
        ("tag:launchpad.net:2008:redacted", "It is a duplicate of a bug that Launchpad does not show."),
    ],
)
def test_a_duplicate_is_abandoned_with_a_link_to_the_other_if_that_is_public(launchpad, bugs, link, words):
    import_source(bugs(launchpad.bug(1)))
    bug = launchpad.entry("bugs/1")
    launchpad.put("bugs/7", {**bug, "private": False})
    launchpad.put("bugs/8", {**bug, "private": True})
    launchpad.put("bugs/1", {**bug, "duplicate_of_link": link.format(root=launchpad.root)})
    assert refresh(only()) == ""
    assert (only().state, only().state_reason) == ("abandoned", words)
    assert (only().duplicate_of in words) is True
    launchpad.put("bugs/1", {**bug, "duplicate_of_link": None})
    refresh(only())
    assert (only().state, only().state_reason, only().duplicate_of) == ("new", "", "")


def test_comments_that_can_not_be_read_are_not_the_absence_of_their_item(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    launchpad.proposal(1, "Approved")
    launchpad.answers["/devel/~ada/charms/trusty/mysql/fix-1/+merge/1/all_comments"] = (401, {}, b"")
    assert "comments can't be read" in refresh(only())
    assert (only().state, only().missing_since) == ("ready", None)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_linked_branches_that_can_not_be_read_are_not_the_absence_of_their_bug(launchpad, bugs, status):
    import_source(bugs(launchpad.bug(1)))
    before = only()
    launchpad.answers["/devel/bugs/1/linked_branches"] = (status, {}, b"")
    assert refresh(only()) == ""
    after = only()
    assert (after.state, after.missing_since) == ("new", None)
    assert (after.test_url, after.revision) == (before.test_url, before.revision)


def test_a_review_due_too_far_ahead_is_set_back(launchpad, project):
    """A clock was wrong when it was written."""
    import_source(project(launchpad.proposal(1)))
    Review.objects.update(due_at=timezone.now() + timedelta(days=365))
    assert [claimed.review_id for claimed in claim_due()] == [only().pk]
