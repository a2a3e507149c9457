"""The dashboard: its filters, what it costs, and when it answers "not modified" (SPEC section 6)."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review, Series, Source

pytestmark = pytest.mark.django_db


def fill(count, **more):
    owner, _ = Person.objects.get_or_create(username="ada")
    then = timezone.now() - timedelta(days=3)
    facts = {"kind": "update", "owner": owner, "state": "pending", "url": "https://x/", **more}
    first = Review.objects.count()
    return Review.objects.bulk_create(
        [
            Review(title=f"Item {n}", api_url=f"https://api/{n}", created_at=then, updated_at=then, **facts)
            for n in range(first, first + count)
        ],
        batch_size=500,
    )


@pytest.fixture
def reviewer(client):
    user = User.objects.create_user("rev", person=Person.objects.create(username="rev"))
    user.groups.add(Group.objects.get_or_create(name="reviewers")[0])
    client.force_login(user)
    return user


@pytest.mark.parametrize("count", [10, 10_000])
@pytest.mark.parametrize("someone", ["visitor", "reviewer"])
def test_six_queries_however_long_the_line(client, request, django_assert_max_num_queries, count, someone):
    if someone == "reviewer":
        request.getfixturevalue("reviewer")
    fill(count)
    with django_assert_max_num_queries(6):
        page = client.get("/").content.decode()
    assert page.count("<tr id=") == min(count, 100)
    assert f"Reviews ({count})" in page


def test_unchanged_is_not_modified_and_every_change_is(client):
    review = fill(2)[0]
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
    review, other = fill(2)
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
    fill(150, source=source)
    fill(3)
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
def test_nonsense_gives_the_page_with_a_message(client, query, said):
    fill(1)
    answer = client.get("/?" + query)
    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_needs_me_leaves_out_what_others_hold_and_ones_own(client, reviewer):
    fill(1)
    fill(2, owner=reviewer.person)
    fill(4, locked_by=Person.objects.create(username="eve"), locked_at=timezone.now())
    assert "Reviews (1)" in client.get("/?needs=me").content.decode()
    assert "Reviews (7)" in client.get("/").content.decode()


def test_an_empty_line_says_why(client):
    assert b"Nothing has been imported yet." in client.get("/").content
    Source.objects.update(last_success_at=timezone.now())
    assert b"The queue is empty." in client.get("/").content
    assert b"Nothing here matches the filter." in client.get("/?q=zebra").content
    Source.objects.update(active=False)
    assert b"No source is active." in client.get("/").content


def test_a_launchpad_that_is_silent_is_said(client):
    fill(1)
    Source.objects.update(last_success_at=timezone.now() - timedelta(hours=2, minutes=1))
    assert b"The last successful import was 2 hours ago" in client.get("/").content


def test_states_that_are_not_in_the_line_are_said(client):
    fill(1, state="merged")
    page = client.get("/?state=merged").content.decode()
    assert "The search finds the other states" in page


def test_series_are_offered_in_no_query_of_their_own(client, django_assert_max_num_queries):
    Series.objects.create(name="trusty", api_url="https://api/charms/trusty")
    Series.objects.create(name="trusty", api_url="https://api/ubuntu/trusty")
    fill(1)
    with django_assert_max_num_queries(4):
        page = client.get("/").content.decode()
    assert page.count('<option value="trusty">') == 1
