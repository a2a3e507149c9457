"""``manage.py sweep_test_runs``: the sweep by hand, in words (docs/specification.md, section 9)."""

import pytest
from django.core.management import CommandError, call_command

from integrations.sandbox.serving import Fault
from testing.models import Status


def run_command(capsys):
    call_command("sweep_test_runs")
    return capsys.readouterr().out


def test_it_says_what_was_sent(sandbox, review, capsys):
    assert run_command(capsys) == "1 run sent.\n"
    assert review.test_runs.get().status == Status.PENDING


@pytest.mark.django_db
def test_it_says_when_nothing_was_due(capsys):
    assert run_command(capsys) == "No test run was brought on.\n"


def test_it_says_what_was_recovered_and_collected(build, sandbox, capsys):
    sandbox.jenkins.begin(1)
    sandbox.jenkins.end(1, "UNSTABLE")
    build.all_is_due()
    assert run_command(capsys) == "1 run recovered, single tests of 1 run collected.\n"
    build.run.refresh_from_db()
    assert build.run.status == Status.FAIL


def test_a_build_that_left_no_trace_is_said_and_is_no_failure(build, sandbox, capsys):
    sandbox.jenkins.begin(1)
    sandbox.jenkins.delete_build(1)
    build.all_is_due()
    assert run_command(capsys) == "1 run without an outcome so far.\nStill due, for the next sweep: 1 run.\n"


def test_what_jenkins_refuses_ends_in_words_and_with_status_1(sandbox, review, capsys):
    sandbox.jenkins.faults = [Fault(status=503)]
    with pytest.raises(CommandError) as failed:
        run_command(capsys)
    said = capsys.readouterr()
    assert (failed.value.returncode, said.out) == (1, "1 run not accepted.\n")
    assert said.err == "1 run: Jenkins answered 503 and did not queue the build.\n"


def test_without_a_jenkins_it_says_what_to_set(review, settings, capsys):
    settings.JENKINS_JOB_URL = ""
    with pytest.raises(CommandError):
        run_command(capsys)
    assert "1 run: No Jenkins is configured: set JENKINS_JOB_URL" in capsys.readouterr().err
