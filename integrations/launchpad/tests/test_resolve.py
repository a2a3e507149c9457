"""What there is to know of an item is found out: tip, branch, series (docs/specification.md, section 4)."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import Review, Series, Source


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
