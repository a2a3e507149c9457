"""What ``runqueue`` sets up for a first look."""

import json

import pytest

from accounts.models import User
from integrations.launchpad.client import get_launchpad
from integrations.sandbox.setup import environment, is_wanted, prepare
from reviews.models import Source
from testing.models import Job, Substrate
from testing.plan import TestPlan

BASE_URL = "http://127.0.0.1:8000"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_sandbox(monkeypatch):
    monkeypatch.setenv("REVIEW_QUEUE_SANDBOX", "18085 18086 18087")


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


def test_each_team_has_its_own_server_job_substrates_trust_and_votes(tmp_path):
    prepare(tmp_path)
    plan, lines = TestPlan(), set()
    for source in Source.objects.filter(name__in=["charmers", "charm-helpers", "juju-gui", "charmers-asked"]):
        planned = {substrate.name: plan.planned(source.pk, substrate) for substrate in Substrate.objects.all()}
        by_themselves = [name for name, row in planned.items() if row.default]
        job = planned["lxc"].job
        lines.add((source.name, source.starts_tests, source.vote_policy, str(job), *by_themselves))
    assert lines == {
        ("charmers", "everybody", "failures", "None", "lxc", "aws"),
        ("charmers-asked", "nobody", "failures", "None", "lxc", "aws"),
        ("charm-helpers", "trusted", "both", "helpers", "lxc"),
        ("juju-gui", "trusted", "failures", "gui", "firefox", "chrome"),
    }
    assert {job.name: job.server.url for job in Job.objects.all()} == {
        "helpers": "http://127.0.0.1:18086/", "gui": "http://127.0.0.1:18087/",
    }  # fmt: skip


def test_verdicts_are_posted_as_the_sandboxs_account(tmp_path, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE = tmp_path / "lp-creds"
    prepare(tmp_path)
    assert not get_launchpad().anonymous
    assert settings.LAUNCHPAD_CREDENTIALS_FILE.stat().st_mode & 0o777 == 0o600


def test_credentials_of_somebody_elses_are_left_alone(tmp_path, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE = tmp_path / "elsewhere" / "lp-creds"
    prepare(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "lp-creds").exists()


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
    first = environment(tmp_path, BASE_URL)["REVIEW_QUEUE_SANDBOX"]
    assert environment(tmp_path, BASE_URL)["REVIEW_QUEUE_SANDBOX"] == first
    assert json.loads((tmp_path / "sandbox" / "ports.json").read_text()) == [int(port) for port in first.split()]


def test_the_sandboxs_launchpad_is_asked_as_often_as_is_useful(tmp_path, monkeypatch):
    monkeypatch.delenv("LAUNCHPAD_REQUESTS_PER_MINUTE", raising=False)
    assert environment(tmp_path, BASE_URL)["LAUNCHPAD_REQUESTS_PER_MINUTE"] == "1200"
    monkeypatch.setenv("LAUNCHPAD_REQUESTS_PER_MINUTE", "7")
    assert environment(tmp_path, BASE_URL)["LAUNCHPAD_REQUESTS_PER_MINUTE"] == "7"


def test_ports_of_before_there_was_a_second_jenkins_are_kept(tmp_path):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "ports.json").write_text("[18085, 18086]")
    launchpad, jenkins, second = environment(tmp_path, BASE_URL)["REVIEW_QUEUE_SANDBOX"].split()
    assert (launchpad, jenkins) == ("18085", "18086")
    assert second not in (launchpad, jenkins)


@pytest.mark.parametrize("name", ["LAUNCHPAD_SERVICE_ROOT", "JENKINS_JOB_URL"])
def test_where_something_is_configured_the_sandbox_is_not_wanted(monkeypatch, name):
    monkeypatch.delenv("LAUNCHPAD_SERVICE_ROOT", raising=False)
    monkeypatch.delenv("JENKINS_JOB_URL", raising=False)
    assert is_wanted()
    monkeypatch.setenv(name, "https://example.com/job/x")
    assert not is_wanted()
