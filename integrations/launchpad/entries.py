"""Launchpad's entries in our words: JSON to facts."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime

from core.urls import is_web_url
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import CommentFacts, ItemFacts, PersonFacts, SeriesFacts
from reviews.models import Review, State

logger = logging.getLogger(__name__)


REDACTED = "tag:launchpad.net:2008:redacted"


MAX_TEXT = 100_000  # characters kept of a comment


PROPOSAL_STATES: dict[str, str] = {
    "Needs review": State.PENDING,
    "Queued": State.PENDING,
    "Code failed to merge": State.FOLLOW_UP,
    "Work in progress": State.IN_PROGRESS,
    "Approved": State.READY,
    "Rejected": State.ABANDONED,
    "Superseded": State.ABANDONED,
    "Merged": State.MERGED,
}


TASK_STATES: dict[str, str] = {
    "New": State.PENDING,  # NEW if it never left New
    "Confirmed": State.PENDING,
    "Triaged": State.PENDING,
    "Incomplete": State.REVIEWED,
    "Incomplete (without response)": State.REVIEWED,
    "Incomplete (with response)": State.FOLLOW_UP,
    "In Progress": State.IN_PROGRESS,
    "Fix Committed": State.READY,
    "Fix Released": State.CLOSED,
    "Invalid": State.CLOSED,
    "Opinion": State.CLOSED,
    "Won't Fix": State.ABANDONED,
    "Expired": State.ABANDONED,
}


_PERSON = re.compile(r"/~([^/]+)$")


_logged: set[str] = set()


def text_of(entry: dict[str, Any], name: str, limit: int = 1000) -> str:
    """A text field; empty when it is null. Raises InvalidEntry for anything else."""
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidEntry(f"{name} is not a text.")
    if value.isascii() and "\0" not in value:
        return value[:limit]
    return value.encode("utf-8", "replace").decode().replace("\0", "")[:limit]


def time_of(entry: dict[str, Any], name: str) -> datetime | None:
    """A time field, aware UTC. Raises InvalidEntry when it is no time."""
    value = text_of(entry, name, 64)
    if not value:
        return None
    try:
        if (moment := parse_datetime(value)) is not None:
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # there is no such day; the end of all days, in another zone
        pass
    raise InvalidEntry(f"{name} is not a time.")


def username_of(link: Any) -> str:
    """The username in a link to a person; ``unknown`` when the link is missing or redacted."""
    found = _PERSON.search(link) if isinstance(link, str) and link != REDACTED else None
    return found.group(1)[:255] if found else "unknown"


def state_of(kind: str, status: str, *, left_new: bool = True) -> tuple[str, bool]:
    """State for a Launchpad status (docs/specification.md, section 3), and whether the status is one that we know."""
    states = PROPOSAL_STATES if kind == Review.Kind.UPDATE else TASK_STATES
    if status == "New" and not left_new and kind == Review.Kind.NEW:
        return State.NEW, True
    if status not in states:
        if status not in _logged:
            _logged.add(status)
            logger.warning("unknown launchpad status kind=%s status=%r", kind, status[:100])
        return State.PENDING, False
    return states[status], True


def web_link_of(entry: dict[str, Any]) -> str:
    """The item's page. Raises InvalidEntry when it is no http(s) URL."""
    link = text_of(entry, "web_link")
    if not is_web_url(link):
        raise InvalidEntry("web_link is not an http or https URL.")
    return link


def proposal_facts(entry: dict[str, Any], *, revision: str, test_url: str, series: SeriesFacts | None) -> ItemFacts:
    """A merge proposal in our words. Raises InvalidEntry."""
    status = text_of(entry, "queue_status", 64)
    created = time_of(entry, "date_created")
    if not created or not text_of(entry, "self_link"):
        raise InvalidEntry("It has no self_link or date_created.")
    times = [time_of(entry, name) for name in ("date_review_requested", "date_reviewed", "date_merged")]
    source = text_of(entry, "source_branch_link") or text_of(entry, "source_git_repository_link")
    name = "/".join(urlsplit(source).path.split("/")[2:]) if source != REDACTED else ""
    branch = text_of(entry, "source_git_path", 500)
    return ItemFacts(
        api_url=text_of(entry, "self_link"),
        url=web_link_of(entry),
        kind=Review.Kind.UPDATE,
        title=" ".join(filter(None, [name, branch.removeprefix("refs/heads/")])) or text_of(entry, "self_link"),
        state=state_of(Review.Kind.UPDATE, status)[0],
        launchpad_status=status,
        owner=PersonFacts(username_of(entry.get("registrant_link"))),
        created_at=created,
        updated_at=max([created, *(moment for moment in times if moment)]),
        test_url=test_url,
        branch=branch,
        revision=revision,
        diff_marker=text_of(entry, "preview_diff_link"),
        series=series,
        comments_url=text_of(entry, "all_comments_collection_link"),
    )


def task_facts(
    task: dict[str, Any], bug: dict[str, Any], *, revision: str, test_url: str, excluded_tags: Sequence[str]
) -> ItemFacts:
    """A bug task with its bug in our words. Raises InvalidEntry."""
    status = text_of(task, "status", 64)
    created = time_of(task, "date_created")
    if not created or not text_of(task, "self_link"):
        raise InvalidEntry("It has no self_link or date_created.")
    times = [time_of(bug, "date_last_updated"), time_of(bug, "date_last_message")]
    tags = bug.get("tags")
    return ItemFacts(
        api_url=text_of(task, "self_link"),
        url=web_link_of(task),
        kind=Review.Kind.NEW,
        title=text_of(bug, "title", 10_000) or text_of(task, "title", 10_000),
        state=state_of(Review.Kind.NEW, status, left_new=time_of(task, "date_left_new") is not None)[0],
        launchpad_status=status,
        owner=PersonFacts(username_of(task.get("owner_link"))),
        created_at=created,
        updated_at=max([created, *(moment for moment in times if moment)]),
        test_url=test_url,
        revision=revision,
        excluded=isinstance(tags, list) and any(tag in excluded_tags for tag in tags),
        comments_url=text_of(bug, "messages_collection_link"),
    )


def comment_facts(entry: dict[str, Any], *, is_description: bool) -> CommentFacts:
    """A comment on a proposal, or a message on a bug. Raises InvalidEntry."""
    created = time_of(entry, "date_created")
    link = text_of(entry, "self_link")
    if not created or not link:
        raise InvalidEntry("A comment has no self_link or date_created.")
    return CommentFacts(
        api_url=link,
        author=PersonFacts(username_of(entry.get("author_link") or entry.get("owner_link"))),
        content=text_of(entry, "content", MAX_TEXT),
        created_at=created,
        vote=text_of(entry, "vote", 64),
        vote_tag=text_of(entry, "vote_tag", 255),
        is_description=is_description,
    )
