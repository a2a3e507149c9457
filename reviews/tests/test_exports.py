"""What a search found as CSV, JSON and Atom."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import pytest
from django.utils import timezone

from reviews.models import Review, Source, State
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db
ATOM = {"a": "http://www.w3.org/2005/Atom"}


@pytest.fixture
def items():
    make_person("ada", "Ada Lovelace")
    make_review("Fix mysql", source=Source.objects.get(name="charmers"))
    make_review("New charm", kind="new", state=State.NEW, owner="bob")
    make_review("Old <b>thing</b>", state=State.MERGED)
    make_review("Answer needed", state=State.REVIEWED)


def test_csv_holds_the_same_search(client, items):
    answer = client.get("/search/?format=csv&state=pending")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Disposition"] == 'attachment; filename="reviews.csv"'
    assert answer.streaming
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    assert [(row["title"], row["owner"], row["next_actor"], row["source"]) for row in rows] == [
        ("Fix mysql", "ada", "reviewer", "charmers")
    ]


def test_csv_begins_with_a_byte_order_mark(client, items):
    assert b"".join(client.get("/search/?format=csv")).startswith(b"\xef\xbb\xbfid,")


def test_csv_links_to_the_queue(client, settings):
    settings.BASE_URL = "https://queue.example.com"
    review = make_review("Fix mysql")
    row = next(csv.DictReader(io.StringIO(b"".join(client.get("/search/?format=csv")).decode("utf-8-sig"))))
    assert row["link"] == f"https://queue.example.com/reviews/{review.pk}/"


@pytest.mark.parametrize(
    "title",
    ["=HYPERLINK(1)", "+1", "-1+1|cmd", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", '=1","x\n=2'],
)
def test_csv_is_no_formula(client, title):
    make_review(title)
    row = next(csv.DictReader(io.StringIO(b"".join(client.get("/search/?format=csv")).decode("utf-8-sig"), newline="")))
    assert row["title"] == "'" + title


def test_json_has_the_fields_of_the_api(client, items):
    answer = client.get("/search/?format=json&kind=new")
    assert answer["Content-Type"] == "application/json"
    found = answer.streaming_content
    found = json.loads(b"".join(found))
    assert found["complete"] is True
    assert found["results"] == client.get("/api/reviews/?kind=new").json()["results"]


def test_json_says_when_it_is_cut(client, items, monkeypatch):
    monkeypatch.setattr("reviews.exports.MAX_JSON_OBJECTS", 2)
    found = json.loads(b"".join(client.get("/search/?format=json")))
    assert (len(found["results"]), found["complete"]) == (2, False)
    empty = json.loads(b"".join(client.get("/search/?format=json&q=zzz")))
    assert empty == {"results": [], "complete": True}


def test_atom_is_valid_and_its_ids_stay_while_the_state_does(client, items, settings):
    settings.BASE_URL = "https://queue.example.com"
    make_review("\x0b<script> & \ufffe", days=0)
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
def test_an_export_with_parameters_that_are_not_valid_is_refused_by_field(client, items, wanted):
    answer = client.get(f"/search/?format={wanted}&state=mended")
    assert answer.status_code == 400
    assert "state" in answer.json()


def entry_id(client):
    return ElementTree.fromstring(client.get("/search/?format=atom").content).find("a:entry/a:id", ATOM).text


def test_an_entry_of_the_feed_is_a_new_one_when_the_state_changes(client):
    review = make_review("Fix mysql")
    before = entry_id(client)
    Review.objects.filter(pk=review.pk).update(state=State.READY)
    assert entry_id(client) != before


@pytest.mark.parametrize(
    ("query", "title"),
    [("", "Review Queue"), ("state=new&locked_by=ada&q=", "Review Queue: state new, locked by ada")],
)
def test_the_title_of_a_feed_says_the_search(client, query, title):
    feed = ElementTree.fromstring(client.get(f"/search/?{query}&format=atom").content)
    assert feed.find("a:title", ATOM).text == title
