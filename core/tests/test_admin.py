"""What every table of the admin shares, tried on those of the rooms."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from testing.models import Status, TestRun


def test_staff_without_any_permission_change_nothing(client, waiting_run, choose, clerk):
    clerk()
    assert client.get("/admin/testing/testrun/").status_code == 403
    choose("testing/testrun", "cancel_runs", waiting_run, post="yes")
    waiting_run.refresh_from_db()
    assert waiting_run.status == Status.RETRY


def test_a_button_on_a_row_s_page_leads_back_to_it(client, staff, waiting_run):
    page = f"/admin/testing/testrun/{waiting_run.pk}/change/"
    assert 'value="cancel_runs"' in client.get(page).content.decode()
    answer = client.post(
        "/admin/testing/testrun/",
        {"action": "cancel_runs", "_selected_action": waiting_run.pk, "back": waiting_run.pk, "post": "yes"},
    )
    assert (answer.status_code, answer.url) == (302, page)


def test_who_may_only_look_is_offered_nothing(client, waiting_run, choose, clerk):
    clerk("view_testrun", "view_review")
    for model in ("testing/testrun", "reviews/review"):
        assert 'name="action"' not in client.get(f"/admin/{model}/").content.decode()
    choose("testing/testrun", "cancel_runs", waiting_run, post="yes")
    waiting_run.refresh_from_db()
    assert waiting_run.status == Status.RETRY


def test_lists_cost_the_same_however_long_and_count_no_further_than_needed(client, staff, waiting_run, monkeypatch):
    monkeypatch.setattr("core.pagination.BoundedPaginator.limit", 200)
    lxc = waiting_run.substrate
    url = "/admin/testing/testrun/"
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    now = timezone.now()
    TestRun.objects.bulk_create(
        TestRun(review=waiting_run.review, substrate=lxc, revision=str(n), status="pass", finished_at=now)
        for n in range(400)
    )
    with CaptureQueriesContext(connection) as many:
        page = client.get(url).content.decode()
    assert len(many) <= len(few) <= 12
    counts = [query["sql"] for query in many if "COUNT(" in query["sql"]]
    assert all("LIMIT 201" in sql for sql in counts)
    assert "only the first 200 can be paged through" in page


def test_an_action_on_thousands_of_rows_is_bounded_and_says_so(client, staff, waiting_run, monkeypatch, choose):
    monkeypatch.setattr("core.admin.MAX_ACTION_ROWS", 3)
    TestRun.objects.bulk_create(
        TestRun(review=waiting_run.review, substrate=waiting_run.substrate, revision=str(n)) for n in range(5, 11)
    )
    page = choose("testing/testrun", "cancel_runs", waiting_run, select_across="1")
    assert "only the first 3 are taken" in page


@pytest.mark.parametrize(
    "query", ["testing/testrun/?status__exact=%00", "testing/testrun/?created_at__year=" + "9" * 30,
              "axes/accesslog/?path_info=%00", "reviews/review/?created_at__year=-1", "reviews/review/?%00=1"],
)  # fmt: skip
def test_an_address_that_no_database_can_look_up_is_refused_in_words(client, staff, query):
    answer = client.get("/admin/" + query)
    assert answer.status_code == 400
    assert "Open the list again" in answer.content.decode()


@pytest.mark.parametrize("row", ["\0", "abc", "9" * 30])
def test_an_action_on_what_is_no_row_does_nothing(client, staff, waiting_run, row):
    page = client.post("/admin/testing/testrun/", {"action": "cancel_runs", "_selected_action": row}, follow=True)
    assert "Nothing was changed: the form contains an unknown id." in page.content.decode()
    waiting_run.refresh_from_db()
    assert not waiting_run.is_finished
