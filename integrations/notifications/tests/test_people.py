"""What people are told by mail: what they chose, once, and nothing that is not true or not theirs to know."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Person, TeamMembership, User
from integrations.notifications.models import Delivery, News, Preferences
from integrations.notifications.tasks import send_notifications
from reviews.locks import lock, unlock
from reviews.models import Comment, Event, Review, ReviewRequest
from testing.models import Substrate, TestResult, TestRun
from testing.verdicts import update_verdicts

LONG_AGO = timezone.now() - timedelta(days=10)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.NOTIFY_AFTER_SECONDS = 0
    settings.BASE_URL = "https://queue.example.org"


def account(person, **chosen):
    user = User.objects.create(username=person.username, person=person, email=f"{person.username}@example.org")
    Preferences.objects.create(user=user, **({"since": LONG_AGO, "my_runs": False} | chosen))
    return user


@pytest.fixture
def ada(review):
    """The submitter of the review."""
    return review.owner


@pytest.fixture
def bob(db):
    return Person.objects.create(username="bob", display_name="Bob", is_reviewer=True)


def say(review, author, number, text="Please mend it.", **more):
    return Comment.objects.create(
        review=review, author=author, number=number, content=text, created_at=timezone.now(),
        api_url=f"https://api.launchpad.net/c/{number}", **more,
    )  # fmt: skip


def run_ends(review, status="fail", tests=("deploy",), **more):
    review.test_runs.unfinished().delete()
    run = TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name="lxc"), revision=review.revision, status=status,
        finished_at=timezone.now(), next_attempt_at=None, **more,
    )  # fmt: skip
    for position, name in enumerate(tests):
        TestResult.objects.create(run=run, position=position, test=name, outcome=status)
    update_verdicts([review.pk])
    return run


def told(mailoutbox):
    """Addresses and subjects of the mails, after everything that is due is sent."""
    send_notifications()
    return [(mail.to[0], mail.subject) for mail in mailoutbox]


def test_the_submitter_is_told_that_tests_failed_and_which(review, ada, mailoutbox):
    account(ada, tests_failed=True)
    run_ends(review)
    assert told(mailoutbox) == [("ada@example.org", "[Review Queue] Fix <b>mysql</b>: tests failed")]
    [mail] = mailoutbox
    assert "- deploy on lxc" in mail.body
    assert f"https://queue.example.org/reviews/{review.pk}/" in mail.body
    assert "Your turn: tests fail on lxc." in mail.body


def test_a_mail_says_that_the_substrate_fails_for_most(review, ada, mailoutbox):
    account(ada, tests_failed=True)
    words = "lxc fails for 9 of the last 9 items: probably not yours."
    Substrate.objects.filter(name="lxc").update(outage=words, outage_since=timezone.now())
    run_ends(review)
    send_notifications()
    assert words in mailoutbox[0].body


def test_nobody_is_told_twice(review, ada, mailoutbox):
    account(ada, tests_failed=True)
    run_ends(review)
    for _ in range(3):
        send_notifications()
    assert len(mailoutbox) == 1


def test_nobody_is_told_what_they_did_not_choose(review, ada, bob, mailoutbox):
    account(ada)
    account(bob)
    run_ends(review)
    say(review, bob, 1)
    assert told(mailoutbox) == []


def test_what_happened_before_the_choice_is_not_told(review, ada, mailoutbox):
    run_ends(review)
    account(ada, tests_failed=True, since=timezone.now())
    assert told(mailoutbox) == []


def test_while_single_tests_are_read_nothing_is_told(review, ada, mailoutbox):
    account(ada, tests_failed=True)
    run = run_ends(review)
    TestRun.objects.filter(pk=run.pk).update(results_due_at=timezone.now())
    assert told(mailoutbox) == []


def test_a_verdict_that_is_over_is_not_told(review, ada, mailoutbox, settings):
    account(ada, tests_failed=True)
    settings.NOTIFY_AFTER_SECONDS = 300
    run_ends(review)
    send_notifications()
    run_ends(review, "pass")
    settings.NOTIFY_AFTER_SECONDS = 0
    assert told(mailoutbox) == []
    assert Delivery.objects.get().state == "dropped"


def test_a_comment_of_another_is_told_and_quoted_but_not_ones_own(review, ada, bob, mailoutbox):
    account(ada, reviewed=True)
    say(review, ada, 1)
    say(review, bob, 2, "> quoted\nThis breaks upgrades.", vote="Needs Fixing")
    assert told(mailoutbox) == [("ada@example.org", "[Review Queue] Fix <b>mysql</b>: it was reviewed")]
    assert "Bob: Needs Fixing: This breaks upgrades." in mailoutbox[0].body


def test_bots_and_our_own_comments_are_not_told(review, ada, mailoutbox):
    account(ada, reviewed=True)
    say(review, Person.objects.create(username="ci", is_bot=True), 1)
    say(review, Person.objects.create(username="queue"), 2, is_automated=True)
    assert told(mailoutbox) == []


def test_ten_changes_in_five_minutes_are_one_mail(review, ada, bob, mailoutbox, settings):
    account(ada, reviewed=True, tests_failed=True)
    settings.NOTIFY_AFTER_SECONDS = 300
    for number in range(10):
        say(review, bob, number)
        send_notifications()
    run_ends(review)
    assert told(mailoutbox) == []
    News.objects.update(created_at=timezone.now() - timedelta(minutes=5, seconds=1))
    assert [subject for _, subject in told(mailoutbox)] == [
        "[Review Queue] Fix <b>mysql</b>: tests failed; it was reviewed"
    ]


def test_what_happens_to_several_items_at_once_is_one_mail(review, ada, bob, mailoutbox):
    account(ada, reviewed=True)
    other = Review.objects.get(pk=review.pk)
    other.pk, other.number, other.api_url = None, 77, f"{other.api_url}7"
    other.save()
    say(review, bob, 1)
    say(other, bob, 2)
    assert told(mailoutbox) == [("ada@example.org", "[Review Queue] 2 items: Fix <b>mysql</b> and others")]


def test_the_submitters_turn_is_told(review, ada, mailoutbox):
    account(ada, my_turn=True)
    Review.objects.filter(pk=review.pk).update(conflicts=True, turn_since=timezone.now())
    assert told(mailoutbox) == [("ada@example.org", "[Review Queue] Fix <b>mysql</b>: it is your turn")]
    assert "it conflicts with its target" in mailoutbox[0].body


def test_the_turn_is_told_again_to_a_reviewer_who_has_to_do_with_it(review, ada, bob, mailoutbox):
    account(bob, my_turn=True)
    account(Person.objects.create(username="carol", is_reviewer=True), my_turn=True)  # has nothing to do with it
    say(review, bob, 1)
    Review.objects.filter(pk=review.pk).update(answered_at=timezone.now(), turn_since=timezone.now())
    assert told(mailoutbox) == [("bob@example.org", "[Review Queue] Fix <b>mysql</b>: it is your turn")]


def test_a_turn_that_went_back_is_not_told(review, ada, mailoutbox, settings):
    account(ada, my_turn=True)
    settings.NOTIFY_AFTER_SECONDS = 300
    Review.objects.filter(pk=review.pk).update(conflicts=True, turn_since=timezone.now())
    send_notifications()
    Review.objects.filter(pk=review.pk).update(conflicts=False, turn_since=timezone.now())
    settings.NOTIFY_AFTER_SECONDS = 0
    assert told(mailoutbox) == []


def test_the_holder_is_told_what_others_did_to_a_locked_item(review, ada, bob, mailoutbox):
    account(bob, locked_changed=True)
    lock(review.pk, bob)
    say(review, bob, 1)
    assert told(mailoutbox) == []
    Event.objects.create(review=review, kind="revision", old="a", new="b")
    assert told(mailoutbox) == [("bob@example.org", "[Review Queue] Fix <b>mysql</b>: what you locked changed")]


def test_the_holder_is_told_that_somebody_else_released_the_lock(review, bob, mailoutbox):
    account(bob, locked_changed=True)
    lock(review.pk, bob)
    unlock(review.pk, Person.objects.create(username="boss"), force=True)
    assert len(told(mailoutbox)) == 1


def test_who_releases_it_is_not_told(review, bob, mailoutbox):
    account(bob, locked_changed=True)
    lock(review.pk, bob)
    unlock(review.pk, bob)
    assert told(mailoutbox) == []


@pytest.mark.parametrize("is_team", [False, True])
def test_a_request_for_review_is_told(review, ada, bob, mailoutbox, is_team):
    account(bob, review_requested=True)
    reviewer = bob
    if is_team:
        reviewer = Person.objects.create(username="charmers", is_team=True)
        TeamMembership.objects.create(team="charmers", person=bob)
    ReviewRequest.objects.create(review=review, reviewer=reviewer, registrant=ada, requested_at=timezone.now())
    assert told(mailoutbox) == [("bob@example.org", "[Review Queue] Fix <b>mysql</b>: a review was asked of you")]


def test_who_asked_themselves_is_not_told(review, bob, mailoutbox):
    account(bob, review_requested=True)
    ReviewRequest.objects.create(review=review, reviewer=bob, registrant=bob, requested_at=timezone.now())
    assert told(mailoutbox) == []


def test_who_started_a_test_is_told_its_end_without_having_chosen_anything(review, bob, mailoutbox):
    user = User.objects.create(username="bob", person=bob, email="bob@example.org", date_joined=LONG_AGO)
    run_ends(review, "pass", requested_by=bob)
    assert told(mailoutbox) == [("bob@example.org", "[Review Queue] Fix <b>mysql</b>: the test that you started ended")]
    assert not Preferences.objects.filter(user=user).exists()


@pytest.mark.parametrize("broken", [{"email": ""}, {"is_active": False}])
def test_who_has_no_address_or_no_account_is_not_written_to(review, ada, mailoutbox, broken):
    user = account(ada, tests_failed=True)
    User.objects.filter(pk=user.pk).update(**broken)
    run_ends(review)
    assert told(mailoutbox) == []


def test_what_became_private_before_it_is_sent_is_not_told(review, ada, mailoutbox, settings):
    account(ada, tests_failed=True)
    settings.NOTIFY_AFTER_SECONDS = 300
    run_ends(review)
    send_notifications()
    Review.objects.update(private=True)
    settings.NOTIFY_AFTER_SECONDS = 0
    assert told(mailoutbox) == []
    assert Delivery.objects.get().subject == ""


def test_names_with_line_breaks_and_markup_do_no_harm(review, ada, bob, mailoutbox):
    account(ada, tests_failed=True, reviewed=True)
    Review.objects.update(title="Fix\r\nBcc: everybody@example.org\n<script>x</script>")
    Person.objects.filter(pk=bob.pk).update(display_name="Bob\r\nX: y")
    run_ends(Review.objects.get(), tests=["<!doctype html><script>alert(1)</script>"])
    say(review, bob, 1)
    send_notifications()
    [mail] = mailoutbox
    message = mail.message()
    assert message["Bcc"] is None
    assert "\n" not in mail.subject
    html = mail.alternatives[0][0]
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_mail_says_how_to_stop_it_and_belongs_to_its_item(review, ada, mailoutbox):
    account(ada, tests_failed=True)
    run_ends(review)
    send_notifications()
    headers = mailoutbox[0].message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Unsubscribe"].startswith("<https://queue.example.org/unsubscribe/")
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["References"] == f"<review-{review.pk}@queue.example.org>"


def test_one_digest_a_day_at_the_hour_of_the_persons_zone(review, ada, bob, mailoutbox):
    user = account(ada, reviewed=True, how="digest", time_zone="Pacific/Auckland")
    local = timezone.now().astimezone(user.notification_preferences.zone)
    later = (local.hour + 1) % 24
    Preferences.objects.update(digest_hour=later, last_digest_at=timezone.now() - timedelta(hours=2))
    say(review, bob, 1)
    if later:
        assert told(mailoutbox) == []
    Preferences.objects.update(digest_hour=local.hour, last_digest_at=timezone.now() - timedelta(days=1))
    assert len(told(mailoutbox)) == 1
    say(review, bob, 2)
    assert len(told(mailoutbox)) == 1


def test_a_long_digest_is_bounded(review, ada, bob, mailoutbox):
    account(ada, reviewed=True, how="digest", digest_hour=timezone.now().hour)
    for number in range(25):
        item = Review.objects.get(pk=review.pk)
        item.pk, item.number, item.title = None, 100 + number, f"Item {number}"
        item.api_url = f"{item.api_url}{number}"
        item.save()
        say(item, bob, number)
    assert told(mailoutbox)[0][1] == "[Review Queue] 25 items: Item 0 and others"
    assert "And 5 more" in mailoutbox[0].body


def test_queries_do_not_grow_with_the_people(review, ada, django_assert_max_num_queries):
    for number in range(20):
        account(Person.objects.create(username=f"p{number}"), tests_failed=True, reviewed=True, my_turn=True)
    with django_assert_max_num_queries(40):
        send_notifications()
