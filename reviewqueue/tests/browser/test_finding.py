"""Search, people, stats and about in a real browser."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import Person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_a_phone(window, look, make_review, accessible, overflow):
    for square in ("white", "green", "red", "black"):
        make_review(f"Item {square}", square=square, positive_votes=1)
    page = window(color_scheme=look, viewport={"width": 390, "height": 800})
    for path in ("/search/?q=item&from=nonsense", "/people/bjorn/", "/stats/", "/about/"):
        page.goto(path)
        accessible(page)
        assert overflow(page) == 0, path


PLACES = """() => {
  const place = (element) => {
    const { x, y, height } = element.getBoundingClientRect();
    return { x: Math.round(x), y: Math.round(y), height: Math.round(height) };
  };
  const shown = (element) => element.checkVisibility();
  const all = (what) => [...document.querySelectorAll(`form.search ${what}`)].filter(shown).map(place);
  return {
    columns: [...new Set(all(".field :is(input, select)").map(({x}) => x))],
    heights: [...new Set(all(".field :is(input, select)").map(({height}) => height))],
    lines: [...new Set(all(".field > label").map(({y}) => y))].length,
    rows: [...new Set(all(".field :is(input, select)").map(({y}) => y))].length,
    others: [...new Set([...all("[type=checkbox]"), ...all(".primary"), ...all("legend")].map(({x}) => x))],
  };
}"""


@pytest.mark.parametrize(("width", "columns", "rows"), [(1280, 6, 3), (360, 2, 8)], ids=["desktop", "phone"])
def test_fields_states_and_buttons_of_the_search_stand_on_one_grid(window, width, columns, rows):
    page = window(viewport={"width": width, "height": 900})
    page.goto("/search/?from=nonsense")
    places = page.evaluate(PLACES)
    assert len(places["columns"]) == columns
    assert set(places["others"]) <= set(places["columns"])
    assert len(places["heights"]) == 1
    assert (places["lines"], places["rows"]) == (rows, rows)


def test_a_search_is_taken_along_as_csv(page, make_review):
    make_review("=cmd()"), make_review("Apache"), make_review("Squid", state="ready")
    page.goto("/search/")
    page.get_by_label("PENDING").check()
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="2 reviews")).to_be_visible()
    assert page.url.split("?")[1] == "state=pending#results"
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    titles = [row["title"] for row in csv.DictReader(text.splitlines())]
    assert sorted(titles) == ["'=cmd()", "Apache"]


def test_people_are_offered_while_one_types(page, make_review):
    make_review("Apache")
    Person.objects.create(username="bjarne", display_name="Bjarne", is_reviewer=True)
    page.goto("/search/")
    page.get_by_label("Submitter").press_sequentially("bj")
    expect(page.locator("#people option")).to_have_count(2)


def test_a_visitor_is_offered_nothing_that_would_be_refused(page, make_review):
    review = make_review("Apache")
    for path in ("/", f"/reviews/{review.pk}/", "/search/", "/people/bjorn/", "/stats/", "/about/"):
        page.goto(path)
        assert page.locator("main form[method=post]").count() == 0, path
        assert page.locator("a[href^='/admin']").count() == 0, path


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_api_documentation_is_dark_for_a_dark_reader_and_leads_back(window, script):
    page = window(java_script_enabled=script, color_scheme="dark")
    page.goto("/api/docs/")
    header = page.get_by_role("banner")
    expect(header).to_have_css("background-color", "rgb(27, 31, 36)")
    expect(page.locator("html")).to_have_css("background-color", "rgb(28, 32, 34)" if script else "rgb(20, 23, 27)")
    header.get_by_role("link", name="Back to the queue").click()
    expect(page).to_have_title("Review Queue")


def test_what_one_ticks_in_the_search_is_found_at_once(page, make_review):
    make_review("Ready", state="ready")
    make_review("Pending")
    page.goto("/search/")
    page.get_by_label("READY").check()
    expect(page.get_by_role("heading", name="1 review")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?state=ready$"))
    page.locator("[name=from]").fill("2026-10-02")
    page.locator("[name=to]").fill("2026-10-01")
    expect(page.get_by_role("alert")).to_contain_text("To: This day is before “From”.")
    page.locator("[name=from]").fill("")
    page.locator("[name=to]").fill("")
    expect(page.get_by_role("status")).to_have_text("1 review")
    page.get_by_role("link", name="state: READY").click()
    expect(page.get_by_role("heading", name="2 reviews")).to_be_visible()
