"""Writing a review from the page, in a real browser: drafts are kept, two tabs lose nothing, outcomes are told."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations.models import OwnPost
from integrations.tests.own_posts import connect, send_off
from reviews.models import Diff
from reviews.tests.test_diff_page import URL, make_diff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DIFF = "--- a/config.yaml\n+++ b/config.yaml\n@@ -1,2 +1,2 @@\n options:\n-  port: 80\n+  port: 8080\n"


@pytest.fixture
def review(queue, page, reviewer, make_review):
    connect(reviewer)
    queue.log_in(page, reviewer)
    return make_review("TLS for mysql", launchpad_status="Needs review")


def field(page):
    return page.get_by_label("Your comment")


def write(page, text):
    field(page).fill(text)
    expect(page.get_by_text("Draft kept")).to_be_visible()


def test_what_is_typed_is_there_again_after_the_tab_was_closed(page, review):
    page.goto(f"/reviews/{review.pk}/")
    write(page, "Does this work with IPv6?")
    page.close()
    again = page.context.new_page()
    again.goto(f"/reviews/{review.pk}/")
    expect(field(again)).to_have_value("Does this work with IPv6?")


def test_what_two_tabs_wrote_is_both_kept(page, review):
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"/reviews/{review.pk}/")
    write(page, "From the first tab")
    write(other, "From the second tab")
    expect(other.get_by_text("What you wrote in another tab")).to_be_visible()
    expect(other.get_by_text("From the first tab")).to_be_visible()


def test_what_launchpad_refused_comes_back_with_its_words(page, review, reviewer):
    post = send_off(reviewer, review, text="LGTM", vote="Approve", due_at=timezone.now())
    page.goto(f"/reviews/{review.pk}/")
    expect(page.get_by_text("Being posted")).to_be_visible()
    OwnPost.objects.filter(pk=post.pk).update(state=OwnPost.State.DRAFT, error="Not posted. Launchpad says no.")
    expect(page.get_by_text("Not posted. Launchpad says no.")).to_be_visible()
    expect(field(page)).to_have_value("LGTM")


def test_a_comment_on_a_line_is_named_by_its_file_and_line(page, review):
    review.diff_marker = review.diff_url = URL.format(91)
    review.save()
    make_diff(review, DIFF)
    page.goto(f"/reviews/{review.pk}/diff/")
    page.get_by_role("link", name="2", exact=True).last.click()
    page.get_by_label("Your comment on this line").fill("Why 8080?")
    page.get_by_role("button", name="Keep in my draft").click()
    expect(page.get_by_text("Kept in your draft: 1 comment on lines so far.")).to_be_visible()
    assert Diff.objects.get().state == Diff.State.READY
    page.goto(f"/reviews/{review.pk}/")
    expect(page.get_by_text("config.yaml, line 2:")).to_be_visible()


def test_without_script_a_draft_is_kept_by_its_button(page_without_script, queue, review, reviewer):
    page = page_without_script
    queue.log_in(page, reviewer)
    page.goto(f"/reviews/{review.pk}/")
    field(page).fill("Does this work with IPv6?")
    page.get_by_role("button", name="Keep as a draft").click()
    expect(page.get_by_text("Your draft is kept.")).to_be_visible()
    expect(field(page)).to_have_value("Does this work with IPv6?")
    page.get_by_role("button", name="Throw the draft away").click()
    expect(field(page)).to_have_value("")


def test_with_the_keyboard_alone_one_comments(page, review):
    page.goto(f"/reviews/{review.pk}/")
    expect(page.get_by_role("button", name="Keyboard: ?")).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.type("LGTM")
    expect(page.get_by_text("Draft kept")).to_be_visible()
    for _ in range(2):  # past the status, to the buttons
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Comment only"
    assert OwnPost.objects.get().text == "LGTM"
