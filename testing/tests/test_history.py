"""The page of one test, and the evidence of a failing one."""

import pytest
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review
from testing.models import Baseline, Substrate, TestResult, TestRun

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def result(review):
    """Makes one result of a test, each in a run of its own."""

    def make(outcome, *, item=review, test="deploy", suite="charm", substrate="lxc", revision="rev-1", **more):
        run = TestRun.objects.create(
            review=item, substrate=Substrate.objects.get(name=substrate), revision=revision, status=outcome,
            finished_at=timezone.now(), next_attempt_at=None,
        )  # fmt: skip
        return TestResult.objects.create(run=run, position=0, test=test, suite=suite, outcome=outcome, **more)

    return make


@pytest.fixture
def page(client):
    """The text of the page of a test."""

    def read(test="deploy", suite="charm", status=200, **more):
        answer = client.get("/tests/", {"test": test, "suite": suite, **more})
        assert answer.status_code == status
        return answer.content.decode()

    return read


def test_it_says_how_often_the_test_failed_and_flapped(result, page):
    result("pass", duration=10.0)
    result("fail", duration=2.0)
    result("pass", duration=14.0, substrate="aws")
    shown = page()
    assert "1 of 3" in shown
    assert "(33 %)" in shown
    assert "1 revision<" in shown
    assert "12 s" in shown


def test_each_result_links_to_its_output(result, page, review):
    failed = result("fail")
    assert f"/reviews/{review.pk}/test-runs/{failed.run_id}/tests/0/" in page()


def test_it_is_narrowed_by_substrate_outcome_and_item(result, page, review):
    result("pass", revision="only-lxc")
    result("fail", substrate="aws", revision="only-aws")
    assert "only-aws" not in page(substrate="lxc")
    assert "only-lxc" not in page(outcome="fail")
    assert "only-aws" in page(item=review.pk)


def test_another_suite_is_another_test(result, page):
    result("pass", revision="rev-of-charm")
    result("pass", revision="rev-of-bundle", suite="bundle")
    assert "rev-of-bundle" not in page()


def test_results_of_targets_are_in_it(result, page, review):
    target = Baseline.objects.create(source=review.source, url="lp:charms/mysql", name="lp:charms/mysql")
    run = TestRun.objects.create(
        baseline=target, substrate=Substrate.objects.get(name="lxc"), status="fail", finished_at=timezone.now(),
    )  # fmt: skip
    TestResult.objects.create(run=run, position=0, test="deploy", suite="charm", outcome="fail")
    assert f"/targets/{target.pk}/test-runs/{run.pk}/tests/0/" in page()


def test_visitors_learn_nothing_of_private_items(result, page, client, review):
    review.source.private_items = "reviewers"
    review.source.save()
    Review.objects.filter(pk=review.pk).update(private=True)
    result("fail", item=Review.objects.get(pk=review.pk))
    page(status=404)
    person = Person.objects.create(username="carol", is_reviewer=True)
    client.force_login(User.objects.create(username="carol", person=person))
    assert "1 of 1" in page()


@pytest.mark.parametrize("query", ["", "?test=", "?test=unknown", "?test=deploy&item=999999", "?test=a%00b"])
def test_what_is_not_known_is_not_found(result, client, query):
    result("pass")
    assert client.get(f"/tests/{query}").status_code == 404


def test_a_test_called_like_a_page_stays_text(result, page):
    result("fail", test=HOSTILE, suite=HOSTILE)
    shown = page(test=HOSTILE, suite=HOSTILE)
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize("count", [2, 60])
def test_queries_do_not_grow_with_the_results(result, page, django_assert_max_num_queries, count):
    for _ in range(count):
        result("fail")
    with django_assert_max_num_queries(3):
        page()
