"""The verdict in words, and the marks of substrates: row, page and API say the same."""

import pytest
from django.utils.html import strip_tags

from reviews.models import Review
from reviews.tables import mark_cells, square_cell
from reviews.tests.factories import make_review
from reviews.texts import verdict_words

PASSED, FAILED, BROKEN = ("lxc", "pass", True), ("aws", "fail", True), ("azure", "error", True)


@pytest.mark.parametrize(
    ("verdict", "marks", "words"),
    [
        ("", (PASSED, ("aws", "running", True)), ""),
        ("pass", (PASSED,), "Tests passed on lxc."),
        ("fail", (PASSED, FAILED), "Tests failed on aws; lxc passed."),
        ("error", (PASSED, BROKEN), "Tests could not be run to an end on azure; lxc passed."),
        ("pass", (PASSED, ("aws", "fail", False)), "Tests passed on lxc."),
    ],
)
def test_the_verdict_in_a_sentence(verdict, marks, words):
    assert verdict_words(verdict, marks) == words


@pytest.mark.parametrize(
    ("square", "verdict", "marks", "words"),
    [
        ("white", "", (), "not tested"),
        ("black", "", (("lxc", "running", True),), "running"),
        ("green", "pass", (PASSED,), "passed"),
        ("green", "fail", (PASSED, FAILED), "failed"),
        ("green", "", (PASSED, ("aws", "running", True)), "running"),
        ("red", "error", (BROKEN,), "error"),
    ],
)
def test_the_square_has_the_word_of_the_verdict(square, verdict, marks, words):
    assert strip_tags(square_cell(square, verdict, marks)).endswith(words)


def test_a_substrate_has_a_mark_and_a_word():
    assert mark_cells((FAILED,)).count("aws") == 1
    assert "failed" in mark_cells((FAILED,))


def test_a_substrate_that_does_not_count_says_so():
    assert "does not count" in mark_cells((("aws", "fail", False),))


def test_of_many_substrates_the_rest_is_counted():
    assert "+6" in mark_cells(tuple((f"m{number}", "pass", True) for number in range(9)))


def test_what_failed_is_marked_first():
    words = strip_tags(mark_cells((PASSED, ("joyent", "running", True), BROKEN, FAILED)))
    assert [name for name in words.split() if name in ("lxc", "joyent", "azure", "aws")] == ["aws", "azure", "joyent"]
    assert "+1" in words


def test_the_name_of_a_substrate_is_escaped():
    assert "<b>" not in mark_cells((("<b>", "pass", True),))


@pytest.fixture
def failed_in_part(db):
    review = make_review("Fix mysql")
    marks = [list(PASSED), list(FAILED)]
    Review.objects.filter(pk=review.pk).update(square="green", verdict="fail", marks=marks)
    return review


@pytest.mark.parametrize("page", ["/", "/search/"])
def test_a_row_never_says_passed_where_a_counted_run_failed(client, failed_in_part, page):
    text = client.get(page).content.decode()
    cell = text.partition('class="square square-green"')[2].partition("</a>")[0]
    assert "failed" in cell
    assert "passed" not in cell


def test_the_page_says_the_verdict(client, failed_in_part):
    assert "Tests failed on aws; lxc passed." in client.get(failed_in_part.get_absolute_url()).content.decode()


def test_the_api_says_the_verdict(client, failed_in_part):
    found = client.get(f"/api/reviews/{failed_in_part.pk}/").json()
    assert (found["square"], found["verdict"], found["verdict_text"]) == (
        "green", "fail", "Tests failed on aws; lxc passed.",
    )  # fmt: skip


def test_the_api_says_the_mark_of_each_substrate(client, failed_in_part):
    assert client.get(f"/api/reviews/{failed_in_part.pk}/").json()["marks"] == [
        {"substrate": "lxc", "status": "pass", "counts": True},
        {"substrate": "aws", "status": "fail", "counts": True},
    ]
