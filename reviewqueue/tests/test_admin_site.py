"""The admin as a whole: its lists, their order, who may do what there."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django_celery_beat.models import PeriodicTask

from accounts.models import ApiToken, User
from reviews.models import Source
from testing.models import Status


def test_every_list_and_form_opens(client, staff, waiting_run):
    client.get("/admin/")
    for model, model_admin in admin.site._registry.items():
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert client.get(url).status_code == 200
        row = model.objects.first()
        if row is not None:
            assert client.get(f"{url}{row.pk}/change/").status_code == 200
        assert model_admin.list_display


def test_lists_begin_with_what_operators_need(client, staff, waiting_run):
    page = client.get("/admin/").content.decode()
    rooms = ("testing", "reviews", "integrations", "django_celery_beat", "accounts", "auth", "axes")
    places = [page.index(f'id="{room}') if f'id="{room}' in page else page.index(f"/admin/{room}/") for room in rooms]
    assert places == sorted(places)


RUN_ACTIONS = {"retrigger_runs", "cancel_runs", "recover_results"}
TEST_ACTIONS = {"run_default_tests", "run_tests_on"}
REVIEW_ACTIONS = {"release_lock", "refresh_now", "show_post"}
TRUST_ACTIONS = {"allow_chosen", "trust_code_of_chosen"}  # for reviewers alone
TASK_ACTIONS = {"enable_tasks", "disable_tasks", "run_tasks"}
ALL_ACTIONS = {
    "testing/testrun": RUN_ACTIONS,
    "reviews/review": TEST_ACTIONS | REVIEW_ACTIONS | TRUST_ACTIONS,
    "reviews/source": {"import_now"},
    "django_celery_beat/periodictask": TASK_ACTIONS,
    "accounts/user": {"revoke_tokens"},
}
LOOKING = ["view_testrun", "view_review", "view_source", "view_periodictask", "view_user"]


@pytest.mark.parametrize(
    ("permission", "offered"),
    [
        (None, {}),
        (
            "change_testrun",
            {"testing/testrun": RUN_ACTIONS, "reviews/review": TEST_ACTIONS, "reviews/source": {"test_targets"}},
        ),
        ("change_review", {"reviews/review": REVIEW_ACTIONS | TRUST_ACTIONS}),
        ("change_source", {"reviews/source": {"import_now"}}),
        ("change_periodictask", {"django_celery_beat/periodictask": TASK_ACTIONS}),
    ],
)
def test_what_one_may_not_do_is_not_offered_and_refused_when_forged(
    client, waiting_run, permission, offered, clerk, choose
):
    clerk(*LOOKING, *([permission] if permission else []))
    task = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs")
    robot = User.objects.create_user("robot")
    ApiToken.objects.make(robot, "nightly")
    rows = dict(zip(ALL_ACTIONS, (waiting_run, waiting_run.review, Source.objects.first(), task, robot), strict=True))
    for model, actions in ALL_ACTIONS.items():
        form = client.get(f"/admin/{model}/").context.get("action_form")
        found = {name for name, _ in form.fields["action"].choices if name} if form else set()
        assert found == offered.get(model, set())
        for action in actions - found:
            choose(model, action, rows[model], post="yes")
    waiting_run.refresh_from_db()
    task.refresh_from_db()
    assert (waiting_run.status, task.enabled, ApiToken.objects.count()) == (Status.RETRY, True, 1)
    assert not waiting_run.review.events.exists()
    assert not LogEntry.objects.exists()
