"""A run is sent to Jenkins, and Jenkins' answers are read for what they mean (docs/specification.md, section 5)."""

import json
import time
from itertools import pairwise
from urllib.parse import parse_qsl

import pytest
import requests
from django.utils import timezone

from integrations.jenkins.backend import Jenkins
from integrations.sandbox import SandboxJenkins
from integrations.tests.certificates import make_certificate
from integrations.tests.scripted import ScriptedJenkins
from reviews.models import Review, Source
from testing.callbacks import callback_url_of
from testing.ci import BuildRef
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
    assert sent["url"] == "https://code.launchpad.net/~ada/charms/trusty/mysql/fix/+merge/1"
    assert (sent["token"], sent["job_id"], sent["envs"]) == ("s3cret-job-token", str(run.pk), "lxc")
    assert sent["revision"] == "rev-1"
    assert sent["callback_url"].startswith(f"http://localhost:8000/api/test-runs/{run.pk}/callback/?token=")
    assert (run.status, run.attempt, run.error) == (Status.PENDING, 1, "")
    assert run.attempts.get().queue_url == f"{jenkins.url}queue/item/1/"


def test_the_request_says_what_is_merged_into_what(review, jenkins):
    Review.objects.update(
        source_url="https://git.example/fork", source_branch="fix", target_url="https://git.example/main",
        target_branch="master", prerequisite_url="https://git.example/base", prerequisite_branch="first",
        title="Fix\n it " + "x" * 300,
    )  # fmt: skip
    jenkins.accepts()
    sweep()
    sent = jenkins.asked[0]["parameters"]
    assert sent["merge_proposal"] == review.url
    assert (sent["source_url"], sent["source_branch"]) == ("https://git.example/fork", "fix")
    assert (sent["target_url"], sent["target_branch"]) == ("https://git.example/main", "master")
    assert (sent["prerequisite_url"], sent["prerequisite_branch"]) == ("https://git.example/base", "first")
    assert sent["title"] == ("Fix it " + "x" * 300)[:200]


def test_parameters_that_say_nothing_are_sent_empty(review, jenkins, settings):
    settings.JENKINS_USER, settings.JENKINS_API_TOKEN = "ci", "11abc"
    jenkins.accepts()
    sweep()
    sent = dict(parse_qsl(jenkins.asked[0]["body"], keep_blank_values=True))
    for name in ("source_branch", "target_url", "target_branch", "prerequisite_url", "prerequisite_branch", "bug"):
        assert sent[name] == ""


def test_of_a_bug_its_number_is_sent_and_no_proposal(review, jenkins):
    Review.objects.update(kind="new", number=42)
    jenkins.accepts()
    sweep()
    sent = jenkins.asked[0]["parameters"]
    assert (sent["bug"], sent["url"]) == ("42", review.test_url)
    assert "merge_proposal" not in sent


@pytest.mark.parametrize(
    ("kind", "build_url", "is_page"),
    [
        ("team-branches", "", True),
        ("team-branches", "proposed", False),
        ("project", "", False),
        ("project", "proposal-page", True),
    ],
)
def test_a_source_says_what_url_a_build_gets(review, jenkins, kind, build_url, is_page):
    Source.objects.filter(pk=review.source_id).update(kind=kind, build_url=build_url)
    jenkins.accepts()
    sweep()
    assert jenkins.asked[0]["parameters"]["url"] == (review.url if is_page else review.test_url)


@pytest.mark.parametrize(
    ("more", "is_said"), [((), True), (("merge_proposal",), False), (("source_url", "target_url"), False)]
)
def test_the_diagnosis_says_that_a_job_is_not_told_the_target(sandbox, more, is_said):
    sandbox.jenkins.declared = ("url", "callback_url", "job_id", "envs", *more)
    diagnosis = Jenkins().diagnose()
    assert diagnosis.problems == []
    assert any("not the merge" in note for note in diagnosis.notes) is is_said


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
    settings.JENKINS_TIMEOUT = 0.2
    started = time.monotonic()
    sweep()
    assert time.monotonic() - started < 60
    assert "0.2 seconds" in only_run(review).error


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


def test_the_history_says_that_jenkins_took_it(review, jenkins):
    jenkins.accepts()
    sweep()
    assert list(review.events.filter(kind="run").order_by("pk").values_list("old", "new")) == [
        ("", "retry on lxc"), ("retry", "pending on lxc"),
    ]  # fmt: skip


# --- Nothing else is asked ---------------------------------------------------------------------------------


@pytest.fixture
def elsewhere():
    """A server on another port that must never be asked."""
    server = ScriptedJenkins()
    yield server
    server.stop()


def test_a_build_is_never_asked_about_where_somebody_says_it_is(sandbox, elsewhere):
    ci = Jenkins()
    assert ci.results(elsewhere.job_url + "/7/") is None
    assert ci.record(BuildRef("", elsewhere.job_url + "/7/")) is None
    assert ci.record(BuildRef(elsewhere.url + "queue/item/7/", "")) is None
    ci.cancel(BuildRef("", elsewhere.job_url + "/7/"))
    assert elsewhere.asked == []


def test_an_answer_that_redirects_elsewhere_is_not_followed(jenkins, elsewhere):
    jenkins.answers["/job/charm-test/7/api/json"] = (302, {"Location": elsewhere.url}, b"")
    jenkins.answers["/job/charm-test/7/artifact/results.json"] = (302, {"Location": elsewhere.url}, b"")
    ours = jenkins.job_url + "/7/"
    assert Jenkins().results(ours) is None
    assert Jenkins().record(BuildRef("", ours)) is None
    assert elsewhere.asked == []


# --- Other names for the same Jenkins ----------------------------------------------------------------------


def refusal(review, jenkins):
    sweep()
    return only_run(review).error


@pytest.mark.parametrize("status", [201, 303])
def test_header_names_in_lower_case_are_read(review, jenkins, status):
    jenkins.builds_answer(status, {"location": "https://other.example:8443/ci/queue/item/12/"})
    sweep()
    assert only_run(review).attempts.get().queue_url == f"{jenkins.url}queue/item/12/"


@pytest.fixture
def build(sandbox, review):
    """A build of the run's job that has begun, on a Jenkins that calls itself by a name that leads nowhere."""
    sandbox.jenkins.calls_itself = "https://ci.invalid:8443/jenkins/"
    sweep()
    return sandbox.jenkins.begin(1)


def test_a_build_that_reports_another_host_is_read_at_our_address(sandbox, build):
    url = sandbox.jenkins.build_url(build)
    assert url.startswith("https://ci.invalid:8443/jenkins/job/charm-test/")
    sandbox.jenkins.end(1, "UNSTABLE")
    record = Jenkins().record(BuildRef(build_url=url))
    assert (record.outcome, record.build_url) == ("fail", f"{sandbox.jenkins.job_url}/1/")
    assert len(Jenkins().results(url).tests) == 6


def test_a_build_that_reports_another_host_is_stopped(sandbox, build):
    Jenkins().cancel(BuildRef(build_url=sandbox.jenkins.build_url(build)))
    assert build.result == "ABORTED"


def test_a_queue_item_whose_build_has_another_host_is_followed(sandbox, build, review):
    record = Jenkins().record(BuildRef(only_run(review).attempts.get().queue_url))
    assert (record.building, record.build_url) == (True, f"{sandbox.jenkins.job_url}/1/")


def test_lately_started_builds_have_our_address(sandbox, build):
    [found] = Jenkins().lately_started().values()
    assert found == BuildRef(build_url=f"{sandbox.jenkins.job_url}/1/")


def test_the_diagnosis_says_by_what_name_jenkins_calls_itself(sandbox):
    sandbox.jenkins.calls_itself = "https://ci.invalid/"
    diagnosis = Jenkins().diagnose()
    assert diagnosis.problems == []
    assert "https://ci.invalid/job/charm-test/" in diagnosis.notes[0]


def test_the_diagnosis_names_an_address_whose_builds_would_not_be_recognised(jenkins):
    facts = {"buildable": True, "url": "https://ci.example.com/job/elsewhere/"}
    jenkins.answers["/job/charm-test/api/json"] = (200, {}, json.dumps(facts).encode())
    assert "https://ci.example.com/job/elsewhere/" in Jenkins().diagnose().problems[-1]


# --- Only builds of our job --------------------------------------------------------------------------------


@pytest.fixture
def deploy(sandbox):
    """A running build of another job on the same Jenkins."""
    job = sandbox.jenkins.add_job("production-deploy", first=77)
    query = {"token": job.token, "url": "x"}
    requests.get(sandbox.jenkins.url_of(job) + "/buildWithParameters", params=query, timeout=60)
    build = sandbox.jenkins.begin(77, job)
    sandbox.jenkins.requests.clear()
    return build


def test_a_build_of_another_job_is_never_stopped(sandbox, deploy):
    Jenkins().cancel(BuildRef(build_url=sandbox.jenkins.build_url(deploy)))
    assert (deploy.state, sandbox.jenkins.requests) == ("running", [])


def test_a_build_of_another_job_is_never_read(sandbox, deploy):
    url = sandbox.jenkins.build_url(deploy)
    sandbox.jenkins.end(77, job=deploy.job)
    assert Jenkins().record(BuildRef(build_url=url)) is None
    assert Jenkins().results(url) is None
    assert sandbox.jenkins.requests == []


def test_a_queue_item_of_another_job_is_neither_followed_nor_cancelled(sandbox):
    """A Jenkins that was set up anew counts its queue items from the start."""
    job = sandbox.jenkins.add_job("production-deploy")
    query = {"token": job.token, "url": "x"}
    answer = requests.get(sandbox.jenkins.url_of(job) + "/buildWithParameters", params=query, timeout=60)
    ref = BuildRef(queue_url=answer.headers["Location"])
    assert Jenkins().record(ref) is None
    Jenkins().cancel(ref)
    assert job.builds[1].state == "queued"


def test_what_another_job_has_queued_is_not_among_ours(sandbox):
    job = sandbox.jenkins.add_job("production-deploy")
    query = {"token": job.token, "url": "x", "callback_url": "http://queue/1"}
    requests.get(sandbox.jenkins.url_of(job) + "/buildWithParameters", params=query, timeout=60)
    assert Jenkins().lately_started() == {}


@pytest.mark.parametrize(
    "address", ["job/charm-test/", "job/charm-test/doDelete", "manage/", "", "job/charm-test/lastBuild/"]
)
def test_only_builds_are_stopped(sandbox, address):
    Jenkins().cancel(BuildRef("", sandbox.jenkins.url + address))
    assert sandbox.jenkins.requests == []


@pytest.mark.parametrize("name", ["feature%2Fx", "fix%237", "fix#7", "with space", "café"])
def test_a_branch_with_a_name_that_has_to_be_encoded_is_built_read_and_stopped(sandbox, review, settings, name):
    branch = sandbox.jenkins.add_job("charms", name)
    settings.JENKINS_JOB_URL = sandbox.jenkins.url_of(branch)
    sweep()
    build = sandbox.jenkins.begin(1, branch)
    url = sandbox.jenkins.build_url(build)
    assert Jenkins().record(BuildRef(build_url=url)).building
    Jenkins().cancel(BuildRef(build_url=url))
    assert Jenkins().record(BuildRef(build_url=url)).reason == "ABORTED"


def test_a_cell_of_a_matrix_build_is_not_the_build(sandbox, build):
    build.cells = {"label=a": "SUCCESS"}
    cell = sandbox.jenkins.build_url(build, "label=a")
    assert Jenkins().is_part_of_build(cell)
    assert Jenkins().record(BuildRef(build_url=cell)) is None
    assert Jenkins().results(cell) is None


# --- Finding a build again ---------------------------------------------------------------------------------


def test_what_a_person_cancels_in_the_queue_is_said_to_be_cancelled(sandbox, review):
    sweep()
    sandbox.jenkins.cancel_in_queue(1)
    record = Jenkins().record(BuildRef(only_run(review).attempts.get().queue_url))
    assert (record.outcome, record.canceled, record.reason) == ("error", True, "cancelled in Jenkins")


def test_a_build_whose_queue_item_is_forgotten_is_found_by_its_parameters(sandbox, review):
    sandbox.jenkins.remembered_for = 0
    sweep()
    sandbox.jenkins.begin(1)
    run = only_run(review)
    assert Jenkins().record(BuildRef(run.attempts.get().queue_url)) is None
    assert Jenkins().lately_started()[callback_url_of(run)] == BuildRef(build_url=f"{sandbox.jenkins.job_url}/1/")


def test_an_address_that_is_too_long_to_keep_becomes_one_that_is_not(review, jenkins):
    url = f"{jenkins.url}{'x' * 1000}/job/charm-test/7/"
    item = {"executable": {"number": 7, "url": url}}
    jenkins.answers["/queue/item/1/api/json"] = (200, {}, json.dumps(item).encode())
    jenkins.answers["/job/charm-test/7/api/json"] = (200, {}, b'{"building": true}')
    record = Jenkins().record(BuildRef(f"{jenkins.url}queue/item/1/"))
    assert record.build_url == f"{jenkins.job_url}/7/"


# --- Who asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "token"), [("zoë", "11abc"), ("Łukasz", "żółw"), ("李伟", "11:abc")])
def test_credentials_in_any_script_are_sent_as_utf_8(sandbox, review, settings, user, token):
    sandbox.jenkins.user, sandbox.jenkins.api_token = user, token
    settings.JENKINS_USER, settings.JENKINS_API_TOKEN, settings.JENKINS_TOKEN = user, token, ""
    sweep()
    assert only_run(review).status == Status.PENDING


def test_a_netrc_of_the_account_adds_no_password(sandbox, review, monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    sweep()
    assert only_run(review).status == Status.PENDING  # the sandbox refuses a wrong password, whatever the token


@pytest.fixture
def self_signed(settings, tmp_path):
    """A Jenkins with a certificate that nobody signed but itself; its path."""
    certificate = make_certificate(tmp_path / "jenkins.pem")
    server = SandboxJenkins(auto=False, certificate=certificate)
    server.start()
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = server.job_url, server.token
    yield certificate
    server.stop()


def test_a_self_signed_certificate_is_said_in_words(review, self_signed):
    sweep()
    assert "certificate is self-signed" in only_run(review).error
    assert "REQUESTS_CA_BUNDLE" in only_run(review).error


def test_a_self_signed_certificate_that_is_named_is_trusted(review, self_signed, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed))
    sweep()
    assert only_run(review).status == Status.PENDING


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("job/charm-test/build?token=s3cret", "/build, which takes no parameters"),
        ("view/All/", "address of a view"),
        ("", "Jenkins itself"),
        ("job/charm-test/7/", "number of a build"),
    ],
)
def test_a_run_says_what_the_setting_is_when_it_is_not_the_job(review, jenkins, settings, path, words):
    settings.JENKINS_JOB_URL = jenkins.url + path
    assert words in refusal(review, jenkins)
    assert jenkins.asked == []


def test_a_redirect_to_the_same_job_under_another_name_says_which(review, jenkins):
    moved = "https://ci.example.com/job/charm-test"
    jenkins.builds_answer(301, {"Location": f"{moved}/buildWithParameters?token=s3cret-job-token"})
    assert refusal(review, jenkins).endswith(f"Set JENKINS_JOB_URL to {moved}.")


def test_spaces_around_the_setting_do_no_harm(review, jenkins, settings):
    jenkins.accepts()
    settings.JENKINS_JOB_URL = f"  {jenkins.job_url}/buildWithParameters/ "
    sweep()
    assert only_run(review).status == Status.PENDING


def test_a_token_in_the_setting_is_not_used_and_said(review, jenkins, settings):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = jenkins.job_url + "/buildWithParameters?token=s3cret", ""
    error = refusal(review, jenkins)
    assert "JENKINS_TOKEN" in error
    assert "s3cret" not in error
