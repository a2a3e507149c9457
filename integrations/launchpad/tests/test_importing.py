"""Items come in from Launchpad, each as one review, in few requests, whatever Launchpad answers (SPEC 3 and 4)."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.entries import PROPOSAL_STATES, TASK_STATES
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import NEXT_ACTOR, Review, Series, Source
from reviews.signals import revision_changed


@pytest.fixture
def project(launchpad):
    """A source of kind ``project``, and a way to say what it holds."""
    source = Source.objects.create(name="mysql", kind="project", target="mysql")

    def holds(*entries):
        launchpad.collection("mysql", list(entries))
        return source

    return holds


@pytest.fixture
def bugs(launchpad):
    def hold(*entries):
        launchpad.collection("charms", list(entries))
        return Source.objects.get(name="charms")

    return hold


def only():
    return Review.objects.get()


def test_a_proposal_becomes_a_review(launchpad, project):
    launchpad.put("~ada", {"display_name": "Ada <b>", "is_team": False, "web_link": "https://launchpad.net/~ada"})
    launchpad.put("charms/trusty", {"active": True})
    report = import_source(project(launchpad.proposal(1)))
    review = only()
    assert (report.ok, report.added, report.problems) == (True, 1, [])
    assert (review.kind, review.state, review.next_actor) == ("update", "pending", "reviewer")
    assert review.revision.startswith("tip-of-")
    assert review.test_url == "lp:~ada/charms/trusty/mysql/fix-1"
    assert (review.owner.display_name, review.series.name) == ("Ada <b>", "trusty")
    assert review.updated_at.isoformat() == "2026-01-02T10:00:00+00:00"
    assert [run.substrate.name for run in review.test_runs.all()] == ["lxc"]
    assert review.square == "white" or Review.objects.get().square == "black"


@pytest.mark.parametrize(("status", "state"), PROPOSAL_STATES.items())
def test_every_status_of_a_proposal(launchpad, project, status, state):
    import_source(project(launchpad.proposal(1, status)), include_closed=True)
    assert only().state == state
    assert NEXT_ACTOR[state]


@pytest.mark.parametrize(("status", "state"), [*TASK_STATES.items()])
def test_every_status_of_a_bug(launchpad, bugs, status, state):
    task = launchpad.bug(1, status, date_left_new="2026-01-02T10:00:00+00:00")
    import_source(bugs(task), include_closed=True)
    assert only().state == state


def test_a_bug_that_never_left_new_is_new(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    review = only()
    assert (review.kind, review.state, review.title, review.test_url, review.revision) == (
        "new", "new", "New charm 1", "lp:~bob/charms/trusty/new-1/trunk", "tip-1",
    )  # fmt: skip


def test_a_status_of_tomorrow_is_pending_and_reported(launchpad, project):
    source = project(launchpad.proposal(1, "Pondering"))
    report = import_source(source)
    assert only().state == "pending"
    assert "Pondering" in report.problems[0]
    assert (report.ok, report.failed) == (True, 0)
    source.refresh_from_db()
    assert source.cursor  # nothing has to come again
    call_command("import_reviews", "mysql")  # and nothing failed


def test_closed_items_are_left_out_unless_asked_for(launchpad, project):
    source = project(launchpad.proposal(1, "Merged"))
    assert import_source(source).added == 0
    assert import_source(source, include_closed=True).added == 1


def test_items_that_were_closed_when_first_seen_did_not_close_today(launchpad, project):
    merged = [launchpad.proposal(number, "Merged", date_merged="2026-01-05T10:00:00+00:00") for number in (1, 2, 3)]
    import_source(project(merged[0]), include_closed=True)  # alone, and many at once
    import_source(project(*merged), include_closed=True)
    assert {review.closed_at.isoformat() for review in Review.objects.all()} == {"2026-01-05T10:00:00+00:00"}
    assert Review.objects.count() == 3


def test_an_item_that_closes_while_it_is_known_closed_now(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    before = timezone.now()
    import_source(project(launchpad.proposal(1, "Merged", date_merged="2026-01-05T10:00:00+00:00")))
    assert only().closed_at >= before


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


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Padding: "])
def test_a_launchpad_that_drips_is_cut_off(launchpad, project, settings, dripping, beginning):
    source = project(launchpad.proposal(1))
    settings.LAUNCHPAD_SERVICE_ROOT, settings.LAUNCHPAD_TIMEOUT = dripping(beginning), 0.3
    started = time.monotonic()
    report = import_source(source)
    assert time.monotonic() - started < 60
    assert report.problems == ["mysql: Launchpad did not answer in time."]


def test_an_item_of_an_inactive_series_is_abandoned(launchpad, project):
    launchpad.put("charms/trusty", {"active": False})
    import_source(project(launchpad.proposal(1)), include_closed=True)
    assert only().state == "abandoned"
    assert not Series.objects.get().active


def test_a_bug_with_an_excluded_tag_is_abandoned_and_package_bugs_are_skipped(launchpad, bugs):
    tagged = launchpad.bug(1, tags=("not-a-charm",))
    package = launchpad.bug(2, web_link="https://bugs.launchpad.net/charms/+source/mysql/+bug/2")
    import_source(bugs(tagged, package), include_closed=True)
    assert only().state == "abandoned"


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


def test_three_hundred_unchanged_items_cost_one_request(launchpad, project, django_assert_max_num_queries):
    source = project(*[launchpad.proposal(number) for number in range(300)])
    first = import_source(source)
    assert first.added == 300
    before = len(launchpad.asked)
    with django_assert_max_num_queries(15):
        again = import_source(source)
    assert (again.seen, again.changed, again.requests) == (300, 0, 1)
    assert len(launchpad.asked) - before == 1


def test_a_new_tip_outdates_the_old_runs_and_tests_the_new_one(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    old = only().test_runs.get()
    import_source(project(launchpad.proposal(1, diff=2)))
    old.refresh_from_db()
    assert (old.status, old.outdated) == ("canceled", True)
    new = only().test_runs.exclude(pk=old.pk).get()
    assert (new.status, new.revision) == ("retry", only().revision)


def test_a_lock_is_released_when_the_item_changes(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    review = only()
    review.locked_by, review.locked_at = Person.objects.create(username="rev2"), review.created_at
    review.save()
    import_source(project(launchpad.proposal(1, "Work in progress")))
    assert only().locked_by is None
    assert review.events.filter(kind="lock").exists()


def test_members_of_the_reviewer_team_are_reviewers(launchpad, project):
    import_source(project())
    assert Person.objects.get(is_reviewer=True).username == "rev"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_gone_is_abandoned(launchpad, project, status):
    import_source(project(launchpad.proposal(1)))
    review = only()
    launchpad.answers["/devel/" + review.api_url.removeprefix(launchpad.root)] = (status, {}, b"")
    refresh(review)
    assert only().state == "abandoned"
    assert review.test_runs.get().status == "canceled"


@pytest.mark.parametrize(
    "broken",
    [
        "text", None, [], {}, {"self_link": 1}, {"date_created": "yesterday"}, {"date_created": None},
        {"web_link": "javascript:alert(1)"}, {"queue_status": ["x"]}, {"preview_diff_link": "http://169.254.169.254/"},
        {"source_branch_link": 5}, {"target_branch_link": {}},
    ],
)  # fmt: skip
def test_one_bad_item_is_reported_and_the_rest_carries_on(launchpad, project, broken):
    bad = {**launchpad.proposal(1), **broken} if isinstance(broken, dict) and broken else broken
    report = import_source(project(bad, launchpad.proposal(2)))
    assert Review.objects.filter(api_url__endswith="/2").exists()
    assert report.problems


@pytest.mark.parametrize(
    "answer", [(503, {}, b""), (200, {}, b"<html>"), (200, {}, b'{"entries": ['), (200, {}, b"[]"), (200, {}, b"{}")]
)
def test_a_launchpad_that_talks_nonsense_is_reported_and_nothing_is_lost(launchpad, project, answer):
    import_source(project(launchpad.proposal(1)))
    source = Source.objects.get(name="mysql")
    launchpad.answers["/devel/mysql"] = answer
    report = import_source(source)
    assert not report.ok
    assert report.problems
    assert only().state == "pending"
    source.refresh_from_db()
    assert source.last_error


def test_times_and_tags_that_are_none(launchpad, bugs):
    never = "9999-12-31T23:59:59-10:00"
    launchpad.collection("bugs/1/messages", [])
    tasks = [launchpad.bug(1, tags=({}, "not-a-charm", 7)), launchpad.bug(2, date_created=never)]
    source = bugs(*tasks, launchpad.bug(3, "Incomplete"))
    report = import_source(source)
    assert [problem.partition(": ")[2] for problem in report.problems] == ["date_created is not a time."]
    assert set(Review.objects.values_list("title", "state")) == {("New charm 3", "reviewed")}
    said = [launchpad.message(3, 0, "bob", "new"), {**launchpad.message(3, 1, "bob", "done"), "date_created": never}]
    launchpad.collection("bugs/3/messages", [*said, launchpad.message(3, 2, "eve", "+1")])
    assert refresh(only()) == ""
    assert only().comments.count() == 2


def test_a_collection_that_leads_back_into_itself_is_left(launchpad, project):
    entries = [launchpad.proposal(1)]
    page = {"entries": entries, "next_collection_link": launchpad.root + "mysql?ws.start=1"}
    source = project(*entries)
    launchpad.answers["/devel/mysql"] = (200, {}, json.dumps(page).encode())
    report = import_source(source)
    assert "leads back into itself" in report.problems[0]
    assert (report.ok, report.added) == (False, 1)
    assert len([asked for asked in launchpad.asked if asked["path"] == "/devel/mysql"]) == 2


def test_a_redirect_to_elsewhere_is_not_followed_with_our_credentials(launchpad, project, settings, jenkins):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret =\naccess_token = token\naccess_secret = secret\n"
    )
    import_source(project(launchpad.proposal(1)))
    elsewhere = (301, {"Location": jenkins.url + "anything"}, b"")
    for path in ("/devel/mysql", only().api_url.removeprefix(launchpad.url.rstrip("/"))):
        launchpad.answers[path] = elsewhere
    report = import_source(Source.objects.get(name="mysql"))
    assert "redirected to somewhere else" in report.problems[0]
    assert "redirected to somewhere else" in refresh(only())
    assert only().state == "pending"  # a 404 of somebody else would say nothing of it
    assert not jenkins.asked


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


def test_a_launchpad_that_is_down_is_reported(launchpad, project):
    source = project()
    launchpad.stop()
    assert "can't be reached" in import_source(source).problems[0]


def test_redacted_links_and_vanished_people_do_not_stop_an_item(launchpad, project):
    gone = "tag:launchpad.net:2008:redacted"
    entry = launchpad.proposal(1, registrant_link=gone, source_branch_link=gone, preview_diff_link=gone)
    import_source(project(entry, launchpad.proposal(2)))
    assert set(Review.objects.values_list("owner__username", flat=True)) == {"unknown", "ada"}


def test_the_classic_walk_reads_package_branches_of_its_distribution_only(launchpad):
    package = f"{launchpad.root}charms/trusty/+source/mysql"
    other = f"{launchpad.root}ubuntu/trusty/+source/mysql"
    branches = []
    for number, link in enumerate((package, other, None)):
        path = f"~charmers/charms/trusty/mysql/trunk-{number}"
        launchpad.collection(path, [launchpad.proposal(number)])
        branches.append({"self_link": launchpad.root + path, "sourcepackage_link": link})
    launchpad.collection("~charmers", branches)
    assert import_source(Source.objects.get(name="charmers")).added == 1


def test_the_command_says_what_it_did_and_fails_when_something_failed(launchpad, project, capsys):
    project(launchpad.proposal(1))
    call_command("import_reviews", "mysql", "--dry-run")
    assert not Review.objects.exists()
    call_command("import_reviews", "mysql")
    assert "mysql: 1 seen, 1 added" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There are: charmers, charms, mysql") as wrong:
        call_command("import_reviews", "nonsense")
    assert wrong.value.returncode == 2
    launchpad.answers["/devel/mysql"] = (500, {}, b"")
    with pytest.raises(CommandError):
        call_command("import_reviews", "mysql")


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


def test_a_series_that_ends_abandons_its_items_at_their_next_refresh(launchpad, project, monkeypatch):
    launchpad.put("charms/trusty", {"active": True})
    import_source(project(launchpad.proposal(1)))
    launchpad.put("charms/trusty", {"active": False})
    monkeypatch.setattr("integrations.launchpad.client.LATELY", 0.0)
    refresh(only())
    assert only().state == "abandoned"


def test_a_branch_that_can_not_be_read_does_not_stop_the_walk(launchpad):
    package = f"{launchpad.root}charms/trusty/+source/mysql"
    paths = [f"~charmers/charms/trusty/mysql/trunk-{number}" for number in range(3)]
    for number, path in enumerate(paths):
        launchpad.collection(path, [launchpad.proposal(number)])
    launchpad.answers["/devel/" + paths[0]] = (401, {}, b"")
    launchpad.answers["/devel/" + paths[1]] = (500, {}, b"")
    branches = [{"self_link": launchpad.root + path, "sourcepackage_link": package} for path in paths]
    launchpad.collection("~charmers", branches)
    source = Source.objects.get(name="charmers")
    report = import_source(source)
    assert (report.ok, report.added, report.failed, len(report.problems)) == (True, 1, 2, 2)
    with pytest.raises(CommandError):
        call_command("import_reviews", "charmers")


def test_all_takes_bugs_with_an_excluded_tag_too(launchpad, bugs):
    source = bugs(launchpad.bug(1))
    import_source(source)
    import_source(source, include_closed=True)
    searches = [asked["parameters"] for asked in launchpad.asked if asked["parameters"].get("ws.op") == "searchTasks"]
    assert [search.get("tags") for search in searches] == ['["-not-a-charm"]', None]
    assert all('"Incomplete"' in search["status"] for search in searches)


def test_without_a_preview_diff_the_branch_itself_says_its_tip(launchpad, project):
    launchpad.put("~ada/charms/trusty/mysql/fix-1", {"last_scanned_id": "one"})
    import_source(project(launchpad.proposal(1, preview_diff_link=None)))
    assert only().revision == "one"
    launchpad.put("~ada/charms/trusty/mysql/fix-1", {"last_scanned_id": "two"})
    refresh(only())
    assert only().revision == "two"


@pytest.mark.parametrize(
    ("status", "runs"), [("Needs review", 2), ("Approved", 2), ("Code failed to merge", 2), ("Merged", 1)]
)
def test_a_new_tip_is_tested_while_the_item_is_open(launchpad, project, status, runs):
    import_source(project(launchpad.proposal(1)))
    launchpad.proposal(1, status, diff=2)
    refresh(only())
    assert only().test_runs.count() == runs
