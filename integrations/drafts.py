"""What a person writes on a review before it is posted: kept as they type, in however many tabs, and sent off once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import TeamMembership, User
from core.enqueue import enqueue_on_commit
from integrations.connections import REVOKED
from integrations.models import LaunchpadConnection, OwnPost
from reviews.models import Review, ReviewRequest

SAME_WITHIN = timedelta(minutes=10)  # in which the same from the same person is sent by mistake
MAX_INLINE = 500  # comments on lines in one draft
OF_AN_EARLIER_DIFF = "Comments on lines of an earlier diff."

NOTHING = "There is nothing to post: write something, or choose a vote or a status."
NOT_CONNECTED = "Not posted: connect with Launchpad first. What you wrote is kept here."
NEW_REVISION = (
    "Not posted: a new revision came since you opened this page. What you wrote is kept: look at the change, then post."
)
STATUS_MOVED = "Not posted: on Launchpad it is {status} by now. What you wrote is kept: look again, then post it."
SENT_ALREADY = "You have sent the same a moment ago, from here or another tab. It was not posted a second time."
TOO_MANY = f"There are {MAX_INLINE} comments on lines in your draft. Post them first."


class NotSent(Exception):
    """Nothing is posted, and what was written is kept; ``str()`` says why."""


@dataclass(frozen=True)
class Written:
    """What a form holds. ``version`` is that of the draft which the form was made from, 0 for none; ``key`` is the
    form's own. ``revision`` and ``launchpad_status`` are what its page showed."""

    text: str
    vote: str = ""
    status: str = ""
    revision: str = ""
    launchpad_status: str = ""
    version: int = 0
    key: str = ""


def get_draft(user: User, review: Review) -> OwnPost | None:
    """What this person has begun to write on a review. One query."""
    return OwnPost.objects.by(user, review).drafts().first()


def save_draft(user: User, review: Review, written: Written) -> tuple[OwnPost, bool]:
    """Keep what is written. Returns the draft, and whether another tab had written something else meanwhile.

    That is then kept beside it: nothing that a person wrote is lost by what they wrote elsewhere. What is saved late,
    after the same form was sent off, changes nothing.
    """
    with transaction.atomic():
        lock_author(user.pk)
        if written.key and (sent := OwnPost.objects.by(user, review).sent().filter(form_key=written.key).first()):
            return sent, False
        draft = get_draft(user, review) or OwnPost(user=user, review=review)
        # What contains the words that were kept loses none of them, whoever was faster.
        is_behind = draft.version != written.version and draft.text not in written.text
        if is_behind and draft.text.strip():
            draft.other_text = draft.text
        draft.text, draft.vote, draft.status = written.text, written.vote, written.status
        draft.revision, draft.launchpad_status = written.revision, written.launchpad_status
        draft.version, draft.saved_at = draft.version + 1, timezone.now()
        draft.save()
    return draft, is_behind


def send(user: User, review: Review, written: Written) -> OwnPost:
    """Send off what is written: from here on it is posted in the background. A form sends once, however often pressed.

    Raises NotSent.
    """
    with transaction.atomic():
        lock_author(user.pk)
        if written.key and (sent := OwnPost.objects.by(user, review).sent().filter(form_key=written.key).first()):
            return sent
        draft = get_draft(user, review)
        post = draft or OwnPost(user=user, review=review)
        if draft and draft.version != written.version and draft.text.strip() not in written.text:
            # Another tab has written something else: that stays a draft, without what was said on lines.
            post = OwnPost(user=user, review=review, inline_comments=draft.inline_comments)
            draft.inline_comments = []
        post.text, post.vote, post.status = written.text.strip(), written.vote, written.status
        post.revision, post.launchpad_status = written.revision, written.launchpad_status
        problem = _why_not(user, review, post)
        if not problem:
            if draft and draft is not post:
                draft.save()
            _send_off(post, written.key)
            return post
    if problem != SENT_ALREADY:
        save_draft(user, review, written)
    raise NotSent(problem)


def _why_not(user: User, review: Review, post: OwnPost) -> str:
    """Why it is not sent off, in words; empty when it may be."""
    if post.is_empty:
        return NOTHING
    connection = LaunchpadConnection.objects.filter(user=user).first()
    if connection is None:
        return NOT_CONNECTED
    if not connection.is_usable:
        return f"Not posted. {REVOKED}"
    if (post.vote or post.status) and post.revision != review.revision:
        return NEW_REVISION
    if post.status and post.launchpad_status != review.launchpad_status:
        return STATUS_MOVED.format(status=review.launchpad_status)
    same = OwnPost.objects.by(user, review).filter(
        text=post.text, vote=post.vote, status=post.status,
        inline_comments=post.inline_comments, sent_at__gte=timezone.now() - SAME_WITHIN,
        state__in=[*OwnPost.ON_THE_WAY, OwnPost.State.POSTED],
    )  # fmt: skip
    return SENT_ALREADY if same.exists() else ""


def _send_off(post: OwnPost, key: str) -> None:
    """The draft becomes what is to be posted. Launchpad takes the comments on one diff at a time: those on earlier
    diffs go in posts of their own."""
    now = timezone.now()
    numbers = sorted({comment["diff_number"] for comment in post.inline_comments}, reverse=True)
    newest = post.review.comments.aggregate(newest=Max("number"))["newest"]
    on_diff = {n: [each for each in post.inline_comments if each["diff_number"] == n] for n in numbers}
    post.inline_comments = on_diff[numbers[0]] if numbers else []
    post.review_type = _asked_as(post.user, post.review) if post.vote else ""
    post.form_key = key or None
    earlier = [
        OwnPost(
            user=post.user, review=post.review, text=OF_AN_EARLIER_DIFF, inline_comments=on_diff[number],
            revision=post.revision,
        )
        for number in numbers[1:]
    ]  # fmt: skip
    for each in (post, *earlier):
        each.state, each.sent_at, each.due_at, each.saved_at = OwnPost.State.WAITING, now, now, now
        each.known_comment, each.error, each.other_text = newest or 0, "", ""
        each.tries, each.tried_at = 0, None
        each.save()
    enqueue_on_commit("integrations.tasks.publish_own_posts")


def _asked_as(user: User, review: Review) -> str:
    """As what this person, or else a team of theirs, was asked to review it: a vote answers that. Two queries."""
    person = user.as_person()
    asked = ReviewRequest.objects.filter(review=review, is_pending=True).exclude(review_type="")
    own = asked.filter(reviewer=person).values_list("review_type", flat=True).first()
    if own:
        return own
    teams = TeamMembership.objects.filter(person=person).values("team")
    return asked.filter(reviewer__username__in=teams).values_list("review_type", flat=True).first() or ""


def add_line_comment(user: User, review: Review, diff_number: int, line: int, text: str, *, where: str = "") -> OwnPost:
    """Add a comment on a line of a diff to the draft. ``diff_number`` is Launchpad's number of the diff, ``line`` that
    of the line in its text, from 1; ``where`` is what a person calls it. Raises NotSent when the draft is full."""
    comment = {"diff_number": diff_number, "line": line, "text": text.strip(), "where": where}
    with transaction.atomic():
        lock_author(user.pk)
        draft = get_draft(user, review) or OwnPost(user=user, review=review, revision=review.revision)
        if comment not in draft.inline_comments:
            if len(draft.inline_comments) >= MAX_INLINE:
                raise NotSent(TOO_MANY)
            draft.inline_comments = [*draft.inline_comments, comment]
            draft.saved_at = timezone.now()
            draft.save()
    return draft


def remove_line_comment(user: User, review: Review, position: int, text: str) -> None:
    """Take a comment on a line out of the draft, by its place there, if that still says ``text``."""
    with transaction.atomic():
        lock_author(user.pk)
        draft = get_draft(user, review)
        if draft and position < len(draft.inline_comments) and draft.inline_comments[position]["text"] == text:
            draft.inline_comments = [one for at, one in enumerate(draft.inline_comments) if at != position]
            draft.save()


def discard(user: User, review: Review) -> None:
    """Throw the draft away."""
    OwnPost.objects.by(user, review).drafts().delete()


def dismiss(user: User, review: Review, pk: int) -> None:
    """The author has read why something was not posted, or not wholly: show it no more."""
    OwnPost.objects.by(user, review).filter(pk=pk, state=OwnPost.State.REFUSED).delete()
    OwnPost.objects.by(user, review).filter(pk=pk, state=OwnPost.State.POSTED).update(error="")


def edit_again(user: User, review: Review, pk: int) -> None:
    """What was not posted becomes the draft again; what was written meanwhile is kept beside it."""
    with transaction.atomic():
        lock_author(user.pk)
        refused = OwnPost.objects.by(user, review).filter(pk=pk, state=OwnPost.State.REFUSED).first()
        if refused is None:
            return
        if draft := get_draft(user, review):
            refused.other_text = draft.text
            refused.inline_comments = [*refused.inline_comments, *draft.inline_comments]
            refused.version = draft.version
            draft.delete()
        refused.state, refused.version, refused.form_key = OwnPost.State.DRAFT, refused.version + 1, None
        refused.save()


def lock_author(user_id: int) -> None:
    """What one person writes is changed by one at a time. Call it in a transaction."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)
