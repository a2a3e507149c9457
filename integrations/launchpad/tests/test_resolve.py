"""What there is to know of an item is found out: tip, branch, series (docs/specification.md, section 4)."""

from datetime import timedelta

import pytest

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import Review, Series


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
