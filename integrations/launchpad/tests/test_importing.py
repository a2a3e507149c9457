"""What a source holds on Launchpad becomes reviews, each once, in few requests (docs/specification.md, section 4)."""

import json
import time

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.entries import PROPOSAL_STATES, TASK_STATES
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import NEXT_ACTOR, Review, Source


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
    assert Review.objects.get().square == "black"


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


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nX-Padding: "])
def test_a_launchpad_that_drips_is_cut_off(launchpad, project, settings, dripping, beginning):
    source = project(launchpad.proposal(1))
    settings.LAUNCHPAD_SERVICE_ROOT, settings.LAUNCHPAD_TIMEOUT = dripping(beginning), 0.3
    started = time.monotonic()
    report = import_source(source)
    assert time.monotonic() - started < 60
    assert report.problems == ["mysql: Launchpad did not answer in time."]


def test_a_bug_with_an_excluded_tag_is_abandoned_and_package_bugs_are_skipped(launchpad, bugs):
    tagged = launchpad.bug(1, tags=("not-a-charm",))
    package = launchpad.bug(2, web_link="https://bugs.launchpad.net/charms/+source/mysql/+bug/2")
    import_source(bugs(tagged, package), include_closed=True)
    assert only().state == "abandoned"


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
def test_an_answer_that_is_not_valid_is_reported_and_nothing_is_lost(launchpad, project, answer):
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
    never = "0001-01-01T00:00:00+10:00"
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


def test_a_launchpad_that_is_down_is_reported(launchpad, project):
    source = project()
    launchpad.stop()
    assert "can't be reached" in import_source(source).problems[0]


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
    assert "mysql: 1 seen, at most 1 would be added" in capsys.readouterr().out
    assert not Review.objects.exists()
    call_command("import_reviews", "mysql")
    assert "mysql: 1 seen, 1 added" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There are: charmers, charms, mysql") as wrong:
        call_command("import_reviews", "nonsense")
    assert wrong.value.returncode == 2
    launchpad.answers["/devel/mysql"] = (500, {}, b"")
    with pytest.raises(CommandError):
        call_command("import_reviews", "mysql")


@pytest.mark.parametrize(("private_items", "named"), [("no", False), ("reviewers", True)])
@pytest.mark.parametrize("broken", [{"self_link": 1}, {"queue_status": "Pondering"}, {"date_created": None}])
def test_a_report_names_private_items_to_those_alone_who_may_know_of_them(
    launchpad, project, broken, private_items, named
):
    source = project(launchpad.proposal(1))
    import_source(source)  # it was public; a new one that is private is left out before anything can fail
    Source.objects.filter(pk=source.pk).update(private_items=private_items)
    source = project({**launchpad.proposal(1), "private": True, **broken})
    source.refresh_from_db()
    said = " ".join(import_source(source).problems)
    assert said
    assert ("+merge/1" in said) is named


@pytest.mark.parametrize("fault", [{"date_created": "yesterday"}, {"self_link": 1}, "its bug"])
def test_a_report_does_not_name_a_task_whose_bug_may_be_private(launchpad, bugs, fault):
    task = launchpad.bug(8)
    if fault == "its bug":
        launchpad.answers["/devel/bugs/8"] = (401, {}, b"")
    else:
        task |= fault
    [problem] = import_source(bugs(task)).problems
    assert problem.startswith("An item that is or may be private (the log names it): ")
    assert "bug/8" not in problem


@pytest.mark.parametrize(("says", "status", "named"), [(True, 500, False), (False, 401, False), (False, 500, True)])
def test_a_report_does_not_name_a_branch_that_may_be_private(launchpad, says, status, named):
    path = "~charmers/charms/trusty/mysql/secret"
    launchpad.answers["/devel/" + path] = (status, {}, b"")
    package = f"{launchpad.root}charms/trusty/+source/mysql"
    branch = {"self_link": launchpad.root + path, "sourcepackage_link": package, "private": says}
    launchpad.collection("~charmers", [branch])
    [problem] = import_source(Source.objects.get(name="charmers")).problems
    assert ("mysql/secret" in problem) is named


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


def test_an_import_goes_through_the_proxy_of_the_environment(launchpad, project, settings, monkeypatch):
    monkeypatch.setenv("http_proxy", launchpad.url)  # a server that takes whole addresses, as a proxy does
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    launchpad.root = "http://launchpad.invalid/devel/"
    report = import_source(project(launchpad.proposal(1)))
    assert (report.problems, report.added) == ([], 1)
    assert only().api_url.startswith("http://launchpad.invalid/")


def test_the_bugs_of_a_renamed_project_stay_the_same_reviews(launchpad, bugs):
    task = launchpad.bug(1)
    import_source(bugs(task))
    before = only()
    path = "new-name/+bug/1"
    web_link = "https://bugs.launchpad.net/new-name/+bug/1"
    renamed = launchpad.put(path, {**task, "self_link": launchpad.root + path, "web_link": web_link})
    import_source(bugs(renamed))
    assert (only().pk, only().bug_target, only().url) == (before.pk, "new-name", web_link)
    assert only().test_runs.count() == 1


def test_an_item_is_one_review_whatever_sources_and_addresses_show_it(launchpad, project):
    entry = launchpad.proposal(1)
    import_source(project(entry))
    other = Source.objects.create(name="other", kind="project", target="other")
    moved = "~ada-renamed/charms/trusty/mysql/fix/+merge/1"
    launchpad.collection("other", [launchpad.put(moved, {**entry, "self_link": launchpad.root + moved})])
    import_source(other)
    assert (only().source.name, only().api_url) == ("mysql", launchpad.root + moved)
