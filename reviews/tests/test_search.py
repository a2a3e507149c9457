"""The search: its URL is the search, whoever wrote it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from accounts.models import Person, User
from reviews.filters import ReviewFilter
from reviews.models import Review, Series, Source, State
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def items():
    make_person("ada", "Ada Lovelace")
    eve = make_person("eve")
    trusty = Series.objects.create(name="trusty", api_url="https://api/trusty")
    made = [
        make_review("Fix mysql", square="green", source=Source.objects.get(name="charmers"), series=trusty),
        make_review("New charm", kind="new", state=State.NEW, owner="bob"),
        make_review("Old <b>thing</b>", state=State.MERGED, locked_by=eve, locked_at=timezone.now(), days=400),
        make_review("Answer needed", state=State.REVIEWED),
    ]
    make_comment(made[0], eve, sentiment="positive")
    return made


def titles(client, query):
    page = client.get(f"/search/?{query}")
    assert page.status_code == 200
    return sorted(row["title"] for row in page.context["page"].object_list)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=MySQL", ["Fix mysql"]),
        ("q=lovelace+fix", ["Fix mysql"]),
        ("q=BOB", ["New charm"]),
        ("q=Launchpad.net/3", ["Old <b>thing</b>"]),
        ("q=100%25", []),
        ("state=new&state=merged", ["New charm", "Old <b>thing</b>"]),
        ("submitter=bob", ["New charm"]),
        ("reviewer=eve", ["Fix mysql"]),
        ("reviewer=ada", []),
        ("locked_by=eve", ["Old <b>thing</b>"]),
        ("source=charmers", ["Fix mysql"]),
        ("series=trusty", ["Fix mysql"]),
        ("kind=new", ["New charm"]),
        ("next_actor=submitter", ["Answer needed"]),
        ("square=green", ["Fix mysql"]),
        ("to=2000-01-01", []),
        ("q=&state=&submitter=&from=&kind=new", ["New charm"]),
        ("kind=new&utm_source=mail&page=7", ["New charm"]),
    ],
)
def test_the_url_is_the_search(client, items, query, found):
    assert titles(client, query) == found


def test_dates_include_both_days(client, items):
    day = f"{Review.objects.get(title='Old <b>thing</b>').updated_at:%Y-%m-%d}"
    assert titles(client, f"from={day}&to={day}") == ["Old <b>thing</b>"]


@pytest.mark.parametrize(
    "query",
    ["state=mended", "from=yesterday", "sort=colour", "source=nowhere", "q=%00", "q=" + "x" * 201, "kind=%E2%80%AE",
     "square=blue", "next_actor=me", "to=2026-02-31", "format=pdf", "submitter=%00"],
)  # fmt: skip
def test_parameters_that_are_not_valid_give_a_message_beside_the_field(client, items, query):
    page = client.get(f"/search/?{query}")
    assert page.status_code == 200
    assert len(page.context["page"].object_list) == 4  # what is not valid was left out
    assert b"notice error" in page.content
    if not query.startswith("format"):
        assert b'class="problem"' in page.content


def test_links_keep_the_search_and_drop_what_says_nothing(client, items):
    page = client.get("/search/?state=pending&q=&state=new&who=me&page=1").content.decode()
    assert 'href="?state=pending&amp;state=new&amp;sort=title"' in page
    assert 'type="application/atom+xml"' in page
    assert page.count('href="?state=pending&amp;state=new&amp;format=atom"') == 2


def test_a_search_that_finds_nothing_says_what_to_do(client, items):
    assert "Nothing matches." in client.get("/search/?q=zzzz").content.decode()


def test_an_empty_queue_says_so(client):
    assert b"Nothing has been imported yet." in client.get("/search/").content


@pytest.mark.parametrize("count", [10, 350])
@pytest.mark.parametrize(
    "query",
    ["", "q=item&state=pending&reviewer=eve&source=charmers&sort=-title", "substrate=lxc&outcome=none", "format=json"],
)
def test_queries_do_not_grow_with_what_is_found(client, django_assert_max_num_queries, count, query):
    owner = make_person()
    now = timezone.now()
    Review.objects.bulk_create(
        Review(
            title=f"Item {n}", url="http://x/", api_url=str(n), owner=owner, created_at=now, updated_at=now,
            state="pending", kind="new",
        )
        for n in range(count)
    )  # fmt: skip
    limits = 4 if connection.vendor == "postgresql" else 0  # savepoint, time limit on and off, release
    with django_assert_max_num_queries(6 + limits):
        answer = client.get(f"/search/?{query}")
        assert b"".join(answer)
    assert answer.status_code == 200


def test_pages_of_a_hundred(client):
    owner = make_person()
    now = timezone.now()
    Review.objects.bulk_create(
        Review(
            title=f"Item {n}", url="http://x/", api_url=str(n), owner=owner, created_at=now, state="pending",
            kind="new", updated_at=now - timedelta(minutes=n),
        )
        for n in range(205)
    )  # fmt: skip
    page = client.get("/search/?kind=new&page=3")
    assert [row["title"] for row in page.context["page"].object_list] == [f"Item {n}" for n in range(200, 205)]
    text = page.content.decode()
    assert "205 reviews" in text
    assert "201 to 205" in text
    assert 'href="?kind=new&amp;page=2"' in text
    for nonsense in ("-1", "0", "x", "99999999999999999999", "²"):
        assert client.get("/search/", {"page": nonsense}).status_code == 200


def test_counting_stops_where_nobody_pages(client, monkeypatch):
    monkeypatch.setattr("core.pagination.BoundedPaginator.limit", 3)
    for number in range(5):
        make_review(f"Item {number}")
    page = client.get("/search/")
    assert b"More than 3 reviews" in page.content
    assert len(page.context["page"].object_list) == 3


@pytest.mark.parametrize("most", [1, 100])  # more fit than are counted, or all that fit are known
@pytest.mark.parametrize("sign", ["", "-"])
def test_what_is_found_by_words_keeps_its_order(client, items, monkeypatch, sign, most):
    monkeypatch.setattr("core.pagination.BoundedPaginator.limit", most)
    rows = client.get(f"/search/?q=launchpad&sort={sign}title").context["page"].object_list
    expected = ["Answer needed", "Fix mysql", "New charm", "Old <b>thing</b>"][:: -1 if sign else 1]
    assert [row["title"] for row in rows] == expected[:most]


@pytest.mark.postgres
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has these indexes")
def test_words_are_found_by_their_indexes(items):
    with connection.cursor() as cursor:  # a table of four rows is read whole as long as that is allowed
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    plan = ReviewFilter(QueryDict("q=mysql"), queryset=Review.objects.all()).results().order_by().explain()
    assert {"review_title_words", "review_url_words", "review_owner"} <= set(re.findall(r"\w+", plan)), plan


@pytest.mark.postgres
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL bounds the time of a query")
@pytest.mark.parametrize("wanted", ["", "&format=csv", "&format=atom"])
def test_a_search_that_takes_too_long_is_given_up_in_words(client, items, monkeypatch, wanted):
    monkeypatch.setattr("core.db.QUERY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(
        "reviews.search.ReviewFilter.by_text",
        lambda self, reviews, name, value: reviews.extra(where=["pg_sleep(30) IS NOT NULL"]),
    )
    answer = client.get(f"/search/?q=slow{wanted}")
    assert answer.status_code == (503 if wanted else 200)
    assert b"takes too long" in answer.content
    assert Review.objects.count() == 4


def test_what_is_set_stands_as_chips_that_take_it_off(client, items):
    page = client.get("/search/?state=new,merged&submitter=bob&older=3&unreviewed=yes&reviewer=")
    chips = {chip.words: chip.href for chip in page.context["chips"]}
    assert list(chips) == [
        "state: NEW", "state: MERGED", "no review yet", "submitted 3 days ago or more", "by bob",
    ]  # fmt: skip
    assert QueryDict(chips["state: NEW"][1:]).getlist("state") == ["merged"]
    assert titles(client, chips["by bob"][1:]) == ["Old <b>thing</b>"]


def test_what_is_not_valid_has_no_chip(client, items):
    assert client.get("/search/?square=blue").context["chips"] == []


@pytest.mark.parametrize(
    ("query", "is_open"), [("", True), ("state=new", False), ("q=zebra", True), ("state=new&square=blue", True)]
)
def test_the_form_folds_once_something_was_found(client, items, query, is_open):
    page = client.get(f"/search/?{query}").content.decode()
    assert ('<details class="search-form" open>' in page) == is_open


def test_what_was_found_travels_alone_to_who_types(client, items):
    part = client.get("/search/?q=mysql", headers={"hx-request": "true"})
    assert "Fix mysql" in part.content.decode()
    assert "<form" not in part.content.decode()
    assert "HX-Request" in part["Vary"]


def test_what_is_not_valid_is_said_to_who_types_too(client, items):
    part = client.get("/search/?from=2026-10-02&to=2026-10-01", headers={"hx-request": "true"}).content.decode()
    assert "To: This day is before “From”." in part


def test_what_fails_on_a_substrate_and_what_nobody_reviewed_is_one_press_away(client, items):
    failing = make_review("Fails on aws", marks=[["aws", "fail", True]])
    old = make_review("Waits for long", created_at=timezone.now() - timedelta(days=31))
    Review.objects.exclude(pk__in=[failing.pk, old.pk]).update(first_reviewed_at=timezone.now())
    page = client.get("/search/")
    offered = {chip.words: chip.href.partition("?")[2] for chip in page.context["common"]}
    assert titles(client, offered["Fails on aws"]) == ["Fails on aws"]
    assert titles(client, offered["No review for 30 days"]) == ["Waits for long"]
    assert all(chip.href.replace("&", "&amp;") in page.content.decode() for chip in page.context["common"])


def test_what_is_often_asked_for_gives_way_to_a_search(client, items):
    assert client.get("/search/?state=new").context["common"] == []


def test_a_reviewer_is_offered_what_they_reviewed_last_month(client, items):
    eve = make_person("eve")
    Person.objects.filter(pk=eve.pk).update(is_reviewer=True)
    first = timezone.now().replace(day=1, hour=0, minute=0)
    make_comment(items[1], eve, created_at=first - timedelta(minutes=5))
    make_comment(items[3], eve, created_at=first)
    client.force_login(User.objects.create_user("eve", person=eve))
    chip = client.get("/search/").context["common"][-1]
    assert chip.words == "What I reviewed last month"
    assert titles(client, chip.href.partition("?")[2]) == ["New charm"]
