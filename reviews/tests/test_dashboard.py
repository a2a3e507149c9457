"""The dashboard: its sections and filters, what it costs, and when it answers "not modified"."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from reviews.models import Review, Series, Source
from reviews.tests.factories import make_person, make_review, make_reviews

pytestmark = pytest.mark.django_db


def test_counts_and_the_oldest_first(client):
    make_review("Young", days=2)
    make_review("Old", days=5)
    make_review("Incoming", state="new")
    make_review("Elsewhere", state="in-progress")
    page = client.get("/").content.decode()
    assert "Incoming (1)" in page
    assert "Reviews (2)" in page
    assert page.index("Old") < page.index("Young")
    assert "Elsewhere" not in page


@pytest.fixture
def configured(settings):
    """A Jenkins is configured, so no page has to look whether staff entered one."""
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"


@pytest.mark.parametrize("count", [10, 10_000])
@pytest.mark.parametrize("someone", ["visitor", "reviewer"])
def test_six_queries_however_long_the_line(client, request, configured, django_assert_max_num_queries, count, someone):
    if someone == "reviewer":
        request.getfixturevalue("reviewer")
    make_reviews(count)
    with django_assert_max_num_queries(6):
        page = client.get("/").content.decode()
    assert page.count("<tr id=") == min(count, 100)
    assert f"{'My turn' if someone == 'reviewer' else 'Reviews'} ({count})" in page


def test_unchanged_is_not_modified_and_every_change_is(client):
    review = make_reviews(2)[0]
    first = client.get("/")
    again = client.get("/", headers={"if-none-match": first["ETag"]})
    assert again.status_code == 304
    assert not again.content
    assert {"Cookie", "HX-Request"} <= set(re.split(", *", first["Vary"]))
    changes = ({"square": "green"}, {"title": "Another"}, {"positive_votes": 4}, {"state": "new"})
    for change in changes:
        tag = client.get("/")["ETag"]
        Review.objects.filter(pk=review.pk).update(**change)
        assert client.get("/", headers={"if-none-match": tag}).status_code == 200
    tag = client.get("/")["ETag"]
    Source.objects.update(last_error="Launchpad answered 503.")
    answer = client.get("/", headers={"if-none-match": tag})
    assert b"Launchpad answered 503." in answer.content


def test_readers_of_different_rows_are_not_answered_for_each_other(client):
    review, other = make_reviews(2)
    Review.objects.filter(pk=other.pk).update(updated_at=timezone.now())
    queries = ("/", "/?sort=-age", "/?q=Item+1", "/?incoming=1")
    tags = {query: client.get(query)["ETag"] for query in queries}
    assert len(set(tags.values())) == len(queries)
    for query in (*queries, *queries):
        assert client.get(query, headers={"if-none-match": tags[query]}).status_code == 304
    Review.objects.filter(pk=review.pk).update(title="Item 1, renamed")
    for query in queries:
        assert client.get(query, headers={"if-none-match": tags[query]}).status_code == 200


def test_filters_choose_and_stay_in_every_link(client):
    source = Source.objects.first()
    make_reviews(150, source=source)
    make_reviews(3)
    page = client.get("/", {"source": source.name, "q": "item", "sort": "-age"}).content.decode()
    assert "Reviews (150)" in page
    assert "sort=-age&amp;reviews=2" in page
    assert f"source={source.name}&amp;q=item&amp;sort=title" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=wet", "wet is not one of the available choices"),
        ("source=nowhere", "not one of the available choices"),
        ("sort=mood", "can&#x27;t be sorted by “mood”"),
        ("reviews=7", "has no such page"),
        ("needs=me", "Log in to see"),
        ("needs=you", "The only choice is “me”"),
        ("q=" + "x" * 300, "at most 200 characters"),
        ("q=%00", "Null characters"),
    ],
)
def test_parameters_that_are_not_valid_give_the_page_with_a_message(client, query, said):
    make_reviews(1)
    answer = client.get("/?" + query)
    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_needs_me_leaves_out_what_others_hold_and_ones_own(client, reviewer):
    make_reviews(1)
    make_reviews(2, owner=reviewer.person)
    make_reviews(4, locked_by=make_person("eve"), locked_at=timezone.now())
    assert "My turn (1)" in client.get("/?needs=me").content.decode()
    assert "Reviews (7)" in client.get("/?group=reviews").content.decode()


def test_an_empty_line_says_why(client):
    assert b"Nothing has been imported yet." in client.get("/").content
    Source.objects.update(last_success_at=timezone.now())
    assert b"The queue is empty." in client.get("/").content
    assert b"Nothing here matches the filter." in client.get("/?q=zebra").content
    Source.objects.update(active=False)
    page = client.get("/").content
    assert b"No source is active." in page
    assert b"No import from Launchpad has succeeded yet" not in page


def test_a_launchpad_that_is_silent_is_said(client):
    make_reviews(1)
    Source.objects.update(last_success_at=timezone.now() - timedelta(hours=2, minutes=1))
    assert b"The last successful import was 2 hours ago" in client.get("/").content


def test_states_that_are_not_in_the_line_are_said(client):
    make_reviews(1, state="merged")
    page = client.get("/?state=merged").content.decode()
    assert "The search finds the other states" in page


def test_series_are_offered_in_no_query_of_their_own(client, configured, django_assert_max_num_queries):
    Series.objects.create(name="trusty", api_url="https://api/charms/trusty")
    Series.objects.create(name="trusty", api_url="https://api/ubuntu/trusty")
    make_reviews(1)
    with django_assert_max_num_queries(4):
        page = client.get("/").content.decode()
    assert page.count('<option value="trusty">') == 1


@pytest.mark.parametrize("query", ["sort=nonsense", "incoming=-1&reviews=99999", "reviews=%00", "sort=-votes"])
def test_any_query_gives_the_page(client, query):
    make_review()
    assert client.get("/?" + query).status_code == 200


def test_hostile_titles_are_text(client):
    review = make_review("<script>alert(1)</script>\u202e" + "x" * 10_000)
    for url in ("/", f"/reviews/{review.pk}/"):
        answer = client.get(url)
        assert b"<script>" not in answer.content
        assert "script-src 'self'" in answer["Content-Security-Policy"]


def test_pages_answer_head(client):
    review = make_review()
    pages = ["", f"reviews/{review.pk}/", "search/", "search/?format=csv", "search/?format=atom", "people/ada/"]
    for page in (*pages, "stats/", "about/", "login/", "api/reviews/", "api/docs/"):
        assert client.head("/" + page).status_code == 200, page


def test_items_of_a_source_that_is_switched_off_are_not_in_the_queue(client):
    source = Source.objects.get(name="charmers")
    make_reviews(2, source=source)
    make_review("Without a source")
    Source.objects.filter(pk=source.pk).update(active=False)
    page = client.get("/").content.decode()
    assert "Reviews (1)" in page
    assert "Without a source" in page
