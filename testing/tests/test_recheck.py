"""``recheck`` in a comment runs again what failed, once a comment (docs/specification.md, section 5)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import HIDDEN_USERNAME, Person, Trust, User
from reviews.facts import CommentFacts, ItemFacts, PersonFacts
from reviews.ingest import ingest
from reviews.models import Event, Source
from testing.models import Status, Substrate, TestRun
from testing.recheck import names_asked

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("recheck", []), ("Recheck\n", []), ("It was the network.\n\n  recheck  \n\nThanks", []),
        ("recheck lxc", ["lxc"]), ("recheck lxc, aws\r\nrecheck power8 lxc", ["lxc", "aws", "power8"]),
        ("recheck aws\nrecheck", []),
        ("please recheck", None), ("recheck!", None), ("rechecking", None), ("recheck: lxc", None), ("", None),
        ("> recheck", None), ("> > recheck lxc", None), ("    recheck", None), ("`recheck`", None),
        ("I did.\n\nOn Monday Ann wrote:\nrecheck", None), ("```\nrecheck\n```", None), ("Bye\n-- \nrecheck", None),
    ],
)  # fmt: skip
def test_only_the_word_alone_on_a_line_of_the_authors_own_asks(text, names):
    assert names_asked(text) == names


class Item:
    """A proposal by eve as Launchpad has it, and what is said on it."""

    def __init__(self):
        Person.objects.update_or_create(username="rev", defaults={"is_reviewer": True})
        self.source = Source.objects.create(name="asking", kind="project", target="asking", starts_tests="everybody")
        self.comments, self.revision, self.state, self.owner, self.code_owner = [], "1", "pending", "eve", "eve"
        self.read()

    def read(self):
        """Read it and its comments, as a refresh does."""
        now = timezone.now()
        item = ItemFacts(
            number=1, api_url="https://api/+merge/1", url="https://lp/+merge/1", kind="update", title="fix",
            owner=PersonFacts(self.owner), code_owner=PersonFacts(self.code_owner), test_url="lp:fix",
            created_at=now - timedelta(days=90), updated_at=now,
            revision=self.revision, diff_marker=self.revision, state=self.state, launchpad_status="x",
        )  # fmt: skip
        self.review = ingest(self.source, item, self.comments, now=now, service_account="queue-bot").review

    def say(self, text="recheck", author="rev", at=None):
        """A comment, and its reading."""
        number = len(self.comments)
        at = at or timezone.now()
        self.comments.append(CommentFacts(number, number, f"https://api/c/{number}", PersonFacts(author), text, at))
        self.read()
        return self

    def run(self, substrate="lxc", status=Status.FAIL, **more):
        """A finished run of its current revision."""
        facts = {"revision": self.revision, "finished_at": timezone.now(), "next_attempt_at": None, **more}
        substrate = Substrate.objects.get(name=substrate)
        return TestRun.objects.create(review=self.review, substrate=substrate, status=status, **facts)

    @property
    def waiting(self):
        """Where it is being tested."""
        return sorted(self.review.test_runs.unfinished().values_list("substrate__name", flat=True))

    @property
    def notes(self):
        """What the history says of rechecks."""
        return list(Event.objects.filter(kind="recheck").order_by("id").values_list("note", flat=True))


@pytest.fixture
def item():
    """An item whose runs have failed on lxc and aws, been cancelled on azure, and passed on joyent."""
    item = Item()
    item.review.test_runs.all().delete()
    item.run("lxc")
    item.run("aws", Status.ERROR)
    item.run("azure", Status.CANCELED)
    item.run("joyent", Status.PASS)
    return item


def test_a_reviewer_runs_again_what_failed_or_was_cancelled(item):
    item.say()
    assert (item.waiting, item.notes) == (["aws", "azure", "lxc"], ["Launched on lxc, aws, azure."])
    assert set(item.review.test_runs.unfinished().values_list("requested_by__username", flat=True)) == {"rev"}
    assert Event.objects.get(kind="recheck").actor.username == "rev"


def test_only_the_substrates_that_are_named(item):
    item.say("recheck AWS joyent")
    assert (item.waiting, item.notes) == (["aws"], ["Launched on aws."])


def test_unknown_substrates_are_said(item):
    item.say("recheck aws moon mars")
    assert (item.waiting, item.notes) == (["aws"], ["Launched on aws. Unknown substrates: moon, mars."])
    item.say("recheck moon")
    assert item.notes[1] == "Nothing was launched. Unknown substrates: moon."


def test_a_substrate_that_is_switched_off_is_said(item):
    Substrate.objects.filter(name="aws").update(active=False)
    item.say("recheck aws")
    assert (item.waiting, item.notes) == ([], ["Nothing was launched. Switched off: aws."])


def test_where_nothing_failed_that_is_said(item):
    item.say("recheck joyent")
    assert item.notes == ["Nothing was launched. No test that failed or was cancelled is left to run again."]


def test_a_comment_acts_once_however_often_it_is_read(item):
    item.say()
    item.review.test_runs.unfinished().update(status=Status.FAIL, finished_at=timezone.now(), next_attempt_at=None)
    item.read()
    assert (item.waiting, len(item.notes)) == ([], 1)


def test_a_comment_that_acted_does_nothing_more_when_it_is_edited_or_shown_again(item):
    item.say("recheck lxc")
    [comment] = item.comments
    TestRun.objects.unfinished().update(status=Status.FAIL, finished_at=timezone.now(), next_attempt_at=None)
    item.comments = []
    item.read()
    assert not item.review.comments.exists()
    item.comments = [comment]
    item.read()
    item.comments = []
    item.say("recheck aws")  # the same number, with another text
    assert (item.waiting, len(item.notes)) == ([], 1)


def test_an_edit_that_asks_for_the_first_time_acts(item):
    item.say("It failed.")
    item.comments = []
    item.say("It failed.\n\nrecheck lxc")
    assert item.waiting == ["lxc"]


def test_a_comment_whose_date_is_old_acts_when_it_is_new_to_the_queue(item):
    item.say(at=timezone.now() - timedelta(days=30))
    assert item.waiting == ["aws", "azure", "lxc"]


def test_what_was_said_before_the_item_was_ever_read_runs_nothing_that_failed_after_it(item):
    item.review.synced_at = None
    item.review.save()
    item.say(at=timezone.now() - timedelta(days=30))
    assert (item.waiting, item.notes) == ([], [])
    item.say(at=timezone.now())
    assert item.waiting == ["aws", "azure", "lxc"]


@pytest.mark.parametrize("author", ["eve", "mallory"])
def test_nobody_but_reviewers_and_trusted_submitters(item, author):
    Source.objects.filter(pk=item.source.pk).update(starts_tests="trusted")
    item.source.refresh_from_db()
    item.say(author=author)
    assert item.waiting == []
    assert item.notes[0].startswith("Nothing was launched. ")
    Trust.objects.create(person=Person.objects.get(username="eve"), granted_by=Person.objects.get(username="rev"))
    item.read()  # the comment has had its turn
    assert item.waiting == []


def test_a_trusted_submitter(item):
    Source.objects.filter(pk=item.source.pk).update(starts_tests="trusted")
    item.source.refresh_from_db()
    eve = Person.objects.get(username="eve")
    Trust.objects.create(person=eve, granted_by=Person.objects.get(username="rev"))
    item.say(author="eve")
    assert item.waiting == ["aws", "azure", "lxc"]
    # As what starts by itself: it is cancelled when the trust ends.
    assert set(item.review.test_runs.unfinished().values_list("requested_by", flat=True)) == {None}


def test_a_trusted_submitter_of_a_strangers_branch(item):
    item.code_owner = "mallory"
    Source.objects.filter(pk=item.source.pk).update(starts_tests="trusted")
    item.source.refresh_from_db()
    Trust.objects.create(person=Person.objects.get(username="eve"))
    assert item.say(author="eve").waiting == []
    assert "The branch belongs to mallory, who is not trusted: a reviewer has to start it." in item.notes[-1]


def test_where_everybodys_code_runs_any_submitter(item):
    assert item.say(author="eve").waiting == ["aws", "azure", "lxc"]


def test_a_trusted_person_who_is_not_the_submitter_does_not_start_tests(item):
    mallory = Person.objects.create(username="mallory")
    Trust.objects.create(person=mallory, granted_by=Person.objects.get(username="rev"))
    assert item.say(author="mallory").waiting == []


def test_where_nobodys_code_starts_only_reviewers(item):
    Source.objects.filter(pk=item.source.pk).update(starts_tests="nobody")
    item.source.refresh_from_db()
    assert item.say(author="eve").waiting == []
    assert item.say(author="rev").waiting == ["aws", "azure", "lxc"]


def test_conflicts_hold_a_submitter_back_and_no_reviewer(item):
    item.review.conflicts = True
    item.review.save()
    assert item.say(author="eve").waiting == []
    assert "conflicts" in item.notes[0]
    assert item.say(author="rev").waiting == ["aws", "azure", "lxc"]


def test_a_member_of_the_group_is_a_reviewer(item):
    user = User.objects.create_user("carol", person=Person.objects.create(username="carol"))
    user.groups.add(Group.objects.get(name="reviewers"))
    assert item.say(author="carol").waiting == ["aws", "azure", "lxc"]


def test_nobody_whom_launchpad_hides(item):
    item.say("fine", author=HIDDEN_USERNAME)
    item.owner = HIDDEN_USERNAME
    assert item.say(author=HIDDEN_USERNAME).waiting == []
    assert item.notes == ["Nothing was launched. Launchpad does not say who asked."]


@pytest.mark.parametrize("author", ["queue-bot", "robot"])
def test_neither_our_own_comments_nor_those_of_bots_act(item, author):
    Person.objects.create(username="robot", is_bot=True, is_reviewer=True)
    Person.objects.create(username="queue-bot", is_reviewer=True)
    item.say(author=author)
    assert (item.waiting, item.notes) == ([], [])


def test_runs_of_an_older_revision_are_not_run_again(item):
    Substrate.objects.update(default=False)
    item.revision = "2"
    item.say()
    assert item.waiting == []


def test_nothing_of_a_closed_item_is_run_again(item):
    item.state = "merged"
    item.say()
    assert item.notes == ["Nothing was launched. This item is MERGED: nothing is tested any more."]


def test_it_costs_nothing_where_nobody_asks(item):
    with CaptureQueriesContext(connection) as queries:
        item.say("fine")
    assert [query for query in queries if "recheck" in query["sql"]] == []


def test_the_history_on_the_page_says_what_came_of_it(item, client):
    item.say("recheck lxc")
    page = " ".join(client.get(f"/reviews/{item.review.pk}/").content.decode().split())
    assert "recheck</span> by <bdi>rev</bdi>: Launched on lxc." in page
