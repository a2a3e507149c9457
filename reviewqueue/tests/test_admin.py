"""Staff run the queue from the admin (SPEC section 8)."""

import socket

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework.authtoken.models import Token

from accounts.models import Person, User
from core.enqueue import circuit
from reviewqueue.celery import app
from reviews.models import Review, Source
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
    answer = client.post(
        url, {"action": action, "_selected_action": [row.pk for row in rows], "post": "yes"}, follow=True
    )
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
    assert "1 run launched" in act(client, "reviews/review", "run_default_tests", review)
    assert "1 skipped: tested already" in act(client, "reviews/review", "run_default_tests", review)
    review.locked_by, review.locked_at = staff.as_person(), timezone.now()
    review.save()
    assert "1 released" in act(client, "reviews/review", "release_lock", review)
    assert "1 refresh will begin now" in act(client, "reviews/review", "refresh_now", review)


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


def ask(client, model, action, *rows, **more):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(f"/admin/{model}/", data, follow=True).content.decode()


def test_cancelling_asks_first(client, staff, run):
    page = ask(client, "testing/testrun", "cancel_runs", run)
    assert "Yes, cancel" in page
    assert f"run {run.pk} of &lt;b&gt;mysql&lt;/b&gt; on lxc: retry" in page
    run.refresh_from_db()
    assert run.status == Status.RETRY


def test_run_tests_on_asks_which_substrates(client, staff, review):
    lxc, power8 = Substrate.objects.get(name="lxc"), Substrate.objects.create(name="armhf")
    page = ask(client, "reviews/review", "run_tests_on", review)
    assert "armhf" in page
    assert "Choose at least one substrate" in ask(client, "reviews/review", "run_tests_on", review, post="yes")
    assert not TestRun.objects.exists()
    done = ask(client, "reviews/review", "run_tests_on", review, post="yes", substrates=[lxc.pk, power8.pk])
    assert "2 runs launched" in done
    again = ask(client, "reviews/review", "run_tests_on", review, post="yes", substrates=[lxc.pk])
    assert "0 runs launched, 1 skipped: A run on lxc is under way already." in again
    assert set(TestRun.objects.values_list("requested_by__username", flat=True)) == {"boss"}


def test_what_staff_do_is_in_the_history_with_their_name(client, staff, run):
    act(client, "reviews/review", "refresh_now", run.review)
    act(client, "testing/testrun", "recover_results", run)
    events = run.review.events.filter(kind="staff", actor__username="boss")
    assert sorted(events.values_list("new", flat=True)) == ["recover results", "refresh from Launchpad"]


def test_a_button_on_a_row_s_page_leads_back_to_it(client, staff, run):
    page = f"/admin/testing/testrun/{run.pk}/change/"
    assert 'value="cancel_runs"' in client.get(page).content.decode()
    answer = client.post(
        "/admin/testing/testrun/",
        {"action": "cancel_runs", "_selected_action": run.pk, "back": run.pk, "post": "yes"},
    )
    assert (answer.status_code, answer.url) == (302, page)


def clerk_with(client, *permissions):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(clerk)


def test_who_may_only_look_is_offered_nothing(client, run):
    clerk_with(client, "view_testrun", "view_review")
    for model in ("testing/testrun", "reviews/review"):
        assert 'name="action"' not in client.get(f"/admin/{model}/").content.decode()
    act(client, "testing/testrun", "cancel_runs", run)
    run.refresh_from_db()
    assert run.status == Status.RETRY


def test_rows_that_the_queue_writes_can_not_be_edited(client, staff, run):
    for model, row in (("testing/testrun", run), ("reviews/review", run.review), ("accounts/person", run.review.owner)):
        page = f"/admin/{model}/{row.pk}/"
        assert client.post(page + "change/", {"status": "pass", "title": "x"}).status_code == 403
        assert client.post(page + "delete/", {"post": "yes"}).status_code == 403


def test_a_used_substrate_says_why_it_stays(client, staff, run):
    page = client.post(f"/admin/testing/substrate/{run.substrate_id}/delete/", {"post": "yes"}, follow=True)
    assert "items were tested on it" in page.content.decode()


def source_form(**changes):
    return {
        "name": "mine", "kind": "project", "target": "juju-gui", "excluded_tags": "[]", "comments": "default",
        "active": "on", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "team-branches", "target": "charmers"}, "of one distribution: name it"),
        ({"kind": "git-repository"}, "the path of a repository"),
        ({"target": "~me/x"}, "the name of a project"),
        ({"distribution": "charms"}, "Only team-branches has a distribution"),
        ({"excluded_tags": '"a"'}, "Write a list of tags"),
        ({"excluded_tags": "a, b"}, "Write a list of tags"),
        ({"kind": "nonsense"}, "Select a valid choice"),
    ],
)
def test_an_impossible_source_is_refused_at_its_field(client, staff, changes, words):
    answer = client.post("/admin/reviews/source/add/", source_form(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Source.objects.filter(name="mine").exists()


def test_a_webhook_secret_goes_in_and_never_comes_out(client, staff):
    client.post("/admin/reviews/source/add/", source_form(webhook_secret="hunter2-hunter2"))
    source = Source.objects.get(name="mine")
    assert source.webhook_secret == "hunter2-hunter2"
    page = f"/admin/reviews/source/{source.pk}/change/"
    client.post(page, source_form(target="https://launchpad.net/juju"))
    source.refresh_from_db()
    assert (source.webhook_secret, source.target) == ("hunter2-hunter2", "juju")
    for place in (page, "/admin/reviews/source/", f"/admin/reviews/source/{source.pk}/history/", "/admin/"):
        assert "hunter2" not in client.get(place).content.decode()
    answer = client.post(page, source_form(generate_secret="on"), follow=True)
    source.refresh_from_db()
    assert source.webhook_secret in answer.content.decode()
    assert source.webhook_secret not in client.get(page).content.decode()
    client.post(page, source_form(remove_secret="on"))
    source.refresh_from_db()
    assert source.webhook_secret == ""


@pytest.mark.parametrize(("every", "period"), [(0, "minutes"), (1, "microseconds"), (9, "seconds"), (10**9, "days")])
def test_a_nonsense_interval_is_refused(client, staff, every, period):
    answer = client.post(
        "/admin/django_celery_beat/intervalschedule/add/",
        {"every": every, "period": period, "periodictask_set-TOTAL_FORMS": 0, "periodictask_set-INITIAL_FORMS": 0},
    )
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()


def test_lists_cost_the_same_however_long_and_count_no_further_than_needed(client, staff, run, monkeypatch):
    monkeypatch.setattr("core.pagination.BoundedPaginator.limit", 200)
    lxc = run.substrate
    url = "/admin/testing/testrun/"
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    now = timezone.now()
    TestRun.objects.bulk_create(
        TestRun(review=run.review, substrate=lxc, revision=str(n), status="pass", finished_at=now) for n in range(400)
    )
    with CaptureQueriesContext(connection) as many:
        page = client.get(url).content.decode()
    assert len(many) <= len(few) <= 12
    counts = [query["sql"] for query in many if "COUNT(" in query["sql"]]
    assert all("LIMIT 201" in sql for sql in counts)
    assert "only the first 200 can be paged through" in page


def test_an_action_on_thousands_of_rows_is_bounded_and_says_so(client, staff, run, monkeypatch):
    monkeypatch.setattr("core.admin.MOST_AT_ONCE", 3)
    TestRun.objects.bulk_create(
        TestRun(review=run.review, substrate=run.substrate, revision=str(n)) for n in range(5, 11)
    )
    page = ask(client, "testing/testrun", "cancel_runs", run, select_across="1")
    assert "only the first 3 are taken" in page


@pytest.mark.parametrize(
    ("query", "status"),
    [("created_at__year=2026", 200), ("created_at__year=2026&created_at__month=11", 200), ("created_at__year=abc", 400),
     ("requested_by=boss", 200), ("q=7", 200), ("q=%00", 400), ("created_at__year=2026&created_at__month=77", 200)],
)  # fmt: skip
def test_lists_answer_whatever_is_asked(client, staff, run, query, status):
    assert client.get(f"/admin/testing/testrun/?{query}", follow=True).status_code == status


@pytest.mark.parametrize(
    "query", ["testing/testrun/?status__exact=%00", "testing/testrun/?created_at__year=" + "9" * 30,
              "axes/accesslog/?path_info=%00", "reviews/review/?created_at__year=-1", "reviews/review/?%00=1"],
)  # fmt: skip
def test_an_address_that_no_database_can_look_up_is_refused_in_words(client, staff, query):
    answer = client.get("/admin/" + query)
    assert answer.status_code == 400
    assert "Open the list again" in answer.content.decode()


@pytest.mark.parametrize("row", ["\0", "abc", "9" * 30])
def test_an_action_on_what_is_no_row_does_nothing(client, staff, run, row):
    page = client.post("/admin/testing/testrun/", {"action": "cancel_runs", "_selected_action": row}, follow=True)
    assert page.status_code == 200
    run.refresh_from_db()
    assert not run.is_finished


def test_a_token_is_shown_once(client, staff):
    answer = client.post("/admin/authtoken/tokenproxy/add/", {"user": staff.pk}, follow=True)
    key = staff.auth_token.key
    assert key in answer.content.decode()
    for place in ("/admin/authtoken/tokenproxy/", "/admin/", "/admin/admin/logentry/"):
        assert key not in client.get(place).content.decode()


def test_no_confirmation_shows_the_key_of_a_token(client, staff):
    user = User.objects.create_user("robot")
    key = Token.objects.create(user=user).key
    for page in (f"/admin/authtoken/tokenproxy/{user.pk}/delete/", f"/admin/accounts/user/{user.pk}/delete/"):
        words = client.get(page).content.decode()
        assert "API token of robot" in words
        assert key not in words
    answer = client.post(f"/admin/authtoken/tokenproxy/{user.pk}/delete/", {"post": "yes"}, follow=True)
    assert key not in answer.content.decode()
    assert not Token.objects.exists()


@pytest.fixture
def unreachable_broker(monkeypatch):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery believes it before its own configuration
    before = app.conf.broker_url, app.conf.broker_transport
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listened on
        app.conf.broker_url, app.conf.broker_transport = f"redis://127.0.0.1:{taken.getsockname()[1]}/0", None
        circuit.reset()
        yield
    app.conf.broker_url, app.conf.broker_transport = before
    circuit.reset()


def test_running_tasks_without_a_broker_is_said_in_words(client, staff, unreachable_broker):
    task = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs")
    assert "The broker does not take messages" in act(client, "django_celery_beat/periodictask", "run_tasks", task)


def test_who_may_only_view_schedules_runs_none(client, db):
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    client.force_login(reader)
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
def test_a_nonsense_crontab_is_refused(client, staff, minute):
    form = {
        "minute": minute, "hour": "2", "day_of_month": "*", "month_of_year": "*", "day_of_week": "*",
        "timezone": "UTC", "periodictask_set-TOTAL_FORMS": 0, "periodictask_set-INITIAL_FORMS": 0,
    }  # fmt: skip
    answer = client.post("/admin/django_celery_beat/crontabschedule/add/", form)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()


def test_a_token_for_nobody_is_refused_at_its_field(client, staff):
    answer = client.post("/admin/authtoken/tokenproxy/add/", {"user": "nobody"})
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.content.decode()


@pytest.fixture
def eager_tasks():
    before, app.conf.task_always_eager = app.conf.task_always_eager, True
    yield
    app.conf.task_always_eager = before


def test_what_staff_do_with_schedules_and_tokens_is_logged_with_their_name(client, staff, eager_tasks):
    Token.objects.create(user=staff)
    task = PeriodicTask.objects.get(task="integrations.tasks.prune_queue")
    for action in ("disable_tasks", "enable_tasks", "run_tasks"):
        act(client, "django_celery_beat/periodictask", action, task)
    act(client, "accounts/user", "revoke_tokens", staff)
    log = LogEntry.objects.order_by("pk").values_list("user__username", "object_repr", "change_message")
    assert list(log) == [
        *(("boss", str(task), words) for words in ("Disabled", "Enabled", "Run now")),
        ("boss", "boss", "API token revoked"),
    ]


def test_a_run_is_found_by_its_number_and_by_the_title_of_its_item(client, staff, run):
    def found(asked):
        return client.get("/admin/testing/testrun/", {"q": asked}).context["cl"].result_count

    assert [found(asked) for asked in (run.pk, run.pk + 1, "mysql", "9" * 40)] == [1, 0, 1, 0]


def test_lists_begin_with_what_operators_need(client, staff, run):
    page = client.get("/admin/").content.decode()
    places = [page.index(f'id="{label}') if f'id="{label}' in page else page.index(f"/admin/{label}/")
              for label in ("testing", "reviews", "integrations", "django_celery_beat", "auth", "axes")]  # fmt: skip
    assert places == sorted(places)


def test_filters_by_source_name_each_source_and_nothing_else(client, staff, run):
    filters = client.get("/admin/testing/testrun/").context["cl"].filter_specs
    source = next(found for found in filters if found.title == "source")
    assert source.lookup_choices == list(Source.objects.values_list("pk", "name"))
    assert not source.include_empty_choice


RUN_ACTIONS = {"retrigger_runs", "cancel_runs", "recover_results"}
TEST_ACTIONS = {"run_default_tests", "run_tests_on"}
REVIEW_ACTIONS = {"release_lock", "refresh_now"}
TASK_ACTIONS = {"enable_tasks", "disable_tasks", "run_tasks"}
ALL_ACTIONS = {
    "testing/testrun": RUN_ACTIONS,
    "reviews/review": TEST_ACTIONS | REVIEW_ACTIONS,
    "reviews/source": {"import_now"},
    "django_celery_beat/periodictask": TASK_ACTIONS,
    "accounts/user": {"revoke_tokens"},
}
LOOKING = ["view_testrun", "view_review", "view_source", "view_periodictask", "view_user"]


@pytest.mark.parametrize(
    ("permission", "offered"),
    [
        (None, {}),
        ("change_testrun", {"testing/testrun": RUN_ACTIONS, "reviews/review": TEST_ACTIONS}),
        ("change_review", {"reviews/review": REVIEW_ACTIONS}),
        ("change_source", {"reviews/source": {"import_now"}}),
        ("change_periodictask", {"django_celery_beat/periodictask": TASK_ACTIONS}),
    ],
)
def test_what_one_may_not_do_is_not_offered_and_refused_when_forged(client, run, permission, offered):
    clerk_with(client, *LOOKING, *([permission] if permission else []))
    task = PeriodicTask.objects.get(task="testing.tasks.sweep_test_runs")
    robot = User.objects.create_user("robot")
    Token.objects.create(user=robot)
    rows = dict(zip(ALL_ACTIONS, (run, run.review, Source.objects.first(), task, robot), strict=True))
    for model, actions in ALL_ACTIONS.items():
        form = client.get(f"/admin/{model}/").context.get("action_form")
        found = {name for name, _ in form.fields["action"].choices if name} if form else set()
        assert found == offered.get(model, set())
        for action in actions - found:
            act(client, model, action, rows[model])
    run.refresh_from_db()
    task.refresh_from_db()
    assert (run.status, task.enabled, Token.objects.count()) == (Status.RETRY, True, 1)
    assert not run.review.events.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("asked", "count"), [("MySQL", 1), ("lp/1", 1), ("ada", 1), ("mysql nobody", 0)])
def test_a_review_is_found_by_title_address_and_submitter(client, staff, review, asked, count):
    assert client.get("/admin/reviews/review/", {"q": asked}).context["cl"].result_count == count


def test_an_account_that_did_something_is_kept_with_its_deeds(client, staff):
    idle = User.objects.create_user("idle")
    client.post("/admin/reviews/source/add/", source_form())
    for user in (staff, idle):
        page = client.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
        assert ("stand in the log of what staff did" in page) == (user == staff)
    assert list(User.objects.values_list("username", flat=True)) == ["boss"]
    assert LogEntry.objects.filter(user=staff).exists()
    assert "delete_selected" not in client.get("/admin/accounts/user/").content.decode()
