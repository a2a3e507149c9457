"""check_queue and the start-up checks say what is wrong and what to do (docs/specification.md, sections 9 and 10)."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from integrations.models import TeamSync
from reviewqueue.operations.heartbeats import record_heartbeat
from reviewqueue.operations.models import Heartbeat
from reviews.models import Review, Source


def job(names):
    definitions = [{"name": name} for name in names]
    return {"buildable": True, "property": [{"parameterDefinitions": definitions}, {}]}


@pytest.fixture
def healthy(launchpad, jenkins, monkeypatch):
    monkeypatch.setattr("reviewqueue.operations.health.services.BROKER_TIMEOUT_SECONDS", 60)
    PeriodicTask.objects.update(last_run_at=timezone.now())
    record_heartbeat("worker", "celery@here")
    facts = job(["url", "callback_url", "job_id", "envs", "revision"])
    jenkins.answers["/job/charm-test/api/json"] = (200, {}, json.dumps(facts).encode())
    return jenkins


def test_all_is_well(healthy, capsys):
    call_command("check_queue")
    assert capsys.readouterr().out.count(": OK") == 20


def diagnosis(capsys):
    with pytest.raises(CommandError):
        call_command("check_queue")
    return capsys.readouterr().err


def test_a_job_that_would_never_call_back(healthy, capsys):
    facts = job(["url", "job_id", "envs", "revision"])
    healthy.answers["/job/charm-test/api/json"] = (200, {}, json.dumps(facts).encode())
    assert "does not declare the parameters callback_url" in diagnosis(capsys)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_jenkins_that_refuses(healthy, capsys, status):
    healthy.answers["/job/charm-test/api/json"] = (status, {}, b"")
    assert "Jenkins" in diagnosis(capsys)


def test_a_beat_that_stopped(healthy, capsys):
    PeriodicTask.objects.update(last_run_at=None)
    assert "celery -A reviewqueue beat" in diagnosis(capsys)


def test_a_worker_that_fell_silent(healthy, capsys):
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert "celery -A reviewqueue worker" in diagnosis(capsys)


def test_a_launchpad_that_is_down(healthy, launchpad, capsys):
    launchpad.stop()
    assert "can't be reached" in diagnosis(capsys)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BASE_URL", "queue.example.com", "BASE_URL"),
        ("BASE_URL", "http://localhost:0", "BASE_URL is not an http or https URL"),
        ("BASE_URL", "https://queue.example.com:8443", "ALLOWED_HOSTS does not name the host of BASE_URL"),
        ("LAUNCHPAD_SERVICE_ROOT", "prod", "LAUNCHPAD_SERVICE_ROOT"),
        ("JENKINS_JOB_URL", "ftp://jenkins/job/x", "JENKINS_JOB_URL"),
        ("JENKINS_JOB_URL", "https://me:hunter2@jenkins/job/x", "credentials"),
        ("JENKINS_JOB_URL", "https://jenkins/job/x", "JENKINS_TOKEN"),
        ("JENKINS_JOB_URL", "http://[", "JENKINS_JOB_URL"),
        ("JENKINS_JOB_URL", "http://jenkins:port/job/x", "JENKINS_JOB_URL"),
        ("METRICS_TOKEN", "short", "METRICS_TOKEN"),
        ("JENKINS_USER", "ci", "set both"),
        ("TESTING_TIMEOUT", 0, "TESTING_TIMEOUT"),
        ("TESTING_MAX_ATTEMPTS", -1, "TESTING_MAX_ATTEMPTS"),
        ("TESTING_TIMEOUT", 10**20, "TESTING_TIMEOUT must be 31536000 or less"),
        ("TESTING_FIRST_PAUSE", -1, "TESTING_FIRST_PAUSE must be 1 or more"),
        ("JENKINS_TIMEOUT", 0.0, "JENKINS_TIMEOUT"),
        ("REFRESH_DEFAULT_MINUTES", 0, "REFRESH_DEFAULT_MINUTES"),
        ("REFRESH_MINUTES", {"in-progress": 10**15}, "REFRESH_IN_PROGRESS_MINUTES"),
        ("AXES_FAILURE_LIMIT", 0, "LOGIN_FAILURE_LIMIT"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {"anon": "5/fortnight"}, "NUM_PROXIES": 0}, "API_THROTTLE_ANON"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {}, "NUM_PROXIES": -1}, "NUM_PROXIES"),
        ("TESTING_CI_BACKEND", "integrations.jenkins.backend.Hudson", "TESTING_CI_BACKEND"),
        ("TESTING_CI_BACKEND", "integrations.jenkins.backend.REFUSALS", "TESTING_CI_BACKEND"),
    ],
)
def test_wrong_settings_are_named(settings, name, value, words):
    assert not [message for message in run_checks() if message.id.startswith("queue.")]
    setattr(settings, name, value)
    [message] = [message for message in run_checks() if message.id.startswith("queue.")]
    assert words in message.msg
    assert "hunter2" not in message.msg


@pytest.mark.parametrize("allowed", [["queue.example.com"], [".example.com"], ["*"]])
def test_the_public_name_may_be_allowed_in_every_way_that_django_knows(settings, allowed):
    settings.BASE_URL, settings.ALLOWED_HOSTS = "https://queue.example.com:8443", allowed
    assert not [message for message in run_checks() if message.id.startswith("queue.")]


def test_a_credentials_file_that_others_can_read(settings, tmp_path):
    settings.LAUNCHPAD_CREDENTIALS_FILE = tmp_path / "lp-creds"
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text("")
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o644)
    assert "queue.W001" in [message.id for message in run_checks()]


@pytest.fixture
def future():
    """Far ahead, as a clock leaves it that was wrong."""
    return timezone.now() + timedelta(days=365)


def test_a_beat_whose_last_run_is_in_the_future_is_not_ok(healthy, capsys, future):
    PeriodicTask.objects.update(last_run_at=future)
    assert "beat: It sends nothing before" in diagnosis(capsys)


def test_a_review_that_is_due_in_the_far_future_is_a_problem(healthy, capsys, future, review):
    Review.objects.update(due_at=future)
    assert "clocks: 1 reviews are due at a time in the future" in diagnosis(capsys)


def test_a_test_run_that_is_due_in_the_far_future_is_a_problem(healthy, capsys, future, review):
    review.test_runs.update(next_attempt_at=future)
    assert "clocks: 1 test runs are due at a time in the future" in diagnosis(capsys)


def test_a_run_with_a_long_timeout_of_its_own_is_no_problem(healthy, capsys, review):
    days = timedelta(days=3)  # longer than TESTING_TIMEOUT
    review.test_runs.update(
        status="running", timeout=days.total_seconds(), next_attempt_at=timezone.now() + days
    )  # fmt: skip
    call_command("check_queue")
    assert "in the future" not in capsys.readouterr().err


def test_a_source_whose_cursor_is_in_the_future_is_a_problem(healthy, capsys, future):
    Source.objects.filter(name="charms").update(cursor=future)
    assert "clocks: 1 sources were last read at a time in the future" in diagnosis(capsys)


def test_a_reviewer_team_that_can_not_be_read_is_named(healthy, capsys, settings):
    settings.REVIEWER_TEAMS = ["old-name"]
    TeamSync.objects.create(team="old-name", tried_at=timezone.now(), problem="Launchpad answered 404.")
    said = diagnosis(capsys)
    assert "The team old-name could not be read since" in said
    assert "Launchpad answered 404." in said


def test_reviewer_teams_that_nobody_is_in_are_named(healthy, capsys, settings):
    settings.REVIEWER_TEAMS = ["empty-team"]
    TeamSync.objects.create(team="empty-team", synced_at=timezone.now())
    assert "Nobody is in the reviewer teams (empty-team)" in diagnosis(capsys)


def test_many_items_missing_at_once_are_a_problem(healthy, capsys, review):
    now = timezone.now()
    for number in range(9):
        review.pk, review.api_url = None, f"https://api/{number}"
        review.url, review.number = f"https://lp/{number}", 100 + number
        review.save(force_insert=True)
    Review.objects.update(looked_at=now, missing_since=now)
    assert "missing items: Launchpad does not show 10 of the 10 items" in diagnosis(capsys)


@pytest.mark.parametrize("fresh", [True, False], ids=["no tables yet", "older tables"])
def test_a_database_without_its_tables_is_one_problem_with_one_remedy(settings, tmp_path, fresh):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "DEBUG": "true", "VAR_DIR": str(tmp_path),
        "LAUNCHPAD_SERVICE_ROOT": "http://127.0.0.1:1/", "JENKINS_JOB_URL": "http://127.0.0.1:1/job/x",
        "JENKINS_TOKEN": "x",
    }  # fmt: skip
    ask = [sys.executable, "manage.py"]
    if not fresh:
        subprocess.run([*ask, "migrate", "accounts", "-v", "0"], cwd=settings.BASE_DIR, env=environment, check=True)
    done = subprocess.run(
        [*ask, "check_queue"], cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=600
    )
    words = "It has no tables yet." if fresh else "Its tables are older than the program."
    assert f"database: {words} Run: manage.py migrate. Then check again." in done.stderr
    assert "This check failed" not in done.stderr
