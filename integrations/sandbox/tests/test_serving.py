"""Another process makes the sandbox's servers misbehave, and moves their world, through ``/+control``."""

import requests

from integrations.sandbox.data import many


def control(server, **orders):
    return requests.post(server.url + "+control", json=orders, timeout=60)


def test_a_fault_that_does_not_exist_is_refused(sandbox):
    answer = control(sandbox.jenkins, faults=[{"kind": "explode"}])
    assert answer.status_code == 400
    assert "hang up" in answer.json()["error"]


def test_faults_stay_until_others_take_their_place(sandbox):
    control(sandbox.jenkins, faults=[{"status": 503}])
    control(sandbox.jenkins, reset=True)
    assert requests.get(sandbox.jenkins.url, timeout=60).status_code == 503
    control(sandbox.jenkins, faults=[])
    assert requests.get(sandbox.jenkins.url, timeout=60).status_code == 200


def test_what_happens_on_launchpad_can_be_ordered(sandbox):
    many(sandbox.launchpad, proposals=1)
    [path] = sandbox.launchpad.proposals
    answer = control(sandbox.launchpad, do=[["comment", {"path": path, "author": "person-1", "text": "LGTM"}]])
    [comment] = answer.json()["done"]
    assert sandbox.launchpad.entries[comment]["content"] == "LGTM"


def test_what_may_not_be_called_is_refused(sandbox):
    answer = control(sandbox.launchpad, do=[["stop", {}]])
    assert (answer.status_code, "set_status" in answer.json()["error"]) == (400, True)


def test_what_may_not_be_set_is_refused(sandbox):
    answer = control(sandbox.jenkins, set={"url": "http://example.com/"})
    assert (answer.status_code, "calls_itself" in answer.json()["error"]) == (400, True)


def test_header_names_can_be_in_lower_case(sandbox):
    control(sandbox.jenkins, set={"lower_case_headers": True})
    names = [name for name, _ in requests.get(sandbox.jenkins.url, timeout=60).raw.headers.items()]
    assert "content-type" in names
    assert "Content-Type" not in names
