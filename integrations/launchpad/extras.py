"""What is read of a proposal beside its entry and its comments: who was asked to review it, its bugs, and the comments
on lines of its diff.

Nothing of it is read by an import, and the first two not each time that an item is brought up to date: two requests
when there is a reason to, or when the last ones are ``REREAD_AFTER`` ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from core.text import shorten
from core.web_urls import is_web_url
from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import (
    MAX_TITLE,
    Bug,
    InlineComment,
    VoteReference,
    parse,
    request_facts,
)
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible
from integrations.launchpad.resolve import read_people
from reviews.choices import CLOSED_STATES
from reviews.facts import BugFacts, CommentFacts, ExtraFacts, ItemFacts, RequestFacts
from reviews.models import Diff, Review
from reviews.models import InlineComment as InlineCommentRow
from reviews.people import upsert_people

logger = structlog.get_logger(__name__)

REREAD_AFTER = timedelta(hours=3)
MAX_BUGS = 50  # that are kept of a proposal
MAX_INLINE_COMMENTS = 1_000  # that are kept of a diff
MAX_INLINE_TEXT = 5_000  # characters kept of one, which then ends with an ellipsis


def has_news(review: Review, comments: Sequence[CommentFacts]) -> bool:
    """Whether something was said that is not known yet: a vote answers a request, and comments on lines come with one.
    One query."""
    known = set(review.comments.order_by().values_list("number", flat=True))
    return any(comment.number not in known for comment in comments)


def is_due(review: Review, facts: ItemFacts, now: datetime, *, is_news: bool) -> bool:
    """Whether the requests and bugs of an item are to be read again: of an open proposal, when something was said or
    pushed, somebody wants it looked at, or the last reading was a while ago."""
    if review.kind != Review.Kind.UPDATE or facts.state in CLOSED_STATES:
        return False
    last = review.extras_read_at
    is_new_revision = facts.revision not in ("", review.revision)
    return last is None or is_news or is_new_revision or not now - REREAD_AFTER < last <= now


def read_extras(launchpad: Launchpad, api_url: str) -> ExtraFacts:
    """Who was asked to review the proposal at that address, and its bugs. Two requests.

    What can't be read is left as it is known: no part of an item is its absence.
    """
    requests = _read_requests(launchpad, api_url)
    bugs = _read_bugs(launchpad, api_url)
    failed = isinstance(requests, LaunchpadError) or isinstance(bugs, LaunchpadError)
    return ExtraFacts(
        requests=None if isinstance(requests, LaunchpadError) else requests,
        bugs=None if isinstance(bugs, LaunchpadError) else bugs,
        is_complete=not failed,
    )


def _entries(launchpad: Launchpad, url: str) -> list[object] | LaunchpadError | None:
    """The entries of a collection; None when it is not for us, or not whole, and asking again soon does not help."""
    collection = launchpad.collection(url)
    try:
        entries: list[object] = collection.entries()
    except NotAccessible:
        return None
    except LaunchpadError as problem:
        logger.info("part of an item not read", collection=url[:200], reason=str(problem))
        return problem
    return None if collection.is_moving else entries


def _read_requests(launchpad: Launchpad, api_url: str) -> tuple[RequestFacts, ...] | LaunchpadError | None:
    """Of each person and team once. Those whom Launchpad hides are left out."""
    entries = _entries(launchpad, f"{api_url}/votes")
    if entries is None or isinstance(entries, LaunchpadError):
        return entries
    requests: dict[str, RequestFacts] = {}
    for entry in entries:
        try:
            facts = request_facts(parse(VoteReference, entry))
        except InvalidEntry as problem:
            logger.info("request for a review left out", item=api_url[:200], reason=str(problem))
            continue
        known = requests.get(facts.reviewer.username)
        if known is None or known.is_pending:  # who has voted is not asked any more
            requests[facts.reviewer.username] = facts
    return tuple(requests.values())


def _read_bugs(launchpad: Launchpad, api_url: str) -> tuple[BugFacts, ...] | LaunchpadError | None:
    """Without private ones, whoever may see them."""
    entries = _entries(launchpad, f"{api_url}/bugs")
    if entries is None or isinstance(entries, LaunchpadError):
        return entries
    bugs = []
    for entry in entries:
        try:
            bug = parse(Bug, entry)
        except InvalidEntry as problem:
            logger.info("bug left out", item=api_url[:200], reason=str(problem))
            continue
        if bug.id and not bug.is_private and is_web_url(bug.web_link):
            bugs.append(BugFacts(bug.id, " ".join(bug.title.split())[:MAX_TITLE], bug.web_link))
    return tuple(sorted(bugs, key=lambda bug: bug.number)[:MAX_BUGS])


def people_of(extras: ExtraFacts | None) -> set[str]:
    """The usernames of everybody whom they name."""
    requests = extras.requests if extras and extras.requests else ()
    return {person.username for facts in requests for person in (facts.reviewer, facts.registrant) if person}


def fetch_inline_comments(review: Review, diff: Diff) -> None:
    """Read the comments on lines of a diff, and make the rows of that diff those. One request, and one for each person
    who is not known yet. Raises LaunchpadError.
    """
    number = diff.number
    if number is None:
        return
    launchpad = get_launchpad()
    answered = launchpad.get_list(review.api_url, ws_op="getInlineComments", previewdiff_id=number)
    comments: list[InlineComment] = []
    for entry in answered[:MAX_INLINE_COMMENTS]:
        try:
            comments.append(parse(InlineComment, entry))
        except InvalidEntry as problem:
            logger.warning("inline comment left out", review=review.pk, diff=number, reason=str(problem))
    read_people(launchpad, {comment.person.username for comment in comments})
    _keep_inline_comments(review, number, comments, is_complete=len(comments) == len(answered))


def try_inline_comments(review: Review, diff: Diff) -> None:
    """Read the comments on lines of a diff; a failure is logged, and what is known of them stays."""
    try:
        fetch_inline_comments(review, diff)
    except LaunchpadError as problem:
        logger.info("inline comments not read", review=review.pk, diff=diff.pk, reason=str(problem))


def reread_inline_comments(review: Review) -> None:
    """Read the comments on lines of the diff that the item's page shows again, if somebody has opened it."""
    diff = review.diffs.filter(state=Diff.State.READY).first()
    if diff is not None:
        try_inline_comments(review, diff)


def _keep_inline_comments(review: Review, number: int, comments: list[InlineComment], *, is_complete: bool) -> None:
    with transaction.atomic():
        Review.objects.select_for_update().get(pk=review.pk)  # two readings at once would write each comment twice
        people = upsert_people([comment.person for comment in comments], timezone.now())
        known = {(row.line, row.author_id, row.at): row for row in review.inline_comments.filter(diff_number=number)}
        new: dict[tuple[int, int, datetime], InlineCommentRow] = {}
        for comment in comments:
            author, text = people[comment.person.username], shorten(comment.text, MAX_INLINE_TEXT)
            at = min(comment.date, timezone.now())
            row = known.pop((comment.line_number, author.pk, at), None)
            if row is None:
                new[comment.line_number, author.pk, at] = InlineCommentRow(
                    review=review, diff_number=number, line=comment.line_number, author=author, text=text, at=at
                )
            elif row.text != text:
                row.text = text
                row.save(update_fields=["text"])
        InlineCommentRow.objects.bulk_create(new.values())
        if known and is_complete:
            review.inline_comments.filter(pk__in=[row.pk for row in known.values()]).delete()
