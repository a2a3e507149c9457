"""The keyboard, several rows at once, and *Next for me* in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def items(make_review):
    """Three items, the longest waiting first."""
    return [make_review(title, days=days) for title, days in (("first", 9), ("second", 5), ("third", 2))]


@pytest.fixture
def reviews_page(page, queue, reviewer, items):
    """The group *Reviews*, with the first row chosen."""
    queue.log_in(page, reviewer)
    page.goto("/?group=reviews")
    page.keyboard.press("j")
    return page


def press(page, *keys):
    """Once the page's script is there: it shows the button that explains the keys."""
    expect(page.get_by_role("button", name="Keyboard: ?")).to_be_visible()
    for key in keys:
        page.keyboard.press(key)


def holder(review):
    review.refresh_from_db()
    return review.locked_by


def test_l_locks_and_releases_the_chosen_row_in_place(reviews_page, queue, reviewer, items):
    page, row = reviews_page, reviews_page.locator(f"#r{items[0].pk}")
    press(page, "l")
    expect(row.get_by_role("button", name="Release")).to_be_visible()
    assert holder(items[0]) == reviewer.person
    expect(page).to_have_url(f"{queue.url}/?group=reviews")
    press(page, "l")
    expect(row.get_by_role("button", name="Lock")).to_be_visible()
    assert holder(items[0]) is None


def test_the_chosen_row_is_remembered_after_going_back(reviews_page, items):
    page = reviews_page
    press(page, "j", "Enter")
    expect(page.get_by_role("heading", name="second", level=1)).to_be_visible()
    page.go_back()
    expect(page.locator("tr.chosen")).to_have_id(f"r{items[1].pk}")
    press(page, "j")
    expect(page.locator("tr.chosen")).to_have_id(f"r{items[2].pk}")


def test_u_leads_up_to_the_list_with_its_filters_and_row(reviews_page, queue, items):
    page = reviews_page
    press(page, "Enter")
    expect(page.get_by_role("heading", name="first", level=1)).to_be_visible()
    press(page, "u")
    expect(page).to_have_url(f"{queue.url}/?group=reviews")
    expect(page.locator("tr.chosen")).to_have_id(f"r{items[0].pk}")


def test_g_and_a_letter_lead_to_a_group_from_the_list_and_from_an_item(reviews_page, items):
    page = reviews_page
    press(page, "g", "i")
    expect(page.locator(".tabs [aria-current]")).to_contain_text("Incoming")
    page.goto(f"/reviews/{items[0].pk}/")
    press(page, "g", "m")
    expect(page.locator(".tabs [aria-current]")).to_contain_text("My turn")


def test_x_selects_rows_and_the_bar_acts_on_them_in_place(reviews_page, queue, reviewer, items):
    page = reviews_page
    press(page, "x", "j", "x")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("group", name="Selected items").get_by_role("button", name="Lock").click()
    expect(page.get_by_text("Locked 2 items.")).to_be_visible()
    expect(page).to_have_url(f"{queue.url}/?group=reviews")
    assert [holder(item) for item in items] == [reviewer.person, reviewer.person, None]
    expect(page.get_by_text("2 selected")).to_be_visible()


def test_the_heading_selects_all_rows_and_clear_none(reviews_page):
    page = reviews_page
    page.get_by_label("Select all rows below").check()
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("group", name="Selected items")).to_be_hidden()


def test_without_script_the_bar_acts_on_what_is_ticked(page_without_script, queue, reviewer, items):
    page = page_without_script
    queue.log_in(page, reviewer)
    page.goto("/?group=reviews")
    page.get_by_label("Select: second").check()
    page.get_by_role("group", name="Selected items").get_by_role("button", name="Lock").click()
    expect(page.get_by_text("Locked 1 item.")).to_be_visible()
    assert [holder(item) for item in items] == [None, reviewer.person, None]


def test_shift_n_opens_the_next_item_locked_and_says_why(reviews_page, reviewer, items):
    page = reviews_page
    press(page, "N")
    expect(page.get_by_role("heading", name="first", level=1)).to_be_visible()
    expect(page.get_by_text("Taken for you as your next item")).to_be_visible()
    assert holder(items[0]) == reviewer.person
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("heading", name="second", level=1)).to_be_visible()
    assert holder(items[0]) is None


def test_keys_can_be_turned_off_and_on_again(reviews_page, items):
    page = reviews_page
    press(page, "?")
    page.get_by_label("Use these keys").uncheck()
    press(page, "Escape", "j")
    expect(page.locator("tr.chosen")).to_have_id(f"r{items[0].pk}")
    page.get_by_role("button", name="Keyboard").click()
    page.get_by_label("Use these keys").check()
    press(page, "Escape", "j")
    expect(page.locator("tr.chosen")).to_have_id(f"r{items[1].pk}")


def test_the_dialog_groups_the_keys_and_is_accessible(reviews_page, accessible):
    page = reviews_page
    press(page, "x", "?")
    for name in ("Everywhere", "In a list", "On an item", "Go to a group"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    accessible(page)


def test_a_letter_that_is_typed_into_a_field_is_only_a_letter(reviews_page, items):
    page = reviews_page
    page.locator("#q").focus()
    page.keyboard.type("l")
    assert holder(items[0]) is None
    expect(page).to_have_url(re.compile("q=l"))
