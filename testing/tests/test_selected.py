"""Testing several selected reviews: which runs are launched, and what is said of the others."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from reviews.models import Source
from reviews.tests.factories import make_person, make_review
from testing.models import Substrate, TestRun

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def substrates():
    """``lxc`` and ``aws`` are default ones, ``azure`` is not."""
    Substrate.objects.all().delete()
    for name in ("lxc", "aws", "azure"):
        Substrate.objects.create(name=name, active=True, default=name != "azure")


@pytest.fixture
def reviewer(client):
    user = User.objects.create_user("rev", person=make_person("rev"))
    user.groups.add(Group.objects.get_or_create(name="reviewers")[0])
    client.force_login(user)
    return user


def press_test(client, *values):
    """Press *Test* with these values of checkboxes; what the next page says."""
    page = client.post("/reviews/selected/", {"action": "test", "review": values}, follow=True).content.decode()
    return [" ".join(part.split("</p>")[0].split()) for part in page.split('role="status">')[1:]]


def shown(review):
    return f"{review.pk}:{review.revision}"


def add_run(review, substrate, status):
    return TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name=substrate), revision=review.revision, status=status,
        finished_at=None if status == "running" else timezone.now(),
    )  # fmt: skip


def launched(review):
    return sorted(review.test_runs.filter(status="retry").values_list("substrate__name", flat=True))


def test_each_is_tested_on_the_default_substrates_in_the_name_of_who_asked(client, reviewer):
    one, two = make_review(revision="1"), make_review(revision="2", trusted=False, tests_wait_for="permission")
    assert press_test(client, shown(one), shown(two)) == ["Launched tests of 2 items."]
    assert launched(one) == launched(two) == ["aws", "lxc"]
    assert {run.requested_by for run in TestRun.objects.all()} == {reviewer.person}


def test_what_failed_or_was_cancelled_is_run_again_and_what_passed_is_not(client, reviewer):
    review = make_review(revision="1")
    add_run(review, "lxc", "pass")
    add_run(review, "aws", "fail")
    press_test(client, shown(review))
    assert launched(review) == ["aws"]


def test_of_several_runs_on_a_substrate_the_newest_decides(client, reviewer):
    review = make_review(revision="1")
    for substrate, statuses in {"lxc": ("fail", "pass"), "aws": ("pass", "error")}.items():
        for status in statuses:
            add_run(review, substrate, status)
    press_test(client, shown(review))
    assert launched(review) == ["aws"]


@pytest.mark.parametrize(
    ("status", "words"), [("pass", "its tests have passed"), ("running", "its tests are under way")]
)
def test_what_needs_no_test_is_said_with_the_reason(client, reviewer, status, words):
    review = make_review("mysql", revision="1")
    add_run(review, "lxc", status)
    add_run(review, "aws", status)
    assert press_test(client, shown(review)) == [f"Not tested: “mysql”, because {words}."]


def test_a_revision_that_was_not_shown_is_not_tested(client, reviewer):
    review = make_review("mysql", revision="2")
    assert press_test(client, f"{review.pk}:1") == [
        "Not tested: “mysql”, because a newer revision was proposed in the meantime."
    ]
    assert not TestRun.objects.exists()


def test_what_is_closed_or_out_of_the_queue_is_not_tested(client, reviewer):
    closed = make_review("nginx", state="merged")
    off = make_review("haproxy", source=Source.objects.create(name="off", kind="project", target="x", active=False))
    assert press_test(client, shown(closed), shown(off)) == [
        "Not tested: “nginx”, because it is MERGED.",
        "Not tested: “haproxy”, because the source off is switched off.",
    ]


def test_without_a_default_substrate_nothing_is_tested(client, reviewer):
    Substrate.objects.update(default=False)
    review = make_review("mysql", revision="1")
    assert press_test(client, shown(review)) == ["Not tested: “mysql”, because no substrate is a default one for it."]


def test_pressing_twice_launches_each_run_once(client, reviewer):
    review = make_review("mysql", revision="1")
    press_test(client, shown(review))
    assert press_test(client, shown(review)) == ["Not tested: “mysql”, because its tests are under way."]
    assert TestRun.objects.count() == 2


def test_many_cost_as_many_queries_as_few(client, reviewer, django_assert_max_num_queries):
    values = [shown(make_review(revision="1")) for _ in range(30)]
    with django_assert_max_num_queries(30):
        client.post("/reviews/selected/", {"action": "test", "review": values})
    assert TestRun.objects.count() == 60
