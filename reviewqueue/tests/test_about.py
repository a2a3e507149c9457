"""The page about the queue is told from the tables that it works by."""

import pytest
from django_celery_beat.models import PeriodicTask

from reviews.models import Square, State
from testing.models import Status, Substrate

pytestmark = pytest.mark.django_db


def test_about_explains_every_state_square_and_status(client):
    PeriodicTask.objects.filter(task="testing.tasks.sweep_test_runs").update(enabled=False)
    page = client.get("/about/").content.decode()
    for state in State:
        assert f'badge-{state}">{state.label}<' in page
    for square in Square:
        assert f"square-{square}" in page
    for status in Status:
        assert f"badge-{status}" in page
    assert "Needs review" in page
    assert "Import from Launchpad" in page
    assert "Sweep test runs" not in page
    assert "charmers" in page


def test_about_names_the_substrates_that_are_tested_by_default(client):
    Substrate.objects.update(default=False)
    Substrate.objects.filter(name__in=["aws", "lxc"]).update(default=True)
    assert "is tested by itself on <strong>lxc, aws</strong>." in client.get("/about/").content.decode()


def test_about_says_that_nothing_is_tested_by_default(client):
    Substrate.objects.update(default=False)
    assert "No item is tested by itself" in client.get("/about/").content.decode()


def test_about_names_the_limits_of_this_queue(client, settings):
    settings.MISSING_LOOKS, settings.MISSING_HOURS = 7, 1.5
    assert "in 7 checks in a row over at least 1.5 hours" in client.get("/about/").content.decode()


@pytest.mark.parametrize(
    ("service_root", "team"),
    [
        ("production", "https://launchpad.net/~charmers"),
        ("staging", "https://staging.launchpad.net/~charmers"),
        ("http://127.0.0.1:8085/", "http://127.0.0.1:8085/~charmers"),
    ],
)
def test_about_links_teams_on_the_launchpad_that_is_asked(client, settings, service_root, team):
    settings.LAUNCHPAD_SERVICE_ROOT, settings.REVIEWER_TEAMS = service_root, ["charmers"]
    assert f'href="{team}"' in client.get("/about/").content.decode()
