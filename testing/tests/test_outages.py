"""A substrate that fails for most items is said once, for all of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Person
from reviews.models import Review
from testing.models import Substrate, TestRun
from testing.outages import get_outages, keep_outages
from testing.tasks import sweep_test_runs


@pytest.fixture
def ended(review):
    """Items whose tests on lxc ended, with these outcomes."""
    owner = Person.objects.create(username="bob")
    lxc = Substrate.objects.get(name="lxc")

    def make(*outcomes, ago=timedelta(hours=1), **more):
        for outcome in outcomes:
            number = Review.objects.count() + 10
            item = Review.objects.create(
                source=review.source, kind="update", title=f"Item {number}", state="pending", number=number,
                url=f"https://code.launchpad.net/+merge/{number}", api_url=f"https://api.launchpad.net/+merge/{number}",
                owner=owner, created_at=review.created_at, updated_at=review.updated_at, revision="r", **more,
            )  # fmt: skip
            TestRun.objects.create(
                review=item, substrate=lxc, revision="r", status=outcome, finished_at=timezone.now() - ago,
                next_attempt_at=None,
            )  # fmt: skip

    return make


def words():
    keep_outages()
    return [outage.words for outage in get_outages()]


def test_most_items_that_fail_or_end_in_error_are_an_outage(ended):
    ended(*["fail"] * 10, *["error"] * 4, "pass", "pass")
    assert words() == ["lxc fails for 14 of the last 16 items: probably not yours."]


@pytest.mark.parametrize("outcomes", [["fail"] * 4, ["fail"] * 3 + ["pass"] * 3])
def test_a_few_items_or_half_of_them_are_none(ended, outcomes):
    ended(*outcomes)
    assert words() == []


def test_what_passed_before_the_last_sixteen_items_is_old_news(ended):
    ended(*["pass"] * 40, ago=timedelta(hours=2))
    ended(*["fail"] * 12)
    assert words() == ["lxc fails for 12 of the last 16 items: probably not yours."]


def test_the_newest_run_of_an_item_counts_alone(ended, review):
    ended(*["fail"] * 5)
    for run in list(TestRun.objects.filter(status="fail")):
        run.pk, run.status, run.finished_at = None, "pass", timezone.now()
        run.save()
    assert words() == []


def test_what_ended_long_ago_does_not_count(ended):
    ended(*["fail"] * 6, ago=timedelta(hours=7))
    assert words() == []


def test_private_items_do_not_count(ended):
    ended(*["fail"] * 6, private=True)
    assert words() == []


def test_it_ends_by_itself_and_remembers_when_it_began(ended):
    ended(*["fail"] * 6)
    sweep_test_runs()
    [outage] = get_outages()
    sweep_test_runs()
    assert get_outages() == [outage]
    TestRun.objects.filter(status="fail").update(finished_at=timezone.now() - timedelta(hours=7))
    sweep_test_runs()
    assert get_outages() == []


def test_the_list_and_health_say_it(ended, client, admin_client):
    ended(*["fail"] * 6)
    keep_outages()
    said = "lxc fails for 6 of the last 6 items: probably not yours."
    assert said in client.get("/").content.decode()
    assert said in client.get("/", headers={"HX-Request": "true"}).content.decode()
    assert said in admin_client.get("/admin/health/").content.decode()


def test_a_page_that_is_kept_is_sent_anew_when_an_outage_begins(ended, client):
    ended(*["fail"] * 6)
    etag = client.get("/").headers["ETag"]
    keep_outages()
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 200


def test_the_page_of_an_item_that_failed_there_says_it(ended, client):
    ended(*["fail"] * 6, "pass")
    keep_outages()
    said = "lxc fails for 6 of the last 7 items: probably not yours."
    failed, passed = (TestRun.objects.filter(status=status).first().item for status in ("fail", "pass"))
    for path in ("", "tests/"):
        assert said in client.get(f"/reviews/{failed.pk}/{path}").content.decode()
        assert said not in client.get(f"/reviews/{passed.pk}/{path}").content.decode()
