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
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [(row["title"], row["owner"], row["next_actor"], row["source"]) for row in rows] == [
        ("Fix mysql", "ada", "reviewer", "charmers")
    ]


@pytest.mark.parametrize(
    "title",
    ["=HYPERLINK(1)", "+1", "-1+1|cmd", "@SUM(A1)", "\t=1", " =1", "\r=1", "＝1", '=1","x\n=2'],
)
def test_csv_is_no_formula(client, title):
    make_review(title)
    row = next(csv.DictReader(io.StringIO(b"".join(client.get("/search/?format=csv")).decode(), newline="")))
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


def test_atom_is_valid_and_its_ids_are_stable(client, items, settings):
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
