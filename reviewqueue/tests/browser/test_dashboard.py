"""The dashboard in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HEIGHT = 800  # pixels of a small laptop
HOSTILE = [
    "<script>alert(1)</script>", "\u202egnp.exe \u2067\u2066", "x" * 10_000, "\U0001f469\u200d\U0001f467" * 300, "<b>",
    "Ze\u0301" * 400, "a b " * 2500,
]  # fmt: skip


def test_a_phone_shows_hostile_titles_as_text_without_scrolling_sideways(phone, make_review, overflow):
    for title in HOSTILE:
        make_review(title)
    phone.goto("/")
    assert overflow(phone) == 0
    expect(phone.get_by_text("<script>alert(1)</script>")).to_be_visible()


def test_a_phone_shows_the_reason_of_the_turn(phone, make_review):
    make_review("mysql")
    phone.goto("/")
    expect(phone.locator("tr", has_text="mysql").get_by_text("no review yet")).to_be_visible()


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_dashboard_is_accessible(window, look, make_review, accessible):
    for state in ("new", "pending", "follow-up", "ready"):
        for square in ("white", "green", "red", "black"):
            make_review(f"Item {state} {square}", state=state, square=square, positive_votes=1, negative_votes=2)
    page = window(color_scheme=look)
    page.goto("/")
    accessible(page)


def test_the_keyboard_moves_opens_and_shows_its_keys(page, make_review):
    oldest = make_review("The oldest", days=9)
    make_review("A younger one", days=2)
    page.goto("/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("tr.chosen")).to_contain_text("The oldest")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next item")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{page.url.split('/reviews')[0].rstrip('/')}/reviews/{oldest.pk}/")


def test_the_dashboard_refreshes_without_losing_the_typed_filter(page, make_review):
    review = make_review("Keep me", days=9)
    make_review("Hide me", days=2)
    page.goto("/")
    page.fill("#q", "keep")
    expect(page.get_by_text("Hide me")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"q=keep"))
    expect(page.get_by_role("heading", name="Reviews (1)")).to_be_visible()
    type(review).objects.filter(pk=review.pk).update(square="green")
    page.evaluate("document.querySelector('[data-list]').dispatchEvent(new Event('refresh'))")
    expect(page.locator(f"#r{review.pk} .square-green")).to_be_visible()
    expect(page.get_by_text("Hide me")).to_have_count(0)
    expect(page.locator("#q")).to_be_focused()


def test_without_script_the_line_is_filtered_and_sorted(page_without_script, make_review):
    make_review("Charm one"), make_review("Charm two")
    page = page_without_script
    page.goto("/")
    page.fill("#q", "two")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_text("Reviews (1)")).to_be_visible()
    page.get_by_role("link", name="Title", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Title")


def test_a_click_in_the_row_locks_and_stays(page, queue, reviewer, make_review):
    review = make_review("mysql", days=2)
    queue.log_in(page, reviewer)
    page.goto("/?group=reviews")
    page.locator(f"#r{review.pk}").get_by_role("button", name="Lock").click()
    expect(page.locator(f"#r{review.pk}").get_by_role("button", name="Release")).to_be_visible()
    expect(page).to_have_url(f"{queue.url}/?group=reviews")
    review.refresh_from_db()
    assert review.locked_by == reviewer.person


def test_a_tick_applies_at_once(page, make_review):
    make_review("Ready", state="ready")
    make_review("Pending")
    page.goto("/")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("READY").check()
    expect(page.get_by_text("Pending", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="state: READY")).to_be_visible()
    page.get_by_role("link", name="state: READY").click()
    expect(page.get_by_role("link", name="Pending", exact=True)).to_be_visible()


def test_twenty_rows_of_one_line_fit_a_screen(window, queue, reviewer, make_review, settings):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"  # so no notice
    for number in range(30):
        make_review(
            f"{number} {'a long title ' * 9}", positive_votes=12, target="lp:~charmers/charms/trusty/mysql/trunk"
        )
    page = window(viewport={"width": 1280, "height": HEIGHT})
    queue.log_in(page, reviewer)
    page.goto("/?group=reviews")
    bottoms = page.eval_on_selector_all("tbody tr", "rows => rows.map(row => row.getBoundingClientRect())")
    assert all(row["height"] <= 33 for row in bottoms)
    assert sum(row["bottom"] <= HEIGHT for row in bottoms) >= 20
