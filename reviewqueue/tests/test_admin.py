"""Staff run the queue from the admin (SPEC section 8)."""

import pytest
from django.contrib import admin
from django.utils import timezone

from reviews.models import Person, Review, User
from testing.models import Status, Substrate, TestRun
from testing.runs import cancel_run


@pytest.fixture
def staff(client, db):
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    return user


@pytest.fixture
def review(db):
    now = timezone.now()
    return Review.objects.create(
        title="<b>mysql</b>", kind="update", state="pending", url="https://lp/1", api_url="https://api/1",
        owner=Person.objects.create(username="ada"), created_at=now, updated_at=now, revision="1",
    )  # fmt: skip


@pytest.fixture
def run(review):
    return TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="lxc"), revision="1")


def act(client, model, action, *rows):
    url = f"/admin/{model}/"
    answer = client.post(url, {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True)
    return answer.content.decode()


def test_every_list_and_form_opens(client, staff, run):
    client.get("/admin/")
    for model, model_admin in admin.site._registry.items():
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert client.get(url).status_code == 200
        row = model.objects.first()
        if row is not None:
            assert client.get(f"{url}{row.pk}/change/").status_code == 200
        assert model_admin.list_display


def test_runs_are_cancelled_and_retriggered_with_results_in_words(client, staff, run):
    assert "1 cancelled" in act(client, "testing/testrun", "cancel_runs", run)
    assert "skipped: It was finished already." in act(client, "testing/testrun", "cancel_runs", run)
    assert "1 retriggered" in act(client, "testing/testrun", "retrigger_runs", run)
    assert "0 retriggered, 1 skipped: A run on lxc is under way already." in act(
        client, "testing/testrun", "retrigger_runs", run
    )
    new = TestRun.objects.exclude(pk=run.pk).get()
    assert (new.status, new.requested_by.username) == (Status.RETRY, "boss")
    assert run.review.events.filter(kind="run", actor__username="boss").count() == 2


def test_recover_says_what_came_of_it(client, staff, run):
    assert "there is nothing to recover" in act(client, "testing/testrun", "recover_results", run)


def test_default_tests_locks_and_refreshes(client, staff, review):
    assert "1 runs launched" in act(client, "reviews/review", "run_default_tests", review)
    assert "1 items skipped" in act(client, "reviews/review", "run_default_tests", review)
    review.locked_by, review.locked_at = staff.as_person(), timezone.now()
    review.save()
    assert "1 released, 0 skipped" in act(client, "reviews/review", "release_lock", review)
    assert "1 refreshes start now" in act(client, "reviews/review", "refresh_now", review)


def test_a_substrate_in_use_can_not_be_deleted(client, staff, run):
    client.post(f"/admin/testing/substrate/{run.substrate_id}/delete/", {"post": "yes"})
    assert Substrate.objects.filter(pk=run.substrate_id).exists()


def test_staff_without_the_permission_are_not_offered_actions(client, run):
    clerk = User.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)
    assert client.get("/admin/testing/testrun/").status_code == 403
    act(client, "testing/testrun", "cancel_runs", run)
    assert cancel_run(run, actor=None, note="it was still unfinished")


def test_the_review_page_links_staff_into_the_admin(client, staff, review):
    page = client.get(f"/reviews/{review.pk}/").content.decode()
    assert f"/admin/reviews/review/{review.pk}/change/" in page
