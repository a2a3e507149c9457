"""What people say in their own name is posted once, as they said it (docs/specification.md, section 6)."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.launchpad.own_posts import publish_own_posts
from integrations.launchpad.refreshing import refresh
from integrations.models import LaunchpadConnection, OwnPost
from integrations.sandbox.serving import Answer, Fault
from integrations.tests.own_posts import connect, import_proposal, make_due, make_user, send_off
from reviews.models import Comment, Review, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(sandbox):
    return import_proposal(sandbox.launchpad)


@pytest.fixture
def marta(review):
    user = make_user()
    connect(user)
    return user


def path_of(sandbox, review):
    return review.api_url.removeprefix(sandbox.launchpad.root)


def test_a_comment_with_a_vote_is_posted_by_its_author(sandbox, review, marta):
    post = send_off(marta, review, text="Fine by me – très bien", vote="Approve")
    assert publish_own_posts().posted == 1
    [said] = sandbox.launchpad.posts
    assert (said["by"], said["content"], said["vote"], said["review_type"]) == (
        "marta-k", "Fine by me – très bien", "Approve", "",
    )  # fmt: skip
    post.refresh_from_db()
    assert post.state == OwnPost.State.POSTED


def test_a_text_that_looks_like_json_is_posted_as_it_is(sandbox, review, marta):
    send_off(marta, review, text='"123"')
    publish_own_posts()
    assert sandbox.launchpad.posts[0]["content"] == '"123"'


def test_the_imported_comment_is_known_by_its_number(sandbox, review, marta):
    post = send_off(marta, review, text="Fine by me", vote="Approve")
    publish_own_posts()
    refresh(review)
    post.refresh_from_db()
    assert Comment.objects.get(review=review, number=post.comment_number).author == marta.person


def test_a_posted_review_is_read_again_at_once(sandbox, review, marta):
    Review.objects.update(due_at=timezone.now() + timedelta(hours=1))
    send_off(marta, review, text="Fine by me")
    publish_own_posts()
    review.refresh_from_db()
    assert review.due_at <= timezone.now()


def test_comments_on_lines_go_with_the_comment_in_one_request(sandbox, review, marta):
    number = int(review.diff_url.rpartition("/")[2])
    lines = [{"diff_number": number, "line": 5, "text": "Why?"}, {"diff_number": number, "line": 5, "text": "And how?"}]
    send_off(marta, review, text="Two questions", inline_comments=lines)
    publish_own_posts()
    assert [json.loads(post["lines"]) for post in sandbox.launchpad.posts] == [{"5": "Why?\n\nAnd how?"}]


def test_the_review_type_that_was_asked_for_is_answered(sandbox, review, marta):
    send_off(marta, review, text="ok", vote="Approve", review_type="security")
    publish_own_posts()
    assert sandbox.launchpad.posts[0]["review_type"] == "security"


def test_a_status_is_set_after_the_comment(sandbox, review, marta):
    send_off(marta, review, text="Landing it", vote="Approve", status="Approved")
    assert publish_own_posts().posted == 1
    assert sandbox.launchpad.entries[path_of(sandbox, review)]["queue_status"] == "Approved"


def test_a_message_on_a_bug_and_the_status_of_its_task(sandbox, marta):
    launchpad = sandbox.launchpad
    launchpad.add_series("charms", "trusty", active=True)
    branch = launchpad.add_branch("bjorn", "charms/trusty/redis/trunk")
    task = launchpad.add_bug("charms", "New charm: redis", owner="bjorn", branch=branch, created=timezone.now())
    bug = Review.objects.create(
        source=Source.objects.get(name="charms"), kind="new", title="redis", state="new", owner=marta.person,
        number=77, api_url=launchpad.root + task, url=launchpad.url + task, launchpad_status="New",
        created_at=timezone.now(), updated_at=timezone.now(),
    )  # fmt: skip
    send_off(marta, bug, text="Please add tests.", status="Incomplete")
    assert publish_own_posts().problems == []
    assert launchpad.posts[0]["content"] == "Please add tests."
    assert launchpad.entries[task]["status"] == "Incomplete"


def test_a_refused_status_leaves_the_comment_posted_and_says_why(sandbox, review, marta):
    sandbox.launchpad.members["charmers"].clear()
    post = send_off(marta, review, text="Landing it", status="Approved")
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.POSTED
    assert "User is not a branch reviewer." in post.error


def test_a_refused_status_alone_is_given_back(sandbox, review, marta):
    sandbox.launchpad.members["charmers"].clear()
    post = send_off(marta, review, status="Approved")
    publish_own_posts()
    post.refresh_from_db()
    assert (post.state, post.status) == (OwnPost.State.DRAFT, "Approved")
    assert "User is not a branch reviewer." in post.error


def test_a_status_that_somebody_else_has_moved_meanwhile_is_not_overwritten(sandbox, review, marta):
    sandbox.launchpad.set_status(path_of(sandbox, review), "Merged")
    post = send_off(marta, review, text="Please go on", status="Work in progress")
    publish_own_posts()
    post.refresh_from_db()
    assert "somebody has set it to Merged meanwhile" in post.error
    assert sandbox.launchpad.status_writes == []


def test_a_comment_that_launchpad_refuses_comes_back_with_its_words(sandbox, review, marta):
    post = send_off(marta, review, text="Nice", inline_comments=[{"diff_number": 1, "line": 5, "text": "Why?"}])
    publish_own_posts()
    post.refresh_from_db()
    assert (post.state, post.text) == (OwnPost.State.DRAFT, "Nice")
    assert "Preview diff not found." in post.error


def test_what_comes_back_does_not_push_away_a_draft_that_was_begun_meanwhile(sandbox, review, marta):
    OwnPost.objects.create(user=marta, review=review, text="Something else")
    post = send_off(marta, review, text="Nice", inline_comments=[{"diff_number": 1, "line": 5, "text": "Why?"}])
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.REFUSED
    assert OwnPost.objects.drafts().get().text == "Something else"


def lose_answers(launchpad, *, taken):
    """Launchpad answers no comment any more, whether or not it takes them. Returns what ends that."""
    respond = launchpad.respond

    def answer(request):
        if request.method != "POST":
            return respond(request)
        if taken:
            respond(request)
        return Answer(504)

    launchpad.respond = answer
    return lambda: setattr(launchpad, "respond", respond)


def test_a_comment_whose_answer_is_lost_is_found_and_not_posted_again(sandbox, review, marta):
    lose_answers(sandbox.launchpad, taken=True)
    post = send_off(marta, review, text="Nice", vote="Approve")
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.MAYBE
    make_due()
    assert publish_own_posts().posted == 1
    assert len(sandbox.launchpad.posts) == 1


def test_a_comment_that_did_not_arrive_is_sent_again(sandbox, review, marta):
    answer_again = lose_answers(sandbox.launchpad, taken=False)
    send_off(marta, review, text="Nice", vote="Approve")
    publish_own_posts()
    answer_again()
    make_due()
    assert publish_own_posts().posted == 1
    assert len(sandbox.launchpad.posts) == 1


def test_what_may_be_posted_is_looked_for_after_launchpad_has_done_with_it(sandbox, review, marta):
    lose_answers(sandbox.launchpad, taken=False)
    post = send_off(marta, review, text="Nice")
    publish_own_posts()
    post.refresh_from_db()
    assert post.due_at > timezone.now() + timedelta(seconds=50)


def test_the_same_words_of_an_earlier_comment_are_not_taken_for_the_post(sandbox, review, marta):
    sandbox.launchpad.comment(path_of(sandbox, review), "marta-k", "Nice")
    refresh(review)
    known = Comment.objects.get(content="Nice").number
    answer_again = lose_answers(sandbox.launchpad, taken=False)
    send_off(marta, review, text="Nice", known_comment=known)
    publish_own_posts()
    answer_again()
    make_due()
    publish_own_posts()
    assert [post["content"] for post in sandbox.launchpad.posts] == ["Nice"]


def test_the_same_words_of_somebody_else_are_not_taken_for_the_post(sandbox, review, marta):
    answer_again = lose_answers(sandbox.launchpad, taken=False)
    send_off(marta, review, text="Nice")
    publish_own_posts()
    answer_again()
    sandbox.launchpad.comment(path_of(sandbox, review), "bjorn", "Nice")
    make_due()
    publish_own_posts()
    assert [post["by"] for post in sandbox.launchpad.posts] == ["marta-k"]


def test_two_posts_of_the_same_words_are_two_comments(sandbox, review, marta):
    lose_answers(sandbox.launchpad, taken=True)
    send_off(marta, review, text="Again")
    send_off(marta, review, text="Again")
    publish_own_posts()
    make_due()
    publish_own_posts()
    assert len(set(OwnPost.objects.values_list("comment_number", flat=True))) == 2
    assert len(sandbox.launchpad.posts) == 2


def test_a_token_that_was_revoked_meanwhile_is_said_and_the_text_kept(sandbox, review, marta):
    sandbox.launchpad.revoke("marta-k")
    post = send_off(marta, review, text="Nice", vote="Approve")
    publish_own_posts()
    post.refresh_from_db()
    assert (post.state, post.text, post.vote) == (OwnPost.State.DRAFT, "Nice", "Approve")
    assert "does not accept your connection any more" in post.error
    assert not LaunchpadConnection.objects.get().is_usable


def test_a_token_revoked_after_the_answer_was_lost_does_not_lead_to_a_second_comment(sandbox, review, marta):
    answer_again = lose_answers(sandbox.launchpad, taken=True)
    post = send_off(marta, review, text="Nice")
    publish_own_posts()
    answer_again()
    sandbox.launchpad.revoke("marta-k")
    make_due()
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.POSTED


def test_who_has_disconnected_gets_the_text_back(sandbox, review, marta):
    LaunchpadConnection.objects.all().delete()
    post = send_off(marta, review, text="Nice")
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.DRAFT
    assert "not connected" in post.error


def test_a_vote_is_not_cast_on_a_revision_that_its_author_has_not_seen(sandbox, review, marta):
    sandbox.launchpad.push(path_of(sandbox, review))
    post = send_off(marta, review, text="Nice", vote="Approve")
    publish_own_posts()
    post.refresh_from_db()
    assert sandbox.launchpad.posts == []
    assert post.state == OwnPost.State.DRAFT
    assert "a new revision has come" in post.error


def test_a_comment_without_a_vote_is_posted_whatever_was_pushed_meanwhile(sandbox, review, marta):
    sandbox.launchpad.push(path_of(sandbox, review))
    send_off(marta, review, text="Nice")
    assert publish_own_posts().posted == 1


def test_a_proposal_that_has_moved_is_commented_on_where_it_is_now(sandbox, review, marta):
    sandbox.launchpad.rename_person("bjorn", "bear")
    send_off(marta, review, text="Nice", vote="Approve")
    assert publish_own_posts().posted == 1


def test_an_item_that_became_private_gets_no_comment_from_here(sandbox, review, marta):
    Review.objects.update(private=True)
    post = send_off(marta, review, text="Nice")
    publish_own_posts()
    post.refresh_from_db()
    assert post.state == OwnPost.State.DRAFT
    assert "private" in post.error


def test_a_launchpad_that_is_away_is_asked_later_and_later(sandbox, review, marta):
    sandbox.launchpad.faults = [Fault("hang up")]
    post = send_off(marta, review, text="Nice")
    pauses = []
    for _ in range(3):
        make_due()
        publish_own_posts()
        post.refresh_from_db()
        pauses.append(round((post.due_at - timezone.now()).total_seconds() / 60))
    assert pauses == [1, 2, 4]


def test_after_a_day_the_text_comes_back_with_the_advice_to_look_first(sandbox, review, marta):
    sandbox.launchpad.faults = [Fault("hang up")]
    post = send_off(marta, review, text="Nice", tries=30, tried_at=timezone.now() - timedelta(days=1, minutes=1))
    publish_own_posts()
    post.refresh_from_db()
    assert (post.state, post.text) == (OwnPost.State.DRAFT, "Nice")
    assert "look there before you post it again" in post.error


def test_the_queues_own_account_reads_and_the_persons_token_only_writes(sandbox, review, marta):
    methods = []
    respond = sandbox.launchpad.respond

    def note(request):
        if "sandbox-person-" in request.headers.get("Authorization", ""):
            methods.append(request.method)
        return respond(request)

    sandbox.launchpad.respond = note
    send_off(marta, review, text="Nice", status="Approved")
    publish_own_posts()
    assert methods == ["POST", "POST"]


def test_nothing_of_what_is_posted_stands_in_the_log(sandbox, review, marta, caplog):
    sandbox.launchpad.revoke("marta-k")
    send_off(marta, review, text="Between the two of us")
    publish_own_posts()
    assert "own post not posted" in caplog.text
    assert "Between the two of us" not in caplog.text
    assert "sandbox-person" not in caplog.text
