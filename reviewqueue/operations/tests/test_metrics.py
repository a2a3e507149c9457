"""Prometheus reads the queue in numbers; nobody else does."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Person, User
from core.counters import count
from integrations.launchpad.webhooks import signature
from integrations.models import ImportReport, VerdictPost
from reviewqueue.celery import app
from reviewqueue.operations.heartbeats import record_heartbeat
from reviews.models import Review, Source
from testing.callbacks import callback_token
from testing.models import Substrate, TestRun

TOKEN = "a-long-token-for-the-metrics"


@pytest.fixture
def scrape(client, db, settings):
    settings.METRICS_TOKEN = TOKEN

    def get():
        cache.clear()
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name.removeprefix("reviewqueue_"), *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    return get


@pytest.fixture
def run(db):
    now = timezone.now()
    review = Review.objects.create(
        title="mysql", kind="update", state="pending", url="https://lp/1", api_url="https://api/1", revision="1",
        owner=Person.objects.create(username="ada"), created_at=now, updated_at=now - timedelta(hours=1), trusted=True,
    )  # fmt: skip
    return TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name="lxc"), revision="1",
        created_at=now - timedelta(minutes=10),
    )  # fmt: skip


def test_the_queue_in_numbers(scrape, run):
    TestRun.objects.create(
        review=run.review, substrate=run.substrate, revision="0", status="fail", finished_at=timezone.now()
    )
    Source.objects.filter(name="charms").update(comments="on", active=True)
    Review.objects.update(source=Source.objects.get(name="charms"), verdict="fail")
    VerdictPost.objects.create(
        review=run.review, revision=run.review.revision, verdict="fail", error="Launchpad answered 500."
    )
    person = Person.objects.create(username="rev")
    Review.objects.update(locked_by=person, locked_at=timezone.now())
    record_heartbeat("worker", "celery@here")
    now = timezone.now()
    ImportReport.objects.create(
        source=Source.objects.get(name="charms"), started_at=now - timedelta(seconds=7), requests=4,
        finished_at=now, ok=True, problems=["odd"],
    )  # fmt: skip
    found = scrape()
    assert found["reviews", "pending"] == 1
    assert found["reviews", "ready"] == 0
    assert found["oldest_review_seconds", "reviews"] == pytest.approx(3900, abs=300)
    assert found["oldest_review_seconds", "incoming"] == 0
    assert found["test_runs", "retry", "lxc"] == 1
    assert found["test_runs", "fail", "lxc"] == 1
    assert found["oldest_run_seconds", "retry"] == pytest.approx(900, abs=300)
    assert found["test_runs_due",] == 1
    assert found["unposted_outcomes",] == 1
    assert found["locks",] == 1
    assert found["heartbeat_age_seconds", "worker", "celery@here"] < 300
    assert found["import_duration_seconds", "charms"] == pytest.approx(7)
    assert found["import_requests", "charms"] == 4
    assert found["import_problems", "charms"] == 1
    assert found["import_success", "charms"] == 1


def test_callbacks_and_refusals_are_counted(client, scrape, run):
    url = f"/api/test-runs/{run.pk}/callback/"
    token = callback_token(run.pk, 1)
    client.post(f"{url}?token={token}", {"status": "RUNNING"})
    client.post(f"{url}?token={token}", {"status": "RUNNING"})
    client.post(f"{url}?token={token}", {"status": "PASS"})
    client.post(f"{url}?token=wrong", {"status": "PASS"})
    client.post(f"{url}?token={token}", {"status": "PERHAPS"})
    client.post("/api/test-runs/999999/callback/?token=x", {"status": "PASS"})
    found = scrape()
    counts = {what: found["callbacks_total", what] for what in
              ("applied", "ignored", "wrong token", "unreadable", "no such run")}  # fmt: skip
    assert counts == {"applied": 2, "ignored": 1, "wrong token": 1, "unreadable": 1, "no such run": 1}


def test_counting_costs_a_callback_one_statement(client, run):
    url = f"/api/test-runs/{run.pk}/callback/?token={callback_token(run.pk, 1)}"
    for _ in range(2):  # applied, then ignored: both have their row
        client.post(url, {"status": "RUNNING"})
    with CaptureQueriesContext(connection) as asked:
        client.post(url, {"status": "RUNNING"})
    assert len([query for query in asked if "operations_counter" in query["sql"]]) == 1


def test_webhooks_are_counted(client, scrape):
    Source.objects.filter(name="charms").update(webhook_secret="sekrit")
    body = b'{"ping": true}'
    for signed in (signature("sekrit", body), "sha1=0"):
        client.post(
            "/api/webhooks/launchpad/", body, content_type="application/json",
            headers={"X-Hub-Signature": signed, "X-Launchpad-Event-Type": "ping", "X-Launchpad-Delivery": "1"},
        )  # fmt: skip
    found = scrape()
    assert (found["webhooks_total", "ignored"], found["webhooks_total", "wrong signature"]) == (1, 1)


def test_failed_tasks_are_counted(scrape):
    @app.task(name="tests.goes_wrong")
    def goes_wrong():
        raise ValueError

    goes_wrong.apply()
    assert scrape()["task_failures_total", "tests.goes_wrong"] == 1


def test_each_count_adds_one(scrape):
    for _ in range(3):
        count("callbacks", "applied")
    assert scrape()["callbacks_total", "applied"] == 3


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", "Bearer é", TOKEN])
def test_metrics_without_the_token_are_refused(client, db, settings, header):
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": header})
    assert answer.status_code == 403
    assert "METRICS_TOKEN" in answer.content.decode()
    assert "reviewqueue_" not in answer.content.decode()
    assert TOKEN not in answer.content.decode()


def test_an_empty_token_lets_nobody_in(client, db, settings):
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403
    assert "set METRICS_TOKEN" in client.get("/metrics").content.decode()


def test_staff_may_look_and_others_may_not(client, db):
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    assert b"reviewqueue_reviews" in client.get("/metrics").content
    client.force_login(User.objects.create_user("visitor"))
    assert client.get("/metrics").status_code == 403


def test_the_token_works_by_any_host_name_and_without_tls(client, db, settings):
    settings.METRICS_TOKEN, settings.SECURE_SSL_REDIRECT = TOKEN, True
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}", "host": "10.0.0.7:8000"})
    assert answer.status_code == 200


def test_metrics_cost_the_same_however_much_there_is(scrape, run, django_assert_max_num_queries):
    ImportReport.objects.create(source=Source.objects.get(name="charms"), finished_at=timezone.now())
    scrape()
    with django_assert_max_num_queries(20) as few:
        scrape()
    for number in range(10):
        source = Source.objects.create(name=f"s{number}", kind="project", target="x")
        ImportReport.objects.create(source=source, finished_at=timezone.now())
        Substrate.objects.create(name=f"sub{number}")
    with django_assert_max_num_queries(len(few)):
        scrape()


def test_metrics_have_one_address_which_a_proxy_can_close(client, db, settings):
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 404
    assert b"reviewqueue_" not in answer.content


@pytest.mark.parametrize("source", [{"active": False}, {"active": True, "private_items": "no"}])
def test_what_is_not_in_the_queue_is_not_counted_and_waits_for_nobody(scrape, run, source):
    Source.objects.filter(name="charmers").update(**source)
    private = bool(source.get("private_items"))
    Review.objects.update(source=Source.objects.get(name="charmers"), private=private)
    numbers = scrape()
    assert numbers["reviews", "pending"] == 0
    assert numbers["oldest_review_seconds", "reviews"] == 0
