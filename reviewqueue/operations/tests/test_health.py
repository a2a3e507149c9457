"""The Health page says what is wrong and what to do, and monitors learn whether the queue can work."""

import json
import socket
import threading
import time
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Person, User
from integrations.launchpad.importing import import_source
from integrations.models import ImportReport, OwnPost, VerdictPost
from integrations.sandbox.serving import Fault
from reviewqueue.operations.health import check_all, service_checks
from reviewqueue.operations.health.launchpad import check_whose_code_runs
from reviewqueue.operations.health.services import check_secrets
from reviewqueue.operations.heartbeats import record_heartbeat
from reviewqueue.operations.models import Heartbeat
from reviewqueue.operations.probes import DatabaseProbe, readiness
from reviews.models import Review, Source
from testing.models import Job, Server, Substrate, TestRun


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """On a busy machine an answer takes its time."""
    for name, seconds in (
        ("views.TIMEOUT_SECONDS", 300.0),
        ("probes.TIMEOUT_SECONDS", 300.0),
        ("health.services.BROKER_TIMEOUT_SECONDS", 60),
    ):
        monkeypatch.setattr(f"reviewqueue.operations.{name}", seconds)


@pytest.fixture
def staff(client, db):
    user = User.objects.create_user("operator", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def well(sandbox, db):
    """A queue in which everything is as it should be."""
    PeriodicTask.objects.update(last_run_at=timezone.now())
    record_heartbeat("worker", "celery@here")
    record_heartbeat("beat", "here")
    Source.objects.update(last_import_at=timezone.now(), last_success_at=timezone.now())
    return sandbox


def page(client):
    client.post("/admin/health/")
    answer = client.get("/admin/health/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_all_is_well(client, staff, well):
    text = page(client)
    assert "All is well" in text
    assert "celery@here" in text
    assert "read anonymously" in text


def test_health_is_reachable_from_the_index(client, staff):
    text = client.get("/admin/").content.decode()
    assert 'href="/admin/health/"' in text
    assert 'href="/"' in text


@pytest.mark.parametrize("staff_member", [False, None])
def test_health_is_for_staff(client, db, staff_member):
    if staff_member is not None:
        client.force_login(User.objects.create_user("visitor", is_staff=staff_member))
    answer = client.get("/admin/health/")
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/admin/login/")


def test_a_stopped_beat(client, staff, well):
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=20))
    assert "Start it: celery -A reviewqueue beat" in page(client)


def test_a_silent_worker(client, staff, well):
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    text = page(client)
    assert "Start one: celery -A reviewqueue worker" in text
    assert "silent" in text


def test_a_schedule_that_is_switched_off(client, staff, well):
    PeriodicTask.objects.filter(task="integrations.tasks.import_from_launchpad").update(enabled=False)
    text = page(client)
    assert "nothing new is imported" in text
    assert "Enable it among the periodic tasks" in text
    assert "switched off" in text


def log_in(sandbox, settings, token):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        f"[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = {token}\naccess_secret = hush\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)


def test_who_the_queue_acts_as(client, staff, well, settings):
    log_in(well, settings, "sandbox-token")
    text = page(client)
    assert "acts as queue-bot" in text
    assert "All is well" in text
    assert "hush" not in text


def test_a_revoked_credential(client, staff, well, settings):
    log_in(well, settings, "revoked-token")
    text = page(client)
    assert "they expired or were revoked" in text
    assert "manage.py setup_launchpad_credentials" in text
    assert "revoked-token" not in text


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[1]\n", b"\xff\xfe\x00", b"[1]\nconsumer_key = x\n"])
def test_a_broken_credentials_file(client, staff, well, settings, content):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_bytes(content)
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    text = page(client)
    assert "can&#x27;t be read" in text
    assert "setup_launchpad_credentials" in text
    assert "Check the network" not in text  # nothing is wrong with it


def test_a_source_that_fails(client, staff, well):
    well.launchpad.faults.append(Fault("status", 500, path="charmers"))
    import_source(Source.objects.get(name="charmers"))
    text = page(client)
    assert "The last import of charmers failed" in text
    assert "Check the source" in text
    assert "✗ failed" in text


def test_an_import_and_its_problems(client, staff, well):
    now = timezone.now()
    report = ImportReport.objects.create(
        source=Source.objects.get(name="charms"), ok=True, seen=12, requests=3, problems=["<b>odd</b> item"],
        started_at=now - timedelta(seconds=4), finished_at=now,
    )  # fmt: skip
    text = page(client)
    assert "&lt;b&gt;odd&lt;/b&gt; item" in text
    assert "with problems" in text
    assert "4.0 s" in text
    assert report.seconds == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", 403), "Jenkins refused (403)"),
        (Fault("status", 503), "Check JENKINS_JOB_URL"),
        (Fault("html"), "not JSON"),
        (Fault("hang up"), "that Jenkins runs"),
    ],
)
def test_a_jenkins_that_refuses(client, staff, well, fault, words):
    well.jenkins.faults.append(fault)
    assert words in page(client)


def test_a_job_that_would_never_call_back(client, staff, well):
    well.jenkins.declared = ("url", "envs")
    text = page(client)
    assert "does not declare the parameters callback_url, job_id;" in text


def test_a_jenkins_that_does_not_answer_holds_the_page_up_no_longer_than_its_timeout(client, staff, well, settings):
    settings.JENKINS_TIMEOUT = 0.5
    well.jenkins.faults.append(Fault("slow", seconds=300))
    begun = time.monotonic()
    assert "did not answer within 0.5 seconds" in page(client)
    assert time.monotonic() - begun < 60


def test_what_lies_outside_is_asked_once_in_a_while(client, staff, well, monkeypatch):
    monkeypatch.setattr(service_checks, "kept_seconds", 3600)
    page(client)
    asked = len(well.jenkins.requests), len(well.launchpad.requests)
    for _ in range(3):
        client.get("/admin/health/")
    assert (len(well.jenkins.requests), len(well.launchpad.requests)) == asked


def test_an_answer_that_takes_its_time_is_there_for_the_next_who_asks(well):
    well.jenkins.faults.append(Fault("slow", seconds=300))
    first = {finding.name: finding for finding in service_checks.run(0.05, fresh=True)}
    assert not first["Jenkins"].known
    assert not first["Jenkins"].problems
    well.jenkins.hurry.set()
    assert {finding.name: finding for finding in service_checks.run(300)}["Jenkins"].ok


def waiting_run(**facts):
    now = timezone.now()
    review = Review.objects.create(
        title="<i>mysql</i>", kind="update", state="pending", url="https://lp/1", api_url="https://api/1",
        owner=Person.objects.create(username="ada"), created_at=now, updated_at=now, revision="1", trusted=True,
    )  # fmt: skip
    return TestRun.objects.create(review=review, substrate=Substrate.objects.first(), revision="1", **facts)


def test_the_oldest_waiting_run_and_why(client, staff, well):
    waiting_run(error="Jenkins refused (403): <wrong> token", next_attempt_at=timezone.now() - timedelta(minutes=20))
    text = page(client)
    assert "Jenkins refused (403): &lt;wrong&gt; token" in text
    assert "&lt;i&gt;mysql&lt;/i&gt;" in text
    assert "no sweep has taken them up" in text


def test_health_shows_schedules_in_words(client, staff, well):
    text = page(client)
    assert "At 03:17 AM" in text
    assert "m/h/dM" not in text


def test_verdicts_that_could_not_be_posted(client, staff, well, settings):
    settings.TESTING_COMMENTS = True
    two_hours_ago = timezone.now() - timedelta(hours=2)
    run = waiting_run(status="pass", finished_at=two_hours_ago)
    Review.objects.update(source=Source.objects.get(name="charms"), verdict="pass", revision=run.revision)
    VerdictPost.objects.create(
        review=run.review, revision=run.revision, verdict="pass", created_at=two_hours_ago,
        error="Launchpad answered 500.",
    )  # fmt: skip
    assert "Launchpad answered 500." in page(client)


def test_what_people_sent_off_and_is_not_posted_for_long_is_said(client, staff, well):
    review = waiting_run(status="pass", finished_at=timezone.now()).review
    OwnPost.objects.create(
        user=staff, review=review, text="Fine.", state="waiting", sent_at=timezone.now() - timedelta(minutes=20)
    )
    assert "Sent off by people more than 15 min ago, and not on Launchpad yet: 1 comment." in page(client)


def test_health_costs_the_same_however_much_there_is(client, staff, well, django_assert_max_num_queries):
    ImportReport.objects.create(source=Source.objects.get(name="charms"), finished_at=timezone.now(), ok=True)
    page(client)
    with (
        django_assert_max_num_queries(43) as few
    ):  # one for what people posted, four for servers and secrets, two for teams and whose code, one for status reports
        client.get("/admin/health/")
    for number in range(20):
        source = Source.objects.create(name=f"more-{number}", kind="project", target=f"more-{number}")
        ImportReport.objects.create(source=source, finished_at=timezone.now(), ok=True)
    with django_assert_max_num_queries(len(few)):
        client.get("/admin/health/")


# --- Monitors ----------------------------------------------------------------------------------------------


def test_liveness_needs_no_database_and_no_known_host(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/healthz", headers={"host": "10.0.0.7:8000"})  # a query would fail here: no db fixture
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_ready(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/readyz", headers={"host": "10.0.0.7:8000"})
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "database": "ok", "broker": "ok"})
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["127.0.0.1:1", "black-hole"])
def test_a_broker_that_is_away_or_never_answers(client, settings, monkeypatch, host):
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery believes it before its own configuration
    monkeypatch.setattr("reviewqueue.operations.health.services.BROKER_TIMEOUT_SECONDS", 1)
    hole = socket.create_server(("127.0.0.1", 0))
    if host == "black-hole":
        host = f"127.0.0.1:{hole.getsockname()[1]}"
    from reviewqueue.celery import app

    before = app.conf.broker_url, app.conf.broker_transport
    app.conf.broker_url = settings.CELERY_BROKER_URL = f"redis://:hunter2@{host}/0"
    app.conf.broker_transport = None
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    begun = time.monotonic()
    try:
        answer = client.get("/readyz")
    finally:
        app.conf.broker_url, app.conf.broker_transport = before
        hole.close()
    assert time.monotonic() - begun < 60
    assert answer.status_code == 503
    assert answer.json()["database"] == "ok"
    assert answer.json()["broker"] != "ok"
    assert "hunter2" not in answer.content.decode()


def test_a_cache_that_is_away_stops_nothing(client, settings, db, caplog):
    gone = {"BACKEND": "core.cache.OptionalRedisCache", "LOCATION": "redis://:hunter2@127.0.0.1:1/1"}
    settings.CACHES = {"default": gone}
    for path in ("/api/reviews/", "/stats/", "/"):
        assert client.get(path).status_code == 200
    assert client.post("/api/test-runs/1/callback/", {"status": "PASS"}).status_code == 404
    assert client.post("/api/webhooks/launchpad/", b"{}", "application/json").status_code == 403
    assert "service is away" in caplog.text
    assert "hunter2" not in caplog.text


def test_tables_that_are_older_than_the_program(client, transactional_db, monkeypatch):
    monkeypatch.setitem(readiness.checks, "database", DatabaseProbe())  # nothing counts as up to date yet
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, app, name, applied FROM django_migrations WHERE app = 'testing'")
        rows = cursor.fetchall()
        cursor.execute("DELETE FROM django_migrations WHERE app = 'testing'")
    try:
        answer = client.get("/readyz")
    finally:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO django_migrations (id, app, name, applied) VALUES (%s, %s, %s, %s)", rows)
    assert answer.status_code == 503
    assert answer.json()["database"] == "Its tables are older than the program."


@pytest.mark.django_db(transaction=True)
def test_probes_over_http_with_many_at_once(live_server):
    answers = []

    def ask():
        answers.append(requests.get(live_server.url + "/readyz", timeout=120).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert answers == [200] * 8
    assert json.loads(requests.get(live_server.url + "/readyz/", timeout=120).text)["ready"] is True


def test_each_server_has_a_line_of_its_own(admin_client, jenkins, settings):
    down = Server.objects.create(name="lab", url="http://127.0.0.1:1/", user="queue", api_token="t")
    Job.objects.create(name="arm", server=down, path="job/arm")
    names = {finding.name: finding for finding in check_all(20, fresh=True)}
    assert "the connection was refused" in str(names["server lab"].problems[0])


def test_a_secret_that_can_not_be_decrypted_is_said(db, settings):
    server = Server.objects.create(name="lab", url="http://127.0.0.1:1/", user="queue", api_token="t")
    settings.SECRET_KEY = "another-key-than-the-one-before-" + "z" * 40
    [problem] = check_secrets().problems
    assert str(problem).startswith(f"The API token of the server {server} can't be decrypted")


def test_health_names_the_sources_that_run_everybodys_code(db):
    Source.objects.create(name="asking", kind="project", target="asking")
    facts = check_whose_code_runs().facts
    assert ("charmers" in facts, "asking" in facts) == (True, False)


@pytest.fixture
def bot_in_a_team(well, settings):
    """The posting account takes part in the reviewer team, through another team."""
    log_in(well, settings, "sandbox-token")
    well.launchpad.add_team("robots", "Robots", ["queue-bot"])
    well.launchpad.add_team("makers", "Makers", ["robots"])
    settings.REVIEWER_TEAMS = ["makers"]


def test_an_account_that_votes_and_is_in_a_reviewer_team_is_a_problem(client, staff, bot_in_a_team):
    Source.objects.update(comments=Source.Comments.ON)
    text = page(client)
    assert "The account queue-bot takes part in the team makers." in text
    assert "Keep the account out of such teams" in text
    assert "All is well" not in text


def test_an_account_in_none_of_the_teams_is_said_to_be_in_none(client, staff, well, settings):
    log_in(well, settings, "sandbox-token")
    assert "queue-bot, in no reviewer team and no team of a source" in page(client)


def test_an_account_that_casts_no_votes_may_be_in_a_reviewer_team(client, staff, bot_in_a_team):
    Source.objects.update(comments=Source.Comments.ON, vote_policy=Source.VotePolicy.NONE)
    assert "It casts no votes now." in page(client)
