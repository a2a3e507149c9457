"""Whose turn an item is as people vote, answer and push, and since when (docs/specification.md, section 3)."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.models import Review
from testing.models import Substrate, TestRun
from testing.transitions import Trigger, finish, lock_run
from testing.verdicts import update_verdicts

PATH = "~ada/charms/trusty/mysql/fix-1/+merge/1"


class Talk:
    """A proposal of ada's, and what is said on it, an hour apart."""

    def __init__(self, launchpad, project):
        self.launchpad, self.comments = launchpad, []
        Substrate.objects.update(default=False)
        import_source(project(launchpad.proposal(1)))
        self.began = datetime.fromisoformat(launchpad.entry(PATH)["date_created"])
        self.read()

    def say(self, who, text="Hm.", vote=None):
        number = len(self.comments) + 1
        self.comments.append(
            {
                "self_link": f"{self.launchpad.root}{PATH}/comments/{number}", "content": text, "vote": vote,
                "author_link": f"{self.launchpad.root}~{who}",
                "date_created": (self.began + timedelta(hours=number)).isoformat(),
            }
        )  # fmt: skip
        self.launchpad.collection(PATH + "/all_comments", self.comments)

    def at(self, number):
        """When the comment of that number was made."""
        return self.began + timedelta(hours=number)

    def read(self):
        assert refresh(Review.objects.get()) == ""
        return Review.objects.get()


@pytest.fixture
def talk(launchpad, project):
    return Talk(launchpad, project)


def test_a_new_item_is_the_reviewers_since_it_was_submitted(talk):
    review = talk.read()
    assert (review.next_actor, review.next_reason, review.turn_since) == ("reviewer", "no review yet", talk.began)


def test_a_negative_vote_is_the_submitters_turn(talk):
    talk.say("rev", vote="Needs Fixing")
    review = talk.read()
    assert (review.next_actor, review.next_reason) == ("submitter", "1 reviewer asks for changes")


def test_the_turn_is_the_submitters_since_the_vote(talk):
    talk.say("rev", vote="Needs Fixing")
    assert talk.read().turn_since == talk.at(1)


def test_an_answer_gives_the_turn_back(talk):
    talk.say("rev", vote="Needs Fixing")
    talk.read()
    talk.say("ada", "Why?")
    review = talk.read()
    assert (review.next_actor, review.next_reason, review.turn_since) == (
        "reviewer", "the submitter has answered", talk.at(2),
    )  # fmt: skip


def test_a_second_word_of_the_submitter_does_not_begin_the_wait_anew(talk):
    talk.say("rev", vote="Needs Fixing")
    talk.read()
    talk.say("ada", "Why?")
    talk.read()
    talk.say("ada", "Anybody?")
    assert talk.read().turn_since == talk.at(2)


def test_a_second_objection_after_the_answer_is_the_submitters_turn_again(talk):
    talk.say("rev", vote="Needs Fixing")
    talk.say("ada", "Why?")
    talk.say("eve", vote="Disapprove")
    assert talk.read().next_actor == "submitter"


def test_a_vote_that_was_changed_to_approve_objects_no_more(talk):
    talk.say("rev", vote="Needs Fixing")
    talk.say("rev", vote="Approve")
    review = talk.read()
    assert (review.next_actor, review.next_reason) == ("reviewer", "1 reviewer approves; it waits for a decision")


def test_the_submitters_own_vote_is_no_objection(talk):
    talk.say("ada", vote="Needs Fixing")
    assert talk.read().next_actor == "reviewer"


def test_a_comment_without_a_vote_moves_no_turn(talk):
    talk.say("rev", "Interesting.")
    review = talk.read()
    assert (review.next_actor, review.next_reason) == ("reviewer", "it was commented on and waits for a decision")


def test_a_push_answers_an_objection(talk, launchpad):
    talk.say("rev", vote="Needs Fixing")
    talk.read()
    link = f"{launchpad.root}{PATH}/+preview-diff/2"
    diff = {
        "self_link": link,
        "source_revision_id": "rev-2",
        "target_revision_id": "1",
        "conflicts": "",
        "stale": False,
    }
    launchpad.put(f"{PATH}/+preview-diff/2", diff)
    launchpad.put(PATH, {**launchpad.entry(PATH), "preview_diff_link": link})
    review = talk.read()
    assert review.revision == "rev-2"
    assert (review.next_actor, review.next_reason) == ("reviewer", "the submitter has answered")


def with_tests(review, status):
    run = TestRun.objects.create(review=review, substrate=Substrate.objects.get(name="azure"), revision=review.revision)
    update_verdicts([review.pk])
    finish(lock_run(run.pk), status, Trigger.CALLBACK)
    return Review.objects.get()


def test_failing_tests_are_the_submitters_turn(talk):
    review = with_tests(talk.read(), "fail")
    assert (review.next_actor, review.next_reason) == ("submitter", "tests fail on azure")


def test_failing_tests_are_the_submitters_turn_since_they_failed(talk):
    began = timezone.now()
    assert began <= with_tests(talk.read(), "fail").turn_since <= timezone.now()


def test_a_rerun_that_passes_gives_the_turn_back(talk):
    with_tests(talk.read(), "fail")
    assert with_tests(Review.objects.get(), "pass").next_actor == "reviewer"


def test_passing_tests_move_no_turn(talk):
    before = talk.read().turn_since
    assert with_tests(Review.objects.get(), "pass").turn_since == before


def test_the_page_tells_the_submitter_what_is_wrong(talk, client, django_user_model):
    talk.say("rev", vote="Needs Fixing")
    review = with_tests(talk.read(), "fail")
    client.force_login(django_user_model.objects.create_user("ada", person=review.owner))
    page = strip_tags(client.get(review.get_absolute_url()).content.decode())
    assert "Your turn: tests fail on azure; 1 reviewer asks for changes." in page


def test_the_page_tells_the_submitter_what_to_do(talk, client):
    review = with_tests(talk.read(), "fail")
    assert "Look at the failing tests, and push a fix." in client.get(review.get_absolute_url()).content.decode()


def test_the_api_says_why(talk, client):
    talk.say("rev", vote="Needs Fixing")
    found = client.get(f"/api/reviews/{talk.read().pk}/").json()
    assert (found["next_actor"], found["next_reason"]) == ("submitter", "1 reviewer asks for changes")
