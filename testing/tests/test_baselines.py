"""Targets that are tested by themselves (docs/specification.md, section 5)."""

import json

import pytest

from accounts.models import User
from reviews.models import Review, Source
from testing.baselines import run_baselines
from testing.callbacks import callback_url_of
from testing.ci import BuildRef
from testing.models import Baseline, Status, TestRun
from testing.sweep import sweep
from testing.sweep.results import collect_results
from testing.transitions import accept, lock_run

TARGET = {"target_url": "lp:~charmers/charms/trusty/mysql/trunk", "target": "charms/mysql"}


@pytest.fixture
def proposal(review):
    """An open item that merges into a target, of a source whose targets are tested."""
    Source.objects.filter(pk=review.source_id).update(tests_targets=True)
    Review.objects.filter(pk=review.pk).update(square="white", marks=[], **TARGET)
    review.test_runs.all().delete()
    review.refresh_from_db()
    return review


def target_runs():
    return TestRun.objects.of_targets()


def end(run, jenkins, client, *, failed):
    """The build of a run ends with one test."""
    run.attempts.get_or_create(number=1)
    accept(lock_run(run.pk), BuildRef())
    build = f"{jenkins.job_url}/{run.pk}/"
    tests = [{"suite": "charm", "test": "deploy", "returncode": int(failed)}]
    path = build.removeprefix(jenkins.job_url.rpartition("/job/")[0]) + "artifact/results.json"
    jenkins.answers[path] = (200, {}, json.dumps({"tests": tests}).encode())
    url = callback_url_of(run).removeprefix("http://localhost:8000")
    answer = client.post(url, {"status": "FAIL" if failed else "PASS", "build_url": build})
    assert answer.json()["applied"], answer.content
    assert collect_results(run.pk)


def test_nothing_is_tested_unless_a_source_says_so(proposal):
    Source.objects.update(tests_targets=False)
    assert run_baselines() == 0
    assert not Baseline.objects.exists()


def test_each_target_of_open_items_is_tested_on_what_starts_by_itself(proposal):
    assert run_baselines() == 1
    run = target_runs().get()
    assert (run.review, run.baseline.name, run.substrate.name, run.status) == (None, "charms/mysql", "lxc", "retry")


def test_the_schedule_may_come_twice(proposal):
    run_baselines()
    assert run_baselines() == 0
    target_runs().update(status=Status.PASS, finished_at="2026-01-01T00:00Z", next_attempt_at=None)
    assert run_baselines() == 0
    assert run_baselines(now_again=True) == 1


def test_a_build_gets_the_target_as_what_it_merges_into_itself(proposal, sandbox):
    run_baselines()
    sweep()
    [parameters] = [build.parameters for build in sandbox.jenkins.builds.values()]
    assert parameters["target_url"] == parameters["source_url"] == parameters["url"] == TARGET["target_url"]
    assert target_runs().get().status == "pending"


def test_its_failure_excuses_the_item(proposal, jenkins, client):
    run_baselines()
    end(target_runs().get(), jenkins, client, failed=True)
    run = TestRun.objects.create(
        review=proposal, substrate=target_runs().get().substrate, revision=proposal.revision,
        target_url=proposal.target_url,
    )  # fmt: skip
    end(run, jenkins, client, failed=True)
    [test] = client.get(f"/api/test-runs/{run.pk}/").json()["tests"]
    assert (test["standing"], test["evidence"]) == ("elsewhere", "has failed on the target since today")
    assert client.get(f"/api/reviews/{proposal.pk}/").json()["next_actor"] == "reviewer"


def test_a_failure_that_comes_later_excuses_the_item_too(proposal, jenkins, client):
    run_baselines()
    target_run = target_runs().get()
    run = TestRun.objects.create(
        review=proposal, substrate=target_run.substrate, revision=proposal.revision, target_url=proposal.target_url
    )
    end(run, jenkins, client, failed=True)
    assert client.get(f"/api/reviews/{proposal.pk}/").json()["next_actor"] == "submitter"
    end(target_run, jenkins, client, failed=True)
    assert client.get(f"/api/reviews/{proposal.pk}/").json()["next_actor"] == "reviewer"


def test_it_is_never_among_the_runs_of_items(proposal, jenkins, client):
    run_baselines()
    run = target_runs().get()
    end(run, jenkins, client, failed=True)
    assert client.get("/api/test-runs/").json()["count"] == 0
    assert client.get(f"/api/test-runs/{run.pk}/").status_code == 404
    item = client.get(f"/api/reviews/{proposal.pk}/").json()
    assert (item["square"], item["verdict"], item["test_runs"]) == ("white", "", [])


def test_it_has_pages_of_its_own(proposal, jenkins, client):
    run_baselines()
    run = target_runs().get()
    end(run, jenkins, client, failed=True)
    target = f"/targets/{run.baseline_id}/"
    for path in ("/targets/", target, f"{target}test-runs/{run.pk}/", f"{target}test-runs/{run.pk}/tests/0/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "charms/mysql" in answer.content.decode()
    assert client.get(f"/reviews/{proposal.pk}/test-runs/{run.pk}/").status_code == 404


def test_what_is_switched_off_is_cancelled(proposal):
    run_baselines()
    Source.objects.update(tests_targets=False)
    sweep()
    assert target_runs().get().status == "canceled"


def test_the_target_of_a_private_item_is_not_tested(proposal):
    Review.objects.update(private=True)
    assert run_baselines() == 0


def test_staff_can_test_them_at_once(proposal, client):
    client.force_login(User.objects.create_superuser("root"))
    form = {"action": "test_targets", "_selected_action": [proposal.source_id]}
    answer = client.post("/admin/reviews/source/", form, follow=True)
    assert "1 run launched" in answer.content.decode()
    assert target_runs().count() == 1


@pytest.mark.django_db
def test_the_page_without_targets_says_how_to_switch_it_on(client):
    assert "test the targets" in client.get("/targets/").content.decode()
