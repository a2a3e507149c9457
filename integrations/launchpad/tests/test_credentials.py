"""Logging in to Launchpad (docs/specification.md, section 9), against a server that grants, denies or hesitates."""

import stat

import pytest
from django.core.management import CommandError, call_command

from integrations.launchpad.credentials import obtain, save
from integrations.launchpad.errors import LaunchpadError


@pytest.fixture
def oauth(launchpad):
    launchpad.answers["/+request-token"] = (200, {}, b"oauth_token=req&oauth_token_secret=sec")
    polls = []

    def grant(_):
        polls.append(1)
        return (200, {}, b"oauth_token=acc&oauth_token_secret=sss") if len(polls) > 2 else (401, {}, b"")

    launchpad.answers["/+access-token"] = grant
    launchpad.put("people/+me", {"name": "queue-bot"})
    return launchpad


def test_it_prints_the_page_waits_and_keeps_the_credentials_for_the_owner_alone(oauth, settings):
    shown = []
    save(obtain(shown.append, poll_seconds=0.01), settings.LAUNCHPAD_CREDENTIALS_FILE)
    assert "+authorize-token?oauth_token=req" in shown[0]
    assert stat.S_IMODE(settings.LAUNCHPAD_CREDENTIALS_FILE.stat().st_mode) == 0o600


def test_check_says_as_whom_the_queue_acts(oauth, settings, capsys):
    with pytest.raises(CommandError, match="no credentials"):
        call_command("setup_launchpad_credentials", "--check")
    save(obtain(lambda url: None, poll_seconds=0.01), settings.LAUNCHPAD_CREDENTIALS_FILE)
    call_command("setup_launchpad_credentials", "--check")
    assert "acts on Launchpad as queue-bot" in capsys.readouterr().out


def test_a_denial_is_said_in_words(oauth):
    oauth.answers["/+access-token"] = (403, {}, b"")
    with pytest.raises(LaunchpadError, match="denied"):
        obtain(lambda url: None, poll_seconds=0.01)


def test_a_broken_credentials_file_says_what_to_do(oauth, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text("not an ini file")
    with pytest.raises(CommandError, match="setup_launchpad_credentials"):
        call_command("setup_launchpad_credentials", "--check")


def test_nobody_grants_access(oauth):
    oauth.answers["/+access-token"] = (401, {}, b"")
    with pytest.raises(LaunchpadError, match="Nobody granted"):
        obtain(lambda url: None, poll_seconds=0.01, grant_seconds=0.05)


def test_an_answer_that_is_no_token_is_said_in_words(oauth):
    oauth.answers["/+request-token"] = (200, {"Content-Type": "text/html"}, b"<html>Log in")
    with pytest.raises(LaunchpadError, match="not a token"):
        obtain(lambda url: None)


def test_a_launchpad_that_is_away_is_said_in_words(oauth, settings):
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    with pytest.raises(LaunchpadError, match="host name is not known"):
        obtain(lambda url: None)


def test_logging_in_goes_through_the_proxy_of_the_environment(oauth, settings, monkeypatch):
    monkeypatch.setenv("http_proxy", oauth.url)  # a server that takes whole addresses, as a proxy does
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    obtain(lambda url: None, poll_seconds=0.01)
    assert {request["headers"]["Host"] for request in oauth.asked} == {"launchpad.invalid"}
