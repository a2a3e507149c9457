"""What there is to know of an item is found out: tip, branch, series (docs/specification.md, section 4)."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from accounts.models import Person
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh, refresh_by_id
from integrations.sandbox.data import many
from integrations.sandbox.tips import target_tip
from reviews.models import Review, Series, Source
from testing.models import Substrate, TestRun
from testing.runs import launch_runs


def only():
    return Review.objects.get()


def test_a_series_that_ends_abandons_its_items_at_their_next_refresh(launchpad, project, monkeypatch):
    launchpad.put("charms/trusty", {"active": True})
    import_source(project(launchpad.proposal(1)))
    launchpad.put("charms/trusty", {"active": False})
    monkeypatch.setattr("integrations.launchpad.resolve.SERIES_AGE", timedelta(0))
    refresh(only())
    assert only().state == "abandoned"


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


@pytest.mark.parametrize("seen_by", ["import", "refresh"])
def test_of_a_moved_branch_its_new_address_is_tested(launchpad, project, seen_by):
    entry = launchpad.proposal(1)
    import_source(project(entry))
    branch = "~ada-renamed/charms/trusty/mysql/fix-1"
    moved = {"self_link": f"{launchpad.root}{branch}/+merge/1", "source_branch_link": launchpad.root + branch}
    entry = launchpad.put(f"{branch}/+merge/1", {**entry, **moved})
    if seen_by == "import":
        import_source(project(entry))
    else:
        old = "/devel/" + only().api_url.removeprefix(launchpad.root)
        launchpad.answers[old] = (301, {"Location": entry["self_link"]}, b"")
        assert refresh(only()) == ""
    assert only().test_url == f"lp:{branch}"
    assert only().test_runs.count() == 1


def test_redacted_links_and_vanished_people_do_not_stop_an_item(launchpad, project):
    gone = "tag:launchpad.net:2008:redacted"
    entry = launchpad.proposal(1, registrant_link=gone, source_branch_link=gone, preview_diff_link=gone)
    import_source(project(entry, launchpad.proposal(2)))
    assert set(Review.objects.values_list("owner__username", flat=True)) == {"(hidden)", "ada"}


def test_an_item_of_an_inactive_series_is_abandoned(launchpad, project):
    launchpad.put("charms/trusty", {"active": False})
    import_source(project(launchpad.proposal(1)), include_closed=True)
    assert only().state == "abandoned"
    assert not Series.objects.get().active


def test_a_time_in_the_future_is_not_believed_and_the_report_says_so(launchpad, project):
    never = "9999-12-31T00:00:00+00:00"
    source = project(launchpad.proposal(1, date_reviewed=never))
    report = import_source(source)
    assert report.problems == [
        f"{only().url}: date_reviewed 9999-12-31T00:00:00+00:00 lies in the future and is not believed."
    ]
    assert report.failed == 0
    assert only().updated_at.isoformat() == "2026-01-02T10:00:00+00:00"
    assert import_source(source).changed == 0


@pytest.fixture
def world(db, sandbox):
    """Proposals of both kinds into a project, on a Launchpad that knows what is private."""
    launchpad = sandbox.launchpad
    launchpad.add_person("ada", "Ada")
    places = {
        "source branch": launchpad.add_branch("ada", "thing/fix"),
        "target branch": launchpad.add_branch("ada", "thing/trunk"),
        "source repository": launchpad.add_repository("ada", "thing", "fix"),
        "target repository": launchpad.add_repository("ada", "thing", "thing"),
    }
    created = datetime(2026, 11, 1, 10, tzinfo=UTC)
    launchpad.add_proposal(places["source branch"], places["target branch"], registrant="ada", created=created)
    launchpad.add_proposal(
        places["source repository"], places["target repository"], registrant="ada", created=created, git_path="fix"
    )
    return launchpad, places, Source.objects.create(name="thing", kind="project", target="thing")


@pytest.mark.parametrize("name", ["source branch", "target branch", "source repository", "target repository"])
def test_a_proposal_of_which_one_side_is_private_is_private(world, name):
    launchpad, places, source = world
    Source.objects.filter(pk=source.pk).update(private_items="reviewers")
    launchpad.set_private(places[name])
    assert import_source(Source.objects.get(pk=source.pk)).problems == []
    private = dict(Review.objects.values_list("private", "branch"))
    assert private == {True: private[True], False: private[False]}
    assert bool(private[True]) is ("repository" in name)  # a Git proposal has a path


@pytest.mark.parametrize("name", ["source branch", "target branch", "source repository", "target repository"])
def test_what_is_private_by_its_branch_stays_so_until_the_branch_is_public(world, name):
    launchpad, places, source = world
    Source.objects.filter(pk=source.pk).update(private_items="reviewers")
    launchpad.set_private(places[name])
    source.refresh_from_db()
    for _ in range(2):
        import_source(source)
        assert Review.objects.filter(private=True).count() == 1
    assert refresh(Review.objects.get(private=True)) == ""
    assert Review.objects.filter(private=True).count() == 1
    launchpad.set_private(places[name], False)
    assert refresh(Review.objects.get(private=True)) == ""
    assert not Review.objects.filter(private=True).exists()


def test_a_bug_whose_linked_branch_is_private_is_private(world):
    launchpad, _, _ = world
    branch = launchpad.add_branch("ada", "charms/trusty/new/trunk")
    launchpad.add_bug("charms", "New", owner="ada", branch=branch, created=datetime(2026, 11, 1, tzinfo=UTC))
    launchpad.set_private(branch)
    source = Source.objects.create(name="c", kind="distribution-bugs", target="charms", private_items="reviewers")
    import_source(source)
    assert Review.objects.get().private


# --- the change -------------------------------------------------------------------------------------------------


@pytest.fixture
def change(db, sandbox):
    """A Git proposal with a prerequisite and a Bazaar one, both imported by ``change.read()``."""
    launchpad = sandbox.launchpad
    launchpad.add_person("ada", "Ada")
    created = datetime(2026, 11, 1, 10, tzinfo=UTC)
    fork, main = launchpad.add_repository("ada", "thing", "fork"), launchpad.add_repository("ada", "thing", "main")
    base = launchpad.add_repository("ada", "thing", "base")
    git = launchpad.add_proposal(
        fork, main, registrant="ada", created=created, git_path="fix", prerequisite=base, prerequisite_path="first",
        description="Why.\nMore.", commit_message="\n  Fix it  \n\nBecause.",
    )  # fmt: skip
    branch, trunk = launchpad.add_branch("ada", "thing/fix"), launchpad.add_branch("ada", "thing/trunk")
    before = launchpad.add_branch("ada", "thing/before")
    bazaar = launchpad.add_proposal(
        branch, trunk, registrant="ada", created=created, prerequisite=before, description="Only this"
    )
    source = Source.objects.create(name="thing", kind="project", target="thing", starts_tests="everybody")

    class Change:
        paths: ClassVar = {"git": git, "bazaar": bazaar}

        def read(self, kind):
            report = import_source(source)
            assert (report.ok, report.problems) == (True, [])
            return Review.objects.get(number=self.paths[kind].rpartition("/")[2])

        def diff(self, kind):
            return launchpad.path_of(launchpad.entries[self.paths[kind]]["preview_diff_link"])

        def asked_for_diffs(self):
            return [path for _, path in launchpad.requests if "+preview-diff" in path]

    return Change()


def test_a_git_proposal_says_what_is_merged_into_what(change):
    review = change.read("git")
    host = review.source_url.removesuffix("~ada/thing/+git/fork")
    assert host.startswith("https://")
    assert (review.source_branch, review.branch) == ("fix", "refs/heads/fix")
    assert (review.target_url, review.target_branch) == (f"{host}~ada/thing/+git/main", "master")
    assert (review.prerequisite_url, review.prerequisite_branch) == (f"{host}~ada/thing/+git/base", "first")
    assert review.target == "~ada/thing/+git/main:master"
    assert review.prerequisite == "~ada/thing/+git/base:first"


def test_a_bazaar_proposal_says_what_is_merged_into_what(change):
    review = change.read("bazaar")
    assert (review.source_url, review.source_branch) == ("lp:~ada/thing/fix", "")
    assert (review.target_url, review.target_branch) == ("lp:~ada/thing/trunk", "")
    assert review.target == "lp:~ada/thing/trunk"
    assert (review.prerequisite_url, review.prerequisite) == ("lp:~ada/thing/before",) * 2


@pytest.mark.parametrize("kind", ["git", "bazaar"])
def test_whose_branch_and_prerequisite_it_is_is_known_by_their_names(change, kind):
    review = change.read(kind)
    assert (review.code_owner.username, review.prerequisite_owner.username) == ("ada", "ada")


def test_whose_branch_is_linked_to_a_bug_is_known_though_it_has_a_short_name(launchpad, bugs):
    task = launchpad.bug(1)
    launchpad.put("~bob/charms/trusty/new-1/trunk", {"bzr_identity": "lp:charms/mysql", "last_scanned_id": "tip"})
    import_source(bugs(task))
    assert (only().test_url, only().code_owner.username) == ("lp:charms/mysql", "bob")


def test_whose_a_hidden_branch_is_is_not_known(launchpad, project):
    import_source(project(launchpad.proposal(1, source_branch_link="tag:launchpad.net:2008:redacted")))
    assert only().code_owner is None


def test_description_and_commit_message_are_kept_whole(change):
    review = change.read("git")
    assert review.description == "Why.\nMore."
    assert review.commit_message == "\n  Fix it  \n\nBecause."


def test_a_bugs_description_is_its_own(launchpad, bugs):
    task = launchpad.bug(1)
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), "description": "A new charm."})
    import_source(bugs(task))
    assert (only().description, only().target) == ("A new charm.", "charms")


@pytest.mark.parametrize("kind", ["git", "bazaar"])
def test_conflicts_and_lines_are_those_of_the_diff(change, sandbox, kind):
    sandbox.launchpad.push(change.paths[kind], "--- a\n+++ a\n+1\n+2\n-3\n", conflicts="Text conflict in a\n")
    review = change.read(kind)
    assert (review.conflicts, review.conflicts_text) == (True, "Text conflict in a")
    assert (review.lines_added, review.lines_removed) == (2, 1)
    assert review.target_revision == target_tip(review.target_url)  # as the sandbox's builds name it


@pytest.mark.parametrize("kind", ["git", "bazaar"])
def test_a_push_that_mends_a_conflict_is_seen(change, sandbox, kind):
    sandbox.launchpad.push(change.paths[kind], conflicts="Text conflict in a\n")
    assert change.read(kind).conflicts_since is not None
    sandbox.launchpad.push(change.paths[kind])
    review = change.read(kind)
    assert (review.conflicts, review.conflicts_text, review.conflicts_since) == (False, "", None)


def test_a_conflict_that_stays_is_one_since_it_was_first_seen(change, sandbox):
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in a\n")
    since = change.read("git").conflicts_since
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in b\n")
    review = change.read("git")
    assert (review.conflicts_text, review.conflicts_since) == ("Text conflict in b", since)


@pytest.mark.parametrize("kind", ["git", "bazaar"])
def test_an_unchanged_diff_is_read_once(change, kind):
    review = change.read(kind)
    assert change.asked_for_diffs().count("/devel/" + change.diff(kind)) == 1
    assert refresh(review) == ""
    change.read(kind)
    assert change.asked_for_diffs().count("/devel/" + change.diff(kind)) == 1


@pytest.mark.parametrize("answer", [404, 500])
def test_a_diff_that_cant_be_read_is_no_loss_of_its_item(change, sandbox, answer):
    sandbox.launchpad.hidden[change.diff("bazaar")] = answer
    review = change.read("bazaar")
    assert (review.state, review.conflicts, review.lines_added) == ("pending", None, None)
    del sandbox.launchpad.hidden[change.diff("bazaar")]
    assert refresh(review) == ""
    assert change.read("bazaar").conflicts is False


def test_without_a_diff_it_is_not_known_whether_it_conflicts(change, sandbox):
    sandbox.launchpad.change(change.paths["git"], preview_diff_link=None)
    review = change.read("git")
    assert (review.conflicts, review.lines_added, review.diff_url) == (None, None, "")


def test_a_stale_diff_of_an_older_revision_says_nothing_of_this_one(change, sandbox):
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in a\n")
    sandbox.launchpad.change(change.diff("git"), stale=True, source_revision_id="0" * 40)
    review = change.read("git")
    assert review.conflicts is None
    assert review.revision == sandbox.launchpad.entries["~ada/thing/+git/fork/+ref/fix"]["commit_sha1"]


def test_a_diff_that_is_stale_because_its_target_moved_still_counts(change, sandbox):
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in a\n")
    sandbox.launchpad.change(change.diff("git"), stale=True)
    assert change.read("git").conflicts is True


def test_a_new_revision_without_its_diff_forgets_the_old_conflict(change, sandbox):
    sandbox.launchpad.push(change.paths["bazaar"], conflicts="Text conflict in a\n")
    change.read("bazaar")
    sandbox.launchpad.push(change.paths["bazaar"])
    sandbox.launchpad.hidden[change.diff("bazaar")] = 404
    review = change.read("bazaar")
    assert (review.conflicts, review.conflicts_since) == (None, None)


def test_the_diffs_of_many_new_items_are_left_to_the_refresh_that_follows(sandbox, db):
    many(sandbox.launchpad, proposals=6)
    import_source(Source.objects.create(name="many", kind="project", target="many"))
    assert set(Review.objects.values_list("conflicts", flat=True)) == {None}
    for claimed in claim_due():
        refresh_by_id(*claimed)
    assert set(Review.objects.values_list("conflicts", "sync_error")) == {(False, "")}


def test_a_private_prerequisite_makes_a_proposal_private(change, sandbox):
    for path in ("~ada/thing/+git/base", "~ada/thing/before"):
        sandbox.launchpad.set_private(path)
    assert import_source(Source.objects.get(name="thing")).private == 2
    assert not Review.objects.exists()


def test_a_hidden_target_is_not_named(launchpad, project):
    import_source(project(launchpad.proposal(1, target_branch_link="tag:launchpad.net:2008:redacted")))
    assert (only().target, only().target_url) == ("", "")


# --- conflicts hold tests back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["git", "bazaar"])
def test_what_conflicts_is_tested_when_a_push_has_mended_it(change, sandbox, kind):
    sandbox.launchpad.push(change.paths[kind], conflicts="Text conflict in a\n")
    review = change.read(kind)
    assert (review.tests_wait_for, review.square, review.test_runs.count()) == ("conflicts", "white", 0)
    sandbox.launchpad.push(change.paths[kind])
    review = change.read(kind)
    assert (review.tests_wait_for, review.square) == ("", "black")
    assert [run.revision for run in review.test_runs.all()] == [review.revision]


def test_what_conflicts_is_tested_when_a_new_diff_without_a_push_says_that_it_does_not(change, sandbox):
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in a\n")
    review, launchpad = change.read("git"), sandbox.launchpad
    entry = launchpad.entries[change.diff("git")]
    launchpad.put("preview_diff", "~ada/thing/+git/fork/+preview-diff/9", **{**entry, "conflicts": ""})
    link = launchpad.root + "~ada/thing/+git/fork/+preview-diff/9"
    launchpad.change(change.paths["git"], preview_diff_link=link)
    assert refresh(review) == ""
    assert [run.revision for run in review.test_runs.all()] == [review.revision]


def test_a_reviewer_tests_what_conflicts_all_the_same(change, sandbox):
    sandbox.launchpad.push(change.paths["git"], conflicts="Text conflict in a\n")
    review = change.read("git")
    reviewer = Person.objects.create(username="rev")
    launch_runs(review, Substrate.objects.filter(name="lxc"), reviewer)
    assert refresh(review) == ""
    assert review.test_runs.get().status == "retry"


def test_of_conflicts_that_the_following_refresh_finds_nothing_was_sent(sandbox, db):
    many(sandbox.launchpad, proposals=6)
    for path in sandbox.launchpad.proposals:
        sandbox.launchpad.push(path, conflicts="Text conflict in a\n")
    import_source(Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"))
    for claimed in claim_due():
        refresh_by_id(*claimed)
    assert not TestRun.objects.exists()
    assert set(Review.objects.values_list("tests_wait_for", "square")) == {("conflicts", "white")}
