"""Who is let in to the REST API and how: tokens, sessions, throttles; every refusal is JSON in words (section 7)."""

import json

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import ApiToken, User
from testing.models import Attempt, Substrate, TestResult, TestRun

LAUNCH = {"substrates": ["aws"]}


@pytest.fixture
def reviewer(db):
    user = User.objects.create_user("rev")
    user.groups.add(Group.objects.get(name="reviewers"))
    return user


def test_a_reviewer_launches_tests_with_a_token(reviewer, review):
    _, text = ApiToken.objects.make(reviewer, "nightly")
    script = Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {text}"})
    assert script.post(f"/api/reviews/{review.pk}/test-runs/", LAUNCH, "application/json").status_code == 201


def test_a_session_needs_the_csrf_token(reviewer, review):
    client = Client(enforce_csrf_checks=True)
    client.force_login(reviewer)
    path = f"/api/reviews/{review.pk}/test-runs/"
    refused = client.post(path, LAUNCH, "application/json")
    assert (refused.status_code, "CSRF" in refused.json()["detail"]) == (403, True)
    client.get("/me/token/")
    secret = client.cookies["csrftoken"].value
    assert client.post(path, LAUNCH, "application/json", headers={"X-CSRFToken": secret}).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/nonsense/", 404), ("post", "/api/nonsense/", 404), ("get", "/api/reviews/0/", 404),
        ("get", "/api/reviews/" + "9" * 40 + "/", 404), ("get", "/api/reviews/x/", 404),
        ("delete", "/api/reviews/", 405), ("delete", "/api/reviews/1/test-runs/", 405),
        ("get", "/api/test-runs/1/callback/", 405), ("get", "/api/reviews/?page=x", 404),
        ("get", "/api/people/%00/", 404), ("get", "/api/test-runs/?review=x", 400), ("put", "/api/test-runs/1/", 405),
        ("get", "/api/reviews/?page=" + "9" * 40, 404), ("get", "/api/test-runs/?status=done", 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("debug", [True, False])
def test_every_refusal_is_json(client, settings, method, path, status, debug):
    settings.DEBUG = debug
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert all(answer.json().values())


@pytest.mark.django_db
def test_a_path_without_its_slash_is_a_404_that_says_so(client):
    assert client.get("/api/reviews").json() == {"detail": "Addresses end with a slash: /api/reviews/"}


def test_bodies_that_are_not_read(client, reviewer, review):
    client.force_login(reviewer)
    path = f"/api/reviews/{review.pk}/test-runs/"
    assert client.post(path, "<a/>", "application/xml").json()["detail"]
    assert client.post(path, "<a/>", "application/xml").status_code == 415
    for broken in ("{", "[" * 100_000, '{"a":' * 100_000, '{"substrates": ["\\ud800", "\\u0000"]}'):
        assert client.post(path, broken, "application/json").status_code == 400
    for body in (
        [],
        {"substrates": "lxc"},
        {"substrates": []},
        {"substrates": [{}]},
        {"substrates": ["lxc\x00"]},
        7,
        None,
    ):
        answer = client.post(path, json.dumps(body), "application/json")
        assert (answer.status_code, bool(answer.json())) == (400, True)


def test_throttled_requests_get_429_with_a_time_to_wait(client, reviewer, monkeypatch):
    from rest_framework.throttling import SimpleRateThrottle

    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"anon": "2/day", "user": "4/day"})
    codes = [client.get("/api/reviews/").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = client.get("/api/reviews/")
    assert "throttled" in refused.json()["detail"]
    assert int(refused["Retry-After"]) > 0
    client.force_login(reviewer)  # has a count of their own
    assert [client.get("/api/reviews/").status_code for _ in range(5)] == [200, 200, 200, 200, 429]


@pytest.mark.django_db
def test_behind_a_proxy_each_reader_has_a_count(client, settings, monkeypatch):
    from rest_framework.throttling import SimpleRateThrottle

    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"anon": "1/day", "user": "1/day"})
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    # What a reader writes there itself does not count: only what our proxy has added does.
    codes = [
        client.get("/api/reviews/", headers={"X-Forwarded-For": chain}).status_code
        for chain in ("6.6.6.6, 192.0.2.1", "7.7.7.7, 192.0.2.1", "192.0.2.2")
    ]
    assert codes == [200, 429, 200]


@pytest.mark.django_db
def test_the_documentation_works_under_the_content_security_policy(client):
    page = client.get("/api/docs/")
    assert "script-src 'self';" in page["Content-Security-Policy"] + ";"
    body = page.content.decode()
    assert "<script>" not in body
    assert "//cdn" not in body
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    schema = client.get("/api/schema/?format=json").json()
    assert schema["paths"]["/api/reviews/"]["get"]["responses"].keys() >= {"200", "400", "404", "429"}


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["%00", "1%0d%0aSet-Cookie:x", "2", "x" * 3000])
def test_the_schema_is_the_same_whatever_version_is_asked_for(client, version):
    plain, asked = client.get("/api/schema/"), client.get(f"/api/schema/?version={version}")
    assert (asked.status_code, asked.content) == (200, plain.content)
    assert asked["Content-Disposition"] == plain["Content-Disposition"]


@pytest.mark.parametrize("runs", [1, 100])
def test_a_review_costs_the_same_however_many_runs(client, review, runs, django_assert_num_queries):
    lxc = Substrate.objects.get(name="lxc")
    made = TestRun.objects.bulk_create(
        TestRun(review=review, substrate=lxc, status="pass", finished_at=review.created_at, next_attempt_at=None)
        for _ in range(runs)
    )
    Attempt.objects.bulk_create(Attempt(run=run, number=1) for run in made)
    TestResult.objects.bulk_create(TestResult(run=run, position=n, test="t") for run in made for n in range(3))
    with django_assert_num_queries(3):
        found = client.get(f"/api/reviews/{review.pk}/").json()
    assert len(found["test_runs"]) == min(runs + 1, 100)
    with django_assert_num_queries(3):
        page = client.get("/api/test-runs/?page_size=500").json()
    assert len(page["results"]) == runs + 1
    assert len(page["results"][-2]["tests"]) == 3
