"""The comments of a review, brought in line with Launchpad's: added, edited, deleted and hidden ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reviews.facts import CommentFacts
from reviews.models import PRUNED_TEXT, Comment, Review
from reviews.people import upsert_people
from reviews.votes import sentiment, written_by_author

# Our own comments end with a line that begins so; they are never votes.
MARKER = "-- posted by Review Queue, "
SAME_MOMENT = timedelta(minutes=2)  # within it, an item's last change and a comment on it are the same event
FIELDS = (
    "author", "api_url", "number", "position", "content", "created_at", "edited_at", "vote", "vote_tag", "sentiment",
    "is_description", "is_automated",
)  # fmt: skip


@dataclass
class SyncedComments:
    """An item's comments as they were just read, for the rules that depend on who said something when."""

    new: list[Comment] = field(default_factory=list)  # by people, and not known before
    reworded: list[Comment] = field(default_factory=list)  # by people, and with another text than before
    comments: list[Comment] = field(default_factory=list)  # all of them, by people, bots and this queue

    @property
    def last_at(self) -> datetime | None:
        """When people said something last that was not known before."""
        return max((comment.created_at for comment in self.new), default=None)

    def by_others(self, holder_id: int | None, since: datetime | None) -> bool:
        """Whether somebody but the lock's holder said something new, after ``since`` if it is given."""
        return any(
            comment.author_id != holder_id and (since is None or comment.created_at > since) for comment in self.new
        )

    def explains(self, moment: datetime, holder_id: int | None = None) -> bool:
        """Whether the item changed at that moment because a machine, or the lock's holder, said something."""
        return any(
            abs(comment.created_at - moment) <= SAME_MOMENT
            and (not comment.is_by_person or (holder_id is not None and comment.author_id == holder_id))
            for comment in self.comments
        )


def sync_comments(
    review: Review, comments: Sequence[CommentFacts], *, now: datetime, service_account: str, complete: bool
) -> SyncedComments:
    """Make the review's comments those that Launchpad has: new ones are added, edited ones read anew, others deleted.

    Unless ``complete``, one that is missing may still be there and is kept. Sets ``first_reviewed_at``; the caller
    holds the review's row and saves it.
    """
    known: dict[int | str, Comment] = {
        comment.api_url if comment.number is None else comment.number: comment for comment in review.comments.all()
    }
    people = upsert_people([facts.author for facts in comments], now)
    added, edited, said = [], [], SyncedComments()
    for facts in comments:
        comment = known.pop(facts.number, None) or known.pop(facts.api_url, None)
        is_new = comment is None
        comment = comment or Comment(review=review)
        before = [getattr(comment, name) for name in FIELDS if name != "author"]
        text = comment.content
        _apply(comment, facts, service_account)
        author = people[facts.author.username]
        is_same = before == [getattr(comment, name) for name in FIELDS if name != "author"]
        if is_new:
            added.append(comment)
        elif not is_same or comment.author_id != author.pk:
            edited.append(comment)
        comment.author = author
        said.comments.append(comment)
        if comment.is_by_person and not comment.is_description:
            if is_new:
                said.new.append(comment)
            elif comment.content != text:
                said.reworded.append(comment)
    Comment.objects.bulk_create(added)
    if edited:
        Comment.objects.bulk_update(edited, FIELDS)
    # Every bug has a first message: an answer without it is not whole, and deletes nothing.
    is_credible = review.kind != Review.Kind.NEW or any(facts.is_description for facts in comments)
    if known and complete and is_credible:
        review.comments.filter(pk__in=[comment.pk for comment in known.values()]).delete()
    by_reviewers = [
        comment.created_at
        for comment in said.comments
        if comment.is_by_person and not comment.is_description and comment.author_id != review.owner_id
    ]
    if complete or by_reviewers:
        review.first_reviewed_at = min(by_reviewers, default=None)
    return said


def _apply(comment: Comment, facts: CommentFacts, service_account: str) -> None:
    """Put a comment's facts on its row: the one place where a new fact of a comment is added."""
    if comment.pk is None:  # afterwards it stays: a date in the future became the time when it was first seen
        comment.created_at = facts.created_at
    for name in ("api_url", "number", "position", "vote", "vote_tag", "is_description"):
        setattr(comment, name, getattr(facts, name))
    was_edited = comment.edited_at != facts.edited_at
    comment.edited_at = facts.edited_at
    if comment.content == PRUNED_TEXT and not was_edited:
        return  # its sentiment was worked out before its text was pruned
    comment.content = facts.content
    # Somebody who quotes our comment, or has it below an answer by mail, is not us.
    is_marked = any(line.startswith(MARKER) for line in written_by_author(facts.content).splitlines())
    comment.is_automated = is_marked or bool(service_account and facts.author.username == service_account)
    counts = not comment.is_automated and not facts.is_description
    comment.sentiment = sentiment(facts.content, facts.vote) if counts else Comment.Sentiment.NEUTRAL
