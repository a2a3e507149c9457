"""Imports and refreshes that staff start from the admin."""

import pytest
from django.utils import timezone

from integrations.models import ImportReport, LaunchpadConnection, OwnPost, VerdictPost
from reviewqueue.operations.models import Heartbeat
from reviews.models import Review, Source


def test_a_review_is_refreshed_in_the_name_of_staff(staff, item, choose):
    assert "1 refresh will begin now" in choose("reviews/review", "refresh_now", item)
    event = item.events.get(kind="staff")
    assert (event.new, event.actor.username) == ("refresh from Launchpad", "boss")


def test_an_import_is_started_and_logged(client, staff, choose):
    source = Source.objects.first()
    assert "1 import will begin now" in choose("reviews/source", "import_now", source)
    assert "Import now" in client.get(f"/admin/reviews/source/{source.pk}/history/").content.decode()


def test_a_source_that_is_switched_off_is_not_imported(client, staff, choose):
    source = Source.objects.first()
    Source.objects.filter(pk=source.pk).update(active=False)
    page = choose("reviews/source", "import_now", source)
    assert f"Not imported: {source.name}. Switch the source on first" in page
    assert "will begin now" not in page


@pytest.mark.parametrize("alive", [True, False])
def test_without_a_worker_a_warning_says_so(staff, choose, alive):
    if alive:
        Heartbeat.objects.create(kind="worker", host="worker1", at=timezone.now())
    page = choose("reviews/source", "import_now", Source.objects.first())
    assert ("No worker is running" in page) is not alive


def test_the_list_of_sources_says_which_post_and_which_take_webhooks(client, staff):
    page = client.get("/admin/reviews/source/").content.decode()
    assert "Posts outcomes" in page
    assert "Webhooks" in page


@pytest.mark.parametrize("private", [True, False])
def test_posts_of_private_items_are_not_listed(client, staff, review, private):
    post = VerdictPost.objects.create(review=review, verdict="fail", error="Launchpad answered 502.")
    Review.objects.filter(pk=review.pk).update(private=private)
    page = client.get("/admin/integrations/verdictpost/").content.decode()
    assert (post.error in page) is not private
    assert (client.get(f"/admin/integrations/verdictpost/{post.pk}/change/").status_code == 200) is not private


@pytest.mark.parametrize(("private_items", "named"), [("no", False), ("reviewers", True)])
@pytest.mark.parametrize("page", ["/admin/integrations/importreport/{}/change/", "/admin/health/"])
def test_a_report_from_before_an_item_became_private_names_it_to_those_alone_who_may_know_of_it(
    client, staff, review, page, private_items, named
):
    source = Source.objects.first()
    Source.objects.filter(pk=source.pk).update(private_items=private_items)
    Review.objects.filter(pk=review.pk).update(private=True, kind="update", number=7, source=source)
    address = "https://code.launchpad.net/~acme/secret/+merge/7"
    report = ImportReport.objects.create(source=source, problems=[f"{address}: It has no revision.", "All is odd."])
    text = client.get(page.format(report.pk)).content.decode()
    assert (address in text) is named
    assert "All is odd." in text


def test_what_people_posted_is_listed_without_their_words(client, staff, item):
    for state in ("draft", "waiting"):
        OwnPost.objects.create(
            user=staff, review=item, text="Between us.", vote="Approve", state=state, sent_at=timezone.now()
        )
    page = client.get("/admin/integrations/ownpost/").content.decode()
    assert "1 own post" in page
    post = OwnPost.objects.get(state="waiting")
    assert "Between us." not in page + client.get(f"/admin/integrations/ownpost/{post.pk}/change/").content.decode()


def test_a_connection_is_listed_without_its_token_and_can_be_deleted(client, staff):
    connection = LaunchpadConnection.objects.create(user=staff, name="boss", token="t0ken", secret="s3cret")
    page = client.get("/admin/integrations/launchpadconnection/").content.decode()
    page += client.get(f"/admin/integrations/launchpadconnection/{connection.pk}/change/").content.decode()
    assert "t0ken" not in page
    assert "s3cret" not in page
    client.post(f"/admin/integrations/launchpadconnection/{connection.pk}/delete/", {"post": "yes"})
    assert not LaunchpadConnection.objects.exists()
