"""Test runs in the admin, and tests of reviews."""

import pytest

from reviews.models import Source
from testing.models import Status, Substrate, TestRun


def test_a_run_is_cancelled(staff, waiting_run, choose):
    assert "1 cancelled" in choose("testing/testrun", "cancel_runs", waiting_run, post="yes")
    waiting_run.refresh_from_db()
    assert waiting_run.status == Status.CANCELED


def test_a_finished_run_is_not_cancelled(staff, waiting_run, choose):
    choose("testing/testrun", "cancel_runs", waiting_run, post="yes")
    assert "skipped: It was finished already." in choose("testing/testrun", "cancel_runs", waiting_run, post="yes")


def test_a_retriggered_run_is_a_new_one_in_the_name_of_staff(staff, waiting_run, choose):
    choose("testing/testrun", "cancel_runs", waiting_run, post="yes")
    assert "1 retriggered" in choose("testing/testrun", "retrigger_runs", waiting_run, post="yes")
    new = TestRun.objects.exclude(pk=waiting_run.pk).get()
    assert (new.status, new.requested_by.username) == (Status.RETRY, "boss")
    assert waiting_run.review.events.filter(kind="run", actor__username="boss").count() == 2


def test_a_run_that_is_under_way_is_not_retriggered(staff, waiting_run, choose):
    page = choose("testing/testrun", "retrigger_runs", waiting_run, post="yes")
    assert "0 retriggered, 1 skipped: A run on lxc is under way already." in page
    assert TestRun.objects.count() == 1


def test_recover_says_what_came_of_it(client, staff, waiting_run, choose):
    assert "there is nothing to recover" in choose("testing/testrun", "recover_results", waiting_run, post="yes")


def test_a_used_substrate_stays_and_says_why(client, staff, waiting_run):
    page = client.post(f"/admin/testing/substrate/{waiting_run.substrate_id}/delete/", {"post": "yes"}, follow=True)
    assert "items were tested on it" in page.content.decode()
    assert Substrate.objects.filter(pk=waiting_run.substrate_id).exists()


def test_cancelling_asks_first(client, staff, waiting_run, choose):
    page = choose("testing/testrun", "cancel_runs", waiting_run)
    assert "Yes, cancel" in page
    assert f"run {waiting_run.pk} of &lt;b&gt;mysql&lt;/b&gt; on lxc: retry" in page
    waiting_run.refresh_from_db()
    assert waiting_run.status == Status.RETRY


def test_run_tests_on_asks_which_substrates(client, staff, item, choose):
    lxc, armhf = Substrate.objects.get(name="lxc"), Substrate.objects.create(name="armhf")
    page = choose("reviews/review", "run_tests_on", item)
    assert "armhf" in page
    assert "Choose at least one substrate" in choose("reviews/review", "run_tests_on", item, post="yes")
    assert not TestRun.objects.exists()
    done = choose("reviews/review", "run_tests_on", item, post="yes", substrates=[lxc.pk, armhf.pk])
    assert "2 runs launched" in done
    again = choose("reviews/review", "run_tests_on", item, post="yes", substrates=[lxc.pk])
    assert "0 runs launched, 1 skipped: A run on lxc is under way already." in again
    assert set(TestRun.objects.values_list("requested_by__username", flat=True)) == {"boss"}


def test_a_run_is_found_by_its_number_and_by_the_title_of_its_item(client, staff, waiting_run):
    def found(asked):
        return client.get("/admin/testing/testrun/", {"q": asked}).context["cl"].result_count

    assert [found(asked) for asked in (waiting_run.pk, waiting_run.pk + 1, "mysql", "9" * 40)] == [1, 0, 1, 0]


def test_filters_by_source_name_each_source_and_nothing_else(client, staff, waiting_run):
    filters = client.get("/admin/testing/testrun/").context["cl"].filter_specs
    source = next(found for found in filters if found.title == "source")
    assert source.lookup_choices == list(Source.objects.values_list("pk", "name"))
    assert not source.include_empty_choice


@pytest.mark.parametrize(
    ("query", "status"),
    [("created_at__year=2026", 200), ("created_at__year=2026&created_at__month=11", 200), ("created_at__year=abc", 400),
     ("requested_by=boss", 200), ("q=7", 200), ("q=%00", 400), ("created_at__year=2026&created_at__month=77", 200)],
)  # fmt: skip
def test_lists_answer_whatever_is_asked(client, staff, waiting_run, query, status):
    assert client.get(f"/admin/testing/testrun/?{query}", follow=True).status_code == status


def test_default_tests_are_launched_once(staff, item, choose):
    assert "1 run launched" in choose("reviews/review", "run_default_tests", item, post="yes")
    assert "1 skipped: tested already" in choose("reviews/review", "run_default_tests", item, post="yes")


def test_the_page_of_a_review_has_its_runs(client, staff, waiting_run):
    page = client.get(f"/admin/reviews/review/{waiting_run.review_id}/change/").content.decode()
    assert f"/admin/testing/testrun/{waiting_run.pk}/change/" in page


def test_recovering_is_in_the_history_with_the_name_of_staff(staff, waiting_run, choose):
    choose("testing/testrun", "recover_results", waiting_run, post="yes")
    event = waiting_run.review.events.get(kind="staff")
    assert (event.new, event.actor.username) == ("recover results", "boss")


def test_a_run_can_not_be_edited_or_deleted(client, staff, waiting_run):
    page = f"/admin/testing/testrun/{waiting_run.pk}/"
    assert client.post(page + "change/", {"status": "pass"}).status_code == 403
    assert client.post(page + "delete/", {"post": "yes"}).status_code == 403
