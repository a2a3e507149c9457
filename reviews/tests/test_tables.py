"""Rows and headings of the tables of reviews."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from accounts.models import HIDDEN_USERNAME
from reviews.models import Source
from reviews.tables import MAX_NAME, MAX_TITLE, column_headers, page_link
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db


def get_row(client):
    return client.get("/search/").context["page"].object_list[0]


def test_a_long_title_is_shortened(client):
    make_review("x" * 10_000)
    assert get_row(client)["title"] == "x" * (MAX_TITLE - 1) + "…"


def test_a_long_name_is_shortened(client):
    make_person("ada", "y" * 255)
    make_review()
    assert f"<bdi>{'y' * (MAX_NAME - 1)}…</bdi>" in get_row(client)["submitter"]


def test_who_has_no_shown_name_stands_by_username(client):
    make_review(owner="ada")
    assert get_row(client)["submitter"] == '<a class="who" href="/people/ada/"><bdi>ada</bdi></a>'


def test_an_empty_title_is_said(client):
    review = make_review()
    type(review).objects.update(title="")
    assert get_row(client)["title"] == "(no title)"


def test_a_row_says_why_it_is_whose_turn(client):
    make_review()
    assert '<td class="c-why" title="no review yet">no review yet</td>' in get_row(client)["html"]


def test_the_square_is_a_symbol_and_words(client):
    make_review(square="green")
    assert get_row(client)["tests"] == '<i aria-hidden="true">✓</i> <span class="word">passed</span>'


@pytest.mark.parametrize(
    ("sort", "href", "direction"),
    [
        ("title", "?sort=-title", "ascending"),
        ("-title", "?sort=title", "descending"),
        ("age", "?sort=title", ""),
    ],
)
def test_a_heading_sorts_and_once_more_the_other_way_round(sort, href, direction):
    header = next(header for header in column_headers(QueryDict(f"sort={sort}"), sort) if header["column"] == "title")
    assert (header["href"], header["direction"]) == (href, direction)


def test_a_heading_keeps_the_filter_and_begins_at_page_one():
    headers = column_headers(QueryDict("q=a&state=new&state=ready&page=3&incoming=2&reviews=4"), "age")
    assert headers[2]["href"] == "?q=a&state=new&state=ready&sort=title"


def test_a_link_to_another_page_keeps_all_but_the_page():
    assert page_link(QueryDict("q=a&page=2"), "page") == "?q=a&"
    assert page_link(QueryDict("")) == "?"


def test_what_is_not_in_the_queue_is_found_and_marked(client):
    source = Source.objects.get(name="charmers")
    make_review(source=source)
    Source.objects.update(active=False)
    assert get_row(client)["notes"] == '<span class="note">not in the queue: its source is switched off</span>'


def test_what_launchpad_does_not_show_is_marked(client):
    make_review(missing_since=timezone.now())
    assert get_row(client)["notes"] == '<span class="note">not shown by Launchpad at present</span>'
    assert b"not shown by Launchpad at present" in client.get("/").content


def test_whom_launchpad_hides_has_no_link(client):
    make_review(owner=make_person(HIDDEN_USERNAME, "hidden by Launchpad"))
    assert get_row(client)["submitter"] == '<span class="soft">hidden by Launchpad</span>'
    assert b"/people/%28hidden" not in client.get("/search/").content


def test_conflicts_stand_in_the_row(client):
    make_review(conflicts=True, conflicts_since=datetime(2026, 11, 2, 9, tzinfo=UTC))
    note = '<span class="note" title="conflicts with its target since 2026-11-02">conflicts</span>'
    assert get_row(client)["notes"] == note


def test_lines_stand_in_the_row(client):
    make_review(lines_added=12, lines_removed=3)
    assert '<span class="plus">+12</span> <span class="minus">−3</span>' in get_row(client)["html"]


def test_a_bug_stands_with_its_number(client):
    make_review(kind="new", number=1480457)
    assert '<span class="into">bug 1480457</span>' in get_row(client)["html"]


def test_the_wait_is_since_the_turn_changed_and_the_rest_on_hover(client):
    make_review(turn_since=timezone.now() - timedelta(days=3), days=9)
    html = get_row(client)["html"]
    assert ">3 days</time>" in html
    assert "; submitted " in html
    assert "; last activity " in html


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"target": "lp:~a/b/<c>", "lines_added": 12, "lines_removed": 3}, "<bdi>b/&lt;c&gt;</bdi>"),
        ({"target": "~a/b/+git/c:main"}, "<bdi>b/+git/c:main</bdi>"),
        ({"target": "x" * 200}, f"<bdi>{'x' * 79}…</bdi>"),
    ],
)
def test_a_row_says_what_is_merged_into_what(client, fields, shown):
    make_review(**fields)
    assert f"{shown}</span>" in get_row(client)["html"]


@pytest.mark.parametrize("fields", [{}, {"kind": "new", "target": "charms"}])
def test_a_row_without_a_target_of_its_own_names_none(client, fields):
    make_review(**fields)
    assert "into" not in get_row(client)["html"]
