"""The sandbox's Jenkins answers as Jenkins does."""

import time

import pytest
import requests

from integrations.sandbox import SandboxJenkins
from testing.ci import JobAccess, get_ci


@pytest.fixture
def jenkins(sandbox):
    return sandbox.jenkins


def ask_for_build(jenkins, job=None, **parameters):
    job = job or jenkins.job
    query = {"token": job.token, "url": "lp:x", "envs": "lxc", "job_id": "1", **parameters}
    return requests.get(jenkins.url_of(job) + "/buildWithParameters", params=query, timeout=60, allow_redirects=False)


def get(url):
    return requests.get(url + "api/json", timeout=60)


def test_a_queue_item_becomes_a_build_with_a_number_of_its_own(jenkins):
    item = ask_for_build(jenkins).headers["Location"]
    assert get(item).json()["why"]
    build = jenkins.begin(1)
    assert get(item).json()["executable"] == {"number": 1, "url": jenkins.build_url(build)}
    assert not item.endswith("/1/")


def test_a_queue_item_is_forgotten_some_time_after_it_left_the_queue(jenkins):
    item = ask_for_build(jenkins).headers["Location"]
    jenkins.remembered_for = 0
    assert get(item).status_code == 200
    jenkins.begin(1)
    assert get(item).status_code == 404


def test_two_requests_that_are_alike_are_merged(jenkins):
    first, second = ask_for_build(jenkins), ask_for_build(jenkins)
    assert (first.status_code, second.status_code) == (201, 303)
    assert first.headers["Location"] == second.headers["Location"]


def test_what_is_cancelled_in_the_queue_never_becomes_a_build(jenkins):
    item = ask_for_build(jenkins).headers["Location"]
    jenkins.cancel_in_queue(1)
    assert get(item).json()["cancelled"] is True
    assert get(jenkins.job_url + "/1/").status_code == 404


def test_a_jenkins_that_knows_itself_by_another_name_says_so_everywhere(jenkins):
    jenkins.calls_itself = "https://ci.example.com/jenkins/"
    assert ask_for_build(jenkins).headers["Location"].startswith("https://ci.example.com/jenkins/queue/item/")
    jenkins.begin(1)
    assert get(jenkins.job_url + "/1/").json()["url"] == "https://ci.example.com/jenkins/job/charm-test/1/"


def test_the_newest_builds_come_first_with_their_parameters(jenkins):
    for number in (1, 2, 3):
        ask_for_build(jenkins, job_id=str(number))
        jenkins.begin(number)
    job = requests.get(jenkins.job_url + "/api/json", params={"tree": "builds[number]{0,2}"}, timeout=60).json()
    assert [build["number"] for build in job["builds"]] == [3, 2]
    assert {"name": "job_id", "value": "3"} in job["builds"][0]["actions"][0]["parameters"]


def test_jobs_have_builds_and_numbers_of_their_own(jenkins):
    branch = jenkins.add_job("charms", "feature%2Fx", first=70)
    assert jenkins.url_of(branch) == jenkins.url + "job/charms/job/feature%252Fx"
    ask_for_build(jenkins, branch)
    jenkins.begin(70, branch)
    assert get(jenkins.url_of(branch) + "/70/").json()["number"] == 70
    assert get(jenkins.job_url + "/70/").status_code == 404


def test_a_cell_of_a_matrix_build_has_a_result_of_its_own(jenkins):
    ask_for_build(jenkins)
    build = jenkins.begin(1)
    build.cells = {"label=a": "SUCCESS", "label=b": "FAILURE"}
    assert get(jenkins.build_url(build, "label=b")).json()["result"] == "FAILURE"
    assert get(jenkins.build_url(build)).json()["result"] is None


def test_a_build_may_have_a_test_report(jenkins):
    ask_for_build(jenkins)
    build = jenkins.begin(1)
    url = jenkins.build_url(build) + "testReport/"
    assert get(url).status_code == 404
    build.report = {"suites": []}
    assert get(url).json() == {"suites": []}


def report_of(jenkins, writes, result="UNSTABLE"):
    job = jenkins.add_job(writes, writes=writes)
    ask_for_build(jenkins, job)
    jenkins.begin(1, job)
    build = jenkins.end(1, result, job)
    assert requests.get(jenkins.build_url(build) + "artifact/results.json", timeout=60).status_code == 404
    return get(jenkins.build_url(build) + "testReport/").json()


def test_a_job_may_leave_a_junit_report_in_place_of_a_file(jenkins):
    report = report_of(jenkins, "junit")
    [suite] = report["suites"]
    statuses = [case["status"] for case in suite["cases"]]
    assert [report["failCount"], report["passCount"], report["skipCount"]] == [1, len(statuses) - 2, 1]
    assert sorted(set(statuses)) == ["FAILED", "PASSED", "SKIPPED"]


def test_a_matrix_job_has_a_report_for_each_cell(jenkins):
    parts = report_of(jenkins, "matrix")["childReports"]
    assert [part["result"]["failCount"] for part in parts] == [0, 1]
    assert [get(part["child"]["url"]).json()["result"] for part in parts] == ["SUCCESS", "UNSTABLE"]


def test_a_build_that_did_not_get_to_its_tests_leaves_no_report(jenkins):
    ask_for_build(jenkins)
    jenkins.begin(1)
    url = jenkins.build_url(jenkins.end(1, "FAILURE"))
    assert get(url + "testReport/").status_code == 404
    assert requests.get(url + "artifact/results.json", timeout=60).status_code == 404


def test_the_second_server_has_a_job_and_secrets_of_its_own(sandbox):
    second = sandbox.second_jenkins
    assert second.job_url == second.url + "job/gui/job/ui-tests"
    assert ask_for_build(second).status_code == 201
    assert ask_for_build(second, token=sandbox.jenkins.token).status_code == 403
    user = (sandbox.jenkins.user, sandbox.jenkins.api_token)
    assert requests.post(second.job_url + "/buildWithParameters", auth=user, timeout=60).status_code == 401


def test_the_console_is_read_from_where_one_left_off(jenkins):
    ask_for_build(jenkins)
    build = jenkins.begin(1)
    first_line = len("Started by remote host 127.0.0.1\n")
    answer = requests.get(f"{jenkins.build_url(build)}logText/progressiveText?start={first_line}", timeout=60)
    assert (answer.text, answer.headers["X-More-Data"]) == ("Testing lp:x on lxc\n", "true")
    assert answer.headers["X-Text-Size"] == str(len(build.console))


def test_a_deleted_build_is_not_found(jenkins):
    ask_for_build(jenkins)
    jenkins.begin(1)
    jenkins.delete_build(1)
    assert get(jenkins.job_url + "/1/").status_code == 404


def test_wrong_credentials_are_refused_though_the_token_is_right(jenkins):
    query = {"token": jenkins.token, "url": "lp:x"}
    answer = requests.get(jenkins.job_url + "/buildWithParameters", params=query, auth=("ada", "x"), timeout=60)
    assert answer.status_code == 401
    assert requests.get(jenkins.job_url + "/api/json", auth=("ada", "x"), timeout=60).status_code == 401


def test_builds_run_by_themselves_in_seconds(settings):
    jenkins = SandboxJenkins()
    jenkins.waiting_seconds = jenkins.building_seconds = (0.0, 0.05)
    jenkins.losing = 1.0
    jenkins.start()
    try:
        for number in range(3):
            query = {"token": jenkins.token, "job_id": number, "url": f"lp:{number}"}
            answer = requests.get(jenkins.job_url + "/buildWithParameters", params=query, timeout=60)
            assert answer.status_code == 201
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(build.result for build in jenkins.builds.values()):
            time.sleep(0.05)
        assert {build.state for build in jenkins.builds.values()} == {"ended"}
    finally:
        jenkins.stop()


def test_a_person_finds_a_builds_console_from_the_front_page(jenkins):
    ask_for_build(jenkins)
    jenkins.begin(1)
    jenkins.end(1, "UNSTABLE")
    assert "/job/charm-test/" in requests.get(jenkins.url, timeout=60).text
    assert jenkins.job_url + "/1/console" in requests.get(jenkins.job_url, timeout=60).text
    console = requests.get(jenkins.job_url + "/1/console", timeout=60).text
    assert "ERROR: unit is in error state" in console
    assert "Finished: UNSTABLE" in console


def test_it_says_that_it_is_a_jenkins_so_that_its_server_can_be_saved_in_the_admin(jenkins):
    diagnosis = get_ci(JobAccess("sandbox", "", f"{jenkins.url}job/any")).diagnose_server()
    assert (diagnosis.problems, diagnosis.reachable) == ([], True)
