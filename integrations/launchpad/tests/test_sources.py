"""What a source holds is the same for an import and for a webhook (docs/specification.md, section 4)."""

from datetime import UTC, datetime

import pytest

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.entries import parse_item
from integrations.launchpad.errors import LaunchpadError
from integrations.launchpad.sources import READERS
from reviews.models import Source

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
SOURCES = {
    "team": {"kind": "team-branches", "target": "charmers", "distribution": "charms"},
    "team with a tilde": {"kind": "team-branches", "target": "~charmers", "distribution": "charms"},
    "team of any distribution": {"kind": "team-branches", "target": "charmers"},
    "asked team": {"kind": "requested-reviews", "target": "charmers"},
    "asked person": {"kind": "requested-reviews", "target": "~rev"},
    "project": {"kind": "project", "target": "thing"},
    "repository": {"kind": "git-repository", "target": "~ada/thing/+git/thing"},
    "bugs": {"kind": "distribution-bugs", "target": "charms"},
    "bugs of another distribution": {"kind": "distribution-bugs", "target": "ubuntu"},
}
HELD = {
    "team": {"into charms"},
    "team with a tilde": {"into charms"},
    "team of any distribution": {"into charms", "into ubuntu"},
    "asked team": {"asked team"},
    "asked person": {"asked person"},
    "project": {"asked team", "asked person", "thing in bazaar", "into repository", "into other repository"},
    "repository": {"into repository"},
    "bugs": {"bug", "bug with many branches"},
    "bugs of another distribution": {"bug elsewhere"},
}


@pytest.fixture
def items(sandbox):
    """Items of every kind on one Launchpad; their names by path."""
    launchpad = sandbox.launchpad
    for name in ("ada", "rev"):
        launchpad.add_person(name, name.title())
    launchpad.add_team("charmers", "Charmers", ["rev"])
    for distribution in ("charms", "ubuntu"):
        launchpad.add_series(distribution, "trusty", active=True)
    charm, package = (launchpad.add_branch("charmers", f"{name}/trusty/mysql/trunk") for name in ("charms", "ubuntu"))
    trunk, plain = launchpad.add_branch("charmers", "thing/trunk"), launchpad.add_branch("charmers", "other/trunk")
    of_ada = launchpad.add_branch("ada", "charms/trusty/mysql/trunk")
    git, fork = launchpad.add_repository("ada", "thing", "thing"), launchpad.add_repository("ada", "thing", "fork")
    named = {}

    def propose(name, into, **more):
        if more.get("git_path"):
            source = launchpad.add_repository("rev", "thing", f"fix-{len(named)}")
        else:
            source = launchpad.add_branch("ada", f"thing/fix-{len(named)}")
        named[launchpad.add_proposal(source, into, registrant="ada", created=NOW, **more)] = name

    propose("into charms", charm)
    propose("into ubuntu", package)
    propose("into ada's charm", of_ada)
    propose("asked team", trunk, asked=["charmers"])
    propose("asked person", trunk, asked=["rev"])
    propose("thing in bazaar", trunk)
    propose("other project", plain)
    propose("into repository", git, git_path="fix")
    propose("into other repository", fork, git_path="fix")

    def report(name, distribution, branches=1, **more):
        branch = launchpad.add_branch("ada", f"charms/trusty/new-{len(named)}/trunk") if branches else None
        path = launchpad.add_bug(distribution, name, owner="ada", branch=branch, created=NOW, **more)
        for number in range(1, branches):
            launchpad.link_bug(path, launchpad.add_branch("ada", f"charms/trusty/more-{number}/trunk"))
        named[path] = name

    report("bug", "charms")
    report("bug with many branches", "charms", branches=3)
    report("bug without a branch", "charms", branches=0)
    report("bug of a package", "charms", package="mysql")
    report("bug elsewhere", "ubuntu")
    return named


def reader_of(name, **more):
    return READERS[Source.Kind(SOURCES[name]["kind"])](get_launchpad(), Source(name="s", **SOURCES[name]), **more)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("include_closed", [False, True])
def test_an_import_lists_what_a_source_holds(items, name, include_closed):
    reader = reader_of(name, include_closed=include_closed)
    listed = [entry["self_link"] for batch in reader.batches() for entry in batch]
    assert {items[link.removeprefix(reader.launchpad.root)] for link in listed} == HELD[name]
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", SOURCES)
def test_a_webhooks_item_is_held_exactly_when_an_import_lists_it(items, name):
    reader = reader_of(name)
    held = {words for path, words in items.items() if reader.holds(parse_item(reader.launchpad.get(path)))}
    assert held == HELD[name]


def test_every_kind_of_source_has_a_reader():
    assert set(READERS) == set(Source.Kind)
    assert {source["kind"] for source in SOURCES.values()} == set(Source.Kind.values)


@pytest.fixture
def branches(launchpad):
    """Package branches of a team; the first answers a status, the others have a proposal each."""

    def make(*statuses):
        entries = []
        for number, status in enumerate(statuses):
            path = f"~charmers/charms/trusty/charm-{number}/trunk"
            package = f"{launchpad.root}charms/trusty/+source/charm-{number}"
            entries.append({"self_link": launchpad.root + path, "sourcepackage_link": package})
            launchpad.collection(path, [{"self_link": f"{launchpad.root}{path}/+merge/{number}"}])
            if status != 200:
                launchpad.answers["/devel/" + path] = (status, {}, b"")
        launchpad.collection("~charmers", entries)

    return make


def test_a_branch_that_cannot_be_read_is_reported_and_the_others_are_read(branches):
    branches(403, 200, 500, 200)
    skipped = []
    listed = [entry for batch in reader_of("team", skipped=skipped.append).batches() for entry in batch]
    assert [entry["self_link"][-1] for entry in listed] == ["1", "3"]
    assert ["answered 403" in skipped[0], "answered 500" in skipped[1]] == [True, True]


def test_an_entry_that_is_not_a_branch_is_reported_and_the_others_are_read(launchpad, branches):
    branches(200)
    entries = get_launchpad().entries("~charmers")
    launchpad.collection("~charmers", ["text", {"self_link": 7}, *entries])
    skipped = []
    listed = [entry for batch in reader_of("team", skipped=skipped.append).batches() for entry in batch]
    assert (len(listed), len(skipped)) == (1, 2)


def test_a_team_whose_branches_fail_one_after_the_other_is_left(branches):
    branches(200, 500, 500, 500, 500, 500)
    batches = reader_of("team").batches()
    assert [entry["self_link"][-1] for entry in next(batches)] == ["0"]
    with pytest.raises(LaunchpadError, match="500"):
        next(batches)


def test_a_team_that_is_not_there_is_an_error(items, sandbox):
    sandbox.launchpad.hide("~charmers", 404)
    with pytest.raises(LaunchpadError, match="404"):
        list(reader_of("team").batches())
