"""Guessing passwords is slowed down: for a name from an address, and for an address whatever the names."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from accounts.models import User

RIGHT, WRONG = "correct horse", "no"


@pytest.fixture(autouse=True)
def limits(settings, db):
    settings.AXES_ENABLED, settings.AXES_FAILURE_LIMIT, settings.LOGIN_FAILURE_LIMIT_PER_ADDRESS = True, 3, 6
    for name in ("marta", "bjorn"):
        User.objects.create_user(name, password=RIGHT)


def log_in(name, password=RIGHT, address="192.0.2.1", path="/login/", **headers):
    return Client(REMOTE_ADDR=address, headers=headers).post(path, {"username": name, "password": password})


def spray(count, **where):
    return [log_in(f"name{number}", WRONG, **where).status_code for number in range(count)]


def age(minutes):
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=minutes))


def test_a_name_is_locked_for_an_address(client):
    for _ in range(3):
        answer = log_in("marta", WRONG)
    assert (answer.status_code, "Wait 15 minutes" in answer.content.decode()) == (429, True)
    assert log_in("marta").status_code == 429


def test_failures_during_a_lockout_do_not_make_it_longer():
    for _ in range(3):
        log_in("marta", WRONG)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=11, seconds=30))
    for _ in range(2):
        answer = log_in("marta")
        assert (answer.status_code, "Wait 4 minutes" in answer.content.decode()) == (429, True)


def test_after_the_wait_the_right_password_is_taken():
    for _ in range(3):
        log_in("marta", WRONG)
    age(16)
    assert log_in("marta").status_code == 302


def test_a_name_that_is_locked_for_one_address_works_from_another():
    for _ in range(3):
        log_in("marta", WRONG)
    assert log_in("marta", address="192.0.2.2").status_code == 302


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_an_address_that_tries_many_names_is_slowed(path):
    assert spray(8, path=path) == [200] * 6 + [429] * 2
    answer = log_in("marta", path=path)
    assert answer.status_code == 429
    assert "Too many failed logins from your address. Wait 15 minutes" in answer.content.decode()


def test_the_others_are_not_slowed():
    spray(7)
    assert log_in("marta", address="192.0.2.2").status_code == 302


def test_who_has_logged_in_from_the_address_before_still_can():
    """A shared address must not keep out the people who work there."""
    log_in("marta")
    spray(7)
    assert (log_in("marta").status_code, log_in("bjorn").status_code) == (302, 429)


def test_their_own_passwords_are_guessed_no_more_often_for_that():
    log_in("marta")
    spray(7)
    assert [log_in("marta", WRONG).status_code for _ in range(4)][-1] == 429


def test_an_address_is_free_again_when_enough_failures_are_old():
    spray(6)
    assert log_in("marta").status_code == 429
    oldest = AccessAttempt.objects.order_by("pk").first()
    AccessAttempt.objects.filter(pk=oldest.pk).update(attempt_time=timezone.now() - timedelta(minutes=12, seconds=30))
    assert "Wait 3 minutes" in log_in("marta").content.decode()
    AccessAttempt.objects.filter(pk=oldest.pk).update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in("marta").status_code == 302


def test_behind_our_proxy_each_person_has_an_address(settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    # What somebody writes there themselves does not count: only what our proxy has added does.
    chains = [f"6.6.6.{number}, 198.51.100.7" for number in range(7)]
    codes = [log_in(f"n{chain}", WRONG, **{"X-Forwarded-For": chain}).status_code for chain in chains]
    assert codes == [200] * 6 + [429]
    assert log_in("marta", **{"X-Forwarded-For": "198.51.100.8"}).status_code == 302


def test_the_addresses_of_one_ipv6_network_count_together():
    codes = [log_in(f"name{n}", WRONG, address=f"2001:db8:1:2::{n}").status_code for n in range(1, 8)]
    assert codes == [200] * 6 + [429]
    assert log_in("marta", address="2001:db8:1:3::1").status_code == 302


def test_without_a_known_address_nobody_is_kept_out_for_others():
    spray(7, address="")
    assert log_in("marta", address="").status_code == 302


def test_without_a_known_address_a_name_is_still_locked():
    for _ in range(3):
        log_in("marta", WRONG, address="")
    answer = log_in("marta", address="")
    assert (answer.status_code, "as this user. Wait 15 minutes" in answer.content.decode()) == (429, True)


def test_a_limit_of_zero_switches_the_limit_per_address_off(settings):
    settings.LOGIN_FAILURE_LIMIT_PER_ADDRESS = 0
    assert spray(8) == [200] * 8
