"""Comments of a proposal, messages of a bug."""

from __future__ import annotations

import logging
from typing import Any

from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import comment_facts, text_of
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import CommentFacts

logger = logging.getLogger(__name__)


def comments_of(launchpad: Launchpad, entry: dict[str, Any]) -> list[CommentFacts]:
    """All comments of a proposal's entry, or messages of a bug's. One request for each 300."""
    link = text_of(entry, "all_comments_collection_link") or text_of(entry, "messages_collection_link")
    is_bug = "messages_collection_link" in entry
    if not link:
        return []
    return _comments_at(launchpad, link, is_bug=is_bug)


def _comments_at(launchpad: Launchpad, link: str, *, is_bug: bool) -> list[CommentFacts]:
    found = []
    for position, comment in enumerate(launchpad.entries(link)):
        try:
            found.append(comment_facts(comment, is_description=is_bug and position == 0))
        except (InvalidEntry, AttributeError):
            logger.warning("comment left out of=%s", link)
    return found
