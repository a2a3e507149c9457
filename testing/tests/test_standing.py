"""Is it mine? What the rows know of a failing test (docs/specification.md, section 5)."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review
from testing.callbacks import callback_url_of
from testing.ci import BuildRef, Results, SingleTest
from testing.models import Substrate, TestResult, TestRun
from testing.sweep.results import collect_results, save_results
from testing.transitions import accept


@pytest.fixture
def ends(jenkins, client, db):
    """A build of a review on a substrate ends: it calls back, and its single tests are collected. Returns the run."""

    def end(review, failed=(), passed=(), substrate="lxc", revision=None, counts=True):
        if revision is not None:
            Review.objects.filter(pk=review.pk).update(revision=revision)
        review.refresh_from_db()
        review.test_runs.unfinished().delete()
        run = TestRun.objects.create(
            review=review, substrate=Substrate.objects.get(name=substrate), revision=review.revision, counts=counts,
            target_url=review.target_url, target_branch=review.target_branch,
        )  # fmt: skip
        run.attempts.create(number=1)
        accept(run, BuildRef())
        build = f"{jenkins.job_url}/{run.pk}/"
        tests = [{"suite": "charm", "test": name, "returncode": int(name in failed)} for name in (*failed, *passed)]
        path = build.removeprefix(jenkins.job_url.rpartition("/job/")[0]) + "artifact/results.json"
        jenkins.answers[path] = (200, {}, json.dumps({"tests": tests}).encode())
        url = callback_url_of(run).removeprefix("http://localhost:8000")
        answer = client.post(url, {"status": "FAIL" if failed else "PASS", "build_url": build})
        assert answer.json()["applied"], answer.content
        assert collect_results(run.pk)
        return run

    return end


@pytest.fixture
def standing(client):
    """The standing of the tests of a run by their names, as the API says."""

    def read(run):
        tests = client.get(f"/api/test-runs/{run.pk}/").json()["tests"]
        return {test["test"]: test["standing"] for test in tests}

    return read


@pytest.fixture
def other(review):
    """Further items, as many as are asked for."""

    def make(number, **more):
        values = {
            "source": review.source, "kind": "update", "title": f"Other {number}", "state": "pending",
            "url": f"https://code.launchpad.net/~o/x/+merge/{number}", "number": number,
            "api_url": f"https://api.launchpad.net/devel/~o/x/+merge/{number}", "revision": "other-1", "trusted": True,
            "owner": Person.objects.get_or_create(username="bob")[0], "created_at": review.created_at,
            "updated_at": review.updated_at,
        }  # fmt: skip
        return Review.objects.create(**(values | more))

    return make


def test_a_first_failure_has_no_standing(review, ends, standing):
    run = ends(review, failed=["deploy"], passed=["lint"])
    assert standing(run) == {"deploy": "", "lint": ""}


def test_what_passed_on_the_last_revision_is_new(review, ends, standing):
    ends(review, passed=["deploy"])
    assert standing(ends(review, failed=["deploy"], revision="rev-2")) == {"deploy": "new"}


def test_what_failed_on_the_last_revision_fails_still(review, ends, standing):
    ends(review, failed=["deploy"])
    assert standing(ends(review, failed=["deploy"], revision="rev-2")) == {"deploy": "still"}


def test_the_last_revision_counts_and_none_before_it(review, ends, standing):
    ends(review, failed=["deploy"])
    ends(review, passed=["deploy"], revision="rev-2")
    assert standing(ends(review, failed=["deploy"], revision="rev-3")) == {"deploy": "new"}


def test_another_substrate_says_nothing(review, ends, standing):
    ends(review, passed=["deploy"], substrate="aws")
    assert standing(ends(review, failed=["deploy"], revision="rev-2")) == {"deploy": ""}


def test_what_passed_and_failed_on_this_revision_is_flaky(review, ends, standing):
    failed = ends(review, failed=["deploy"])
    ends(review, passed=["deploy"])
    assert standing(failed) == {"deploy": "flaky"}
    assert standing(ends(review, failed=["deploy"])) == {"deploy": "flaky"}


def test_what_flapped_on_an_older_revision_is_flaky(review, ends, standing):
    ends(review, failed=["deploy"])
    ends(review, passed=["deploy"])
    assert standing(ends(review, failed=["deploy"], revision="rev-2")) == {"deploy": "flaky"}


def test_an_unknown_revision_proves_no_flapping(review, ends, standing):
    ends(review, passed=["deploy"], revision="")
    assert standing(ends(review, failed=["deploy"])) == {"deploy": ""}


def test_what_fails_on_another_item_fails_elsewhere_on_both(review, other, ends, standing):
    mine = ends(review, failed=["deploy", "upgrade"])
    theirs = ends(other(2), failed=["deploy"])
    assert standing(theirs) == {"deploy": "elsewhere"}
    assert standing(mine) == {"deploy": "elsewhere", "upgrade": ""}


def test_elsewhere_goes_before_new(review, other, ends, standing):
    ends(review, passed=["deploy"])
    ends(other(2), failed=["deploy"])
    assert standing(ends(review, failed=["deploy"], revision="rev-2")) == {"deploy": "elsewhere"}


def test_another_suite_is_another_test(review, other, ends, standing):
    run = ends(other(2), failed=["deploy"])
    run.results.update(suite="bundle")
    assert standing(ends(review, failed=["deploy"])) == {"deploy": ""}


def test_a_failure_of_long_ago_does_not_count(review, other, ends, standing):
    run = ends(other(2), failed=["deploy"])
    TestRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=14, minutes=1))
    assert standing(ends(review, failed=["deploy"])) == {"deploy": ""}


def test_a_private_item_explains_nothing_to_others(review, other, ends, standing):
    review.source.private_items = "reviewers"
    review.source.save()
    private = other(2, private=True)
    mine = ends(review, failed=["deploy"])
    ends(private, failed=["deploy"])
    assert standing(mine) == {"deploy": ""}
    assert standing(ends(other(3), failed=["deploy"])) == {"deploy": "elsewhere"}  # by the first one
    assert private.test_runs.get().results.get().standing == "elsewhere"


def test_what_fails_elsewhere_leaves_the_turn_with_the_reviewers(review, other, ends, client):
    ends(other(2), failed=["deploy"])
    ends(review, failed=["deploy"])
    item = client.get(f"/api/reviews/{review.pk}/").json()
    assert (item["verdict"], item["next_actor"]) == ("fail", "reviewer")
    assert "elsewhere" in item["next_reason"]


def test_one_failure_of_its_own_passes_the_turn_to_the_submitter(review, other, ends, client):
    ends(other(2), failed=["deploy"])
    ends(review, failed=["deploy", "upgrade"])
    assert client.get(f"/api/reviews/{review.pk}/").json()["next_actor"] == "submitter"


def test_a_failure_elsewhere_that_comes_later_gives_the_turn_back(review, other, ends, client):
    ends(review, failed=["deploy"])
    assert client.get(f"/api/reviews/{review.pk}/").json()["next_actor"] == "submitter"
    before = Review.objects.get(pk=review.pk).turn_since
    ends(other(2), failed=["deploy"])
    assert client.get(f"/api/reviews/{review.pk}/").json()["next_actor"] == "reviewer"
    assert Review.objects.get(pk=review.pk).turn_since > before


def test_a_failed_build_without_a_failing_test_is_not_excused(review, ends, client):
    run = ends(review, failed=["deploy"])
    run.results.all().delete()
    ends(review, passed=["lint"], substrate="aws")
    assert client.get(f"/api/reviews/{review.pk}/").json()["next_actor"] == "submitter"


def test_row_and_groups_agree_with_the_page_on_an_excused_item(review, other, ends, client):
    ends(other(2), failed=["deploy"])
    ends(review, failed=["deploy"])
    person = Person.objects.create(username="carol", is_reviewer=True)
    client.force_login(User.objects.create(username="carol", person=person))
    listed = client.get("/?group=my-turn").content.decode()
    assert f'id="r{review.pk}"' in listed
    assert f'id="r{review.pk}"' not in client.get("/?group=submitters").content.decode()
    assert "its failing tests fail elsewhere too, or are flaky" in listed


@pytest.mark.parametrize("count", [3, 300])
def test_queries_do_not_grow_with_the_tests(review, other, ends, count):
    names = [f"test-{n}" for n in range(count)]
    ends(other(2), failed=names)
    run = TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="lxc"), revision="rev-7",
                                 status="fail", finished_at=timezone.now())  # fmt: skip
    results = Results(tuple(SingleTest("charm", name, 1, None) for name in names), None)
    with CaptureQueriesContext(connection) as queries:
        save_results(run, results)
    inserts = [query for query in queries if query["sql"].startswith("INSERT")]
    assert len(queries) - len(inserts) <= 24
    assert set(TestResult.objects.filter(run=run).values_list("standing", flat=True)) == {"elsewhere"}
