"""The account that posts must take part in no team that reviews (docs/specification.md, section 5)."""

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from reviews.models import Source


@pytest.fixture
def bot(db, sandbox, settings):
    """Logged in to an empty Launchpad with two teams, one within the other, that the account is in."""
    settings.REVIEWER_TEAMS = []
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = hush\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    sandbox.launchpad.add_team("robots", "Robots", ["queue-bot"])
    sandbox.launchpad.add_team("makers", "Makers", ["robots"])
    Source.objects.update(active=False)
    return sandbox


@pytest.fixture
def source(bot):
    return Source.objects.create(name="thing", kind="project", target="thing")


def warning(capsys):
    call_command("setup_launchpad_credentials", "--check")
    return capsys.readouterr().err


def test_teams_that_review_nothing_are_no_matter(source, capsys):
    assert warning(capsys) == ""


def test_a_reviewer_team_that_it_is_in_through_another_is_named(source, settings, capsys):
    settings.REVIEWER_TEAMS = ["makers"]
    said = warning(capsys)
    assert "The account queue-bot takes part in the team makers." in said
    assert "asks the team no more" in said
    assert "Keep the account out of such teams" in said


@pytest.mark.parametrize("teams", ["reviewer_teams", "trusted_teams"])
def test_a_team_that_a_source_names_counts(source, capsys, teams):
    Source.objects.filter(pk=source.pk).update(**{teams: ["robots"]})
    assert "takes part in the team robots." in warning(capsys)


@pytest.mark.parametrize("kind", ["team-branches", "requested-reviews"])
def test_a_team_that_a_source_is_about_counts(source, capsys, kind):
    Source.objects.filter(pk=source.pk).update(kind=kind, target="~makers")
    assert "takes part in the team makers." in warning(capsys)


def test_teams_of_a_source_that_is_off_do_not_count(source, capsys):
    Source.objects.filter(pk=source.pk).update(reviewer_teams=["robots"], active=False)
    assert warning(capsys) == ""


def test_teams_that_can_not_be_read_are_said_in_words(bot, capsys):
    bot.launchpad.hidden["~queue-bot/super_teams"] = 404
    said = warning(capsys)
    assert "The teams that queue-bot takes part in could not be read: Launchpad answered 404" in said


def test_before_the_database_is_ready_the_account_is_named_all_the_same(bot, capsys):
    def refuse(*_):
        raise OperationalError("no such table")

    with connection.execute_wrapper(refuse):
        call_command("setup_launchpad_credentials", "--check")
    said = capsys.readouterr()
    assert "acts on Launchpad as queue-bot" in said.out
    assert "Its teams were not checked: the database is not ready. Run: manage.py migrate" in said.err
