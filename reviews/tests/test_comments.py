"""What people said is kept as it is on Launchpad, and counts as they meant it (docs/specification.md, section 3)."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Person
from accounts.signals import bot_mark_changed
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from reviews.comments import MARKER
from reviews.models import PRUNED_TEXT, Comment, Review


@pytest.fixture
def talk(launchpad, bugs):
    """Say things on a bug of bob's: pairs of author and text. Returns its review as it is then."""
    import_source(bugs(launchpad.bug(1, "Incomplete")))

    def say(*said, **changes):
        messages = [launchpad.message(1, 0, "bob", "What it is")]
        for number, (author, text) in enumerate(said, 1):
            message = launchpad.message(1, number, author, text)
            messages.append({**message, **changes.get(f"of_{number}", {})})
        launchpad.collection("bugs/1/messages", [message for message in messages if message])
        assert refresh(Review.objects.get()) == ""
        return Review.objects.get()

    return say


def votes(review):
    return review.positive_votes, review.negative_votes


def test_an_edited_comment_is_read_anew(talk):
    assert votes(talk(("rev", "-1"))) == (0, 1)
    review = talk(("rev", "+1 after all"), of_1={"date_last_edited": "2026-03-01T10:00:00+00:00"})
    assert votes(review) == (1, 0)
    comment = review.comments.get(number=1)
    assert (comment.content, comment.edited_at.isoformat()) == ("+1 after all", "2026-03-01T10:00:00+00:00")


@pytest.mark.parametrize("visible", [False, None])
def test_a_deleted_or_hidden_comment_goes_with_its_vote(talk, launchpad, visible):
    talk(("rev", "-1"), ("eve", "+1"))
    if visible is None:
        launchpad.collection("bugs/1/messages", [launchpad.message(1, n, a, t) for n, a, t in
                                                 [(0, "bob", "What it is"), (2, "eve", "+1")]])  # fmt: skip
        refresh(Review.objects.get())
        review = Review.objects.get()
    else:
        review = talk(("rev", "-1"), ("eve", "+1"), of_1={"visible": False})
    assert votes(review) == (1, 0)
    assert [comment.number for comment in review.comments.order_by("number")] == [0, 2]
    assert review.first_reviewed_at == review.comments.get(number=2).created_at


def test_an_answer_without_the_description_deletes_nothing(talk, launchpad):
    talk(("rev", "-1"))
    launchpad.collection("bugs/1/messages", [])
    refresh(Review.objects.get())
    assert Comment.objects.count() == 2


def test_a_comment_that_can_not_be_understood_any_more_is_kept(talk):
    talk(("rev", "-1"))
    review = talk(("rev", "-1"), of_1={"date_created": "yesterday"})
    assert votes(review) == (0, 1)


def test_each_persons_latest_vote_counts(talk):
    assert votes(talk(("rev", "-1"), ("eve", "-1"), ("rev", "Thanks. +1"), ("rev", "one more word"))) == (1, 1)


def test_abstain_takes_a_formal_vote_back(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    path = "~ada/charms/trusty/mysql/fix-1/+merge/1"
    said = [
        {"self_link": f"{launchpad.root}{path}/comments/{n}", "author_link": launchpad.root + "~rev", "content": "",
         "vote": vote, "date_created": f"2026-01-0{n}T10:00:00+00:00"}
        for n, vote in ((3, "Needs Fixing"), (4, "Abstain"))
    ]  # fmt: skip
    launchpad.collection(path + "/all_comments", said)
    refresh(Review.objects.get())
    assert votes(Review.objects.get()) == (0, 0)


def test_launchpads_order_says_who_spoke_last_and_not_the_mails_date(talk):
    question, answer = {"date_created": "2026-02-05T10:00:00+00:00"}, {"date_created": "2026-02-04T10:00:00+00:00"}
    assert talk(("rev", "why?"), ("bob", "because"), of_1=question, of_2=answer).state == "follow-up"


@pytest.mark.parametrize(
    "answer",
    [
        "-1, I disagree\n\n-----Original Message-----\nFrom: Review Queue\n\n{ours}",
        "-1, I disagree\n\nOn Monday Review Queue wrote:\n{ours}",
        "-1, I disagree\n\n> {ours}",
    ],
)
def test_who_answers_our_comment_by_mail_is_not_taken_for_us(talk, answer):
    ours = f"Automated testing on lxc failed.\n{MARKER}7 of https://queue.example.com: fail"
    review = talk(("rev", answer.format(ours=ours.replace("\n", "\n> ") if "> {" in answer else ours)))
    assert votes(review) == (0, 1)


def test_a_comment_of_ours_is_known_without_knowing_our_account(talk):
    review = talk(("rev", f"Automated testing on lxc passed. +1\n\n{MARKER}7 of https://queue.example.com: pass"))
    assert (votes(review), review.comments.get(number=1).is_automated) == ((0, 0), True)


def test_a_bot_neither_votes_nor_reviews_nor_has_the_last_word(talk, settings):
    settings.BOT_ACCOUNTS = ["ci-bot"]
    review = talk(("bob", "done"), ("ci-bot", "-1, needs fixing"))
    assert (review.state, votes(review), review.first_reviewed_at) == ("follow-up", (0, 0), None)


def test_who_is_marked_as_a_bot_is_counted_anew(talk):
    review = talk(("helper", "-1"))
    Review.objects.update(due_at=timezone.now() + timezone.timedelta(minutes=9))
    person = Person.objects.get(username="helper")
    person.is_bot = True
    person.save()
    bot_mark_changed.send(Person, person=person)
    assert Review.objects.due().count() == 1
    refresh(review)
    assert votes(Review.objects.get()) == (0, 0)


def test_a_pruned_text_does_not_come_back(talk):
    talk(("rev", "-1"))
    Comment.objects.update(content=PRUNED_TEXT)
    review = talk(("rev", "-1"))
    assert set(review.comments.values_list("content", flat=True)) == {PRUNED_TEXT}
    assert votes(review) == (0, 1)


def test_a_comment_of_the_future_was_said_when_it_was_first_seen(talk):
    said = {"date_created": "9999-01-01T00:00:00+00:00"}
    first = talk(("rev", "-1"), of_1=said).comments.get(number=1).created_at
    assert first <= timezone.now()
    assert talk(("rev", "-1"), of_1=said).comments.get(number=1).created_at == first


def test_comments_keep_their_numbers_when_the_command_refreshes(talk):
    talk(("rev", "-1"))
    before = set(Comment.objects.values_list("pk", "number"))
    call_command("refresh_reviews")
    assert set(Comment.objects.values_list("pk", "number")) == before
