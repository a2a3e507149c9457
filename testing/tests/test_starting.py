"""Whose code runs: which items' tests start by themselves (docs/specification.md, section 5)."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Person, TeamMembership, Trust, User
from reviews.facts import HIDDEN_PERSON, DiffFacts, ItemFacts, PersonFacts
from reviews.ingest import add_comments, ingest
from reviews.models import AllowedRevision, Review, Source
from reviews.starting import update_starting
from testing.models import TestRun

CONFLICTING, CLEAN = DiffFacts("https://lp/d/1", conflicts=True), DiffFacts("https://lp/d/2", conflicts=False)
pytestmark = pytest.mark.django_db


@pytest.fixture
def asking() -> Source:
    """A source that tests the code of trusted people without asking."""
    return Source.objects.create(name="asking", kind="project", target="asking", trusted_teams=["insiders"])


def propose(source, owner="eve", revision="1", **facts):
    """Import a proposal of their own branch, or a new look of it. Returns its review."""
    now = timezone.now()
    diff = facts.pop("diff", None) or DiffFacts(revision)
    submitter = owner if isinstance(owner, PersonFacts) else PersonFacts(owner)
    values = {
        "state": "pending",
        "launchpad_status": "Needs review",
        "test_url": "lp:fix",
        "code_owner": submitter,
        **facts,
    }
    item = ItemFacts(
        number=1, api_url="https://api/+merge/1", url="https://lp/+merge/1", kind="update", title="fix",
        owner=submitter, created_at=now, updated_at=now,
        revision=revision, diff_marker=diff.url, diff=diff, **values,
    )  # fmt: skip
    return ingest(source, item, None, now=now).review


def runs(review):
    """The statuses of its runs, and whose revision they are of."""
    return [(run.status, run.revision) for run in review.test_runs.order_by("id")]


def person(name="eve", **fields):
    return Person.objects.update_or_create(username=name, defaults=fields)[0]


def test_a_strangers_code_waits_for_permission(asking):
    review = propose(asking)
    assert (review.trusted, review.tests_wait_for, runs(review)) == (False, "permission", [])


def test_a_new_source_asks():
    assert Source().starts_tests == "trusted"


def test_a_reviewers_code_runs(asking):
    person(is_reviewer=True)
    review = propose(asking)
    assert (review.trusted, review.tests_wait_for, runs(review)) == (True, "", [("retry", "1")])


def test_the_code_of_a_member_of_the_group_runs(asking):
    user = User.objects.create_user("eve", person=person())
    user.groups.add(Group.objects.get(name="reviewers"))
    assert runs(propose(asking))


def test_the_code_of_an_account_that_is_switched_off_waits(asking):
    user = User.objects.create_user("eve", person=person(), is_active=False)
    user.groups.add(Group.objects.get(name="reviewers"))
    assert not runs(propose(asking))


def test_the_code_of_a_trusted_teams_member_runs(asking):
    TeamMembership.objects.create(team="insiders", person=person())
    assert runs(propose(asking))


def test_another_sources_trusted_team_does_not_count(asking):
    TeamMembership.objects.create(team="friends", person=person())
    Source.objects.create(name="other", kind="project", target="other", trusted_teams=["friends"])
    assert not runs(propose(asking))


def test_the_code_of_a_person_whom_a_reviewer_trusts_runs(asking):
    Trust.objects.create(person=person())
    assert runs(propose(asking))


def test_a_revoked_trust_does_not_count(asking):
    Trust.objects.create(person=person(), revoked_at=timezone.now())
    assert not runs(propose(asking))


@pytest.mark.parametrize("in_team", [True, False])
def test_a_bot_is_not_trusted_for_where_it_is(asking, in_team):
    bot = person(is_bot=True, is_reviewer=not in_team)
    if in_team:
        TeamMembership.objects.create(team="insiders", person=bot)
    assert not runs(propose(asking))


def test_nobody_whom_launchpad_hides_is_trusted(asking):
    hidden = person(HIDDEN_PERSON.username, is_reviewer=True)
    Trust.objects.create(person=hidden)
    TeamMembership.objects.create(team="insiders", person=hidden)
    assert not runs(propose(asking, HIDDEN_PERSON))


# --- whose branch it is ---


def test_a_strangers_branch_waits_though_a_trusted_person_submitted_it(asking):
    person("ada", is_reviewer=True)
    review = propose(asking, "ada", code_owner=PersonFacts("mallory"))
    assert (review.tests_wait_for, runs(review)) == ("permission", [])


def test_a_branch_of_a_trusted_person_runs_when_another_trusted_person_submits_it(asking):
    person("ada", is_reviewer=True)
    Trust.objects.create(person=person("bob"))
    assert runs(propose(asking, "ada", code_owner=PersonFacts("bob")))


def test_a_trusted_persons_branch_waits_when_a_stranger_submits_it(asking):
    person("ada", is_reviewer=True)
    assert not runs(propose(asking, "mallory", code_owner=PersonFacts("ada")))


def test_a_branch_of_which_nobody_knows_whose_it_is_waits(asking):
    person("ada", is_reviewer=True)
    assert not runs(propose(asking, "ada", code_owner=None))


@pytest.mark.parametrize(
    ("team", "is_run"), [("insiders", True), ("gatekeepers", True), ("charmers", True), ("others", False)]
)
def test_of_teams_only_the_branches_of_those_that_are_named_run(asking, settings, team, is_run):
    settings.REVIEWER_TEAMS, asking.reviewer_teams = ["charmers"], ["gatekeepers"]
    person("ada", is_reviewer=True)
    person(team, is_team=True)
    assert bool(runs(propose(asking, "ada", code_owner=PersonFacts(team)))) is is_run


def test_a_team_that_was_trusted_as_a_person_is_not(asking):
    person("ada", is_reviewer=True)
    Trust.objects.create(person=person("others", is_team=True))
    assert not runs(propose(asking, "ada", code_owner=PersonFacts("others")))


@pytest.mark.parametrize("before", [PersonFacts("mallory"), None])
def test_a_strangers_prerequisite_waits(asking, before):
    person("ada", is_reviewer=True)
    assert not runs(propose(asking, "ada", prerequisite="lp:~mallory/a/b", prerequisite_owner=before))


def test_a_prerequisite_of_a_trusted_person_runs(asking):
    person("ada", is_reviewer=True)
    assert runs(propose(asking, "ada", prerequisite="lp:~ada/a/b", prerequisite_owner=PersonFacts("ada")))


def test_a_branch_that_somebody_else_owns_now_waits_and_what_ran_by_itself_is_cancelled(asking):
    person("ada", is_reviewer=True)
    propose(asking, "ada")
    review = propose(asking, "ada", code_owner=PersonFacts("mallory"))
    assert (review.tests_wait_for, runs(review)) == ("permission", [("canceled", "1")])


def test_a_new_revision_of_a_branch_that_is_hidden_by_now_waits(asking):
    person("ada", is_reviewer=True)
    propose(asking, "ada")
    assert propose(asking, "ada", revision="2", test_url="", code_owner=None).tests_wait_for == "permission"


def test_where_everybodys_code_runs_it_does_not_matter_whose_branch_it_is(asking):
    asking.starts_tests = "everybody"
    assert runs(propose(asking, code_owner=PersonFacts("mallory")))
    assert runs(propose(asking, revision="2", code_owner=None))


def test_everybodys_code_runs_where_the_source_says_so(asking):
    asking.starts_tests = "everybody"
    assert runs(propose(asking))


def test_where_nobodys_code_runs_by_itself_nothing_waits(asking):
    asking.starts_tests = "nobody"
    person(is_reviewer=True)
    review = propose(asking)
    assert (review.trusted, review.tests_wait_for, runs(review)) == (False, "", [])


def test_an_allowed_revision_is_no_permission_for_the_next_one(asking):
    review = propose(asking)
    AllowedRevision.objects.create(review=review, revision="1")
    update_starting(Review.objects.all())
    assert runs(review) == [("retry", "1")]
    review = propose(asking, revision="2")
    assert (review.tests_wait_for, runs(review)) == ("permission", [("canceled", "1")])


def test_a_closed_item_waits_for_nothing(asking):
    propose(asking)
    assert propose(asking, state="merged").tests_wait_for == ""


def test_conflicts_hold_tests_back_until_they_are_gone(asking):
    Source.objects.update(starts_tests="everybody")
    asking.refresh_from_db()
    review = propose(asking, diff=CONFLICTING)
    assert (review.tests_wait_for, runs(review)) == ("conflicts", [])
    assert (propose(asking, diff=CLEAN).tests_wait_for, runs(review)) == ("", [("retry", "1")])


def test_what_was_not_sent_yet_is_cancelled_when_conflicts_appear(asking):
    person(is_reviewer=True)
    review = propose(asking)
    propose(asking, diff=CONFLICTING)
    assert runs(review) == [("canceled", "1")]
    assert review.test_runs.get().error == "It conflicts with its target."


def test_what_is_being_built_goes_on_when_conflicts_appear(asking):
    person(is_reviewer=True)
    review = propose(asking)
    review.test_runs.update(status="running")
    propose(asking, diff=CONFLICTING)
    assert runs(review) == [("running", "1")]


def test_permission_goes_before_conflicts(asking):
    assert propose(asking, diff=CONFLICTING).tests_wait_for == "permission"


def test_tests_start_when_the_source_is_opened_to_everybody(asking):
    review = propose(asking)
    asking.starts_tests = "everybody"
    asking.save()
    assert runs(review) == [("retry", "1")]


@pytest.mark.parametrize("by_group", [True, False])
def test_tests_start_when_the_submitter_joins_the_group_of_reviewers_and_end_when_they_leave(asking, by_group):
    user, group = User.objects.create_user("eve", person=person()), Group.objects.get(name="reviewers")
    review = propose(asking)
    if by_group:
        group.user_set.add(user)
    else:
        user.groups.add(group)
    assert runs(review) == [("retry", "1")]
    if by_group:
        group.user_set.clear()
    else:
        user.groups.clear()
    assert runs(review) == [("canceled", "1")]


def test_another_group_changes_nothing(asking):
    user = User.objects.create_user("eve", person=person())
    review = propose(asking)
    user.groups.add(Group.objects.create(name="others"))
    assert not runs(review)


def test_what_a_deleted_source_ran_for_everybody_waits(asking):
    asking.starts_tests = "everybody"
    review = propose(asking)
    Source.objects.get(pk=asking.pk).delete()
    review.refresh_from_db()
    assert (review.tests_wait_for, runs(review)) == ("permission", [("canceled", "1")])


def test_what_runs_by_itself_is_cancelled_when_trust_is_gone(asking):
    TeamMembership.objects.create(team="insiders", person=person())
    review = propose(asking)
    asking.trusted_teams = []
    asking.save()
    assert runs(review) == [("canceled", "1")]
    assert review.test_runs.get().error == "Its code does not run by itself any more: a reviewer has to allow it."


def test_what_a_reviewer_started_goes_on_when_trust_is_gone(asking):
    TeamMembership.objects.create(team="insiders", person=person())
    review = propose(asking)
    review.test_runs.update(requested_by=person("rev"))
    asking.trusted_teams = []
    asking.save()
    assert runs(review) == [("retry", "1")]


def test_a_source_that_is_edited_costs_a_constant_number_of_queries(asking):
    def open_to_everybody(items):
        """How many queries that costs with so many items that wait."""
        owner, now = person(), timezone.now()
        Review.objects.all().delete()
        Review.objects.bulk_create(
            Review(
                source=asking, owner=owner, code_owner=owner, kind="update", number=n, api_url=str(n), url="x",
                title="t", state="pending", created_at=now, updated_at=now, revision="1",
                tests_wait_for="permission",
            )
            for n in range(items)
        )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            asking.save()
        assert TestRun.objects.count() == items
        return len(queries)

    asking.starts_tests = "everybody"
    assert open_to_everybody(30) == open_to_everybody(1)


@pytest.fixture
def everybody() -> Source:
    """A source that tests everybody's code."""
    return Source.objects.create(name="open", kind="project", target="open", starts_tests="everybody")


def unread(source):
    """Import a new proposal whose diff the import has left to the refresh that follows."""
    now = timezone.now()
    item = ItemFacts(
        number=2, api_url="https://api/+merge/2", url="https://lp/+merge/2", kind="update", title="fix",
        owner=PersonFacts("eve"), created_at=now, updated_at=now, test_url="lp:fix", revision="1", state="pending",
        launchpad_status="Needs review", diff_marker="https://lp/d/9",
    )  # fmt: skip
    return ingest(source, item, None, now=now).review


def test_a_new_item_is_not_tested_before_its_diff_was_read(everybody):
    review = unread(everybody)
    assert (review.tests_wait_for, runs(review)) == ("diff", [])


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        (DiffFacts("https://lp/d/9", conflicts=False), ("", [("retry", "1")])),
        (DiffFacts("https://lp/d/9", conflicts=True), ("conflicts", [])),
        (None, ("", [("retry", "1")])),  # it could not be read: that is no reason to wait for ever
    ],
)
def test_the_first_refresh_decides_whether_a_new_item_is_tested(everybody, diff, expected):
    review = unread(everybody)
    add_comments(review.pk, [], now=timezone.now(), diff=diff)
    review.refresh_from_db()
    assert (review.tests_wait_for, runs(review)) == expected


def test_a_source_that_starts_to_test_everybodys_code_begins_with_what_comes_next(everybody):
    Source.objects.filter(pk=everybody.pk).update(starts_tests="nobody")
    everybody.refresh_from_db()
    old = propose(everybody)
    everybody.starts_tests = "everybody"
    everybody.save()
    assert runs(old) == []
    assert runs(propose(everybody, revision="2")) == [("retry", "2")]
