"""Posting what people say in their own name: each once, whatever crashes in between (docs/specification.md, section 6).

What is to be posted is a row, ``OwnPost``. A process claims one for a while, posts it with its author's own token, and
writes down each step. If it dies, or no answer comes, whoever takes the row next looks on Launchpad for that comment
before it is sent again. The person's token only writes; what has to be looked at, the queue's own account reads.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from core import http
from integrations.connections import REVOKED, client_of, is_accepted
from integrations.drafts import lock_author
from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import Bug, Comment, PreviewDiff, Proposal, Task, parse, parse_item
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible, Refused
from integrations.models import LaunchpadConnection, OwnPost
from reviews.models import Review
from reviews.refresh import make_due

logger = structlog.get_logger(__name__)

TIME_LIMIT_SECONDS = 90.0  # after which the rest is left to the next call
FIRST_PAUSE = timedelta(minutes=1)  # before it is looked for: longer than Launchpad works on a request
MAX_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)
CLOCK_SKEW = timedelta(minutes=2)
_NUMBER = re.compile(r"/comments/([0-9]{1,18})/?$")  # at the end of a comment's address

NEW_REVISION = "Not posted: a new revision has come since you looked at it. Look at it, and post again."
DISCONNECTED = "Not posted: you are not connected with Launchpad any more. Connect, and post it again."
HIDDEN = "Not posted: the item is private on Launchpad by now."
LOOK_FIRST = "It may be on Launchpad all the same: look there before you post it again."
STATUS_MOVED = "somebody has set it to {status} meanwhile."


class GivenBack(Exception):
    """It is not posted, and can't be as it is; ``str()`` says why, to its author."""


@dataclass
class OwnPostReport:
    """What one call did."""

    posted: int = 0
    failed: int = 0  # refused, or left for later
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where a post goes, as Launchpad has it now."""

    url: str  # of the proposal, or of the bug
    task_url: str  # empty for a proposal
    comments_url: str
    status: str


def publish_own_posts() -> OwnPostReport:
    """Post what people sent off, one after the other. Any number of processes may do it at once."""
    started, report = time.monotonic(), OwnPostReport()
    while time.monotonic() - started < TIME_LIMIT_SECONDS and (post := claim_post()):
        deadline = time.monotonic() + claim_time().total_seconds() / 2
        problem = publish(post, deadline)
        if not problem:
            report.posted += 1
            continue
        report.failed += 1
        # Not the words: what somebody says on an item, and why it is refused, is between them and Launchpad.
        logger.warning("own post not posted", post=post.pk, review=post.review_id, tries=post.tries + 1)
        report.problems.append(f"Post {post.pk} on {post.review}: {problem}")
    return report


def claim_post() -> OwnPost | None:
    """Take the post that has waited longest of those that are due; it goes to exactly one process.

    ``tries`` of what is returned is how often it was tried before.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = OwnPost.objects.due().select_for_update(of=("self",), skip_locked=True, no_key=True)
        post = rows.select_related("review__source", "user__person").order_by("due_at", "pk").first()
        if post is not None:
            OwnPost.objects.filter(pk=post.pk).update(
                state=OwnPost.State.CLAIMED, claimed_until=now + claim_time(), tries=F("tries") + 1,
                tried_at=Coalesce("tried_at", Value(now)),
            )  # fmt: skip
            post.tried_at = post.tried_at or now
    return post


def claim_time() -> timedelta:
    """How long a claim holds: longer than posting can take. After it, the claim of a process that died is free."""
    return timedelta(seconds=5 * settings.CLAIM_SECONDS)


def publish(post: OwnPost, deadline: float) -> str:
    """Post one that this process has claimed. Returns why it is not posted, in words; empty when it is.

    ``deadline`` (of ``time.monotonic()``): after it nothing is sent, as another process may soon claim the row.
    """
    try:
        _publish(post, deadline)
    except GivenBack as reason:
        _give_back(post, str(reason))
        return str(reason)
    except LaunchpadError as problem:
        return _try_later(post, str(problem))
    except Exception as error:  # whatever is wrong with one, the others go on
        logger.exception("own post", post=post.pk)
        return _try_later(post, f"{type(error).__name__}; the log says where.")
    return ""


def _publish(post: OwnPost, deadline: float) -> None:
    """Raises GivenBack, or LaunchpadError where it is to be tried again."""
    if not post.tries and not post.review.is_visible_to(post.user):
        raise GivenBack(HIDDEN)
    place = _find_place(post)
    if post.has_comment and post.commented_at is None:
        # Looked for before anything can refuse it: a token may have been revoked since the first try.
        number = _find_comment(post, place) if post.tries else None
        _note_comment(post, number or _send_comment(post, place, deadline))
    words = ""
    if post.status and post.status_set_at is None:
        words = _set_status(post, place, deadline)
    _finish(post, words)


def _connection(post: OwnPost) -> LaunchpadConnection:
    """The author's. Raises GivenBack where they have none that can be used."""
    connection = LaunchpadConnection.objects.filter(user=post.user_id, user__is_active=True).first()
    if connection is None:
        raise GivenBack(DISCONNECTED)
    if not connection.is_usable:
        raise GivenBack(f"Not posted. {REVOKED}")
    return connection


def _find_place(post: OwnPost) -> Place:
    """Ask Launchpad for the item, and whether it is still what the author looked at. One to three requests.

    Raises GivenBack or LaunchpadError.
    """
    launchpad = get_launchpad()
    try:
        item = parse_item(launchpad.get(post.review.api_url))
        if isinstance(item, Task):
            bug = parse(Bug, launchpad.get(item.bug_link))
            return Place(bug.self_link, item.self_link, bug.messages_collection_link, item.status)
    except NotAccessible as problem:
        launchpad.reach()  # raises for a revoked token of the queue's own, which says nothing about this item
        words = f"Not posted: Launchpad does not show the item ({problem.status})."
        raise GivenBack(f"{words} {LOOK_FIRST}" if post.tries else words) from None
    if (post.vote or post.status) and not post.tries and _is_new_revision(launchpad, item, post):
        raise GivenBack(NEW_REVISION)
    return Place(item.self_link, "", item.all_comments_collection_link, item.queue_status)


def _is_new_revision(launchpad: Launchpad, item: Proposal, post: OwnPost) -> bool:
    """Whether a vote or a new status would be on another revision than the one its author saw. A request only if there
    is a diff that is not known here."""
    if post.revision != post.review.revision:
        return True
    if item.preview_diff_link in ("", post.review.diff_marker) or not post.revision:
        return False
    try:
        diff = parse(PreviewDiff, launchpad.get(item.preview_diff_link))
    except NotAccessible:
        return False
    return diff.source_revision_id not in ("", post.revision)


def _find_comment(post: OwnPost, place: Place) -> int | None:
    """The number of the comment that an earlier try has made of the post; None if there is none.

    It is by the author, says the same, came since, and is not what another post of theirs became.
    """
    if not place.comments_url:
        raise InvalidEntry("Launchpad does not say where the comments are.")
    mine = OwnPost.objects.by(post.user, post.review).filter(comment_number__isnull=False)
    taken = set(mine.values_list("comment_number", flat=True))
    since = (post.tried_at or post.saved_at) - CLOCK_SKEW
    author = post.user.as_person().username
    for entry in get_launchpad().entries(place.comments_url):
        try:
            comment = parse(Comment, entry)
        except InvalidEntry:
            continue
        by = comment.author if post.review.kind == Review.Kind.UPDATE else comment.owner
        if (
            by.username == author
            and _words(comment.content) == _words(post.text)
            and (comment.vote or "") == post.vote
            and comment.date_created >= since
            and comment.number > post.known_comment
            and comment.number not in taken
        ):
            return comment.number
    return None


def _words(text: str) -> str:
    """A text without what Launchpad may change about it: the ends of lines, and blanks around."""
    return " ".join(text.split())


def _send_comment(post: OwnPost, place: Place, deadline: float) -> int | None:
    """Post the comment. Returns its number, where Launchpad says it. Raises GivenBack or LaunchpadError."""
    _check_time(deadline)
    connection = _connection(post)
    said: dict[str, str | None]
    if post.review.kind == Review.Kind.NEW:
        said = {"content": json.dumps(post.text), "subject": json.dumps(f"Re: {post.review.title}"[:200])}
        operation = "newMessage"
    else:
        operation, said = "createComment", {"content": json.dumps(post.text), "vote": post.vote or None}
        if post.review_type:
            said["review_type"] = json.dumps(post.review_type)
        if post.inline_comments:
            said["previewdiff_id"] = str(post.inline_comments[0]["diff_number"])
            said["inline_comments"] = json.dumps(_by_line(post.inline_comments))
    try:
        answer = client_of(connection).post(place.url, operation, said)
    except NotAccessible as problem:
        _check_connection(connection)
        raise GivenBack(f"Not posted: Launchpad answered {problem.status}, you may not comment on it.") from None
    except Refused as refusal:
        raise GivenBack(f"Not posted. {refusal}") from None
    return _number_of(answer)


def _by_line(comments: list[dict[str, str | int]]) -> dict[str, str]:
    """Launchpad keeps one comment a line and author: what was written on one line in several steps becomes one."""
    lines: dict[str, str] = {}
    for comment in comments:
        line, text = str(comment["line"]), str(comment["text"])
        lines[line] = f"{lines[line]}\n\n{text}" if line in lines else text
    return lines


def _number_of(answer: http.Response) -> int | None:
    found = _NUMBER.search(answer.headers.get("location", ""))
    return int(found[1]) if found else None


def _note_comment(post: OwnPost, number: int | None) -> None:
    """The comment is on Launchpad: from here on only the rest is done."""
    post.comment_number, post.commented_at = number, timezone.now()
    OwnPost.objects.filter(pk=post.pk).update(comment_number=number, commented_at=post.commented_at)


def _set_status(post: OwnPost, place: Place, deadline: float) -> str:
    """Set the status, unless it is set. Returns why it was refused; empty when it was not.

    A refusal does not undo the comment, so it is no reason to give that back. Raises LaunchpadError.
    """
    if place.status != post.status:
        if place.status != post.launchpad_status:
            return _refused_status(post, STATUS_MOVED.format(status=place.status))
        _check_time(deadline)
        connection = _connection(post)
        client = client_of(connection)
        try:
            if place.task_url:
                client.patch(place.task_url, {"status": post.status})
            else:
                client.post(place.url, "setStatus", {"status": post.status, "revid": _revision(post)})
        except NotAccessible as problem:
            _check_connection(connection)
            return _refused_status(post, f"Launchpad answered {problem.status}, you may not set it.")
        except Refused as refusal:
            return _refused_status(post, str(refusal))
    OwnPost.objects.filter(pk=post.pk).update(status_set_at=timezone.now())
    return ""


def _revision(post: OwnPost) -> str | None:
    """What Launchpad notes as reviewed."""
    return json.dumps(post.revision) if post.revision else None


def _refused_status(post: OwnPost, why: str) -> str:
    """The words, where a comment was posted; else there is nothing that is done, and the post goes back."""
    if post.commented_at is None:
        raise GivenBack(f"The status was not changed: {why}")
    return f"Your comment is posted, but the status was not changed: {why}"


def _check_connection(connection: LaunchpadConnection) -> None:
    """Raise GivenBack where it is the person's token that Launchpad refuses, whatever is asked."""
    if not is_accepted(connection):
        raise GivenBack(f"Not posted. {REVOKED}")


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise LaunchpadError("Launchpad took too long; it was not sent.")


def _finish(post: OwnPost, words: str) -> None:
    """It is on Launchpad. The review is read again at once, so that the comment takes the post's place."""
    with transaction.atomic():
        OwnPost.objects.filter(pk=post.pk).update(
            state=OwnPost.State.POSTED, posted_at=timezone.now(), claimed_until=None, error=words
        )
        make_due([post.review_id])


def _give_back(post: OwnPost, words: str) -> None:
    """Not posted: it becomes the author's draft again, or waits beside the draft that they have begun meanwhile."""
    if post.commented_at is not None:  # what is left is the status alone
        _finish(post, f"Your comment is posted, but the status was not changed: {words}")
        return
    with transaction.atomic():
        lock_author(post.user_id)
        has_draft = OwnPost.objects.by(post.user, post.review).drafts().exists()
        OwnPost.objects.filter(pk=post.pk).update(
            state=OwnPost.State.REFUSED if has_draft else OwnPost.State.DRAFT, version=F("version") + 1,
            claimed_until=None, error=words, tries=0, tried_at=None,
        )  # fmt: skip


def _try_later(post: OwnPost, words: str) -> str:
    """It is not known to be posted: look for it later, and later. Given back when that has gone on for a day."""
    now = timezone.now()
    if now > (post.tried_at or now) + GIVEN_UP_AFTER:
        words = f"{words} It was tried for a day. {LOOK_FIRST}"
        _give_back(post, words)
        return words
    OwnPost.objects.filter(pk=post.pk).update(
        state=OwnPost.State.MAYBE, due_at=now + pause_after(post.tries + 1), claimed_until=None, error=words
    )
    return words


def pause_after(tries: int) -> timedelta:
    """How long to wait after so many tries."""
    return min(FIRST_PAUSE * 2 ** min(max(tries - 1, 0), 10), MAX_PAUSE)
