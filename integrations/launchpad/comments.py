"""Comments of a proposal, messages of a bug."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import Comment, comment_facts, parse
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import CommentFacts

logger = structlog.get_logger(__name__)


@dataclass
class CommentsRead:
    """The comments of an item, in Launchpad's order. ``complete``: all were answered and could be understood."""

    comments: list[CommentFacts] = field(default_factory=list)
    complete: bool = True


def read_comments(launchpad: Launchpad, link: str, *, is_bug: bool) -> CommentsRead:
    """The comments at a link. One request for each 300. Raises LaunchpadError.

    Those that are hidden on Launchpad are left out, and so is, with a line in the log, one that is not of the form that
    Launchpad promises.
    """
    if not link:
        return CommentsRead(complete=False)
    read, collection = CommentsRead(), launchpad.collection(link)
    for position, entry in enumerate(collection.entries()):
        try:
            comment = parse(Comment, entry)
            if comment.visible:
                read.comments.append(comment_facts(comment, position=position, is_bug=is_bug))
        except InvalidEntry as problem:
            read.complete = False
            logger.warning("comment left out", collection=link, position=position, reason=str(problem))
    read.complete = read.complete and not (collection.missing or collection.is_moving)
    return read


def is_said(launchpad: Launchpad, link: str, text: str) -> bool:
    """Whether one of the comments at a link contains a text, be it hidden or odd. Raises LaunchpadError."""
    return any(isinstance(entry, dict) and text in str(entry.get("content")) for entry in launchpad.entries(link))
