"""Login with Launchpad / Ubuntu SSO, over HTTPS against a login service of our own."""

import json
import os
import subprocess
import sys
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from django.test import Client
from social_core.backends import utils as backends

from accounts.models import Person, User


@pytest.fixture
def launchpad(service, settings, monkeypatch, db):
    """The login service, with the switch on; ``marta-k`` is logged in there."""
    settings.LAUNCHPAD_LOGIN = True
    settings.LOGIN_SERVICES = {"launchpad": service.url, "ubuntu": service.url}
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS, "accounts.sso.LaunchpadLogin", "accounts.sso.UbuntuLogin",
    ]  # fmt: skip
    monkeypatch.setattr(backends, "BACKENDSCACHE", {})
    monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate))
    service.identity, service.facts = "/+id/m4RtA", {"nickname": "marta-k", "fullname": "Marta K"}
    service.consents = True
    service.asked.clear()
    return service


def answer_of(launchpad, client, name="launchpad", target="/search/"):
    """Where the login service sends the browser that the queue sent to it."""
    begun = client.post(f"/login/{name}/", {"next": target})
    assert begun.status_code == 302, begun.content.decode()
    return requests.get(begun["Location"], verify=launchpad.certificate, allow_redirects=False).headers["Location"]


def log_in(launchpad, client, **where):
    return client.get(answer_of(launchpad, client, **where).removeprefix("http://testserver"))


def who(client):
    return client.get("/account/").context["user"] if "_auth_user_id" in client.session else None


def test_a_reviewer_logs_in_and_is_their_person(launchpad, client):
    person = Person.objects.create(username="marta-k", is_reviewer=True)
    answer = log_in(launchpad, client)
    assert (answer.status_code, answer["Location"]) == (302, "/search/")
    user = who(client)
    assert (user.username, user.person, user.is_reviewer) == ("marta-k", person, True)
    assert [user.is_staff, user.is_superuser, user.has_usable_password()] == [False, False, False]
    assert "You are a reviewer" in client.get("/account/").content.decode()


def test_who_comes_again_by_either_service_has_the_same_account(launchpad, client):
    log_in(launchpad, client)
    log_in(launchpad, other := Client(), name="ubuntu")
    assert who(other) == who(client)
    assert User.objects.count() == 1


def test_an_account_switched_off_is_out_at_once(launchpad, client):
    log_in(launchpad, client)
    User.objects.update(is_active=False)
    assert client.get("/account/").status_code == 302
    assert "switched off" in log_in(launchpad, Client()).content.decode()


@pytest.mark.parametrize("name", ["marta-k", "Marta-K"])
def test_an_account_that_is_here_already_is_taken_over_by_nobody(launchpad, client, name):
    User.objects.create_superuser(name, password="correct horse")
    answer = log_in(launchpad, client)
    assert answer.status_code == 403
    assert "An account named marta-k is here already" in answer.content.decode()
    assert who(client) is None


def test_its_owner_connects_it(launchpad, client):
    owner = User.objects.create_user("marta-k", password="correct horse")
    client.force_login(owner, backend="accounts.backends.AccountBackend")
    assert "Connect with Launchpad" in client.get("/account/").content.decode()
    assert log_in(launchpad, client, target="/account/").status_code == 302
    assert "Connected with Launchpad" in client.get("/account/").content.decode()
    log_in(launchpad, other := Client())
    assert who(other) == owner


def test_somebody_else_can_not_be_connected(launchpad, client):
    client.force_login(User.objects.create_user("bjorn"), backend="accounts.backends.AccountBackend")
    answer = log_in(launchpad, client)
    assert "logged in here as bjorn, but on Launchpad as marta-k" in answer.content.decode()
    assert not User.objects.filter(social_auth__isnull=False).exists()


def test_a_name_that_changed_hands_takes_nothing_along(launchpad, client):
    Person.objects.create(username="marta-k", is_reviewer=True)
    log_in(launchpad, client)
    launchpad.facts = {"nickname": "marta-old"}
    log_in(launchpad, client := Client())
    old = who(client)
    assert (old.username, old.person.username, old.is_reviewer) == ("marta-old", "marta-old", False)
    launchpad.identity, launchpad.facts = "/+id/n3W", {"nickname": "marta-k"}
    log_in(launchpad, other := Client())
    assert who(other) != old
    assert who(other).is_reviewer


@pytest.mark.parametrize("facts", [{}, {"fullname": "Root"}, {"nickname": "../x"}, {"nickname": "<b>"}])
def test_without_a_name_on_launchpad_nobody_is_made(launchpad, client, facts):
    launchpad.facts = facts
    answer = log_in(launchpad, client)
    assert "did not say your name" in answer.content.decode()
    assert not User.objects.exists()


def test_a_login_that_is_cancelled_says_so(launchpad, client):
    launchpad.consents = False
    answer = log_in(launchpad, client)
    assert answer.status_code == 403
    assert "The login was cancelled" in answer.content.decode()
    assert "Log in another way" in answer.content.decode()


def test_an_answer_is_good_once_unchanged_and_in_the_browser_that_asked(launchpad, client):
    address = answer_of(launchpad, client).removeprefix("http://testserver")
    assert Client().get(address).status_code == 403
    parts = urlsplit(address)
    for name, value in (("openid.sreg.nickname", "root"), ("openid.sig", "x"), ("redirect_state", "x")):
        changed = {**dict(parse_qsl(parts.query)), name: value}
        answer = client.get(f"{parts.path}?{urlencode(changed)}")
        assert (answer.status_code, who(client)) == (403, None), name
    assert not User.objects.exists()
    address = answer_of(launchpad, client).removeprefix("http://testserver")
    assert client.get(address).status_code == 302
    client.logout()
    assert client.get(address).status_code == 403


def test_a_made_up_identity_makes_the_queue_ask_no_other_server(launchpad, client):
    parts = urlsplit(answer_of(launchpad, client))
    asked = len(launchpad.asked)
    port = launchpad.http.server_port
    for elsewhere in (f"http://127.0.0.1:{port}/inside", f"https://localhost:{port}/inside"):
        forged = dict(parse_qsl(parts.query))
        forged["openid.claimed_id"] = forged["openid.identity"] = elsewhere
        assert client.get(f"{parts.path}?{urlencode(forged)}").status_code == 403
    assert len(launchpad.asked) == asked


def test_a_long_answer_comes_as_a_form(launchpad, client):
    parts = urlsplit(answer_of(launchpad, client))
    form = dict(parse_qsl(parts.query))
    state = form.pop("redirect_state")
    answer = Client(enforce_csrf_checks=True).post(f"{parts.path}?redirect_state={state}", form)
    assert client.get(answer["Location"])["Location"] == "/search/"
    huge = client.post(parts.path, {"openid.ns": "x" * 9000})
    assert huge.status_code == 403


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_a_login_never_redirects_to_another_site(launchpad, client, target):
    assert log_in(launchpad, client, target=target)["Location"] == "/"


def test_a_login_service_that_is_away_gives_a_page_with_the_reason(launchpad, client, settings):
    settings.LOGIN_SERVICES = {"launchpad": "https://127.0.0.1:1", "ubuntu": "https://127.0.0.1:1"}
    answer = client.post("/login/launchpad/")
    assert answer.status_code == 403
    assert "did not answer" in answer.content.decode()


def test_switched_off_there_is_nothing(client, db):
    assert "Launchpad" not in client.get("/login/").content.decode().split("<main")[1].split("</main>")[0]
    assert client.post("/login/launchpad/").status_code == 404
    assert client.get("/login/launchpad/complete/").status_code == 404


@pytest.mark.parametrize("switch", ["true", "false"])
def test_forms_may_lead_to_the_services_only_with_the_switch(switch):
    program = (
        "import json; from reviewqueue import settings as s;"
        "print(json.dumps([s.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action'], s.AUTHENTICATION_BACKENDS]))"
    )
    facts = {**os.environ, "LAUNCHPAD_LOGIN": switch, "DEBUG": "true"}
    printed = subprocess.run([sys.executable, "-c", program], env=facts, capture_output=True, text=True, check=True)
    allowed, known = json.loads(printed.stdout)
    services = ["https://login.launchpad.net", "https://login.ubuntu.com"] if switch == "true" else []
    assert allowed == ["'self'", *services]
    assert len(known) == 2 + len(services)
