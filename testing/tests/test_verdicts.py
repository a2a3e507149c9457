"""What the runs of a revision say together: Square, verdict, marks."""

import pytest
from django.utils import timezone

from accounts.models import Person
from reviews.models import Review, State
from testing.models import Substrate, TestRun
from testing.runs import cancel_run, launch_runs
from testing.transitions import Trigger, finish, lock_run
from testing.verdicts import Mark, Summary, update_verdicts


def verdict_of(*runs):
    return Summary.of([(*run, True) if len(run) == 2 else run for run in runs]).verdict


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        ([], ""),
        ([("lxc", "canceled")], ""),
        ([("lxc", "pass")], "pass"),
        ([("lxc", "pass"), ("aws", "fail")], "fail"),
        ([("lxc", "pass"), ("aws", "error")], "error"),
        ([("lxc", "error"), ("aws", "fail")], "fail"),
        ([("lxc", "fail"), ("aws", "retry")], ""),
        ([("lxc", "fail"), ("aws", "pending")], ""),
        ([("lxc", "pass"), ("aws", "running")], ""),
        ([("lxc", "fail"), ("lxc", "pass")], "pass"),
        ([("lxc", "pass"), ("lxc", "fail")], "fail"),
        ([("lxc", "fail"), ("lxc", "canceled")], "fail"),
        ([("lxc", "fail"), ("lxc", "running")], ""),
        ([("lxc", "pass"), ("aws", "fail", False)], "pass"),
        ([("lxc", "pass"), ("aws", "running", False)], "pass"),
        ([("aws", "fail", False)], ""),
    ],
)
def test_the_verdict_is_the_worst_newest_outcome_that_counts(runs, verdict):
    assert verdict_of(*runs) == verdict


def test_each_substrate_has_the_mark_of_its_newest_run():
    runs = [("lxc", "fail", True), ("lxc", "retry", True), ("aws", "error", False), ("azure", "canceled", True)]
    assert Summary.of(runs).marks == (Mark("lxc", "running"), Mark("aws", "error", counts=False))


@pytest.fixture
def item(db):
    now = timezone.now()
    ada, _ = Person.objects.get_or_create(username="ada")
    return Review.objects.create(
        kind="update", title="t", state=State.PENDING, url="http://lp/1", api_url="http://lp/1", number=1, owner=ada,
        created_at=now, updated_at=now, revision="1", trusted=True,
    )  # fmt: skip


def launch(item, *names):
    return launch_runs(item, [Substrate.objects.get_or_create(name=name)[0] for name in names], None).launched


def end(run, status):
    finish(lock_run(run.pk), status, Trigger.CALLBACK)


def kept(item):
    item.refresh_from_db()
    return item.square, item.verdict, [mark[:2] for mark in item.marks]


def test_a_launch_leaves_the_verdict_open(item):
    launch(item, "lxc", "aws")
    assert kept(item) == ("black", "", [["lxc", "running"], ["aws", "running"]])


def test_the_verdict_waits_for_the_last_run(item):
    lxc, _ = launch(item, "lxc", "aws")
    end(lxc, "fail")
    assert kept(item) == ("red", "", [["lxc", "fail"], ["aws", "running"]])


def test_the_verdict_says_fail_where_the_square_is_green(item):
    lxc, aws = launch(item, "lxc", "aws")
    end(lxc, "pass")
    end(aws, "fail")
    assert kept(item) == ("green", "fail", [["lxc", "pass"], ["aws", "fail"]])


def test_a_run_that_passes_later_changes_the_verdict(item):
    end(launch(item, "lxc")[0], "fail")
    end(launch(item, "lxc")[0], "pass")
    assert kept(item) == ("green", "pass", [["lxc", "pass"]])


def test_a_cancelled_run_gives_the_verdict_back(item):
    end(launch(item, "lxc")[0], "pass")
    cancel_run(launch(item, "lxc")[0], actor=None, note="enough")
    assert kept(item) == ("green", "pass", [["lxc", "pass"]])


def test_runs_of_another_revision_say_nothing(item):
    end(launch(item, "lxc")[0], "pass")
    Review.objects.update(revision="2")
    update_verdicts([item.pk])
    assert kept(item) == ("white", "", [])


def test_however_many_reviews_are_one_query_and_one_for_each_result(item, django_assert_num_queries):
    copies = Review.objects.bulk_create(
        [Review(**{field.attname: getattr(item, field.attname) for field in Review._meta.concrete_fields} | {
            "id": None, "number": 100 + number, "api_url": f"http://lp/{number}"}) for number in range(30)]
    )  # fmt: skip
    substrate, _ = Substrate.objects.get_or_create(name="lxc")
    TestRun.objects.bulk_create(TestRun(review=one, substrate=substrate, revision="1") for one in copies)
    with django_assert_num_queries(2):
        update_verdicts([one.pk for one in copies])
