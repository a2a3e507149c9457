"""Reviewers say whose code runs: this revision once, or a person (docs/specification.md, section 5)."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from accounts.models import Trust, User
from reviews.models import AllowedRevision, Source
from reviews.tests.factories import make_person, make_review
from reviews.trust import trust
from testing.models import Substrate, TestRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting():
    """An item by eve, whom nobody trusts, in a source that asks."""
    source = Source.objects.create(name="asking", kind="project", target="asking")
    return make_review("fix", owner="eve", source=source, revision="r1", trusted=False, tests_wait_for="permission")


@pytest.fixture
def reviewer(client):
    """A member of the group of reviewers, logged in."""
    user = User.objects.create_user("rev", person=make_person("rev"))
    user.groups.add(Group.objects.get(name="reviewers"))
    client.force_login(user)
    return user


@pytest.fixture
def api(client, reviewer):
    """The REST API for a reviewer: POST and DELETE with JSON."""

    def send(path, data=None, method="post"):
        return getattr(client, method)(f"/api/{path}", data or {}, content_type="application/json")

    return send


def statuses(review):
    return [run.status for run in review.test_runs.order_by("id")]


def history(review):
    """The lines of its history about the start of its tests, and who did that."""
    return [(e.old, e.new, e.actor and e.actor.username, e.note) for e in review.events.filter(kind="start")]


def allow(client, review, revision="r1"):
    return client.post(f"/reviews/{review.pk}/allow-tests/", {"revision": revision}, follow=True).content.decode()


# --- this revision once ---


def test_a_reviewer_allows_a_revision_once(client, reviewer, waiting):
    assert "This revision may be tested." in allow(client, waiting)
    assert statuses(waiting) == ["retry"]
    assert waiting.test_runs.get().requested_by.username == "rev"


def test_who_allowed_it_is_in_the_history(client, reviewer, waiting):
    allow(client, waiting)
    assert history(waiting) == [
        ("tests wait for permission", "tests start by themselves", "rev", "Revision r1 may be tested.")
    ]


def test_an_older_revision_than_the_newest_is_refused(client, reviewer, waiting):
    waiting.revision = "r2"
    waiting.save()
    assert "a newer revision, r2, was pushed since you looked" in allow(client, waiting, "r1")
    assert not AllowedRevision.objects.exists()
    assert not statuses(waiting)


def test_a_form_without_a_revision_allows_nothing(client, reviewer, waiting):
    client.post(f"/reviews/{waiting.pk}/allow-tests/")
    assert not AllowedRevision.objects.exists()


def test_a_revision_that_is_not_known_is_not_allowed(client, reviewer, waiting):
    waiting.revision = ""
    waiting.save()
    assert "Its revision is not known" in allow(client, waiting, "")
    assert not statuses(waiting)


def test_a_second_click_changes_nothing(client, reviewer, waiting):
    allow(client, waiting)
    allow(client, waiting)
    assert (statuses(waiting), len(history(waiting))) == (["retry"], 1)


def test_who_is_no_reviewer_allows_nothing(client, waiting):
    client.force_login(User.objects.create_user("eve", person=waiting.owner))
    assert client.post(f"/reviews/{waiting.pk}/allow-tests/", {"revision": "r1"}).status_code == 403
    assert client.post(f"/reviews/{waiting.pk}/trust/").status_code == 403
    assert not statuses(waiting)


def test_visitors_log_in_first(client, waiting):
    answer = client.post(f"/reviews/{waiting.pk}/allow-tests/", {"revision": "r1"})
    assert answer.url == f"/login/?next=/reviews/{waiting.pk}/"


def test_the_page_says_that_tests_wait_and_offers_both_buttons(client, reviewer, waiting):
    page = client.get(f"/reviews/{waiting.pk}/").content.decode()
    assert "no test of this revision starts by itself until a reviewer allows it" in page
    assert "Test this revision once" in page
    assert "Trust eve" in page


def test_readers_see_why_it_is_not_tested_without_buttons(waiting):
    page = Client().get(f"/reviews/{waiting.pk}/").content.decode()
    assert "Not tested: a reviewer has to allow it." in page
    assert "a reviewer has to allow it" in page
    assert "Test this revision once" not in page


def test_an_allowed_revision_with_conflicts_says_that_it_waits(client, reviewer, waiting):
    waiting.conflicts = True
    waiting.save()
    assert "Waits: conflicts with its target" in allow(client, waiting)
    assert not statuses(waiting)


def test_the_api_allows_a_revision(api, waiting):
    answer = api(f"reviews/{waiting.pk}/allow-tests/", {"revision": "r1"})
    found = answer.json()
    assert (answer.status_code, found["trusted"], found["tests_wait_for"]) == (200, True, "")
    assert statuses(waiting) == ["retry"]


def test_the_api_says_the_same_when_asked_again(api, waiting):
    api(f"reviews/{waiting.pk}/allow-tests/")
    assert api(f"reviews/{waiting.pk}/allow-tests/").status_code == 200
    assert statuses(waiting) == ["retry"]


def test_the_api_refuses_an_older_revision(api, waiting):
    answer = api(f"reviews/{waiting.pk}/allow-tests/", {"revision": "r0"})
    assert (answer.status_code, "newer revision" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"state": "merged", "tests_wait_for": ""}, "This item is MERGED: nothing is tested any more."),
        ({"trusted": True, "tests_wait_for": ""}, "Its tests start by themselves: nobody has to allow them."),
        ({"private": True}, "No Review matches the given query."),
    ],
)
def test_the_api_refuses_what_makes_no_difference(api, waiting, facts, words):
    for name, value in facts.items():
        setattr(waiting, name, value)
    waiting.save()
    answer = api(f"reviews/{waiting.pk}/allow-tests/")
    assert (answer.status_code in (404, 409), answer.json()["detail"]) == (True, words)


@pytest.mark.parametrize("revision", [["r1"], {"a": 1}, None, "x" * 256])
def test_a_revision_that_is_no_text_is_400(api, waiting, revision):
    answer = api(f"reviews/{waiting.pk}/allow-tests/", {"revision": revision})
    assert (answer.status_code, "revision" in answer.json()) == (400, True)


def test_the_api_is_for_reviewers(client, waiting):
    client.force_login(User.objects.create_user("visitor"))
    assert client.post(f"/api/reviews/{waiting.pk}/allow-tests/").status_code == 403
    assert client.post("/api/people/eve/trust/").status_code == 403


def test_what_no_source_starts_by_itself_can_be_allowed_too(api, waiting):
    Source.objects.update(starts_tests="nobody")
    waiting.tests_wait_for = ""
    waiting.save()
    assert api(f"reviews/{waiting.pk}/allow-tests/").status_code == 200
    assert statuses(waiting) == ["retry"]


# --- a person ---


def test_what_waits_starts_when_its_submitter_is_trusted(client, reviewer, waiting):
    page = client.post(f"/reviews/{waiting.pk}/trust/", follow=True).content.decode()
    assert "eve is trusted from now on." in page
    assert statuses(waiting) == ["retry"]
    assert history(waiting)[0][2:] == ("rev", "eve is trusted from now on.")


def test_the_page_says_whose_branch_it_is_and_trusts_that_one(client, reviewer, waiting):
    trust(waiting.owner, actor=reviewer.person)
    waiting.code_owner = make_person("mallory")
    waiting.trusted, waiting.tests_wait_for = False, "permission"
    waiting.save()
    TestRun.objects.all().delete()
    page = client.get(f"/reviews/{waiting.pk}/").content.decode()
    assert "The branch belongs to mallory, who is not trusted: no test of this revision starts by itself" in page
    assert ("Trust mallory" in page, "Trust eve" in page) == (True, False)
    client.post(f"/reviews/{waiting.pk}/trust/", {"person": "mallory"})
    assert statuses(waiting) == ["retry"]


def test_both_are_to_be_trusted_where_both_are_strangers(client, reviewer, waiting):
    waiting.code_owner = make_person("mallory")
    waiting.save()
    client.post(f"/reviews/{waiting.pk}/trust/", {"person": "eve"})
    assert not statuses(waiting)
    client.post(f"/reviews/{waiting.pk}/trust/", {"person": "mallory"})
    assert statuses(waiting) == ["retry"]


def test_who_has_no_code_in_it_by_now_is_not_trusted_from_its_page(client, reviewer, waiting):
    make_person("mallory")
    page = client.post(f"/reviews/{waiting.pk}/trust/", {"person": "mallory"}, follow=True).content.decode()
    assert "Nobody was trusted" in page
    assert not Trust.objects.exists()


def test_a_teams_branch_is_named_without_a_button(client, reviewer, waiting):
    waiting.code_owner = make_person("others", is_team=True)
    waiting.save()
    page = client.get(f"/reviews/{waiting.pk}/").content.decode()
    assert "the branch belongs to others, a team that its source does not trust" in page
    assert "Trust others" not in page


def test_everybody_reads_whose_branch_it_is(client, waiting):
    waiting.code_owner, waiting.test_url = make_person("mallory"), "lp:~mallory/thing/fix"
    waiting.save()
    assert "The branch belongs to" in client.get(f"/reviews/{waiting.pk}/").content.decode()
    assert client.get(f"/api/reviews/{waiting.pk}/").json()["code_owner"] == "mallory"
    assert client.get("/people/mallory/").status_code == 200


def test_the_persons_page_says_who_trusts_them(client, reviewer, waiting):
    client.post("/people/eve/trust/")
    page = client.get("/people/eve/").content.decode()
    assert "Trusted by" in page
    assert "Revoke the trust" in page


def test_trust_is_revoked_on_the_persons_page(client, reviewer, waiting):
    client.post("/people/eve/trust/")
    page = client.post("/people/eve/trust/", {"revoke": "yes"}, follow=True).content.decode()
    assert "eve is trusted no more." in page
    assert "revoked by" in page
    waiting.refresh_from_db()
    assert (waiting.tests_wait_for, statuses(waiting)) == ("permission", ["canceled"])


def test_trust_can_be_given_again(client, reviewer, waiting):
    for data in ({}, {"revoke": "yes"}, {}):
        client.post("/people/eve/trust/", data)
    assert Trust.objects.count() == 2
    assert statuses(waiting) == ["canceled", "retry"]


def test_what_a_reviewer_allowed_goes_on_when_trust_is_revoked(client, reviewer, waiting):
    allow(client, waiting)
    trust(waiting.owner, actor=reviewer.person)
    client.post("/people/eve/trust/", {"revoke": "yes"})
    assert statuses(waiting) == ["retry"]


def test_visitors_are_not_offered_to_trust(waiting):
    assert "Trust eve" not in Client().get("/people/eve/").content.decode()
    assert Client().post("/people/eve/trust/").url == "/login/?next=/people/eve/"


def test_a_team_is_not_trusted_as_a_person(api, waiting):
    make_review(owner=make_person("friends", is_team=True))
    answer = api("people/friends/trust/")
    assert (answer.status_code, "A team is trusted by a source" in answer.json()["detail"]) == (409, True)


def test_the_api_trusts_and_revokes(api, waiting):
    found = api("people/eve/trust/").json()
    assert found["trust"]["granted_by"] == "rev"
    assert statuses(waiting) == ["retry"]
    assert api("people/eve/trust/", method="delete").json()["trust"] is None
    assert statuses(waiting) == ["canceled"]


def test_an_unknown_person_is_404(api):
    assert api("people/nobody/trust/").status_code == 404


# --- where waiting items are found ---


def test_reviewers_see_how_many_items_wait_for_permission(client, reviewer, waiting):
    page = client.get("/?group=reviews").content.decode()
    assert 'href="?group=reviews&amp;waits=permission"' in page
    assert "1 item waits for permission</a>" in page


def test_nobody_else_is_told_how_many_wait(waiting):
    assert "?waits=permission" not in Client().get("/").content.decode()


def test_a_row_says_that_it_waits(waiting):
    page = Client().get("/").content.decode()
    assert "a reviewer has to allow its tests</td>" in page
    assert 'not tested<span class="unseen">: a reviewer has to allow it</span>' in page


def test_the_search_finds_what_waits(client, waiting):
    make_review("another", source=waiting.source)
    page = client.get("/search/?waits=permission").content.decode()
    assert ("fix" in page, "another" in page) == (True, False)


def test_the_api_finds_what_waits(client, waiting):
    make_review("another", source=waiting.source)
    found = client.get("/api/reviews/?waits=permission").json()["results"]
    assert [(review["title"], review["trusted"]) for review in found] == [("fix", False)]


# --- nobody else's ways around it ---


@pytest.mark.parametrize("action", ["run_default_tests", "run_tests_on"])
def test_staff_who_are_no_reviewers_start_nothing_that_waits(clerk, choose, waiting, action):
    clerk("view_review", "change_review", "change_testrun")
    substrate = Substrate.objects.get(name="lxc").pk
    page = choose("reviews/review", action, waiting, post="yes", substrates=substrate)
    assert "a reviewer" in page
    assert not statuses(waiting)


def test_staff_who_are_no_reviewers_retrigger_nothing_that_waits(clerk, choose, waiting):
    clerk("view_testrun", "change_testrun")
    now = timezone.now()
    run = TestRun.objects.create(
        review=waiting, substrate=Substrate.objects.get(name="lxc"), revision="r0", status="fail", finished_at=now,
        next_attempt_at=None,
    )  # fmt: skip
    assert "a reviewer has to allow it" in choose("testing/testrun", "retrigger_runs", run, post="yes")
    assert statuses(waiting) == ["fail"]


def test_a_reviewer_starts_a_test_by_hand_all_the_same(client, reviewer, waiting):
    client.post(f"/reviews/{waiting.pk}/test-runs/", {"substrates": ["lxc"], "revision": "r1"})
    assert statuses(waiting) == ["retry"]
    waiting.refresh_from_db()
    assert waiting.tests_wait_for == "permission"


def test_a_revision_is_allowed_once_in_the_admin(waiting, staff, choose):
    assert "1 allowed" in choose("reviews/review", "allow_chosen", waiting)

    waiting.refresh_from_db()
    assert waiting.trusted
    assert TestRun.objects.get(review=waiting).requested_by == staff.as_person()
    assert "it was allowed already" in choose("reviews/review", "allow_chosen", waiting)


def test_a_person_is_trusted_and_no_more_in_the_admin(waiting, staff, client, choose):
    assert "1 trusted" in choose("accounts/person", "trust_chosen", waiting.owner)

    assert Trust.objects.in_force().get(person=waiting.owner).granted_by == staff.as_person()
    assert "Trusted by" in client.get(f"/admin/accounts/person/{waiting.owner.pk}/change/").content.decode()
    assert "1 trusted no more" in choose("accounts/person", "revoke_chosen", waiting.owner)
    assert not Trust.objects.in_force().exists()


def test_trusted_people_are_listed_added_and_revoked_in_the_admin(waiting, staff, client, choose):
    client.post("/admin/accounts/trust/add/", {"person": waiting.owner.pk})
    row = Trust.objects.get()
    assert (row.granted_by.username, statuses(waiting)) == ("boss", ["retry"])
    page = client.get("/admin/accounts/trust/?in_force=yes").content.decode()
    assert all(name in page for name in ("eve", "boss"))
    assert "1 revoked" in choose("accounts/trust", "revoke_trust", row)
    row.refresh_from_db()
    assert (row.revoked_by.username, statuses(waiting)) == ("boss", ["canceled"])
    assert client.get(f"/admin/accounts/trust/{row.pk}/change/").status_code == 200


def test_a_team_and_who_is_trusted_already_are_refused_at_the_field(waiting, staff, client):
    client.post("/admin/accounts/trust/add/", {"person": waiting.owner.pk})
    again = client.post("/admin/accounts/trust/add/", {"person": waiting.owner.pk}).content.decode()
    team = client.post("/admin/accounts/trust/add/", {"person": make_person("others", is_team=True).pk})
    assert "Somebody trusts them already." in again
    assert "A team is trusted by a source" in team.content.decode()
    assert Trust.objects.count() == 1


def test_staff_who_are_no_reviewers_add_and_revoke_no_trust_in_the_admin(waiting, clerk, client, choose):
    clerk("view_trust", "add_trust", "change_trust")
    row = Trust.objects.create(person=make_person("bob"))
    assert client.post("/admin/accounts/trust/add/", {"person": waiting.owner.pk}).status_code == 403
    assert "Only reviewers say whose code runs" in choose("accounts/trust", "revoke_trust", row)
    assert Trust.objects.in_force().get() == row


def test_everybody_whose_code_a_review_is_is_trusted_in_the_admin(waiting, staff, choose):
    waiting.code_owner = make_person("mallory")
    waiting.save()
    assert "2 trusted" in choose("reviews/review", "trust_code_of_chosen", waiting)
    assert statuses(waiting) == ["retry"]


def test_the_admin_finds_what_waits(waiting, staff, client):
    make_review("another", source=waiting.source)
    page = client.get("/admin/reviews/review/?tests_wait_for__exact=permission").content.decode()
    assert (">fix</a>" in page, ">another</a>" in page) == (True, False)


def test_staff_who_are_no_reviewers_do_not_say_in_the_admin_whose_code_runs(waiting, client, choose):
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_review", "change_person"]))
    client.force_login(user)

    assert "you are none" in choose("reviews/review", "allow_chosen", waiting)
    assert "you are none" in choose("accounts/person", "trust_chosen", waiting.owner)
    assert not Trust.objects.exists()
    assert not AllowedRevision.objects.exists()
