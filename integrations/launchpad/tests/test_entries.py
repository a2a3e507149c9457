"""Launchpad's entries become facts, or say what is wrong with them (docs/specification.md, section 3)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.launchpad.entries import (
    REDACTED,
    Branch,
    Bug,
    CollectionPage,
    Comment,
    GitRepository,
    ListedItem,
    PersonEntry,
    PreviewDiff,
    Proposal,
    Task,
    comment_facts,
    diff_facts,
    get_state,
    parse,
    parse_item,
    proposal_facts,
    task_facts,
)
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import HIDDEN_PERSON

ROOT = "https://api.launchpad.net/devel/"
PROPOSAL = {
    "self_link": f"{ROOT}~ann/thing/+git/thing/+merge/7",
    "web_link": "https://code.launchpad.net/~ann/thing/+git/thing/+merge/7",
    "queue_status": "Needs review",
    "registrant_link": f"{ROOT}~ann",
    "date_created": "2026-01-01T10:00:00.123456+00:00",
    "date_review_requested": "2026-01-02T12:00:00+02:00",
    "date_reviewed": None,
    "source_git_repository_link": f"{ROOT}~ann/thing/+git/thing",
    "source_git_path": "refs/heads/fix",
    "preview_diff_link": f"{ROOT}~ann/thing/+git/thing/+merge/7/+preview-diff/91",
    "all_comments_collection_link": f"{ROOT}~ann/thing/+git/thing/+merge/7/all_comments",
    "private": False,
    "a_field_of_tomorrow": {"any": "thing"},
}
TASK = {
    "self_link": f"{ROOT}charms/+bug/42",
    "web_link": "https://bugs.launchpad.net/charms/+bug/42",
    "bug_link": f"{ROOT}bugs/42",
    "status": "New",
    "owner_link": f"{ROOT}~bob",
    "date_created": "2026-01-01T10:00:00+00:00",
    "date_left_new": None,
    "title": "Bug #42 in charms",
}
BUG = {
    "self_link": f"{ROOT}bugs/42",
    "title": "New charm",
    "tags": ["charm", 7, None],
    "date_last_updated": "2026-01-03T10:00:00+00:00",
    "messages_collection_link": f"{ROOT}bugs/42/messages",
    "private": False,
}
COMMENT = {
    "self_link": f"{ROOT}~ann/thing/+git/thing/+merge/7/comments/21",
    "author_link": f"{ROOT}~rev",
    "content": "LGTM",
    "vote": "Approve",
    "vote_tag": "code",
    "date_created": "2026-01-04T10:00:00+00:00",
}


def proposal(private=False, **more):
    return proposal_facts(
        parse(Proposal, PROPOSAL | more), revision="tip", test_url="lp:x", series=None, private=private
    )


def task(bug=None, private=False, excluded_tags=(), show_original=True, **more):
    return task_facts(
        parse(Task, TASK | more), parse(Bug, BUG | (bug or {})), revision="tip", test_url="lp:x",
        excluded_tags=excluded_tags, private=private, show_original=show_original,
    )  # fmt: skip


def comment(position=3, is_bug=False, **more):
    return comment_facts(parse(Comment, COMMENT | more), position=position, is_bug=is_bug)


def test_a_proposals_facts():
    facts = proposal()
    assert (facts.number, facts.kind, facts.state, facts.title) == (7, "update", "pending", "~ann/thing/+git/thing fix")
    assert (facts.owner.username, facts.branch) == ("ann", "refs/heads/fix")
    assert facts.created_at == datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)
    assert facts.updated_at == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert facts.diff_marker.endswith("/91")


@pytest.mark.parametrize(
    ("message", "description", "title"),
    [
        ("Fix it\n\nBecause.", "Why", "Fix it"),
        ("\n \r\n  Fix it  \nMore", None, "Fix it"),
        (None, "Why\nMore", "Why"),
        ("  \n", "", "~ann/thing/+git/thing fix"),
        (7, ["x"], "~ann/thing/+git/thing fix"),
        ("x" * 5000, "", "x" * 1000),
    ],
)
def test_a_proposals_title_is_the_first_line_of_what_it_says_else_its_branch(message, description, title):
    assert proposal(commit_message=message, description=description).title == title


DIFF = {
    "conflicts": "CONFLICT (content): Merge conflict in hooks/install\n",
    "stale": False,
    "added_lines_count": 12,
    "removed_lines_count": 3,
    "source_revision_id": "4f2a",
    "target_revision_id": "9b1e",
    "date_created": "2026-11-02T09:00:00+00:00",
}


def test_a_diffs_facts():
    facts = diff_facts(parse(PreviewDiff, DIFF), "here", "4f2a")
    assert (facts.url, facts.conflicts, facts.conflicts_text) == (
        "here", True, "CONFLICT (content): Merge conflict in hooks/install",
    )  # fmt: skip
    assert (facts.lines_added, facts.lines_removed, facts.target_revision) == (12, 3, "9b1e")
    assert facts.made_at == datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(("says", "conflicts"), [(None, False), ("", False), (" \n", False), ("x", True), ({}, None)])
def test_a_diff_has_conflicts_when_it_lists_some(says, conflicts):
    assert diff_facts(parse(PreviewDiff, DIFF | {"conflicts": says}), "", "4f2a").conflicts is conflicts


@pytest.mark.parametrize("value", [-1, "3", None, True, 2**40, 1.5])
def test_lines_of_a_diff_that_are_no_number_are_not_known(value):
    diff = parse(PreviewDiff, DIFF | {"added_lines_count": value, "date_created": "yesterday"})
    facts = diff_facts(diff, "", "4f2a")
    assert (facts.lines_added, facts.lines_removed, facts.made_at) == (None, 3, None)


def test_a_tasks_facts():
    facts = task(excluded_tags=["charm"])
    assert (facts.number, facts.bug_target, facts.kind, facts.state) == (42, "charms", "new", "new")
    assert (facts.title, facts.owner.username, facts.excluded) == ("New charm", "bob", True)
    assert facts.comments_url == f"{ROOT}bugs/42/messages"
    assert facts.updated_at == datetime(2026, 1, 3, 10, tzinfo=UTC)


def test_the_target_of_a_packages_task_is_the_package():
    assert task(self_link=f"{ROOT}ubuntu/+source/mysql/+bug/42").bug_target == "ubuntu/+source/mysql"


def test_a_comments_facts():
    facts = comment(date_last_edited="2026-01-05T10:00:00+00:00")
    assert (facts.number, facts.position, facts.author.username) == (21, 3, "rev")
    assert (facts.content, facts.vote, facts.vote_tag, facts.is_description) == ("LGTM", "Approve", "code", False)
    assert facts.edited_at == datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize("target", ["charms", "ubuntu", "charms/+source/mysql"])
def test_a_message_is_the_same_whatever_the_bugs_default_task_is(target):
    said = {"author_link": None, "owner_link": f"{ROOT}~bob"}
    facts = comment(self_link=f"{ROOT}{target}/+bug/42/comments/3", is_bug=True, **said)
    assert (facts.number, facts.author.username, facts.is_description) == (3, "bob", False)


def test_a_bugs_first_message_is_its_description_wherever_it_stands_in_the_list():
    link = f"{ROOT}charms/+bug/42/comments/"
    assert comment(position=0, self_link=link + "0", is_bug=True).is_description
    assert not comment(position=0, self_link=link + "1", is_bug=True).is_description
    assert not comment(position=0, self_link=link + "0", is_bug=False).is_description


@pytest.mark.parametrize(("says", "visible"), [(True, True), (None, True), (False, False), ("false", False)])
def test_a_comment_can_be_hidden(says, visible):
    assert parse(Comment, COMMENT | {"visible": says}).visible is visible


@pytest.mark.parametrize("says", [True, "true", 1, {}, "false"])
def test_what_may_be_private_is_private(says):
    assert proposal(private=False).private is False
    for facts in (
        proposal_facts(parse(Proposal, PROPOSAL | {"private": says}), revision="", test_url="", series=None),
        task(bug={"private": says}),
    ):
        assert facts.private is True
    assert parse(Branch, {"private": says}).private is True
    assert parse(GitRepository, {"private": says}).private is True
    assert parse(ListedItem, {"private": says}).private is True


def test_an_item_whose_branch_is_private_is_private():
    assert proposal(private=True).private
    assert task(private=True).private


@pytest.mark.parametrize("link", [REDACTED, None, "", 7, f"{ROOT}~", f"{ROOT}projects"])
def test_a_hidden_author_is_nobody_who_can_have_an_account(link):
    assert proposal(registrant_link=link).owner == task(owner_link=link).owner == HIDDEN_PERSON
    assert HIDDEN_PERSON.display_name == "hidden by Launchpad"
    assert not HIDDEN_PERSON.username[0].isalnum()  # a username on Launchpad begins so; one here has no such sign
    assert "(" in HIDDEN_PERSON.username


def test_a_duplicate_names_the_page_of_the_other_bug():
    assert task(bug={"duplicate_of_link": f"{ROOT}bugs/41"}).duplicate_of == "https://bugs.launchpad.net/bugs/41"
    assert task(bug={"duplicate_of_link": None}).duplicate_of == ""


def test_a_duplicate_of_a_hidden_bug_does_not_name_it():
    facts = task(bug={"duplicate_of_link": f"{ROOT}bugs/41"}, show_original=False)
    assert (facts.is_duplicate, facts.duplicate_of) == (True, "")


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59-10:00", "2999-01-01T00:00:00Z"])
def test_a_time_in_the_future_is_not_believed(when):
    now = timezone.now()
    assert proposal(date_reviewed=when, date_merged=when).updated_at == datetime(2026, 1, 2, 10, tzinfo=UTC)
    assert task(bug={"date_last_updated": when}).updated_at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert now <= proposal(date_created=when).created_at <= timezone.now()
    assert now <= comment(date_created=when).created_at <= timezone.now()
    assert parse(ListedItem, PROPOSAL | {"date_reviewed": when}).times == [datetime(2026, 1, 2, 10, tzinfo=UTC)]


def test_a_clock_that_is_a_little_ahead_is_believed():
    soon = timezone.now() + timedelta(minutes=5)
    assert proposal(date_reviewed=soon.isoformat()).updated_at == soon


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"date_created": None}, "date_created is missing."),
        ({"date_created": "yesterday"}, "date_created is not a time."),
        ({"date_created": "0001-01-01T00:00:00+10:00"}, "date_created is not a time."),
        ({"date_created": "2026-13-01T00:00:00Z"}, "date_created is not a time."),
        ({"date_created": 1767261600}, "date_created is not a time."),
        ({"date_created": "2026-01-01T10:00:00" + " " * 100}, "date_created is not a time."),
        ({"web_link": "javascript:alert(1)"}, "web_link is not an http or https URL."),
        ({"web_link": None}, "web_link is not an http or https URL."),
        ({"queue_status": ["x"]}, "queue_status is not a text."),
        ({"source_git_path": {}}, "source_git_path is not a text."),
        ({"self_link": 5}, "self_link is not a text."),
        ({"self_link": f"{ROOT}~ann/thing"}, "self_link is not the address of such an item."),
        ({"self_link": f"{ROOT}x/+merge/{'9' * 30}"}, "self_link is not the address of such an item."),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_by_its_field(change, words):
    with pytest.raises(InvalidEntry) as caught:
        proposal(**change)
    assert str(caught.value) == words


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_object_is_no_entry(value):
    with pytest.raises(InvalidEntry, match="not an object"):
        parse(PersonEntry, value)


def test_texts_are_cut_and_free_of_what_no_database_keeps():
    facts = comment(content="a\0b\ud800" + "x" * 200_000, vote_tag="t" * 300)
    assert facts.content.startswith("ab?x")
    assert (len(facts.content), len(facts.vote_tag)) == (100_000, 255)


def test_fields_that_are_not_needed_may_be_anything():
    assert proposal(description=7, votes_collection_link=None, commit_message=[]).number == 7


def test_a_description_is_kept_to_a_length():
    assert len(proposal(description="x" * 100_000).description) == 20_000


def test_an_item_is_a_task_when_it_is_of_a_bug():
    assert isinstance(parse_item(TASK), Task)
    assert isinstance(parse_item(PROPOSAL), Proposal)


@pytest.mark.parametrize(("says", "total"), [(4, 4), ({"total_size": 4}, 4), (None, None), ("4", None), (True, None)])
def test_the_total_of_a_page(says, total):
    assert parse(CollectionPage, {"entries": [], "total_size": says}).total_size == total


@pytest.mark.parametrize("kind", ["new", "update"])
def test_a_status_of_tomorrow_is_pending(kind):
    assert get_state(kind, "Pondering") == ("pending", False)
