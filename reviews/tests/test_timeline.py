"""History and comments of a review in one timeline, as its page shows it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import HIDDEN_USERNAME
from reviews.models import Event
from reviews.tests.factories import make_comment, make_person, make_review
from reviews.timeline import FOLD_AFTER, NEWEST

pytestmark = pytest.mark.django_db


@pytest.fixture
def review():
    return make_review()


@pytest.fixture
def get_page(client, review):
    return lambda: client.get(f"/reviews/{review.pk}/").content.decode()


def hours_ago(hours):
    return timezone.now() - timedelta(hours=hours)


def record_runs(review, count):
    for _ in range(count):
        Event.objects.create(review=review, kind=Event.Kind.RUN, old="retry", new="pending on lxc")


def test_history_and_comments_stand_in_the_order_of_their_times(review, get_page):
    make_comment(review, content="Second thing", created_at=hours_ago(2))
    Event.objects.create(review=review, kind="state", old="NEW", new="PENDING", at=hours_ago(3))
    make_comment(review, content="Third thing", created_at=hours_ago(1))
    page = get_page()
    assert page.index("NEW → PENDING") < page.index("Second thing") < page.index("Third thing")


def test_the_description_comes_first_whenever_it_was_read(review, get_page):
    make_comment(review, content="An early comment", created_at=hours_ago(5))
    make_comment(review, content="The description", created_at=hours_ago(1), is_description=True)
    page = get_page()
    assert page.index("The description") < page.index("An early comment")


def test_a_long_quotation_is_folded(review, get_page):
    make_comment(review, content="> " + "\n> ".join("abcdef") + "\nI disagree")
    assert "Quoted text, 6 lines" in get_page()


def test_a_short_quotation_is_not_folded(review, get_page):
    make_comment(review, content="> One line\nI agree")
    page = get_page()
    assert '<blockquote dir="auto"><p>One line</p></blockquote>' in page
    assert "Quoted text" not in page


def test_the_rest_of_a_long_comment_is_folded(review, get_page):
    make_comment(review, content="word " * FOLD_AFTER)
    assert "Show the rest (" in get_page()


def test_hostile_text_is_text_and_addresses_are_links(review, get_page):
    make_comment(review, content="I disagree <b>strongly</b>: see https://example.com/x")
    page = get_page()
    assert "&lt;b&gt;strongly&lt;/b&gt;" in page
    assert 'href="https://example.com/x" rel="nofollow"' in page


def test_what_the_queue_posted_itself_is_marked(review, get_page):
    make_comment(review, content="Results", is_automated=True)
    assert "automated: posted by this queue" in get_page()


def test_a_vote_stands_beside_its_comment(review, get_page):
    make_comment(review, vote="Approve", sentiment="positive")
    assert '<span aria-hidden="true">+1</span> Approve' in get_page()


@pytest.mark.parametrize(("count", "folded"), [(2, False), (3, True), (4, True)])
def test_many_steps_of_runs_in_a_row_are_folded(review, get_page, count, folded):
    record_runs(review, count)
    assert (f"{count} steps of test runs" in get_page()) is folded


def test_a_comment_between_steps_of_runs_parts_them(review, get_page):
    record_runs(review, 2)
    make_comment(review, content="In between")
    record_runs(review, 2)
    assert "steps of test runs" not in get_page()


def test_older_entries_are_left_out_and_that_is_said(client, review, get_page):
    eve = make_person("eve")
    for number in range(NEWEST + 1):
        make_comment(review, eve, f"Comment {number}", created_at=hours_ago(NEWEST + 1 - number))
    page = get_page()
    assert "Only the newest entries are shown." in page
    assert '<p dir="auto">Comment 0</p>' not in page
    assert f"Comment {NEWEST}" in page


def test_an_edited_comment_says_so(review, get_page):
    make_comment(review, content="The new text", edited_at=hours_ago(2))
    page = get_page()
    assert "The new text" in page
    assert "edited <time" in page
    assert "2 hours ago</time>" in page


def test_a_comment_that_was_not_edited_does_not_say_so(review, get_page):
    make_comment(review)
    assert "edited" not in get_page()


def test_launchpads_order_counts_and_not_the_date_of_a_mail(review, get_page):
    make_comment(review, content="The question", created_at=hours_ago(2), position=1)
    make_comment(review, content="The answer, by mail", created_at=hours_ago(48), position=2)
    make_comment(review, content="Thanks", created_at=hours_ago(1), position=3)
    page = get_page()
    assert page.index("The question") < page.index("The answer, by mail") < page.index("Thanks")


def test_whom_launchpad_hides_has_no_link(review, get_page):
    make_comment(review, make_person(HIDDEN_USERNAME, "hidden by Launchpad"), "Said by somebody")
    page = get_page()
    assert "hidden by Launchpad</span>" in page
    assert "/people/%28hidden" not in page


def test_the_words_of_a_bot_are_marked_and_shown_as_no_vote(review, get_page, settings):
    settings.BOT_ACCOUNTS = ["eve"]
    make_comment(review, "eve", vote="Approve", sentiment="positive")
    page = get_page()
    assert "bot: counts as no vote" in page
    assert "Approve</span>" not in page
