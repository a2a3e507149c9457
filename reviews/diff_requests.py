"""The diff of a proposal for who wants to read it: asked of Launchpad when somebody first opens it
(docs/specification.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from accounts.models import User
from core.enqueue import enqueue_on_commit
from core.web_urls import is_web_url
from reviews.models import Diff, Review, Visit

KEPT_DIFFS = 3  # newest of each review; pruning deletes the others
MAX_WAITING = 100  # diffs at a time: a program that opens every page does not fill the queue of the workers
LOST_AFTER = timedelta(minutes=1)  # a diff that is waited for longer is asked for once more: its message may be lost
TRIED_AGAIN_AFTER = timedelta(minutes=10)  # one that failed, when somebody opens the page
MARKED_FOR = timedelta(hours=4)  # since a reader first opened a diff; later they have read it


class TooManyWaiting(Exception):
    """So many diffs are being fetched that no other one is asked for now."""


def why_no_diff(review: Review) -> str:
    """Why there is nothing to fetch, in a sentence; empty when there is."""
    if review.kind == Review.Kind.NEW:
        return "Launchpad makes diffs of merge proposals only, and this is a bug with a linked branch."
    if not review.diff_marker:
        return "Launchpad has made no diff of it yet."
    if not is_web_url(review.diff_marker):
        return "Launchpad does not show the diff of this proposal to the queue."
    return ""


@dataclass(frozen=True)
class LastSeen:
    """What a reader saw of a proposal's diffs: the last one and its files, and those of the one before it."""

    diff_id: int | None = None
    at: datetime | None = None  # when they first opened it
    files: list[dict[str, Any]] | None = None
    previous_files: list[dict[str, Any]] | None = None

    def digests(self, diff: Diff, now: datetime) -> dict[str, str] | None:
        """Of the files, by path, that they had seen before this diff; None when there is nothing to compare with."""
        files = self.files
        if self.diff_id == diff.pk:
            files = self.previous_files if self.at and self.at > now - MARKED_FOR else None
        return None if files is None else {file.get("path", ""): file.get("digest", "") for file in files}


def find_diff(review: Review, user: User | None) -> tuple[Diff | None, LastSeen]:
    """The newest diff that Launchpad made, if it was asked for, and what this reader saw before. One query."""
    diffs = Diff.objects.filter(review=review, url=review.diff_marker).order_by("-id")
    if user is None:
        return diffs.first(), LastSeen()
    visits = Visit.objects.filter(user=user, review=OuterRef("review"))
    found = diffs.annotate(
        seen_diff=Subquery(visits.values("diff")),
        seen_at=Subquery(visits.values("diff_at")),
        seen_files=Subquery(visits.values("diff__files")),
        previous_files=Subquery(visits.values("previous_diff__files")),
    ).first()
    names = ("seen_diff", "seen_at", "seen_files", "previous_files")
    return found, LastSeen(*(getattr(found, name, None) for name in names))


def ask_for_diff(review: Review, diff: Diff | None, *, now: datetime, again: bool = False) -> Diff:
    """Have the diff fetched unless it is there, or asked for already. Returns its row.

    ``again``: a person wants another try of one that failed. Raises TooManyWaiting.
    """
    if diff is not None and not _is_due(diff, now, again=again):
        return diff
    with transaction.atomic():
        Review.objects.select_for_update(of=("self",), no_key=True).order_by().get(pk=review.pk)  # one asks at a time
        diff = Diff.objects.filter(review=review, url=review.diff_marker).order_by("-id").first()
        if diff is not None and not _is_due(diff, now, again=again):
            return diff
        if diff is None:
            if Diff.objects.filter(state=Diff.State.WAITING, asked_at__gt=now - LOST_AFTER).count() >= MAX_WAITING:
                raise TooManyWaiting
            diff = Diff(review=review, url=review.diff_marker, revision=review.revision)
        diff.state, diff.asked_at = Diff.State.WAITING, now
        diff.save(update_fields=["state", "asked_at"] if diff.pk else None)
        enqueue_on_commit("integrations.tasks.fetch_diff", diff.pk)
    return diff


def _is_due(diff: Diff, now: datetime, *, again: bool) -> bool:
    if diff.state == Diff.State.READY:
        return False
    if diff.state == Diff.State.FAILED and again:
        return True
    return diff.asked_at <= now - (LOST_AFTER if diff.state == Diff.State.WAITING else TRIED_AGAIN_AFTER)


def note_diff_seen(user: User, diff: Diff, last: LastSeen, now: datetime) -> None:
    """Write down that a person opened this diff, unless it is the one that they saw last. At most one query."""
    if last.diff_id == diff.pk:
        return
    visit = Visit(
        user=user, review_id=diff.review_id, at=now, diff=diff, diff_at=now, previous_diff_id=last.diff_id
    )  # fmt: skip
    Visit.objects.bulk_create(
        [visit],
        update_conflicts=True,
        unique_fields=["user", "review"],
        update_fields=["at", "diff", "diff_at", "previous_diff"],
    )
