"""Error pages in the house's words: no trace, nothing secret, and nothing that the pages' policy forbids."""

import logging

import pytest
from axes.models import AccessAttempt
from django.core import mail
from django.test import Client, RequestFactory
from django.utils.log import AdminEmailHandler
from rest_framework.throttling import AnonRateThrottle

from accounts.models import User
from core.error_views import Reporter
from core.middleware import client_address

SECRET = "-".join(("s3cr3t", "Value", "4711"))  # in parts: pages show lines of source, and this is one


@pytest.fixture
def broken(monkeypatch):
    def breaks(*_):
        token = SECRET
        raise RuntimeError(f"https://q/?token={token}")

    monkeypatch.setattr("reviews.views.dashboard.render", breaks)
    client = Client(raise_request_exception=False)
    return client


def test_a_500_page_has_words_and_the_number_of_the_request(broken, db):
    answer = broken.get(f"/?token={SECRET}")
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "has logged it" in text
    assert answer["X-Request-ID"] in text
    assert "Traceback" not in text
    assert SECRET not in text
    assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_errors_below_api_are_json(client, db, settings):
    missing = client.get("/api/nothing/")
    assert (missing.status_code, missing.json()["detail"].split(". ")[0]) == (404, "There is nothing at this address")
    settings.ALLOWED_HOSTS = ["queue.example.com"]
    wrong = client.get("/api/reviews/")
    assert (wrong.status_code, list(wrong.json())) == (400, ["detail"])


def test_a_wrong_host_is_a_400_without_its_name(client, settings):
    settings.ALLOWED_HOSTS = ["queue.example.com"]
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "is not valid" in answer.content.decode()
    assert "evil" not in answer.content.decode()


def test_a_page_that_is_not_there(client, db):
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert "Not found" in answer.content.decode()


def test_an_old_form_is_refused_in_words(db):
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()


def test_debug_pages_hide_what_the_address_and_variables_hold(broken, db, settings):
    settings.DEBUG, settings.JENKINS_TOKEN = True, "jenkins-token-0815"
    settings.JENKINS_API_TOKEN, settings.CELERY_BROKER_URL = "api-token-0815", "redis://:broker-pass-0815@r/0"
    broken.cookies["sessionid"] = SECRET
    text = broken.get(f"/?token={SECRET}", headers={"authorization": f"Token {SECRET}"}).content.decode()
    assert "RuntimeError" in text
    for hidden in (SECRET, "0815", settings.SECRET_KEY):
        assert hidden not in text


def test_mails_to_admins_hide_them_too(settings):
    settings.ADMINS, settings.JENKINS_TOKEN = [("ops", "ops@example.com")], "jenkins-token-0815"
    request = RequestFactory().post(f"/x/?token={SECRET}", {"token": SECRET, "password": SECRET})
    try:
        password = SECRET
        raise RuntimeError(f"oauth_token={password}")
    except RuntimeError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("django.request", logging.ERROR, "", 1, "Broke", (), trace)
    record.request = request
    AdminEmailHandler(include_html=True, reporter_class="core.error_views.Reporter").emit(record)
    [sent] = mail.outbox
    whole = sent.message().as_string()
    assert "RuntimeError" in whole
    assert SECRET not in whole
    assert "0815" not in whole
    assert Reporter(request, *trace).get_traceback_text()


def test_a_body_without_end_is_refused_unread(client, db, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    for path in ("/api/test-runs/1/callback/", "/api/webhooks/launchpad/", "/login/"):
        answer = client.post(path, b"x" * 1001, content_type="application/json")
        assert answer.status_code == 413
        assert "at most 1000 bytes" in answer.content.decode()


def test_a_length_that_is_no_number(client, db):
    answer = client.post("/api/webhooks/launchpad/", b"x", content_type="application/json", CONTENT_LENGTH="many")
    assert answer.status_code == 400


def test_too_many_failed_logins_are_stopped_in_words(client, db, settings):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 3
    User.objects.create_user("ada", password="the right one")
    answers = [client.post("/login/", {"username": "ada", "password": "wrong"}) for _ in range(3)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    assert "Wait 15 minutes and try again" in answers[-1].content.decode()
    again = client.post("/login/", {"username": "ada", "password": "the right one"})
    assert again.status_code == 429


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_an_endless_name_is_a_wrong_one(client, db, settings, path):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT = True, 2
    answers = [client.post(path, {"username": "x" * 5000, "password": "wrong"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert AccessAttempt.objects.get().username == "x" * 255  # as much as PostgreSQL takes


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "1.1.1.1", "10.0.0.9"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        (1, "", "10.0.0.9"),
    ],
)
def test_the_client_is_who_our_outermost_proxy_saw(settings, proxies, forwarded, seen):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", headers=headers)
    assert client_address(request) == seen
    assert AnonRateThrottle().get_ident(request) == seen


@pytest.mark.parametrize(
    ("written", "seen"),
    [("1.1.1.1:4711", "1.1.1.1"), ("[2001:db8::1]:443", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"),
     ("2001:db8::1", "2001:db8::1"), ("unknown", "10.0.0.9"), ("999.1.1.1", "10.0.0.9"), ("[]", "10.0.0.9")],
)  # fmt: skip
def test_what_proxies_write_down_is_read_as_an_address(settings, written, seen):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", headers={"x-forwarded-for": f"6.6.6.6, {written}"})
    assert client_address(request) == seen
