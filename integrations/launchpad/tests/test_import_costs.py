"""What an import costs Launchpad and the database, against the sandbox's Launchpad."""

import math

import pytest
from django.db.models import Count
from django.utils import timezone

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh_by_id
from integrations.sandbox.data import many
from reviews.models import Review, Source
from reviews.tests.factories import diffs_are_read
from testing.models import TestRun


def asked(server):
    """Requests since the last time."""
    count = len(server.requests)
    server.requests.clear()
    return count


@pytest.mark.django_db
def test_requests_of_300_proposals_and_200_bugs(sandbox):
    """The figures of README.md. Start-up (service root and WADL) comes before."""
    many(sandbox.launchpad, proposals=300, bugs=200)
    Source.objects.exclude(name="charms").delete()
    Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")
    get_launchpad()
    asked(sandbox.launchpad)
    first, second = [], []
    for counts in (first, second):
        for source in Source.objects.order_by("pk"):
            report = import_source(source)
            assert (report.ok, report.problems) == (True, [])
            counts.append(asked(sandbox.launchpad))
    assert Review.objects.count() == 500
    bugs, proposals = first
    # A bug costs itself and its linked branches; tips are asked for 40 at a time, the 30 people once.
    assert bugs == 1 + 2 * 200 + 200 / 40 + 30 + 1  # and the reviewers' team
    assert proposals == 1 + math.ceil(300 / 40)
    assert second == [1, 1]


@pytest.mark.django_db
def test_a_first_import_costs_a_constant_number_of_queries(sandbox, django_assert_max_num_queries):
    many(sandbox.launchpad, proposals=250)
    source = Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")
    with django_assert_max_num_queries(67):  # SQLite takes 999 values a statement, the wider the rows the more
        assert import_source(source).added == 250
    with django_assert_max_num_queries(40):
        diffs_are_read()
    assert TestRun.objects.count() == 250
    assert set(Review.objects.values_list("square", flat=True)) == {"black"}
    assert set(Review.objects.annotate(told=Count("events")).values_list("told", flat=True)) == {2}


@pytest.mark.django_db
def test_what_was_just_imported_is_not_fetched_a_second_time(sandbox):
    many(sandbox.launchpad, proposals=2, bugs=2)
    for path in [*sandbox.launchpad.proposals, *sandbox.launchpad.tasks]:
        sandbox.launchpad.comment(path, "person-0", "LGTM")
    Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")
    for source in Source.objects.exclude(name="charmers"):
        import_source(source)
    claimed = claim_due()
    assert (len(claimed), claim_due()) == (4, [])
    asked(sandbox.launchpad)
    for pk, claim, just_imported in claimed:
        refresh_by_id(pk, claim, just_imported)
        refresh_by_id(pk, claim, just_imported)  # the same message once more finds nothing to do
    assert asked(sandbox.launchpad) == 4 + 2 * 2  # their comments; who was asked to review the proposals, their bugs
    assert set(Review.objects.values_list("positive_votes", "sync_error")) == {(1, "")}
    assert not Review.objects.due().exists()


@pytest.mark.django_db
def test_a_webhook_after_the_import_is_not_mistaken_for_it(sandbox):
    many(sandbox.launchpad, proposals=1)
    import_source(Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"))
    sandbox.launchpad.set_status(sandbox.launchpad.proposals[0], "Approved")
    Review.objects.update(due_at=timezone.now())  # as the webhook does
    for claimed in claim_due():
        refresh_by_id(*claimed)
    assert Review.objects.get().state == "ready"
