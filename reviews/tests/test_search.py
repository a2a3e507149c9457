"""The search: its URL is the search, whoever wrote it, and its results travel as CSV, JSON and Atom."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from accounts.models import Person
from reviews.filters import ReviewFilter
from reviews.models import Comment, Review, Series, Source, State

pytestmark = pytest.mark.django_db
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def make(title, **facts):
    number = Review.objects.count() + 1
    owner, _ = Person.objects.get_or_create(
        username=facts.pop("owner", "ada"), defaults={"display_name": "Ada Lovelace"}
    )
    then = timezone.now() - timedelta(days=facts.pop("days", number))
    facts = {"state": State.PENDING, "kind": "update", **facts}
    return Review.objects.create(
        title=title, url=f"https://code.launchpad.net/{number}", api_url=f"https://api/{number}", owner=owner,
        created_at=then, updated_at=then, **facts,
    )  # fmt: skip


@pytest.fixture
def line():
    eve = Person.objects.create(username="eve")
    trusty = Series.objects.create(name="trusty", api_url="https://api/trusty")
    made = [
        make("Fix mysql", square="green", source=Source.objects.get(name="charmers"), series=trusty),
        make("New charm", kind="new", state=State.NEW, owner="bob"),
        make("Old <b>thing</b>", state=State.MERGED, locked_by=eve, locked_at=timezone.now(), days=400),
        make("Answer needed", state=State.REVIEWED),
    ]
    Comment.objects.create(
        review=made[0], author=eve, api_url="c1", content="+1", created_at=timezone.now(), sentiment="positive"
    )
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
def test_the_url_is_the_search(client, line, query, found):
    assert titles(client, query) == found


def test_dates_include_both_days(client, line):
    day = f"{Review.objects.get(title='Old <b>thing</b>').updated_at:%Y-%m-%d}"
    assert titles(client, f"from={day}&to={day}") == ["Old <b>thing</b>"]


@pytest.mark.parametrize(
    "query",
    ["state=mended", "from=yesterday", "sort=colour", "source=nowhere", "q=%00", "q=" + "x" * 201, "kind=%E2%80%AE",
     "square=blue", "next_actor=me", "to=2026-02-31", "format=pdf", "submitter=%00"],
)  # fmt: skip
def test_nonsense_gives_the_page_with_a_message_beside_the_field(client, line, query):
    page = client.get(f"/search/?{query}")
    assert page.status_code == 200
    assert len(page.context["page"].object_list) == 4  # what is not valid was left out
    assert b"notice error" in page.content
    if not query.startswith("format"):
        assert b'class="problem"' in page.content


def test_links_keep_the_search_and_drop_what_says_nothing(client, line):
    page = client.get("/search/?state=pending&q=&state=new&who=me&page=1").content.decode()
    assert 'href="?state=pending&amp;state=new&amp;sort=title"' in page
    assert 'type="application/atom+xml"' in page
    assert page.count('href="?state=pending&amp;state=new&amp;format=atom"') == 2


def test_a_search_that_finds_nothing_says_what_to_do(client, line):
    assert "Nothing matches." in client.get("/search/?q=zzzz").content.decode()


def test_an_empty_queue_says_so(client):
    assert b"Nothing has been imported yet." in client.get("/search/").content


@pytest.mark.parametrize("count", [10, 350])
@pytest.mark.parametrize("query", ["", "q=item&state=pending&reviewer=eve&source=charmers&sort=-title", "format=json"])
def test_queries_do_not_grow_with_what_is_found(client, django_assert_max_num_queries, count, query):
    owner = Person.objects.create(username="ada")
    now = timezone.now()
    Review.objects.bulk_create(
        Review(
            title=f"Item {n}", url="http://x/", api_url=str(n), owner=owner, created_at=now, updated_at=now,
            state="pending", kind="new",
        )
        for n in range(count)
    )  # fmt: skip
    limits = 4 if connection.vendor == "postgresql" else 0  # savepoint, time limit on and off, release
    with django_assert_max_num_queries(5 + limits):
        answer = client.get(f"/search/?{query}")
        assert b"".join(answer)
    assert answer.status_code == 200


def test_pages_of_a_hundred(client):
    owner = Person.objects.create(username="ada")
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
        make(f"Item {number}")
    page = client.get("/search/")
    assert b"More than 3 reviews" in page.content
    assert len(page.context["page"].object_list) == 3


def test_csv_holds_the_same_search(client, line):
    answer = client.get("/search/?format=csv&state=pending")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="reviews.csv"'
    assert answer.streaming
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [(row["title"], row["owner"], row["next_actor"], row["source"]) for row in rows] == [
        ("Fix mysql", "ada", "reviewer", "charmers")
    ]


@pytest.mark.parametrize(
    "title",
    ["=HYPERLINK(1)", "+1", "-1+1|cmd", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", '=1","x\n=2'],
)
def test_csv_is_no_formula(client, title):
    make(title)
    row = next(csv.DictReader(io.StringIO(b"".join(client.get("/search/?format=csv")).decode(), newline="")))
    assert row["title"] == "'" + title


def test_json_has_the_fields_of_the_api(client, line):
    answer = client.get("/search/?format=json&kind=new")
    assert answer["Content-Type"] == "application/json"
    found = answer.streaming_content
    found = json.loads(b"".join(found))
    assert found["complete"] is True
    assert found["results"] == client.get("/api/reviews/?kind=new").json()["results"]


def test_json_says_when_it_is_cut(client, line, monkeypatch):
    monkeypatch.setattr("reviews.exports.MAX_JSON_OBJECTS", 2)
    found = json.loads(b"".join(client.get("/search/?format=json")))
    assert (len(found["results"]), found["complete"]) == (2, False)
    empty = json.loads(b"".join(client.get("/search/?format=json&q=zzz")))
    assert empty == {"results": [], "complete": True}


def test_atom_is_valid_and_its_ids_are_stable(client, line, settings):
    settings.BASE_URL = "https://queue.example.com"
    make("\x0b<script> & \ufffe", days=0)
    answer = client.get("/search/?format=atom&submitter=ada&q=")
    assert answer["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    entries = feed.findall("a:entry", ATOM)
    assert entries[0].find("a:title", ATOM).text == "PENDING: <script> & "
    ids = [entry.find("a:id", ATOM).text for entry in entries]
    assert len(set(ids)) == 4
    assert all(uri.startswith("https://queue.example.com/reviews/") for uri in ids)
    links = {link.get("rel"): link.get("href") for link in feed.findall("a:link", ATOM)}
    assert links["self"] == "https://queue.example.com/search/?submitter=ada&format=atom"
    assert feed.find("a:id", ATOM).text == "https://queue.example.com/search/?submitter=ada"
    for entry in entries:
        assert entry.find("a:updated", ATOM).text
        assert entry.find("a:author/a:name", ATOM).text == "Ada Lovelace"
    before = ids
    Review.objects.update(updated_at=timezone.now(), title="Renamed")
    feed = ElementTree.fromstring(client.get("/search/?format=atom&submitter=ada").content)
    assert sorted(entry.find("a:id", ATOM).text for entry in feed.findall("a:entry", ATOM)) == sorted(before)


@pytest.mark.parametrize("wanted", ["csv", "json", "atom"])
def test_an_export_of_nonsense_is_refused_by_field(client, line, wanted):
    answer = client.get(f"/search/?format={wanted}&state=mended")
    assert answer.status_code == 400
    assert "state" in answer.json()


def test_people_are_offered_by_their_beginnings(client):
    for username, name in (("ada", "Ada Lovelace"), ("adam", ""), ("bob", "Bob Adams"), ("eve", "Eve")):
        Person.objects.create(username=username, display_name=name)
    found = [person["username"] for person in client.get("/search/people/?q=ADA").json()["people"]]
    assert found == ["ada", "adam", "bob"]
    assert client.get("/search/people/?q=%25").json() == {"people": []}
    assert client.get("/search/people/?q=%00").json() == {"people": []}
    Person.objects.bulk_create(Person(username=f"zed{n}") for n in range(50))
    assert len(client.get("/search/people/?q=zed").json()["people"]) == 10


@pytest.mark.parametrize("most", [1, 100])  # more fit than are counted, or all that fit are known
@pytest.mark.parametrize("sign", ["", "-"])
def test_what_is_found_by_words_keeps_its_order(client, line, monkeypatch, sign, most):
    monkeypatch.setattr("core.pagination.BoundedPaginator.limit", most)
    rows = client.get(f"/search/?q=ada&sort={sign}title").context["page"].object_list
    expected = ["Answer needed", "Fix mysql", "New charm", "Old <b>thing</b>"][:: -1 if sign else 1]
    assert [row["title"] for row in rows] == expected[:most]


@pytest.mark.postgres
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has these indexes")
def test_words_are_found_by_their_indexes(line):
    with connection.cursor() as cursor:  # a table of four rows is read whole as long as that is allowed
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    plan = ReviewFilter(QueryDict("q=mysql"), queryset=Review.objects.all()).results().order_by().explain()
    assert {"review_title_words", "review_url_words", "review_owner"} <= set(re.findall(r"\w+", plan)), plan


@pytest.mark.postgres
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL bounds the time of a query")
@pytest.mark.parametrize("wanted", ["", "&format=csv", "&format=atom"])
def test_a_search_that_takes_too_long_is_given_up_in_words(client, line, monkeypatch, wanted):
    monkeypatch.setattr("core.db.QUERY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(
        "reviews.search.ReviewFilter.by_text",
        lambda self, reviews, name, value: reviews.extra(where=["pg_sleep(30) IS NOT NULL"]),
    )
    answer = client.get(f"/search/?q=slow{wanted}")
    assert answer.status_code == (503 if wanted else 200)
    assert b"takes too long" in answer.content
    assert Review.objects.count() == 4
