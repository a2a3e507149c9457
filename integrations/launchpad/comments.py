"""Comments of a proposal, messages of a bug."""

from __future__ import annotations

from typing import Any

import structlog

from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import comment_facts, text_of
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import CommentFacts

logger = structlog.get_logger(__name__)


def read_comments_of(launchpad: Launchpad, entry: dict[str, Any]) -> list[CommentFacts]:
    """All comments of a proposal's entry, or messages of a bug's. Raises LaunchpadError."""
    link = text_of(entry, "all_comments_collection_link") or text_of(entry, "messages_collection_link")
    return read_comments(launchpad, link, is_bug="messages_collection_link" in entry) if link else []


def read_comments(launchpad: Launchpad, link: str, *, is_bug: bool) -> list[CommentFacts]:
    """The comments at a link, in Launchpad's order. One request for each 300. Raises LaunchpadError.

    One that is not of the form that Launchpad promises is left out and logged.
    """
    comments = []
    for position, entry in enumerate(launchpad.entries(link)):
        try:
            if not isinstance(entry, dict):
                raise InvalidEntry("It is not an object.")
            comments.append(comment_facts(entry, is_description=is_bug and position == 0))
        except InvalidEntry as problem:
            logger.warning("comment left out", collection=link, position=position, reason=str(problem))
    return comments
