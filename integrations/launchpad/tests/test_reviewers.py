"""Who is in a reviewer team on Launchpad is a reviewer here (docs/specification.md, section 6)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Person, TeamMembership
from integrations.launchpad.importing import import_source
from integrations.launchpad.reviewers import GRACE, team_problems
from integrations.models import TeamSync
from reviews.models import Source
from reviews.starting import is_trusted


def reviewers():
    return set(Person.objects.filter(is_reviewer=True).values_list("username", flat=True))


def member(name, **more):
    return {"name": name, "display_name": name.title(), "is_team": False, **more}


@pytest.fixture
def sync(project):
    """Import once more, as if the last time were long ago."""

    def run():
        TeamSync.objects.update(tried_at=timezone.now() - timedelta(hours=2))
        import_source(project())

    run()
    return run


def test_members_of_the_reviewer_team_are_reviewers(sync):
    assert reviewers() == {"rev"}
    assert team_problems() == []


def test_who_left_the_team_is_a_reviewer_no_more(launchpad, sync):
    launchpad.collection("~charmers/participants", [member("ann"), member("subteam", is_team=True)])
    sync()
    assert reviewers() == {"ann"}


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_team_that_is_gone_is_a_finding_and_takes_nobodys_role(launchpad, sync, status):
    launchpad.answers["/devel/~charmers/participants"] = (status, {}, b"")
    sync()
    assert reviewers() == {"rev"}
    assert "charmers" in team_problems()[0]
    assert str(status) in team_problems()[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"{}",
        b'{"entries": null}',
        b'{"entries": [{}], "total_size": 1}',
        b'{"entries": [{"name": "", "is_team": false}], "total_size": 1}',
        b'{"entries": [{"name": "A B"}], "total_size": 1}',
        b'{"entries": [7], "total_size": 1}',
        b'{"entries": [{"name": "ann"}], "total_size": 12}',
        b'{"entries": [], "total_size": 12}',
        b'{"entries": [], "total_size": 0}',
    ],
)
def test_an_answer_that_is_not_whole_takes_and_gives_no_role(launchpad, sync, answer):
    launchpad.answers["/devel/~charmers/participants"] = (200, {}, answer)
    sync()
    assert reviewers() == {"rev"}
    assert "charmers" in team_problems()[0]
    assert not Person.objects.filter(username="").exists()


def test_a_team_that_can_be_read_again_is_no_finding(launchpad, sync):
    answer = launchpad.answers["/devel/~charmers/participants"]
    launchpad.answers["/devel/~charmers/participants"] = (404, {}, b"")
    sync()
    launchpad.answers["/devel/~charmers/participants"] = answer
    sync()
    assert team_problems() == []


@pytest.mark.parametrize(("status", "left"), [(404, set()), (503, {"rev"})])
def test_the_rights_of_a_team_that_is_gone_for_a_week_end(launchpad, sync, status, left):
    """Only of one that is gone: a Launchpad that is down says nothing about who is in it."""
    launchpad.answers["/devel/~charmers/participants"] = (status, {}, b"")
    sync()
    TeamSync.objects.update(failing_since=timezone.now() - GRACE)
    sync()
    assert reviewers() == left


def test_one_team_that_is_gone_does_not_keep_the_others_from_growing(launchpad, sync, settings):
    settings.REVIEWER_TEAMS = ["charmers", "helpers"]
    launchpad.collection("~helpers/participants", [member("ann")])
    launchpad.answers["/devel/~charmers/participants"] = (404, {}, b"")
    sync()
    assert reviewers() == {"rev", "ann"}


def test_teams_are_read_once_an_hour(launchpad, sync, project):
    asked = len(launchpad.asked)
    import_source(project())
    assert len(launchpad.asked) - asked == 1  # the source's list


def test_a_time_in_the_future_does_not_put_the_reading_off(launchpad, project, sync):
    TeamSync.objects.update(tried_at=timezone.now() + timedelta(days=365))
    launchpad.collection("~charmers/participants", [member("ann")])
    import_source(project())
    assert reviewers() == {"ann"}


def test_members_of_a_sources_reviewer_team_are_reviewers(launchpad, sync):
    Source.objects.filter(name="mysql").update(reviewer_teams=["mysql-reviewers"])
    launchpad.collection("~mysql-reviewers/participants", [member("zoe")])
    sync()
    assert reviewers() == {"rev", "zoe"}


def test_members_of_a_trusted_team_are_no_reviewers_but_their_code_runs(launchpad, sync):
    Source.objects.filter(name="mysql").update(trusted_teams=["insiders"])
    launchpad.collection("~insiders/participants", [member("zoe")])
    sync()
    assert reviewers() == {"rev"}
    assert is_trusted(Person.objects.get(username="zoe"), Source.objects.get(name="mysql"))


def test_a_trusted_team_that_can_not_be_read_costs_nobody_anything(launchpad, sync):
    Source.objects.filter(name="mysql").update(trusted_teams=["insiders"])
    launchpad.collection("~insiders/participants", [member("zoe")])
    sync()
    launchpad.answers["/devel/~insiders/participants"] = (503, {}, b"")
    sync()
    assert reviewers() == {"rev"}
    assert TeamMembership.objects.filter(team="insiders", person__username="zoe").exists()
