"""What was said on an item is read in Launchpad's order, and known to be whole or not."""

import json

import pytest

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.comments import is_said, read_comments

LIST = "bugs/1/messages"


@pytest.fixture
def say(launchpad):
    """Put messages on a bug, and read them."""

    def put(*messages):
        launchpad.collection(LIST, list(messages))
        return read_comments(get_launchpad(), launchpad.root + LIST, is_bug=True)

    return put


def test_comments_keep_launchpads_order_whatever_they_are_dated(launchpad, say):
    later = {**launchpad.message(1, 2, "bob", "an answer"), "date_created": "2020-01-01T00:00:00+00:00"}
    read = say(launchpad.message(1, 0, "bob", "please"), launchpad.message(1, 1, "rev", "why?"), later)
    assert [(comment.number, comment.position) for comment in read.comments] == [(0, 0), (1, 1), (2, 2)]
    assert [comment.is_description for comment in read.comments] == [True, False, False]
    assert read.complete


def test_a_hidden_comment_is_left_out_and_the_list_is_whole(launchpad, say):
    read = say(launchpad.message(1, 0, "bob", "please"), {**launchpad.message(1, 1, "rev", "spam"), "visible": False})
    assert [comment.number for comment in read.comments] == [0]
    assert read.complete


@pytest.mark.parametrize("broken", [None, "text", {}, {"content": "x"}, {"date_created": "never"}])
def test_a_comment_that_cannot_be_understood_leaves_the_list_not_whole(launchpad, say, broken):
    read = say(launchpad.message(1, 0, "bob", "please"), broken, launchpad.message(1, 2, "rev", "+1"))
    assert [comment.number for comment in read.comments] == [0, 2]
    assert not read.complete


def test_a_list_that_shows_fewer_than_its_total_is_not_whole(launchpad):
    page = {"entries": [launchpad.message(1, 0, "bob", "please")], "total_size": 3}
    launchpad.answers["/devel/" + LIST] = (200, {}, json.dumps(page).encode())
    read = read_comments(get_launchpad(), launchpad.root + LIST, is_bug=True)
    assert (len(read.comments), read.complete) == (1, False)


def test_without_a_list_nothing_is_asked_and_nothing_is_whole(launchpad):
    assert not read_comments(get_launchpad(), "", is_bug=False).complete
    assert not launchpad.asked


def test_what_was_said_is_found_though_it_is_hidden_or_odd(launchpad, say):
    say(None, {"content": None}, {"content": "-- marker 7", "visible": False})
    assert is_said(get_launchpad(), launchpad.root + LIST, "marker 7")
    assert not is_said(get_launchpad(), launchpad.root + LIST, "marker 8")
