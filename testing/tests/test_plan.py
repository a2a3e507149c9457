"""The test plan, and what runs keep of it (docs/specification.md, section 5)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reviews.models import Source
from reviews.signals import reviews_opened
from reviews.tests.factories import make_review
from testing.models import Job, PlanRow, Server, Substrate
from testing.plan import TestPlan
from testing.runs import launch_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def source():
    return Source.objects.get(name="charmers")


@pytest.fixture
def lxc():
    return Substrate.objects.get(name="lxc")


def make_job(name):
    server, _ = Server.objects.get_or_create(name="ci", url="https://ci.example.org/")
    return Job.objects.create(name=name, server=server, path=f"job/{name}")


def opened(**facts):
    review = make_review(**facts)
    reviews_opened.send(None, reviews=[review])
    return review


def test_without_a_row_the_substrate_says_whether_it_starts_by_itself(source, lxc):
    planned = TestPlan().planned(source.pk, lxc)
    assert (planned.default, planned.job, planned.counts) == (True, None, True)


def test_the_most_specific_row_wins(source, lxc):
    other = Substrate.objects.create(name="arm64")
    jobs = {name: make_job(name) for name in ("both", "source", "substrate", "any")}
    PlanRow.objects.create(job=jobs["any"])
    PlanRow.objects.create(substrate=lxc, job=jobs["substrate"])
    PlanRow.objects.create(source=source, job=jobs["source"])
    PlanRow.objects.create(source=source, substrate=lxc, job=jobs["both"])
    plan = TestPlan()
    found = [
        plan.planned(source.pk, lxc),
        plan.planned(source.pk, other),
        plan.planned(None, lxc),
        plan.planned(0, other),
    ]
    assert [planned.job.name for planned in found] == ["both", "source", "substrate", "any"]


def test_a_row_says_what_starts_by_itself(source, lxc):
    aws = Substrate.objects.create(name="arm64")
    PlanRow.objects.create(source=source, substrate=lxc, default=False)
    PlanRow.objects.create(source=source, substrate=aws, default=True)
    review = opened(source=source)
    assert [run.substrate for run in review.test_runs.all()] == [aws]


def test_a_substrate_that_is_not_active_starts_nothing(source):
    PlanRow.objects.create(source=source, substrate=Substrate.objects.create(name="old", active=False))
    review = opened(source=source)
    assert not review.test_runs.filter(substrate__name="old").exists()


def test_a_run_keeps_its_plan_when_the_plan_is_edited(source, lxc):
    row = PlanRow.objects.create(source=source, job=make_job("one"), counts=False, timeout=600, attempts=2)
    review = opened(source=source)
    PlanRow.objects.filter(pk=row.pk).update(job=make_job("two"), counts=True, timeout=None, attempts=None)
    run = review.test_runs.get(substrate=lxc)
    assert (run.job.name, run.counts, run.timeout_seconds, run.most_attempts) == ("one", False, 600, 2)


def test_a_run_started_by_hand_follows_the_plan(source, lxc):
    PlanRow.objects.create(substrate=lxc, job=make_job("one"), default=False)
    review = make_review(source=source)
    run = launch_runs(review, [lxc], None).launched[0]
    assert run.job.name == "one"


def test_the_plan_costs_one_query_for_any_number_of_reviews(source, lxc):
    def queries(count):
        reviews = [make_review(source=source) for _ in range(count)]
        with CaptureQueriesContext(connection) as queries:
            reviews_opened.send(None, reviews=reviews)
        return len(queries)

    PlanRow.objects.create(source=source, substrate=lxc, job=make_job("one"))
    assert queries(2) == queries(8)
