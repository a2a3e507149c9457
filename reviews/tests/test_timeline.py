"""History and comments of a review in one timeline, as its page shows it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import HIDDEN_USERNAME
from reviews.models import Event
from reviews.tests.factories import make_comment, make_person, make_review
from reviews.timeline import FOLD_AFTER, PAGE_SIZE, RECENT_COMMENTS, Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def review():
    return make_review()


@pytest.fixture
def get_page(client, review):
    return lambda query="": client.get(f"/reviews/{review.pk}/{query}").content.decode()


@pytest.fixture(params=["?order=oldest", "history/?order=oldest"])
def oldest_first(request, get_page):
    """The overview and the page of the whole history, oldest first."""
    return lambda: get_page(request.param)


def hours_ago(hours):
    return timezone.now() - timedelta(hours=hours)


def record_runs(review, count):
    for _ in range(count):
        Event.objects.create(review=review, kind=Event.Kind.RUN, old="retry", new="pending on lxc")


def test_history_and_comments_stand_in_the_order_of_their_times(review, oldest_first):
    make_comment(review, content="Second thing", created_at=hours_ago(2))
    Event.objects.create(review=review, kind="state", old="NEW", new="PENDING", at=hours_ago(3))
    make_comment(review, content="Third thing", created_at=hours_ago(1))
    page = oldest_first()
    assert page.index("NEW → PENDING") < page.index("Second thing") < page.index("Third thing")


def test_the_description_comes_first_whenever_it_was_read(review, oldest_first):
    make_comment(review, content="An early comment", created_at=hours_ago(5))
    make_comment(review, content="The description", created_at=hours_ago(1), is_description=True)
    page = oldest_first()
    assert page.index("The description") < page.index("An early comment")


@pytest.mark.parametrize("path", ["", "history/"])
def test_the_newest_stands_first_unless_somebody_chose_otherwise(review, get_page, path):
    make_comment(review, content="Earlier", created_at=hours_ago(2))
    make_comment(review, content="The description", created_at=hours_ago(9), is_description=True)
    make_comment(review, content="Later", created_at=hours_ago(1))
    page = get_page(path)
    assert page.index("Later") < page.index("Earlier") < page.index("The description")


def test_the_order_that_was_chosen_is_remembered(review, get_page):
    make_comment(review, content="Earlier", created_at=hours_ago(2))
    make_comment(review, content="Later", created_at=hours_ago(1))
    get_page("?order=oldest")
    page = get_page()
    assert page.index("Earlier") < page.index("Later")


def test_an_order_that_there_is_not_changes_nothing(client, review):
    answer = client.get(f"/reviews/{review.pk}/?order=sideways")
    assert (answer.status_code, dict(answer.cookies)) == (200, {})


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


@pytest.fixture
def long(review):
    """A description, 20 comments, and a line of history before each of them."""
    eve = make_person("eve")
    make_comment(review, eve, "The description", created_at=hours_ago(99), is_description=True)
    for number in range(20):
        Event.objects.create(review=review, kind="state", old="NEW", new=f"S{number}", at=hours_ago(60 - number * 2))
        make_comment(review, eve, f"Comment {number}.", created_at=hours_ago(59 - number * 2))
    return review


@pytest.mark.parametrize("order", Order.values)
def test_the_overview_leaves_the_middle_out_and_says_how_much(long, get_page, order):
    page = get_page(f"?order={order}")
    assert "8 comments and 9 lines of history in between" in page
    shown = [number for number in range(20) if f"Comment {number}." in page]
    assert shown == list(range(20 - RECENT_COMMENTS, 20))
    assert "The description" in page
    places = [page.index(words) for words in ("The description", "in between", "Comment 19.")]
    assert places == sorted(places, reverse=order == Order.NEWEST)


def test_a_short_timeline_leaves_nothing_out(review, get_page):
    make_comment(review)
    assert "in between" not in get_page()


def test_oldest_first_leads_to_the_newest(long, get_page):
    assert 'href="#newest"' in get_page("?order=oldest")
    assert 'id="newest"' in get_page("?order=oldest")
    assert 'href="#newest"' not in get_page("?order=newest")


@pytest.mark.parametrize("order", Order.values)
def test_the_whole_history_is_read_page_by_page(long, get_page, monkeypatch, order):
    monkeypatch.setattr("reviews.timeline.PAGE_SIZE", 7)
    found = []
    for number in range(1, 7):
        page = get_page(f"history/?order={order}&page={number}")
        words = ["The description"] + [words for n in range(20) for words in (f"NEW → S{n}<", f"Comment {n}.")]
        found += sorted((text for text in words if text in page), key=page.index)
    assert len(found) == 41
    assert found[:3] == (
        ["The description", "NEW → S0<", "Comment 0."] if order == Order.OLDEST
        else ["Comment 19.", "NEW → S19<", "Comment 18."]
    )  # fmt: skip


@pytest.mark.parametrize("path", ["", "history/"])
def test_a_long_timeline_costs_no_more_queries(long, client, django_assert_max_num_queries, path):
    with django_assert_max_num_queries(8):
        client.get(f"/reviews/{long.pk}/{path}")


def test_two_hundred_comments_and_runs_stay_a_short_page(review, get_page):
    eve = make_person("eve")
    for number in range(2 * PAGE_SIZE):
        make_comment(review, eve, "word " * 40, created_at=hours_ago(number))
        Event.objects.create(review=review, kind=Event.Kind.RUN, new="pass on lxc", at=hours_ago(number))
    assert len(get_page()) < 40_000
    assert len(get_page("history/")) < 120_000


def test_an_edited_comment_says_so(review, get_page):
    make_comment(review, content="The new text", edited_at=hours_ago(2))
    page = get_page()
    assert "The new text" in page
    assert "edited <time" in page
    assert "2 hours ago</time>" in page


def test_a_comment_that_was_not_edited_does_not_say_so(review, get_page):
    make_comment(review)
    assert "edited" not in get_page()


def test_launchpads_order_counts_and_not_the_date_of_a_mail(review, oldest_first):
    make_comment(review, content="The question", created_at=hours_ago(2), position=1)
    make_comment(review, content="The answer, by mail", created_at=hours_ago(48), position=2)
    make_comment(review, content="Thanks", created_at=hours_ago(1), position=3)
    page = oldest_first()
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
