"""Connecting with Launchpad in the browser (docs/specification.md, section 6)."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from core import http
from integrations.models import LaunchpadConnection
from integrations.sandbox.serving import Fault
from integrations.tests.own_posts import connect, make_user
from reviews.models import Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def marta(client, sandbox):
    sandbox.launchpad.add_person("marta-k", "Marta K")
    sandbox.launchpad.add_person("bjorn", "Björn")
    user = make_user()
    client.force_login(user)
    return user


def begin(client):
    """Press the button. Returns the page of Launchpad that the browser is sent to."""
    return client.post(reverse("launchpad-connect"))["Location"]


def choose(page, person):
    """What a person chooses on Launchpad's page; empty: nothing is allowed. Returns where Launchpad sends them."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
    answer = http.send("POST", page.split("?")[0], data={**asked, "person": person}, timeout=10, limit=10_000)
    return answer.headers["location"]


def words(response):
    return response.content.decode()


def test_granting_access_on_launchpad_connects(client, marta):
    response = client.get(choose(begin(client), "marta-k"), follow=True)
    connection = LaunchpadConnection.objects.get()
    assert (connection.user, connection.name, connection.is_usable) == (marta, "marta-k", True)
    assert "You are connected with Launchpad as marta-k." in words(response)


def test_the_token_is_encrypted_and_on_no_page(client, marta, django_assert_num_queries):
    client.get(choose(begin(client), "marta-k"))
    stored = LaunchpadConnection.objects.extra(select={"raw": "token"}).values_list("raw", flat=True).get()
    assert not stored.startswith("sandbox")
    assert "sandbox-person" not in words(client.get(reverse("account")))


def test_the_least_access_that_is_enough_is_asked_for(client, marta):
    assert "allow_permission=WRITE_PUBLIC&" in begin(client)
    Source.objects.filter(name="charms").update(private_items=Source.PrivateItems.REVIEWERS)
    assert "allow_permission=WRITE_PRIVATE&" in begin(client)


def test_somebody_else_on_launchpad_is_not_connected(client, marta):
    response = client.get(choose(begin(client), "bjorn"), follow=True)
    assert "On Launchpad you are logged in as bjorn, but here you are marta-k" in words(response)
    assert not LaunchpadConnection.objects.exists()


def test_who_allows_nothing_is_not_connected(client, marta):
    response = client.get(choose(begin(client), ""), follow=True)
    assert "You did not allow it on Launchpad." in words(response)
    assert not LaunchpadConnection.objects.exists()


def test_what_was_begun_in_another_browser_is_not_finished_in_this_one(client, marta):
    callback = choose(begin(client), "marta-k")
    client.logout()
    client.force_login(marta)
    response = client.get(callback, follow=True)
    assert "belongs to no connection that was begun in this browser" in words(response)
    assert not LaunchpadConnection.objects.exists()


def test_another_state_than_the_one_that_was_begun_with_is_refused(client, marta):
    callback = choose(begin(client), "marta-k")
    client.get(f"{callback}x")
    assert not LaunchpadConnection.objects.exists()


def test_a_connection_is_finished_once(client, marta):
    callback = choose(begin(client), "marta-k")
    client.get(callback)
    LaunchpadConnection.objects.all().delete()
    client.get(callback)
    assert not LaunchpadConnection.objects.exists()


def test_a_launchpad_that_is_away_is_said_in_words(client, marta, sandbox):
    sandbox.launchpad.faults = [Fault("hang up")]
    response = client.post(reverse("launchpad-connect"), follow=True)
    assert "Nothing was connected. Try again in a few minutes." in words(response)


def test_the_browser_lets_the_form_lead_to_launchpad(client, marta, sandbox):
    policy = client.get(reverse("launchpad-connect"))["Content-Security-Policy"]
    assert f"form-action 'self' {sandbox.launchpad.url.rstrip('/')};" in policy + ";"


def test_the_reader_comes_back_to_the_page_where_they_wanted_to_write(client, marta):
    client.get(reverse("launchpad-connect"), {"next": "/reviews/7/"})
    assert client.get(choose(begin(client), "marta-k"))["Location"] == "/reviews/7/"


def test_nobody_is_sent_elsewhere_afterwards(client, marta):
    client.get(reverse("launchpad-connect"), {"next": "https://evil.example/"})
    assert client.get(choose(begin(client), "marta-k"))["Location"] == reverse("account")


def test_your_account_says_what_the_connection_may_do(client, marta):
    connect(marta)
    page = words(client.get(reverse("account")))
    assert "You are connected as" in page
    assert "change what is public" in page


def test_your_account_says_that_launchpad_does_not_accept_it_any_more(client, marta):
    connect(marta)
    LaunchpadConnection.objects.update(revoked_at=marta.date_joined)
    assert "does not accept your connection" in words(client.get(reverse("account")))


def test_disconnecting_forgets_the_token_and_says_where_to_revoke_it(client, marta, sandbox):
    connect(marta)
    response = client.post(reverse("launchpad-disconnect"), follow=True)
    assert not LaunchpadConnection.objects.exists()
    assert f"{sandbox.launchpad.url}~marta-k/+oauth-tokens" in words(response)


@pytest.mark.parametrize("name", ["launchpad-connect", "launchpad-connected"])
def test_visitors_log_in_first(client, name):
    assert client.get(reverse(name))["Location"].startswith(reverse("login"))
