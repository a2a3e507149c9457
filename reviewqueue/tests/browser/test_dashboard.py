"""The dashboard in a real browser."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

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


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_dashboard_is_accessible(window, look, make_review, accessible):
    for state in ("new", "pending", "follow-up", "ready"):
        for square in ("white", "green", "red", "black"):
            make_review(f"Item {state} {square}", state=state, square=square, positive_votes=1, negative_votes=2)
    page = window(color_scheme=look)
    page.goto("/")
    accessible(page)
