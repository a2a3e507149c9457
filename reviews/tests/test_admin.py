"""Reviews and sources in the admin."""

import pytest
from django.utils import timezone

from reviews.models import Review, Source


def source_form(**changes):
    return {
        "name": "mine", "kind": "project", "target": "juju-gui", "excluded_tags": "[]", "comments": "default",
        "private_items": "no", "active": "on", **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "team-branches", "target": "charmers"}, "of one distribution: name it"),
        ({"kind": "git-repository"}, "the path of a repository"),
        ({"target": "~me/x"}, "the name of a project"),
        ({"distribution": "charms"}, "Only team-branches has a distribution"),
        ({"excluded_tags": '"a"'}, "Write a list of tags"),
        ({"excluded_tags": "a, b"}, "Write a list of tags"),
        ({"kind": "nonsense"}, "Select a valid choice"),
    ],
)
def test_an_impossible_source_is_refused_at_its_field(client, staff, changes, words):
    answer = client.post("/admin/reviews/source/add/", source_form(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Source.objects.filter(name="mine").exists()


def test_a_webhook_secret_goes_in_and_never_comes_out(client, staff):
    client.post("/admin/reviews/source/add/", source_form(webhook_secret="hunter2-hunter2"))
    source = Source.objects.get(name="mine")
    assert source.webhook_secret == "hunter2-hunter2"
    page = f"/admin/reviews/source/{source.pk}/change/"
    client.post(page, source_form(target="https://launchpad.net/juju"))
    source.refresh_from_db()
    assert (source.webhook_secret, source.target) == ("hunter2-hunter2", "juju")
    for place in (page, "/admin/reviews/source/", f"/admin/reviews/source/{source.pk}/history/", "/admin/"):
        assert "hunter2" not in client.get(place).content.decode()
    answer = client.post(page, source_form(generate_secret="on"), follow=True)
    source.refresh_from_db()
    assert source.webhook_secret in answer.content.decode()
    assert source.webhook_secret not in client.get(page).content.decode()
    client.post(page, source_form(remove_secret="on"))
    source.refresh_from_db()
    assert source.webhook_secret == ""


@pytest.mark.parametrize(("asked", "count"), [("MySQL", 1), ("lp/1", 1), ("ada", 1), ("mysql nobody", 0)])
def test_a_review_is_found_by_title_address_and_submitter(client, staff, item, asked, count):
    assert client.get("/admin/reviews/review/", {"q": asked}).context["cl"].result_count == count


def test_the_review_page_links_staff_into_the_admin(client, staff, item):
    page = client.get(f"/reviews/{item.pk}/").content.decode()
    assert f"/admin/reviews/review/{item.pk}/change/" in page


def test_a_lock_is_released(staff, item, choose):
    item.locked_by, item.locked_at = staff.as_person(), timezone.now()
    item.save()
    assert "1 released" in choose("reviews/review", "release_lock", item)
    item.refresh_from_db()
    assert item.locked_by is None


def test_a_review_can_not_be_edited_or_deleted(client, staff, item):
    page = f"/admin/reviews/review/{item.pk}/"
    assert client.post(page + "change/", {"title": "x"}).status_code == 403
    assert client.post(page + "delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("lookup", ["webhook_secret__startswith=h", "webhook_secret=hunter2", "webhook_secret__gt=a"])
def test_a_webhook_secret_is_not_found_out_by_filtering(client, staff, lookup):
    Source.objects.update(webhook_secret="hunter2-hunter2")
    assert client.get(f"/admin/reviews/source/?{lookup}").status_code == 400


def test_staff_say_whether_private_items_come_in(client, staff):
    client.post("/admin/reviews/source/add/", source_form(private_items="reviewers"))
    assert Source.objects.get(name="mine").private_items == "reviewers"


def test_a_review_says_why_it_is_abandoned_and_since_when_it_is_missing(client, staff, item):
    Review.objects.update(state="abandoned", state_reason="Gone from Launchpad.", missing_looks=3)
    page = client.get(f"/admin/reviews/review/{item.pk}/change/").content.decode()
    assert "Gone from Launchpad." in page
    assert "Missing looks" in page


def test_whose_code_runs_is_chosen_in_the_admin(client, staff):
    source = Source.objects.create(name="team", kind="project", target="team")
    data = {
        "name": "team", "kind": "project", "target": "team", "active": "on", "comments": "default",
        "private_items": "no", "excluded_tags": "[]", "starts_tests": "trusted",
        "trusted_teams": "~insiders, https://launchpad.net/~friends", "reviewer_teams": "",
    }  # fmt: skip
    client.post(f"/admin/reviews/source/{source.pk}/change/", data)
    source.refresh_from_db()
    assert (source.starts_tests, source.trusted_teams) == ("trusted", ["insiders", "friends"])


def test_what_is_no_name_of_a_team_is_refused_at_the_field(client, staff):
    source = Source.objects.create(name="team", kind="project", target="team")
    page = client.post(f"/admin/reviews/source/{source.pk}/change/", {"trusted_teams": "../people"}).content.decode()
    assert "is no name of a team" in page


def test_how_verdicts_are_reported_is_chosen_in_the_admin(client, staff):
    assert b"vote_policy" in client.get("/admin/reviews/source/add/").content

    client.post("/admin/reviews/source/add/", source_form(vote_policy="both", status_reports="on"))

    source = Source.objects.get(name="mine")
    assert (source.vote_policy, source.status_reports) == ("both", True)
