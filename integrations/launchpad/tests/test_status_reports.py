"""Revision status reports: each step is written once, the verdict's last (docs/specification.md, section 5)."""

import os
import signal
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from launchpadlib.credentials import AccessToken, Credentials

from accounts.models import User
from integrations.launchpad import status_reports
from integrations.launchpad.client import Launchpad
from integrations.launchpad.credentials import save
from integrations.launchpad.importing import import_source
from integrations.launchpad.status_reports import send_reports
from integrations.models import ReportRefusal, StatusReport
from integrations.sandbox.serving import Fault
from integrations.tasks import publish_results
from integrations.tests.at_once import at_once, until_killed
from reviews.models import Review, Source
from testing.models import Status, Substrate, TestRun
from testing.runs import launch_runs
from testing.transitions import Trigger, cancel, finish, lock_run, start

REPOSITORY = "~makers/thing/+git/thing"
BUILD = "https://jenkins.example.org/job/charm-test/7/"


@pytest.fixture
def logged_in(sandbox, settings, db):
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("sandbox-token", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    return sandbox.launchpad


@pytest.fixture
def source(logged_in):
    """Of a repository that our account may edit, with one proposal of a branch in it."""
    logged_in.add_person("ada", "Ada")
    logged_in.add_team("makers", "Makers", ["queue-bot"])
    logged_in.add_repository("makers", "thing", "thing")
    propose(logged_in, REPOSITORY)
    return Source.objects.create(
        name="thing", kind="git-repository", target=REPOSITORY, starts_tests="everybody", status_reports=True
    )


@pytest.fixture
def run(source):
    assert import_source(source).ok
    return TestRun.objects.get()


def propose(launchpad, repository, branch="fix"):
    return launchpad.add_proposal(
        repository, REPOSITORY, registrant="ada", created=datetime(2026, 3, 1, tzinfo=UTC), git_path=branch
    )


def begin(run):
    with transaction.atomic():
        start(lock_run(run.pk), link=BUILD, build="")


def end(run, status=Status.PASS, **facts):
    with transaction.atomic():
        finish(lock_run(run.pk), status, Trigger.CALLBACK, **facts)
    TestRun.objects.update(results_due_at=None)  # its single tests were read


def on_launchpad(launchpad):
    """Title and result of each report, in the order in which they were made."""
    return [(launchpad.entries[path]["title"], launchpad.entries[path]["result"]) for path in launchpad.reports]


def writes(launchpad):
    return [(write["operation"], write.get("result", "")) for write in launchpad.report_writes]


def waited():
    """The pauses are over, and so are the claims of the dead."""
    past = timezone.now() - timedelta(seconds=1)
    StatusReport.objects.update(due_at=past)
    StatusReport.objects.exclude(claimed_until=None).update(claimed_until=past)


def test_a_run_and_then_the_verdict_are_reported_as_waiting(logged_in, run):
    send_reports()
    assert on_launchpad(logged_in) == [("Tests on lxc", "Waiting"), ("Tests: the verdict", "Waiting")]
    commits = {logged_in.entries[path]["commit_sha1"] for path in logged_in.reports}
    assert commits == {run.revision}


def test_reports_move_on_as_the_run_does_with_its_console_link(logged_in, run, settings):
    send_reports()
    begin(run)
    send_reports()
    assert on_launchpad(logged_in) == [("Tests on lxc", "Running"), ("Tests: the verdict", "Running")]
    end(run)
    send_reports()
    assert on_launchpad(logged_in) == [("Tests on lxc", "Succeeded"), ("Tests: the verdict", "Succeeded")]
    of_run, of_verdict = (logged_in.entries[path] for path in logged_in.reports)
    assert of_run["url"] == BUILD
    assert of_verdict["url"].startswith(settings.BASE_URL + run.review.get_absolute_url())
    assert of_verdict["result_summary"] == "Tests passed on lxc."


def test_nothing_is_written_twice(logged_in, run):
    for step in (lambda: None, lambda: begin(run), lambda: end(run)):
        step()
        send_reports()
        send_reports()
    transitions = [result for operation, result in writes(logged_in) if operation == "transitionToNewResult"]
    assert transitions == ["Running", "Running", "Succeeded", "Succeeded"]
    assert [operation for operation, _ in writes(logged_in)].count("newStatusReport") == 2


@pytest.mark.parametrize("status", [Status.FAIL, Status.ERROR])
def test_what_did_not_pass_failed_with_the_reason(logged_in, run, status):
    end(run, status, reason="Given up\nafter 5 attempts.")
    send_reports()
    assert {result for _, result in on_launchpad(logged_in)} == {"Failed"}
    assert logged_in.entries[logged_in.reports[0]]["result_summary"] == "Given up after 5 attempts."


def test_a_failed_run_says_how_many_tests_failed(logged_in, run):
    end(run, Status.FAIL)
    for position, outcome in enumerate(("fail", "pass", "pass")):
        run.results.create(position=position, test=f"t{position}", outcome=outcome)
    send_reports()
    of_run, of_verdict = (logged_in.entries[path]["result_summary"] for path in logged_in.reports)
    assert of_run == "1 of 3 tests failed"
    assert of_verdict == "Tests failed on lxc (1 of 3)."


def test_the_verdict_waits_for_all_its_runs(logged_in, run):
    launch_runs(run.review, [Substrate.objects.get(name="aws")], None)
    end(run)
    send_reports()
    assert on_launchpad(logged_in)[-1] == ("Tests: the verdict", "Running")
    end(TestRun.objects.get(substrate__name="aws"), Status.FAIL)
    send_reports()
    assert on_launchpad(logged_in)[-1] == ("Tests: the verdict", "Failed")


def test_a_run_after_the_verdict_is_followed_by_another_report_of_the_verdict(logged_in, run):
    end(run, Status.FAIL)
    send_reports()
    launch_runs(run.review, [Substrate.objects.get(name="lxc")], None)
    send_reports()
    assert on_launchpad(logged_in)[2:] == [("Tests on lxc", "Waiting"), ("Tests: the verdict", "Running")]
    end(TestRun.objects.latest("pk"))
    send_reports()
    assert on_launchpad(logged_in) == [
        ("Tests on lxc", "Failed"), ("Tests: the verdict", "Failed"),
        ("Tests on lxc", "Succeeded"), ("Tests: the verdict", "Succeeded"),
    ]  # fmt: skip


def test_reports_of_an_older_revision_end_cancelled(logged_in, run, source):
    send_reports()
    logged_in.push(logged_in.proposals[0])
    assert import_source(source).ok
    send_reports()
    assert on_launchpad(logged_in) == [
        ("Tests on lxc", "Cancelled"), ("Tests: the verdict", "Cancelled"),
        ("Tests on lxc", "Waiting"), ("Tests: the verdict", "Waiting"),
    ]  # fmt: skip


def test_a_run_that_was_cancelled_before_it_was_reported_is_not(logged_in, run):
    with transaction.atomic():
        cancel(lock_run(run.pk), "Nobody needs it.", None)
    send_reports()
    assert on_launchpad(logged_in) == []


def test_the_periodic_task_sends_reports(logged_in, run):
    publish_results()
    assert len(logged_in.reports) == 2


def test_a_source_that_does_not_say_so_is_not_reported(logged_in, run):
    Source.objects.update(status_reports=False)
    send_reports()
    assert (logged_in.reports, StatusReport.objects.count()) == ([], 0)


@pytest.mark.parametrize("facts", [{"private": True}, {"missing_since": timezone.now()}, {"branch": ""}])
def test_hidden_items_those_out_of_reach_and_bazaar_are_not_reported(logged_in, run, facts):
    Review.objects.update(**facts)
    send_reports()
    assert (logged_in.reports, StatusReport.objects.count()) == ([], 0)


def test_an_item_that_becomes_private_is_left_where_it_was(logged_in, run):
    send_reports()
    Review.objects.update(private=True)
    end(run)
    send_reports()
    assert {result for _, result in on_launchpad(logged_in)} == {"Waiting"}


def test_outcomes_from_long_before_are_not_reported(logged_in, run):
    end(run)
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.update(created_at=old, finished_at=old)
    send_reports()
    assert logged_in.reports == []


# --- Refusals ------------------------------------------------------------------------------------------------


@pytest.fixture
def forked(logged_in, source):
    """A second proposal, from a repository that our account may not edit."""
    logged_in.add_repository("ada", "thing", "thing")
    propose(logged_in, "~ada/thing/+git/thing")
    assert import_source(source).ok
    return "~ada/thing/+git/thing"


def test_a_repository_that_refuses_is_left_for_a_day_and_others_go_on(logged_in, forked):
    send_reports()
    assert len(logged_in.reports) == 2
    refusal = ReportRefusal.objects.get()
    assert refusal.repository == logged_in.root + forked
    assert timedelta(hours=23) < refusal.until - timezone.now() <= timedelta(days=1)
    waited()
    logged_in.requests.clear()
    send_reports()
    assert logged_in.requests == []


def test_a_repository_that_refuses_several_reports_is_logged_once(logged_in, forked, caplog):
    review = Review.objects.get(api_url__contains=forked)
    TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="azure"), revision=review.revision)
    send_reports()
    assert StatusReport.objects.filter(review=review, run__isnull=False).exclude(error="").count() > 1
    assert caplog.text.count("refused") == 1


def test_a_repository_that_lets_us_after_a_day_is_reported_on_and_no_longer_named(logged_in, forked):
    send_reports()
    logged_in.change(forked, owner_link=logged_in.root + "~makers")
    ReportRefusal.objects.update(until=timezone.now())
    waited()
    send_reports()
    assert len(logged_in.reports) == 4
    assert not ReportRefusal.objects.exists()


def test_credentials_that_are_refused_are_no_refusal_of_the_repository(logged_in, run):
    logged_in.tokens.clear()
    assert send_reports().failed
    assert not ReportRefusal.objects.exists()
    assert "does not accept the credentials" in StatusReport.objects.exclude(error="").first().error


def test_a_launchpad_without_status_reports_is_asked_later_and_later(logged_in, run):
    logged_in.faults = [Fault(status=400, path=r"\+git/thing$")]
    pauses = []
    for _ in range(3):
        began = timezone.now()
        assert send_reports().failed == 1
        pauses.append((StatusReport.objects.filter(run=run).get().due_at - began).total_seconds())
        waited()
    assert pauses[1] > 1.9 * pauses[0]
    assert pauses[2] > 1.9 * pauses[1]


# --- Once, whatever happens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [r"\+git/thing$", r"\+status/[0-9]+$"])
def test_a_write_whose_answer_was_lost_is_not_repeated(logged_in, run, path):
    begin(run)
    logged_in.faults = [Fault("lost", path=path, times=1)]
    for _ in range(3):
        send_reports()
        waited()
    assert on_launchpad(logged_in) == [("Tests on lxc", "Running"), ("Tests: the verdict", "Running")]
    assert len(writes(logged_in)) == 5  # two are made and moved on; the run's gets its link


def die_at(_, number, when):
    """Send the reports, and be killed just before or after the request of that number reaches Launchpad."""
    sent, post = 0, Launchpad.post

    def deadly(self, path, operation, fields):
        nonlocal sent
        sent += 1
        if sent == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = post(self, path, operation, fields)
        if sent == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Launchpad.post = deadly
    status_reports.AT_ONCE = 1
    send_reports()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 6))
def test_a_process_that_is_killed_at_any_step_leaves_one_of_each(logged_in, run, number, when):
    end(run, link=BUILD)
    until_killed(die_at, number, when)
    waited()
    send_reports()
    assert on_launchpad(logged_in) == [("Tests on lxc", "Succeeded"), ("Tests: the verdict", "Succeeded")]
    assert len(writes(logged_in)) == len(set(map(str, logged_in.report_writes))) == 6
    assert not StatusReport.objects.out_of_step().exists()


def test_a_report_that_another_process_writes_is_left_alone(logged_in, run):
    status_reports.create_reports()
    StatusReport.objects.update(claimed_until=timezone.now() + timedelta(minutes=1), tries=1)
    send_reports()
    assert logged_in.reports == []


def send(_):
    send_reports()


@pytest.mark.django_db(transaction=True)
def test_processes_at_once_write_each_step_once(logged_in, source):
    for number in range(4):
        propose(logged_in, REPOSITORY, f"fix-{number}")
    assert import_source(source).ok
    at_once(send)
    send_reports()
    assert len(on_launchpad(logged_in)) == len(writes(logged_in)) == 10


# --- What is said of it --------------------------------------------------------------------------------------


@pytest.fixture
def health(client):
    client.force_login(User.objects.create_superuser("operator"))
    return lambda: client.get("/admin/health/").content.decode()


def test_health_names_a_repository_that_refuses_once(logged_in, forked, health):
    propose(logged_in, forked, "second")
    assert import_source(Source.objects.get(name="thing")).ok
    send_reports()
    words = "Launchpad refuses status reports on ~ada/thing/+git/thing. They are left alone for a day"
    assert health().count("refuses status reports") == health().count(words) == 1


def test_health_says_nothing_of_a_refusal_whose_day_is_over(logged_in, forked, health):
    send_reports()
    ReportRefusal.objects.update(until=timezone.now())
    assert "Launchpad refuses status reports on" not in health()


def test_health_says_what_could_not_be_sent_for_an_hour(logged_in, run, health):
    logged_in.faults = [Fault(status=400, path=r"\+git/thing$")]
    send_reports()
    assert "could not be sent" not in health()
    StatusReport.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert "1 status report could not be sent. The oldest: Launchpad refused it (400)" in health()


def test_the_command_says_what_was_sent(logged_in, run):
    said = StringIO()
    call_command("publish_results", stdout=said)
    assert "2 steps of status reports sent." in said.getvalue()


def test_the_list_says_which_run_is_reported_on_and_why_it_could_not_be(logged_in, run, client, health):
    logged_in.faults = [Fault(status=400, path=r"\+git/thing$")]
    send_reports()
    page = client.get("/admin/integrations/statusreport/").content.decode()
    assert f"run {run.pk} on {run.substrate.name}" in page
    assert "Launchpad refused it (400)" in page


def test_staff_read_the_reports_but_not_of_hidden_items(logged_in, run, client, health):
    send_reports()
    assert "Waiting" in client.get("/admin/integrations/statusreport/").content.decode().replace("waiting", "Waiting")
    Review.objects.update(private=True)
    assert "0 status reports" in client.get("/admin/integrations/statusreport/").content.decode()
