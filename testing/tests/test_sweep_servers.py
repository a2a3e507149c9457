"""Several servers: each run goes to its own job, and a server that does not answer holds up no other."""

import itertools
import threading
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.tests.scripted import ScriptedJenkins
from testing.callbacks import apply_callback, callback_token
from testing.models import Attempt, Job, PlanRow, Server, Status, Substrate, TestRun
from testing.runs import cancel_run, launch_runs
from testing.sweep import sweep
from testing.sweep.lanes import FIRST


@pytest.fixture
def other():
    """A second Jenkins, which staff entered as a server."""
    jenkins = ScriptedJenkins()
    yield jenkins
    jenkins.stop()


@pytest.fixture
def job(other, review):
    """Its job, which tests on arm64; the environment's tests on lxc."""
    server = Server.objects.create(name="lab", url=other.url, user="queue", api_token="lab-api-token")
    job = Job.objects.create(
        name="arm", server=server, path="job/team/job/arm", token="arm-job-token",
        parameters={"CLOUD": "{substrate}-cloud", "FOR": "{source} r{revision}", "FIXED": "yes"},
    )  # fmt: skip
    substrate = Substrate.objects.create(name="arm64")
    PlanRow.objects.create(substrate=substrate, job=job)
    launch_runs(review, [substrate], None)
    return job


def run_of(job):
    return TestRun.objects.get(job=job)


def accept(other, path="/job/team/job/arm", item=7):
    other.answers[path + "/buildWithParameters"] = (201, {"Location": f"{other.url}queue/item/{item}/"}, b"")


def test_each_run_is_sent_to_its_own_job(job, other, jenkins):
    jenkins.accepts()
    accept(other)
    assert sweep().sent == 2
    assert [asked["path"] for asked in jenkins.asked] == ["/job/charm-test/buildWithParameters"]
    [asked] = other.asked
    assert (asked["path"], asked["method"]) == ("/job/team/job/arm/buildWithParameters", "POST")
    assert asked["parameters"]["token"] == "arm-job-token"
    assert run_of(job).attempts.get().job_url == other.url + "job/team/job/arm"


def test_the_jobs_own_parameters_are_filled_in(job, other, jenkins):
    accept(other)
    sweep()
    sent = other.asked[0]["parameters"]
    assert (sent["CLOUD"], sent["FOR"], sent["FIXED"]) == ("arm64-cloud", "charmers rrev-1", "yes")


def test_without_a_jenkins_of_the_environment_the_others_are_used(job, other, settings):
    settings.JENKINS_JOB_URL = ""
    accept(other)
    sweep()
    assert run_of(job).status == Status.PENDING
    assert "No Jenkins is configured" in TestRun.objects.get(job=None).error


def test_a_build_of_its_own_job_only_is_taken_from_a_callback(job, other, jenkins):
    accept(other)
    sweep()
    run = run_of(job)
    for url, kept in ((jenkins.job_url + "/3/", ""), (f"{other.url}job/team/job/arm/3/",) * 2):
        run.refresh_from_db()
        TestRun.objects.filter(pk=run.pk).update(build_url="", status=Status.PENDING)
        apply_callback(run.pk, callback_token(run.pk, 1), "RUNNING", url)
        assert run.attempts.get().build_url == kept


def test_a_job_that_moves_leaves_what_is_under_way_where_it_was_sent(job, other, jenkins):
    accept(other)
    sweep()
    Job.objects.update(path="job/elsewhere")
    run = run_of(job)
    apply_callback(run.pk, callback_token(run.pk, 1), "RUNNING", f"{other.url}job/team/job/arm/3/")
    other.asked.clear()
    cancel_run(run, actor=None, note="Not needed.")
    sweep()
    assert "/job/team/job/arm/3/stop" in [asked["path"] for asked in other.asked]


def test_the_results_are_asked_of_the_runs_own_server(job, other, jenkins):
    accept(other)
    sweep()
    run = run_of(job)
    build = "/job/team/job/arm/3/"
    other.answers[build + "artifact/results.json"] = (200, {}, b'{"tests": [{"test": "t", "returncode": 0}]}')
    apply_callback(run.pk, callback_token(run.pk, 1), "PASS", other.url.rstrip("/") + build)
    sweep()
    assert run.results.count() == 1


def test_a_server_that_hangs_holds_up_no_other(job, other, jenkins, settings):
    over = threading.Event()

    def hang(request):
        over.wait(10)
        return 503, {}, b""

    def answer(request):
        over.set()  # the other server is asked while this one hangs
        return 201, {"Location": f"{jenkins.url}queue/item/1/"}, b""

    other.answers["/job/team/job/arm/buildWithParameters"] = hang
    jenkins.answers["/job/charm-test/buildWithParameters"] = answer
    started = time.monotonic()
    sweep()
    assert time.monotonic() - started < 8
    assert TestRun.objects.get(job=None).status == Status.PENDING
    assert run_of(job).status == Status.RETRY


def test_a_server_that_is_down_is_left_alone_for_a_while(job, other, jenkins):
    jenkins.accepts()
    other.answers["/job/team/job/arm/buildWithParameters"] = (503, {}, b"")
    sweep()
    server = Server.objects.get()
    assert (server.problem, server.failing_since is not None) == (
        "Jenkins lab answered 503 and did not queue the build.", True
    )  # fmt: skip
    assert server.paused_until > timezone.now()
    TestRun.objects.unfinished().update(next_attempt_at=timezone.now())
    other.asked.clear()
    sweep()
    assert other.asked == []
    assert run_of(job).error == server.problem


def test_a_server_that_answers_again_is_no_longer_failing(job, other, jenkins):
    Server.objects.update(failing_since=timezone.now(), paused_until=timezone.now(), problem="It was down.")
    accept(other)
    sweep()
    server = Server.objects.get()
    assert (server.failing_since, server.problem) == (None, "")


def test_nothing_is_sent_to_a_server_that_is_switched_off(job, other, jenkins):
    Server.objects.update(active=False)
    accept(other)
    sweep()
    assert other.asked == []
    assert run_of(job).error == "The server lab is switched off: nothing is sent to it."


def test_a_token_that_can_not_be_decrypted_is_never_sent(job, other, jenkins, settings):
    settings.SECRET_KEY = "another-key-than-the-one-before-" + "z" * 40
    accept(other)
    sweep()
    assert other.asked == []
    assert "can't be decrypted" in run_of(job).error


def due_runs(review, count):
    """So many runs that are due, of which the review has one already."""
    substrates = Substrate.objects.bulk_create([Substrate(name=f"machine-{number}") for number in range(count - 1)])
    TestRun.objects.bulk_create([TestRun(review=review, substrate=one, revision="rev-1") for one in substrates])


def test_as_many_requests_as_allowed_are_on_their_way_to_one_server_at_once(review, jenkins, settings):
    settings.JENKINS_AT_ONCE = 12
    due_runs(review, FIRST + 3 * 12)
    all_there, numbers = threading.Barrier(12), itertools.count()

    def answer(request):
        if next(numbers) >= FIRST:  # what is sent to a server that has not answered yet
            all_there.wait(20)  # nobody is answered before there are twelve
        return 201, {"Location": f"{jenkins.url}queue/item/1/"}, b""

    jenkins.answers["/job/charm-test/buildWithParameters"] = answer
    assert sweep().sent == FIRST + 3 * 12


def test_no_more_requests_than_allowed_are_on_their_way_to_one_server(review, jenkins, settings):
    settings.JENKINS_AT_ONCE = 12
    due_runs(review, 60)
    guard, under_way, most = threading.Lock(), 0, 0

    def answer(request):
        nonlocal under_way, most
        with guard:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.005)
        with guard:
            under_way -= 1
        return 201, {"Location": f"{jenkins.url}queue/item/1/"}, b""

    jenkins.answers["/job/charm-test/buildWithParameters"] = answer
    assert sweep().sent == 60
    assert most <= 12


def test_what_is_answered_together_is_written_down_together(review, jenkins):
    due_runs(review, 100)
    jenkins.accepts()
    with CaptureQueriesContext(connection) as asked:
        assert sweep().sent == 100
    assert len(asked.captured_queries) < 2 * 100  # written down one by one, each takes five
    assert not Attempt.objects.exclude(
        outcome="accepted", queue_url=f"{jenkins.url}queue/item/1/", note="", accepted_at__isnull=False,
        lookup_due_at__isnull=False,
    ).exists()  # fmt: skip
