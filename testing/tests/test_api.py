"""The REST API says what is in the line, and lets reviewers launch tests (docs/specification.md, section 7)."""

import pytest
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import ModelSerializer

from accounts.models import Person, User
from reviews.models import Review, State
from testing.api.runs import TestRunSerializer, complete_runs
from testing.models import TestResult


@pytest.fixture
def line(review):
    owner = Person.objects.create(username="bob", display_name="Bob")
    now = timezone.now()
    for number in range(5):
        Review.objects.create(
            kind="new", title=f"New charm {number}", state=State.NEW, owner=owner, created_at=now, updated_at=now,
            url=f"https://bugs.launchpad.net/bugs/{number}", api_url=f"https://api.launchpad.net/devel/bugs/{number}",
        )  # fmt: skip
    return review


def test_a_review_in_full(client, line):
    found = client.get(f"/api/reviews/{line.pk}/").json()
    assert found["next_actor"] == "reviewer"
    assert found["owner"] == {"username": "ada", "display_name": "Ada"}
    assert found["votes"] == {"positive": 0, "negative": 0}
    assert (found["source"], found["locked_by"], found["square"]) == ("charmers", None, "black")
    assert [(run["substrate"], run["status"], run["tests"]) for run in found["test_runs"]] == [("lxc", "retry", [])]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 6), ("state=new", 5), ("state=new&state=pending", 6), ("submitter=ada", 1), ("source=charmers", 1),
        ("q=mysql", 1), ("q=bob+charm", 5), ("kind=update", 1), ("from=2020-01-01", 6), ("to=2020-01-01", 0),
        ("from=0001-01-01&to=9999-12-31", 6), ("next_actor=submitter", 0), ("square=black", 1), ("reviewer=ada", 0),
    ],
)  # fmt: skip
def test_filters(client, line, query, count):
    assert client.get(f"/api/reviews/?{query}").json()["count"] == count


@pytest.mark.parametrize("query", ["state=mended", "from=yesterday", "sort=colour", "source=nowhere", "q=%00"])
def test_parameters_that_are_not_valid_are_refused_by_field(client, line, query):
    answer = client.get(f"/api/reviews/?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()


def test_pages(client, line):
    page = client.get("/api/reviews/?page_size=4&sort=age").json()
    assert (page["count"], len(page["results"]), page["previous"]) == (6, 4, None)
    assert len(client.get(page["next"]).json()["results"]) == 2


def test_queries_do_not_grow_with_the_line(client, line, django_assert_num_queries):
    with django_assert_num_queries(2):
        client.get("/api/reviews/")
    with django_assert_num_queries(3):
        client.get("/api/test-runs/")


def test_a_person(client, line):
    person = client.get("/api/people/bob/").json()
    assert (person["username"], person["is_reviewer"], len(person["submitted"])) == ("bob", False, 5)
    assert (person["reviewed"], person["locked"]) == ([], [])
    assert client.get("/api/people/nobody/").status_code == 404


def test_test_runs(client, line):
    run = client.get(f"/api/test-runs/?review={line.pk}&status=retry&outdated=false").json()["results"][0]
    assert client.get(f"/api/test-runs/{run['id']}/").json() == run
    assert client.get("/api/test-runs/999999999999999999/").status_code == 404


def test_reviewers_launch_tests(client, line):
    path = f"/api/reviews/{line.pk}/test-runs/"
    asked = {"substrates": ["aws", "lxc"]}
    assert client.post(path, asked, "application/json").status_code == 403
    user = User.objects.create(username="carol")
    client.force_login(user)
    assert client.post(path, asked, "application/json").status_code == 403
    Person.objects.create(username="carol-r", is_reviewer=True)
    user.person = Person.objects.get(username="carol-r")
    user.save()
    answer = client.post(path, asked, "application/json")
    assert answer.status_code == 201
    assert [run["substrate"] for run in answer.json()["launched"]] == ["aws"]
    assert [run["substrate"] for run in answer.json()["already"]] == ["lxc"]
    assert answer.json()["launched"][0]["requested_by"] == "carol-r"
    assert "substrates" in client.post(path, {"substrates": ["moon"]}, "application/json").json()
    Review.objects.filter(pk=line.pk).update(state=State.MERGED)
    assert client.post(path, asked, "application/json").status_code == 409


@pytest.mark.django_db
def test_schema_and_docs(client):
    assert "/api/reviews/{id}/test-runs/" in client.get("/api/schema/").content.decode()
    assert client.get("/api/docs/").status_code == 200
    assert client.options("/api/docs/").status_code == 405


def test_the_json_of_a_run_is_what_its_fields_say(line):
    run = line.test_runs.get()
    TestResult.objects.create(run=run, position=0, suite="charm", test="proof", duration=1.5, output="fine")
    run = complete_runs().get(pk=run.pk)
    by_fields = ModelSerializer.to_representation(TestRunSerializer(), run)
    assert JSONRenderer().render(TestRunSerializer(run).data) == JSONRenderer().render(by_fields)


def test_each_single_test_has_its_outcome_and_error(client, line):
    run = line.test_runs.get()
    TestResult.objects.create(run=run, position=0, test="old", outcome="fail", returncode=2)
    TestResult.objects.create(run=run, position=1, test="older")
    TestResult.objects.create(run=run, position=2, test="new", outcome="skip", error="needs power8")
    tests = client.get(f"/api/test-runs/{run.pk}/").json()["tests"]
    assert [(test["test"], test["outcome"], test["error"]) for test in tests] == [
        ("old", "fail", ""), ("older", "pass", ""), ("new", "skip", "needs power8"),
    ]  # fmt: skip


@pytest.fixture
def launch(client, line):
    user = User.objects.create(username="carol", person=Person.objects.create(username="carol", is_reviewer=True))
    client.force_login(user)
    return lambda names: client.post(f"/api/reviews/{line.pk}/test-runs/", {"substrates": names}, "application/json")


def test_a_name_that_is_given_five_thousand_times_is_refused_without_a_query_for_each(
    launch, django_assert_max_num_queries
):
    with django_assert_max_num_queries(10):
        assert launch(["lxc"] * 5000).status_code == 400


def test_a_name_that_is_given_twice_is_launched_once(launch):
    assert [run["substrate"] for run in launch(["aws", "aws"]).json()["launched"]] == ["aws"]


@pytest.mark.parametrize("names", [[], ["moon"], ["lxc", "moon"], "lxc", None, [["lxc"]], ["\x00"], ["x" * 100_000]])
def test_names_that_no_substrate_has_are_refused_by_field(launch, names):
    answer = launch(names)
    assert (answer.status_code, "substrates" in answer.json()) == (400, True)
