"""One's own API tokens: made, shown once, used, ended, revoked."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, User

MAKE = {"action": "make", "name": "nightly", "days": "30"}


@pytest.fixture
def marta(client, db):
    user = User.objects.create_user("marta")
    client.force_login(user)
    return user


def ask(text):
    return Client().get("/api/reviews/", headers={"Authorization": f"Token {text}"})


def test_a_token_is_shown_once(client, marta):
    made = client.post("/me/token/", MAKE)
    text = made.context["made"]
    assert f'id="key">{text}<' in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert text not in client.get("/me/token/").content.decode()


def test_a_token_works(client, marta):
    assert ask(client.post("/me/token/", MAKE).context["made"]).status_code == 200


def test_nothing_in_the_database_lets_one_in(client, marta):
    text = client.post("/me/token/", MAKE).context["made"]
    token = ApiToken.objects.get()
    assert text not in {token.digest, token.token_key}
    assert {ask(stored).status_code for stored in (token.digest, token.token_key)} == {403}


def test_several_work_side_by_side(client, marta):
    texts = [client.post("/me/token/", {**MAKE, "name": name}).context["made"] for name in ("nightly", "weekly")]
    assert [ask(text).status_code for text in texts] == [200, 200]


def test_a_revoked_one_is_refused_and_the_other_works(client, marta):
    texts = [client.post("/me/token/", {**MAKE, "name": name}).context["made"] for name in ("nightly", "weekly")]
    page = client.post(
        "/me/token/", {"action": "revoke", "token": ApiToken.objects.get(name="nightly").pk}, follow=True
    )
    assert "The token “nightly” is revoked" in page.content.decode()
    assert [ask(text).status_code for text in texts] == [403, 200]
    assert "was revoked" in ask(texts[0]).json()["detail"]


def test_an_ended_one_is_refused_with_the_day(marta):
    token, text = ApiToken.objects.make(marta, "old", timedelta(days=-1))
    assert f"ended on {token.expiry:%Y-%m-%d}" in ask(text).json()["detail"]


def test_the_token_of_an_account_that_is_switched_off_is_refused(marta):
    _, text = ApiToken.objects.make(marta, "nightly")
    User.objects.update(is_active=False)
    assert "switched off" in ask(text).json()["detail"]


def test_nobody_revokes_the_token_of_another(client, marta):
    token, _ = ApiToken.objects.make(User.objects.create_user("robot"), "nightly")
    client.post("/me/token/", {"action": "revoke", "token": token.pk})
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_the_last_use_is_written_down_once_a_minute(client, marta, django_assert_num_queries):
    token, text = ApiToken.objects.make(marta, "nightly")
    ask(text)
    token.refresh_from_db()
    first = token.last_used_at
    assert first > timezone.now() - timedelta(minutes=1)
    ask(text)
    token.refresh_from_db()
    assert token.last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    ask(text)
    token.refresh_from_db()
    assert token.last_used_at > first - timedelta(minutes=1)


def test_a_token_costs_a_request_one_query(marta, django_assert_num_queries):
    _, text = ApiToken.objects.make(marta, "nightly")
    ask(text)
    with django_assert_num_queries(1 + 1):  # no reviews: their list is counted, and no more
        ask(text)


@pytest.mark.parametrize(
    ("changes", "words"), [({"name": ""}, "required"), ({"days": "9999"}, "valid choice"), ({"days": ""}, "required")]
)
def test_a_token_without_name_or_end_is_refused(client, marta, changes, words):
    page = client.post("/me/token/", {**MAKE, **changes}).content.decode()
    assert words in page
    assert not ApiToken.objects.exists()


def test_an_account_has_a_bounded_number_of_tokens(client, marta):
    for number in range(20):
        ApiToken.objects.make(marta, str(number))
    assert "at most 20 tokens" in client.post("/me/token/", MAKE).content.decode()
    assert ApiToken.objects.count() == 20


@pytest.mark.parametrize("form", [{"action": "dance"}, {"action": "revoke", "token": "x" * 99}, {"action": "revoke"}])
def test_a_form_that_is_not_valid_changes_nothing(client, marta, form):
    ApiToken.objects.make(marta, "nightly")
    assert client.post("/me/token/", form, follow=True).status_code == 200
    assert ApiToken.objects.count() == 1


def test_making_a_token_needs_the_form_of_the_page(marta):
    client = Client(enforce_csrf_checks=True)
    client.force_login(marta)
    assert client.post("/me/token/", MAKE).status_code == 403
    client.get("/me/token/?action=make&name=x&days=30")
    assert not ApiToken.objects.exists()


def test_visitors_are_sent_to_the_login(client, db):
    assert client.get("/me/token/").url == "/login/?next=/me/token/"


def test_a_token_that_an_older_version_kept_in_clear_ends_with_a_message(marta):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE authtoken_token (key varchar(40), user_id bigint)")
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s)", ["a" * 40, marta.pk])
    migration = import_module("accounts.migrations.0003_end_plain_tokens")
    migration.end_plain_tokens(apps, SimpleNamespace(connection=connection))
    assert "ended on" in ask("a" * 40).json()["detail"]
    assert "authtoken_token" not in connection.introspection.table_names()
