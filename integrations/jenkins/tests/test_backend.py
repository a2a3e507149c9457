"""A run is sent to Jenkins, and Jenkins' answers are read for what they mean (docs/specification.md, section 5)."""

import time
from itertools import pairwise

import pytest
from django.utils import timezone

from integrations.jenkins.backend import Jenkins
from testing.models import Status
from testing.sweep import sweep


def only_run(review):
    return review.test_runs.get()


def test_the_request_says_what_to_test_where_and_whom_to_call(review, jenkins):
    jenkins.accepts()
    sweep()
    run = only_run(review)
    [asked] = jenkins.asked
    assert asked["method"] == "GET"  # with only the job's token, Jenkins' CSRF filter refuses a POST
    sent = asked["parameters"]
    assert sent["url"] == "lp:~ada/charms/trusty/mysql/fix"
    assert (sent["token"], sent["job_id"], sent["envs"]) == ("s3cret-job-token", str(run.pk), "lxc")
    assert sent["revision"] == "rev-1"
    assert sent["callback_url"].startswith(f"http://localhost:8000/api/test-runs/{run.pk}/callback/?token=")
    assert (run.status, run.attempt, run.error) == (Status.PENDING, 1, "")
    assert run.attempts.get().queue_url == f"{jenkins.url}queue/item/1/"


def test_with_a_user_and_api_token_it_posts_with_basic_authentication(review, jenkins, settings):
    settings.JENKINS_USER, settings.JENKINS_API_TOKEN, settings.JENKINS_TOKEN = "ci", "11abc", ""
    settings.JENKINS_JOB_URL = jenkins.job_url + "/buildWithParameters/"
    jenkins.accepts()
    sweep()
    [asked] = jenkins.asked
    assert asked["method"] == "POST"
    assert asked["headers"]["Authorization"].startswith("Basic ")
    assert "token" not in asked["parameters"]
    assert only_run(review).status == Status.PENDING


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (201, {}),
        (303, {"Location": "/queue/item/7/"}),
        (303, {"Location": "https://ci.example.com/x/queue/item/7/"}),
    ],
)
def test_accepted(review, jenkins, status, headers):
    jenkins.builds_answer(status, headers)
    sweep()
    assert only_run(review).status == Status.PENDING


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "."}),
        (302, {"Location": "/login?from=x"}),
        (303, {"Location": "/job/charm-test/"}),
        (400, {}), (401, {}), (403, {}), (404, {}), (405, {}), (409, {}), (500, {}), (502, {}), (503, {}),
    ],
)  # fmt: skip
def test_what_is_not_accepted_waits_with_the_reason_and_the_time_of_the_next_try(review, jenkins, status, headers):
    jenkins.builds_answer(status, headers)
    sweep()
    run = only_run(review)
    assert (run.status, run.refusals, run.attempt) == (Status.RETRY, 1, 1)
    assert run.error
    assert "s3cret" not in run.error
    assert run.next_attempt_at > timezone.now()
    assert len(jenkins.asked) == 1  # no redirect was followed


@pytest.mark.parametrize("status", [503, 403])
def test_pauses_grow(review, jenkins, monkeypatch, status):
    jenkins.builds_answer(status)
    pauses, now = [], timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for _ in range(4):
        review.test_runs.update(next_attempt_at=now)
        sweep()
        pauses.append((only_run(review).next_attempt_at - now).total_seconds())
    assert all(later > earlier * 1.5 for earlier, later in pairwise(pauses))


@pytest.mark.parametrize(
    "beginning",
    [b"HTTP/1.1 201 ", b"HTTP/1.1 201 Created\r\nX-Padding: ", b"HTTP/1.1 201 Created\r\nContent-Length: 9999\r\n\r\n"],
)
def test_no_request_waits_longer_than_its_timeout(review, settings, dripping, beginning):
    """It drips for two minutes: in the status line, in the headers, in the body."""
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = dripping(beginning) + "job/charm-test", "token"
    settings.JENKINS_TIMEOUT = 0.5
    started = time.monotonic()
    sweep()
    assert time.monotonic() - started < 60
    assert "0.5 seconds" in only_run(review).error


def test_a_jenkins_that_is_down_leaves_the_run_waiting(review, jenkins):
    jenkins.stop()
    sweep()
    assert (only_run(review).status, only_run(review).refusals) == (Status.RETRY, 1)


def test_without_a_jenkins_runs_wait_and_say_so(review, settings):
    settings.JENKINS_JOB_URL = ""
    sweep()
    run = only_run(review)
    assert (run.status, run.refusals) == (Status.RETRY, 0)
    assert "JENKINS_JOB_URL" in run.error


def test_credentials_in_the_url_are_refused_without_being_repeated(review, settings):
    settings.JENKINS_JOB_URL = "https://ci:hunter2@jenkins.example.com/job/x"
    sweep()
    assert "holds credentials" in only_run(review).error
    assert "hunter2" not in only_run(review).error


@pytest.mark.parametrize(
    ("job", "root"),
    [
        ("https://ci.example.com/job/x", "https://ci.example.com/"),
        ("https://ci.example.com/jenkins/job/folder/job/x/", "https://ci.example.com/jenkins/"),
        ("https://ci.example.com/view/All/job/x/buildWithParameters?token=t", "https://ci.example.com/"),
        ("https://ci.example.com:8080/x", "https://ci.example.com:8080/"),
    ],
)
def test_where_jenkins_is_follows_from_the_jobs_url(settings, job, root):
    settings.JENKINS_JOB_URL = job
    assert Jenkins().job.root == root


def test_the_history_says_that_jenkins_took_it(review, jenkins):
    jenkins.accepts()
    sweep()
    assert list(review.events.filter(kind="run").order_by("pk").values_list("old", "new")) == [
        ("", "retry on lxc"), ("retry", "pending on lxc"),
    ]  # fmt: skip
