"""Schedules in the admin."""

import socket

import pytest
from celery import current_app
from django.contrib.admin.models import LogEntry
from django_celery_beat.models import PeriodicTask

from core.enqueue import circuit


@pytest.fixture
def unreachable_broker(monkeypatch):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery believes it before its own configuration
    conf = current_app.conf
    before = (conf.broker_url, conf.broker_transport, conf.broker_transport_options)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listened on
        url = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        conf.broker_url, conf.broker_transport, conf.broker_transport_options = url, None, {}
        circuit.reset()
        yield
    conf.broker_url, conf.broker_transport, conf.broker_transport_options = before
    circuit.reset()


@pytest.mark.parametrize(("every", "period"), [(0, "minutes"), (1, "microseconds"), (9, "seconds"), (10**9, "days")])
def test_an_interval_that_is_not_valid_is_refused(client, staff, every, period):
    answer = client.post(
        "/admin/django_celery_beat/intervalschedule/add/",
        {"every": every, "period": period, "periodictask_set-TOTAL_FORMS": 0, "periodictask_set-INITIAL_FORMS": 0},
    )
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()


def test_running_tasks_without_a_broker_is_said_in_words(client, staff, unreachable_broker, choose):
    task = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs")
    assert "0 tasks started, 1 skipped: the broker does not take messages" in choose(
        "django_celery_beat/periodictask", "run_tasks", task, post="yes"
    )


def test_who_may_only_view_schedules_runs_none(client, clerk):
    clerk("view_periodictask")
    page = client.get("/admin/django_celery_beat/periodictask/").content.decode()
    assert "sweep" in page
    assert "run_tasks" not in page


def schedule_form(**changes):
    interval = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs").interval_id
    return {
        "name": "mine", "task": "integrations.tasks.prune_queue", "enabled": "on", "interval": interval, "args": "[]",
        "kwargs": "{}", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "no.such.task"}, "Select a valid choice"),
        ({"task": "a\0b"}, "Select a valid choice"),
        ({"task": ""}, "This field is required"),
        ({"args": "{"}, "Write a JSON list"),
        ({"args": '{"a": 1}'}, "Write a JSON list"),
        ({"kwargs": "[]"}, "Write a JSON object"),
        ({"kwargs": "[" * 100_000}, "Write a JSON object"),
        ({"kwargs": '{"nonsense": 1}'}, "does not take these arguments"),
        ({"args": "[1, 2, 3, 4]"}, "does not take these arguments"),
        ({"interval": ""}, "must be set"),
        ({"expire_seconds": "-1"}, "greater than or equal to 0"),
    ],
)
def test_an_impossible_schedule_is_refused_at_its_field(client, staff, changes, words):
    answer = client.post("/admin/django_celery_beat/periodictask/add/", schedule_form(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not PeriodicTask.objects.filter(name="mine").exists()


def test_a_schedule_is_made_and_edited(client, staff):
    client.post("/admin/django_celery_beat/periodictask/add/", schedule_form(args="", kwargs=""))
    task = PeriodicTask.objects.get(name="mine")
    assert (task.args, task.kwargs) == ("[]", "{}")
    page = f"/admin/django_celery_beat/periodictask/{task.pk}/change/"
    client.post(page, schedule_form(name="yours"))
    task.refresh_from_db()
    assert task.name == "yours"


@pytest.mark.parametrize("minute", ["-1", "60", "*/0", "x", "", "a\0b"])
def test_a_crontab_that_is_not_valid_is_refused(client, staff, minute):
    form = {
        "minute": minute, "hour": "2", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*",
        "timezone": "UTC", "periodictask_set-TOTAL_FORMS": 0, "periodictask_set-INITIAL_FORMS": 0,
    }  # fmt: skip
    answer = client.post("/admin/django_celery_beat/crontabschedule/add/", form)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()


@pytest.fixture
def eager_tasks():
    before, current_app.conf.task_always_eager = current_app.conf.task_always_eager, True
    yield
    current_app.conf.task_always_eager = before


def test_what_staff_do_with_schedules_is_logged_with_their_name(staff, eager_tasks, choose):
    task = PeriodicTask.objects.get(task="integrations.tasks.prune_queue")
    for action in ("disable_tasks", "enable_tasks", "run_tasks"):
        choose("django_celery_beat/periodictask", action, task)
    log = LogEntry.objects.order_by("pk").values_list("user__username", "object_repr", "change_message")
    assert list(log) == [("boss", str(task), words) for words in ("Disabled", "Enabled", "Run now")]


def test_a_task_that_the_program_does_not_have_is_not_started(staff, eager_tasks, choose):
    task = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs")
    PeriodicTask.objects.update(task="gone.tasks.sweep")
    page = choose("django_celery_beat/periodictask", "run_tasks", task)
    assert "0 tasks started, 1 skipped: the program has no task gone.tasks.sweep." in page
