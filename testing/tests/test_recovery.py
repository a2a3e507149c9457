"""What was lost is found again, or sent again, or given up (docs/specification.md, section 5)."""

import json

import pytest
from django.utils import timezone

from integrations.jenkins.backend import Jenkins
from integrations.sandbox.serving import Fault
from reviews.signals import review_closed
from testing.callbacks import apply_callback, callback_token
from testing.models import Attempt, Status, TestRun
from testing.runs import retrigger
from testing.sweep import sweep
from testing.sweep.outcomes import recover
from testing.tasks import collect_results, stop_build

BUILD = "/job/charm-test/7/"
GOOD = {"suite": "bundle", "test": "deploy", "returncode": 0, "duration": 1.5, "output": "fine"}


@pytest.fixture
def run(review, jenkins):
    jenkins.accepts()
    sweep()
    return review.test_runs.get()


def running(run, jenkins):
    apply_callback(run.pk, callback_token(run.pk, run.attempt), "RUNNING", jenkins.url.rstrip("/") + BUILD)


def too_late(run):
    type(run).objects.filter(pk=run.pk).update(next_attempt_at=timezone.now())
    report = sweep()
    run.refresh_from_db()
    return report


def results(jenkins, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    jenkins.answers[BUILD + "artifact/results.json"] = (200, {}, content)


@pytest.mark.parametrize(("code", "status"), [(0, "pass"), (None, "pass"), (1, "fail"), (2, "fail")])
def test_a_lost_outcome_is_read_from_the_results(run, jenkins, code, status):
    running(run, jenkins)
    results(jenkins, {"tests": [GOOD, {**GOOD, "returncode": code}], "finished": "2015-10-19T13:56:55Z"})
    too_late(run)
    assert run.status == status
    assert run.finished_at.isoformat() == "2015-10-19T13:56:55+00:00"
    sweep()  # and the single tests are kept
    assert [test.test for test in run.results.all()] == ["deploy", "deploy"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"<html>log in</html>", b'{"tests": [{"returncode": 0', b'{"tests": {}}',
        b'{"tests": [1]}', b'{"tests": [{"returncode": "0"}]}', b'{"tests": [{"returncode": NaN}]}', b"[" * 100000,
        b"\xff\xfe", b'{"tests": [{"returncode": ' + b"9" * 5000 + b"}]}",
    ],
)  # fmt: skip
def test_a_results_file_that_is_not_one_is_never_a_pass(run, jenkins, body):
    running(run, jenkins)
    results(jenkins, body)
    too_late(run)
    assert (run.status, run.attempt) == (Status.RETRY, 2)


def test_a_hundred_megabytes_are_not_read(run, jenkins):
    running(run, jenkins)
    written = []

    def huge(_):
        def pieces():
            for _ in range(100):
                written.append(1)
                yield b" " * 1024 * 1024

        return 200, {}, pieces()

    jenkins.answers[BUILD + "artifact/results.json"] = huge
    too_late(run)
    assert run.attempt == 2
    assert len(written) < 30


@pytest.mark.parametrize(
    ("result", "status"), [("SUCCESS", "pass"), ("UNSTABLE", "fail"), ("FAILURE", "fail"), ("ABORTED", "error")]
)
def test_else_jenkins_own_record_of_the_build_counts(run, jenkins, result, status):
    item = {"executable": {"number": 7, "url": jenkins.url.rstrip("/") + BUILD}}
    jenkins.answers["/queue/item/1/api/json"] = (200, {}, json.dumps(item).encode())
    facts = {"building": False, "result": result, "timestamp": 1445262000000, "duration": 15000}
    jenkins.answers[BUILD + "api/json"] = (200, {}, json.dumps(facts).encode())
    too_late(run)  # it was pending: neither RUNNING nor the outcome ever came
    assert run.status == status
    assert run.finished_at.isoformat() == "2015-10-19T13:40:15+00:00"


def test_else_it_is_sent_again_until_the_last_attempt_and_then_given_up(run, jenkins, settings):
    settings.TESTING_MAX_ATTEMPTS = 3
    for attempt in (2, 3):
        too_late(run)
        assert (run.status, run.attempt) == (Status.RETRY, attempt)
        sweep()
        run.refresh_from_db()
        assert run.status == Status.PENDING
    too_late(run)
    assert run.status == Status.ERROR
    assert "Given up after 3 attempts" in run.error
    tokens = {asked["parameters"].get("callback_url") for asked in jenkins.asked} - {None}
    assert len(tokens) == 3


def test_no_attempt_is_burnt_while_jenkins_is_unreachable(run, jenkins):
    running(run, jenkins)
    jenkins.stop()
    too_late(run)
    assert (run.status, run.attempt) == (Status.RUNNING, 1)
    assert "can't be reached" in run.error


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/", "http://127.0.0.1:1/job/charm-test/7/", "{root}../{path}",
        "http://x@{host}/job/charm-test/7/", "http://{host}/job/../secret/", "http://{host}/job/%2e%2e/secret/",
    ],
)  # fmt: skip
def test_nothing_is_fetched_but_from_below_our_jenkins(run, jenkins, url, settings):
    settings.JENKINS_JOB_URL = jenkins.url + "sub/job/charm-test"
    host = jenkins.url.removeprefix("http://").rstrip("/")
    url = url.format(root=jenkins.url + "sub/", path="job/7/", host=host)
    apply_callback(run.pk, callback_token(run.pk, 1), "RUNNING", url)
    jenkins.asked.clear()
    too_late(run)
    assert [asked["path"] for asked in jenkins.asked if not asked["path"].startswith("/sub/")] == []
    assert [asked["path"] for asked in jenkins.asked if "secret" in asked["path"]] == []


def test_staff_recover_a_run_that_was_given_up(run, jenkins, settings):
    settings.TESTING_MAX_ATTEMPTS = 1
    running(run, jenkins)
    too_late(run)
    assert run.status == Status.ERROR
    results(jenkins, {"tests": [GOOD]})
    assert recover(run) == f"Run {run.pk} recovered: pass."


def test_retrigger_makes_a_new_run(run):
    apply_callback(run.pk, callback_token(run.pk, 1), "FAIL")
    run.refresh_from_db()
    again = retrigger(run, actor=None)
    assert (again.pk != run.pk, again.status) == (True, Status.RETRY)


def test_an_idle_sweep_costs_one_query(run, django_assert_num_queries):
    with django_assert_num_queries(1):
        sweep()


class DyingJenkins(Jenkins):
    """A process that dies in the middle of a request, after Jenkins has heard it."""

    def start(self, request):
        super().start(request)
        raise SystemExit


def test_a_process_that_dies_while_sending_leaves_a_run_that_the_next_sweep_brings_on(review, jenkins, settings):
    jenkins.accepts()
    settings.TESTING_CI_BACKEND = "testing.tests.test_recovery.DyingJenkins"
    with pytest.raises(SystemExit):
        sweep()
    run = review.test_runs.get()
    assert run.status == Status.RETRY
    assert run.next_attempt_at > timezone.now()  # its claim holds for a while, in case it lives
    settings.TESTING_CI_BACKEND = "integrations.jenkins.backend.Jenkins"
    sweep()
    assert len(jenkins.asked) == 1
    too_late(run)
    assert (run.status, run.attempt) == (Status.PENDING, 1)


def test_a_build_that_calls_back_after_its_sender_died_is_heard(review, jenkins, settings):
    jenkins.accepts()
    settings.TESTING_CI_BACKEND = "testing.tests.test_recovery.DyingJenkins"
    with pytest.raises(SystemExit):
        sweep()
    run = review.test_runs.get()
    assert apply_callback(run.pk, callback_token(run.pk, 1), "PASS").applied
    assert sweep().sent == 0


@pytest.mark.parametrize("begun", [False, True])
def test_an_acceptance_that_nobody_wrote_down_is_found_again(sandbox, review, settings, begun):
    settings.TESTING_CI_BACKEND = "testing.tests.test_recovery.DyingJenkins"
    with pytest.raises(SystemExit):
        sweep()
    if begun:
        sandbox.jenkins.begin(1)
    settings.TESTING_CI_BACKEND = "integrations.jenkins.backend.Jenkins"
    run = review.test_runs.get()
    too_late(run)
    assert (run.status, run.attempt, len(sandbox.jenkins.builds)) == (Status.PENDING, 1, 1)
    sandbox.jenkins.begin(1)
    sandbox.jenkins.end(1, "UNSTABLE")
    too_late(run)
    assert (run.status, run.build_url) == (Status.FAIL, f"{sandbox.jenkins.job_url}/1/")


def test_a_build_that_was_accepted_without_a_word_is_not_built_twice(sandbox, review):
    sandbox.jenkins.faults = [Fault("lost", times=1)]
    sweep()
    run = review.test_runs.get()
    assert (run.status, run.refusals) == (Status.RETRY, 1)
    sandbox.jenkins.begin(1)
    too_late(run)
    assert (run.status, len(sandbox.jenkins.builds)) == (Status.PENDING, 1)


def test_where_jenkins_lists_no_builds_the_run_is_sent_again(sandbox, review):
    sandbox.jenkins.faults = [Fault("hang up", times=1), Fault(path="queue/api", status=403)]
    sweep()
    run = review.test_runs.get()
    too_late(run)
    assert (run.status, run.attempt, len(sandbox.jenkins.builds)) == (Status.PENDING, 1, 1)


def test_results_that_are_archived_after_the_callback_are_collected(sandbox, review, settings):
    settings.TESTING_FIRST_PAUSE = 0
    sweep()
    run = review.test_runs.get()
    sandbox.jenkins.begin(1)
    apply_callback(run.pk, callback_token(run.pk, 1), "PASS", f"{sandbox.jenkins.job_url}/1/")
    sandbox.jenkins.faults = [Fault(status=503, times=1)]
    for expected in (0, 0):
        assert sweep().collected == expected
    sandbox.jenkins.end(1)
    assert sweep().collected == 1
    assert run.results.count() == 6


def test_results_that_never_come_are_asked_for_a_few_times(run, jenkins, settings):
    settings.TESTING_FIRST_PAUSE = 0
    apply_callback(run.pk, callback_token(run.pk, 1), "PASS", jenkins.url.rstrip("/") + BUILD)
    jenkins.asked.clear()
    for _ in range(20):
        sweep()
    paths = [asked["path"].removeprefix(BUILD) for asked in jenkins.asked]
    assert paths == ["artifact/results.json", "testReport/api/json"] * 5


def test_while_the_results_can_not_be_had_the_record_of_the_build_does_not_decide(sandbox, review, settings):
    sweep()
    run = review.test_runs.get()
    sandbox.jenkins.begin(1)
    sandbox.jenkins.end(1, "UNSTABLE")
    sandbox.jenkins.faults = [Fault(path="results.json", status=503)]
    too_late(run)
    assert (run.status, run.attempt) == (Status.PENDING, 1)
    settings.TESTING_TIMEOUT = 0  # but not for ever
    too_late(run)
    assert run.status == Status.FAIL


def test_one_sweep_sends_many(sandbox, lots):
    assert sweep().sent == 100
    assert len(sandbox.jenkins.builds) == 100


def test_a_jenkins_that_is_down_is_asked_a_few_times_not_once_a_run(sandbox, lots):
    sandbox.jenkins.faults = [Fault(status=503)]
    sweep()
    assert len(sandbox.jenkins.requests) < 20
    assert sweep().refused == 0
    assert set(lots.values_list("error", flat=True)) == {"Jenkins answered 503 and did not queue the build."}
    assert not lots.filter(next_attempt_at__lte=timezone.now()).exists()


def test_one_sweep_looks_after_many(sandbox, lots):
    sweep()
    for number in sandbox.jenkins.builds:
        sandbox.jenkins.begin(number)
        sandbox.jenkins.end(number)
    lots.update(next_attempt_at=timezone.now())
    assert sweep().recovered == 100
    assert sweep().collected + TestRun.objects.filter(results__isnull=False).distinct().count() >= 100
    assert set(lots.values_list("status", "results_due_at")) == {(Status.PASS, None)}


def record_of(jenkins, **more):
    facts = {"building": False, "result": "SUCCESS", "timestamp": 1445262000000, "duration": 15000, **more}
    jenkins.answers[BUILD + "api/json"] = (200, {}, json.dumps(facts).encode())


@pytest.mark.parametrize(
    ("body", "result", "status", "is_said"),
    [
        ({"tests": []}, "SUCCESS", "error", True),
        ({"tests": []}, None, "error", True),
        (b'{"tests": [{"returncode": 0', "SUCCESS", "error", True),
        (b"<html>log in</html>", "SUCCESS", "error", True),
        (b"[]", "FAILURE", "fail", False),
    ],
)
def test_results_that_prove_nothing_are_never_a_pass_whatever_jenkins_says(run, jenkins, body, result, status, is_said):
    running(run, jenkins)
    results(jenkins, body)
    if result:
        record_of(jenkins, result=result)
    too_late(run)
    assert (run.status, "results" in run.error) == (status, is_said)


def test_without_its_own_finish_time_a_results_file_has_jenkins_end_time(run, jenkins):
    running(run, jenkins)
    results(jenkins, {"tests": [GOOD]})
    record_of(jenkins)
    too_late(run)
    assert (run.status, run.finished_at.isoformat()) == ("pass", "2015-10-19T13:40:15+00:00")


def test_a_jenkins_that_knows_itself_by_another_name_is_followed_all_the_same(run, jenkins):
    apply_callback(run.pk, callback_token(run.pk, 1), "RUNNING", "https://ci.example.com/job/charm-test/7/")
    item = {"executable": {"number": 7, "url": "https://ci.example.com/job/charm-test/7/"}}
    jenkins.answers["/queue/item/1/api/json"] = (200, {}, json.dumps(item).encode())
    record_of(jenkins)
    results(jenkins, {"tests": [GOOD]})
    too_late(run)
    assert run.status == "pass"


def stops(jenkins):
    return [asked for asked in jenkins.asked if asked["path"] == BUILD + "stop"]


def test_a_build_is_stopped_though_every_message_is_lost(run, jenkins):
    running(run, jenkins)
    record_of(jenkins, building=True, result=None)
    jenkins.answers[BUILD + "stop"] = (503, {}, b"")
    run.review.state = "merged"
    run.review.save()
    review_closed.send(type(run.review), review=run.review)  # its message to stop the build goes nowhere
    sweep()
    run.refresh_from_db()
    assert (run.status, len(stops(jenkins))) == ("canceled", 1)
    jenkins.answers[BUILD + "stop"] = (302, {"Location": "."}, b"")
    Attempt.objects.update(stop_due_at=timezone.now())
    sweep()
    sweep()
    run.refresh_from_db()
    assert (len(stops(jenkins)), run.attempts.get().stop_due_at) == (2, None)


@pytest.mark.django_db
@pytest.mark.parametrize("task", [collect_results, stop_build])
def test_a_message_of_a_run_that_was_deleted_is_no_failure(task):
    assert task.apply((4711,)).successful()


def report(jenkins, *statuses):
    cases = [{"className": "deploy.Test", "name": f"t{n}", "status": status} for n, status in enumerate(statuses)]
    body = json.dumps({"suites": [{"name": "deploy", "cases": cases}]}).encode()
    jenkins.answers[BUILD + "testReport/api/json"] = (200, {}, body)


@pytest.mark.parametrize(
    ("statuses", "result", "status"),
    [
        (["PASSED", "REGRESSION"], "SUCCESS", "fail"),
        (["PASSED", "FAILED"], None, "fail"),  # whatever else the build still does
        (["PASSED", "SKIPPED"], "SUCCESS", "pass"),
        (["FIXED"], "FAILURE", "fail"),
        (["PASSED"], "ABORTED", "error"),
        (["SKIPPED"], "SUCCESS", "pass"),
        (["SKIPPED"], "UNSTABLE", "fail"),
        ([], "SUCCESS", "pass"),
    ],
)
def test_a_lost_outcome_is_read_from_the_test_report_and_the_builds_own_result(run, jenkins, statuses, result, status):
    running(run, jenkins)
    report(jenkins, *statuses)
    record_of(jenkins, result=result, building=result is None)
    too_late(run)
    assert run.status == status


def test_a_test_report_without_a_failure_is_no_pass_while_the_build_goes_on(run, jenkins):
    running(run, jenkins)
    report(jenkins, "PASSED")
    record_of(jenkins, result=None, building=True)
    too_late(run)
    assert (run.status, run.attempt) == (Status.RETRY, 2)


def test_the_results_file_goes_before_the_test_report(run, jenkins):
    running(run, jenkins)
    report(jenkins, "FAILED")
    results(jenkins, {"tests": [GOOD]})
    too_late(run)
    sweep()
    assert (run.status, [test.test for test in run.results.all()]) == (Status.PASS, ["deploy"])


def test_single_tests_of_a_report_are_kept_with_their_outcomes(run, jenkins):
    apply_callback(run.pk, callback_token(run.pk, 1), "FAIL", jenkins.url.rstrip("/") + BUILD)
    report(jenkins, "PASSED", "FAILED", "SKIPPED")
    sweep()
    assert list(run.results.values_list("test", "outcome", "returncode")) == [
        ("t0", "pass", 0), ("t1", "fail", 1), ("t2", "skip", 0),
    ]  # fmt: skip


def test_a_report_does_not_undo_the_outcome_of_a_callback(run, jenkins):
    apply_callback(run.pk, callback_token(run.pk, 1), "PASS", jenkins.url.rstrip("/") + BUILD)
    report(jenkins, "FAILED")
    sweep()
    run.refresh_from_db()
    assert (run.status, run.results.count()) == (Status.PASS, 1)
