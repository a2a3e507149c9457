"""What ``runqueue`` sets up for a first look."""

import json

import pytest

from accounts.models import User
from integrations.sandbox.setup import environment, is_wanted, prepare
from reviews.models import Source

pytestmark = pytest.mark.django_db


def test_the_first_start_switches_the_sources_on(tmp_path):
    Source.objects.update(active=False)
    prepare(tmp_path)
    assert set(Source.objects.values_list("name", "active")) == {
        ("charmers", True), ("charms", True), ("charmers-asked", True), ("juju-gui", True), ("charm-helpers", True),
    }  # fmt: skip


def test_a_source_that_staff_switched_off_stays_off_at_the_next_start(tmp_path):
    prepare(tmp_path)
    Source.objects.filter(name="charms").update(active=False)
    prepare(tmp_path)
    assert not Source.objects.get(name="charms").active


def test_each_account_logs_in_with_the_password_that_is_shown(tmp_path, client):
    for account in prepare(tmp_path):
        assert client.login(username=account.name, password=account.password)


def test_the_accounts_may_do_what_is_said_of_them(tmp_path):
    prepare(tmp_path)
    assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == ["admin"]
    assert list(User.objects.filter(groups__name="reviewers").values_list("username", flat=True)) == ["marta-k"]


def test_passwords_stay_the_same_and_only_their_owner_reads_them(tmp_path):
    assert prepare(tmp_path) == prepare(tmp_path)
    assert (tmp_path / "accounts.json").stat().st_mode & 0o777 == 0o600


def test_the_ports_of_the_last_start_are_used_again(tmp_path):
    first = environment(tmp_path, 8000)["REVIEW_QUEUE_SANDBOX"]
    assert environment(tmp_path, 8000)["REVIEW_QUEUE_SANDBOX"] == first
    assert json.loads((tmp_path / "sandbox" / "ports.json").read_text()) == [int(port) for port in first.split()]


def test_ports_of_before_there_was_a_second_jenkins_are_kept(tmp_path):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "ports.json").write_text("[18085, 18086]")
    launchpad, jenkins, second = environment(tmp_path, 8000)["REVIEW_QUEUE_SANDBOX"].split()
    assert (launchpad, jenkins) == ("18085", "18086")
    assert second not in (launchpad, jenkins)


@pytest.mark.parametrize("name", ["LAUNCHPAD_SERVICE_ROOT", "JENKINS_JOB_URL"])
def test_where_something_is_configured_the_sandbox_is_not_wanted(monkeypatch, name):
    monkeypatch.delenv("LAUNCHPAD_SERVICE_ROOT", raising=False)
    monkeypatch.delenv("JENKINS_JOB_URL", raising=False)
    assert is_wanted()
    monkeypatch.setenv(name, "https://example.com/job/x")
    assert not is_wanted()
