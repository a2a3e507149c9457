"""From an item's facts to its review: the one place that changes a review's state.

The rules are those of docs/specification.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Person
from reviews.choices import Actor
from reviews.comments import SyncedComments, sync_comments
from reviews.facts import CommentFacts, DiffFacts, ExtraFacts, ItemFacts, SeriesFacts
from reviews.history import build_event, record, record_all
from reviews.locks import release
from reviews.models import CLOSED_STATES, TESTABLE_STATES, Event, Review, Series, Source, State
from reviews.people import upsert_people
from reviews.refresh import due_after
from reviews.requests import apply_extras
from reviews.signals import comments_read, review_closed, reviews_opened, revision_changed
from reviews.starting import Start, announce_start, apply_rule
from reviews.votes import count_votes
from reviews.withdrawal import withdraw

logger = structlog.get_logger(__name__)

KEPT_FACTS = (
    "test_url", "branch", "comments_url", "source_branch", "target", "target_url", "target_branch",
    "prerequisite", "prerequisite_url", "prerequisite_branch",
)  # fmt: skip  # that stay as they are known where an item leaves them out
CLOCK_SKEW = timedelta(hours=1)  # how far ahead of our clock a moment of the outside may be and still be believed


@dataclass(frozen=True)
class Ingested:
    """What became of an item: its review (None when it was not taken), and whether that is new or changed."""

    review: Review | None
    added: bool = False
    changed: bool = False


@dataclass(frozen=True)
class Before:
    """What a review was before its item was read again."""

    state: str
    updated_at: datetime
    revision: str
    private: bool
    withdrawn: bool
    start: Start
    next_actor: str
    was_read: bool  # comments included

    @classmethod
    def of(cls, review: Review) -> Before:
        withdrawn = review.withdrawn_at is not None
        return cls(
            review.state,
            review.updated_at,
            review.revision,
            review.private,
            withdrawn,
            Start.of(review),
            review.next_actor,
            review.synced_at is not None,
        )


def ingest(
    source: Source | None,
    item: ItemFacts,
    comments: Sequence[CommentFacts] | None,
    *,
    now: datetime,
    include_closed: bool = False,
    service_account: str = "",
    comments_complete: bool = True,
    review_id: int | None = None,
    extras: ExtraFacts | None = None,
) -> Ingested:
    """Create or update the review of an item; idempotent, and safe when two imports see it at once.

    ``review_id`` says which review it is, where that is known though a bug's task has another target now.

    ``comments`` and ``extras`` are None when they were not read this time; ``comments_complete`` is False when some of
    them could not be understood, so that one which is not among them may still be there. Items in a closed state when
    first seen are left out unless ``include_closed``, and private ones unless the source takes them.
    """
    for is_last_try in (False, True):
        try:
            with transaction.atomic():
                return _ingest(
                    source, item, comments, now, include_closed, service_account, comments_complete, review_id, extras
                )
        except IntegrityError:  # another import was faster: now it is an update
            if is_last_try:
                raise
    raise AssertionError("unreachable")


def _ingest(
    source: Source | None,
    item: ItemFacts,
    comments: Sequence[CommentFacts] | None,
    now: datetime,
    include_closed: bool,
    service_account: str,
    comments_complete: bool,
    review_id: int | None = None,
    extras: ExtraFacts | None = None,
) -> Ingested:
    review = find_review(item, review_id, lock=True)
    if review is None:
        return _add(source, item, comments, now, include_closed, service_account)
    has_moved = item.bug_target != review.bug_target
    if source and source.active and (has_moved or review.source is None or not review.source.active):
        review.source = source  # the source that it came from holds it no more, and this one does
    before = Before.of(review)
    is_first_reading = review.synced_at is None or before.withdrawn
    _note_presence(review, now)
    if item.private and not takes_private(review.source):
        return _hide(review, before, now)
    series = upsert_series(item.series, now) if item.series else None
    state, reason = _state_of(item, series)
    if review.source is None or review.source.active:
        review.withdrawn_at = None
    _apply_facts(review, item, upsert_people(item.people, now), series, now)
    if extras is not None:
        apply_extras(review, extras, now)
    said = None
    if comments is not None:
        said = sync_comments(review, comments, now=now, service_account=service_account, complete=comments_complete)
    if said is not None or review.revision != before.revision:
        count_votes(review)
    review.state, review.state_reason = _refine_state(review, state), reason
    review.closed_at = (review.closed_at or now) if state in CLOSED_STATES else None
    if _apply_activity(review, item, said, before, by_status=state, now=now):
        release(review, "the item changed on Launchpad.")
    _set_turn(review, before, now, is_read=said is not None)
    if said is not None:
        review.synced_at = now
        review.due_at = due_after(review.state, now)
    else:
        review.due_at = min(review.due_at, due_after(review.state, now))
    apply_rule([review])
    review.save()
    announce(review, before)
    if said is not None and (comments_by_people := [*said.new, *said.reworded]):
        comments_by_people.sort(key=lambda comment: comment.position)
        comments_read.send(Review, review=review, comments=comments_by_people, is_first_reading=is_first_reading)
    return Ingested(review, changed=before != Before.of(review))


def _add(
    source: Source | None,
    item: ItemFacts,
    comments: Sequence[CommentFacts] | None,
    now: datetime,
    include_closed: bool,
    service_account: str,
) -> Ingested:
    if ingest_new(source, [item], now=now, include_closed=include_closed) == 0:
        return Ingested(None)
    if comments is not None:
        return Ingested(_ingest(source, item, comments, now, True, service_account, True).review, added=True)
    return Ingested(find_review(item), added=True)


def ingest_new(
    source: Source | None, items: Sequence[ItemFacts], *, now: datetime, include_closed: bool = False
) -> int:
    """Create the reviews of items that are not known yet, however many, in a constant number of queries: all or none.

    Returns how many were created. Raises IntegrityError when one of them is known by now: ``ingest`` them then.
    """
    with transaction.atomic():
        people = upsert_people((person for item in items for person in item.people), now)
        series = {facts.api_url: upsert_series(facts, now) for facts in {item.series for item in items} if facts}
        reviews = []
        for item in sorted(items, key=lambda item: item.api_url):  # in one order, so that no two imports deadlock
            of_series = series[item.series.api_url] if item.series else None
            state, reason = _state_of(item, of_series)
            if (state in CLOSED_STATES and not include_closed) or (item.private and not takes_private(source)):
                continue
            created = item.created_at if is_believable(item.created_at, now) else now
            updated = item.updated_at if is_believable(item.updated_at, now) else created
            review = Review(
                source=source, kind=item.kind, number=item.number, created_at=created, updated_at=max(created, updated),
                state=state, state_reason=reason, imported_at=now, due_at=now, looked_at=now,
            )  # fmt: skip
            _apply_facts(review, item, people, of_series, now)
            # One that was closed when first seen did not close today: its last activity is the best that is known.
            review.closed_at = review.updated_at if state in CLOSED_STATES else None
            review.turn_since = review.closed_at or created
            reviews.append(review)
        apply_rule(reviews)
        Review.objects.bulk_create(reviews)
        record_all(
            build_event(review, Event.Kind.IMPORTED, new=review.get_state_display(), note=str(source or ""))
            for review in reviews
        )
        opened = [review for review in reviews if review.state in TESTABLE_STATES]
        if opened:
            reviews_opened.send(Review, reviews=opened)
    return len(reviews)


def find_review(item: ItemFacts, review_id: int | None = None, *, lock: bool = False) -> Review | None:
    """The review of an item, whatever its address was when it was last seen. One query."""
    reviews = Review.objects.select_related("source", "locked_by", "code_owner", "prerequisite_owner")
    if lock:
        reviews = reviews.select_for_update(of=("self",))
    if review_id is not None:
        return reviews.filter(pk=review_id).first()
    same = Q(kind=item.kind, number=item.number, bug_target=item.bug_target)
    # Rows from before numbers were kept are known by their address.
    return (
        reviews.filter(same | Q(number=None, api_url=item.api_url)).order_by(F("number").asc(nulls_last=True)).first()
    )


def add_comments(
    review_id: int,
    comments: Sequence[CommentFacts],
    *,
    now: datetime,
    service_account: str = "",
    comments_complete: bool = True,
    diff: DiffFacts | None = None,
    extras: ExtraFacts | None = None,
) -> None:
    """What was said on a review that an import has just made: as ``ingest`` does it with comments.

    ``diff`` and ``extras`` are given when they were read as well.
    """
    with transaction.atomic():
        reviews = Review.objects.select_related("source", "code_owner", "prerequisite_owner")
        review = reviews.select_for_update(of=("self",)).get(pk=review_id)
        before, since = Before.of(review), review.locked_at if review.synced_at is None else None
        if diff and diff.url == review.diff_marker:  # else a newer one has come since
            _apply_diff(review, diff, now)
        if extras is not None:
            apply_extras(review, extras, now)
        said = sync_comments(review, comments, now=now, service_account=service_account, complete=comments_complete)
        count_votes(review)
        review.state = _refine_state(review, review.state)
        if said.last_at:
            review.updated_at = max(review.updated_at, min(said.last_at, now))
        if said.by_others(review.locked_by_id, since):
            release(review, "the item changed on Launchpad.")
        _set_turn(review, before, now, is_read=True)
        review.synced_at = review.looked_at = now
        review.sync_error, review.due_at = "", due_after(review.state, now)
        apply_rule([review])
        review.save()
        announce(review, before)


def abandon(review_id: int, reason: str, *, now: datetime) -> None:
    """The item left the queue for another reason than its status: ABANDONED, and the reason in words."""
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        before = Before.of(review)
        _note_presence(review, now)
        leave(review, reason, now=now)
        review.save()
        announce(review, before)


def leave(review: Review, reason: str, *, now: datetime) -> None:
    """Make a review ABANDONED; the caller holds its row, saves it, and announces it."""
    review.state, review.state_reason, review.synced_at = State.ABANDONED, reason, now
    review.closed_at, review.due_at = review.closed_at or now, due_after(State.ABANDONED, now)
    review.turn_since = review.closed_at
    review.tests_wait_for = ""
    release(review, reason)


def takes_private(source: Source | None) -> bool:
    """Whether private items of a source come in, for reviewers alone (docs/specification.md, section 3)."""
    return source is not None and source.private_items == Source.PrivateItems.REVIEWERS


def _hide(review: Review, before: Before, now: datetime) -> Ingested:
    """The item is private, and its source takes none: it leaves the queue until it is public again.

    Nothing else of it is kept up to date: what is said in private is not for this queue.
    """
    review.private, review.synced_at, review.due_at = True, now, due_after(review.state, now)
    review.save()
    if review.withdrawn_at is None:
        withdraw([review], now=now)
    return Ingested(review, changed=not before.private)


def _note_presence(review: Review, now: datetime) -> None:
    """Launchpad shows the item: forget that it was missing or reported as deleted."""
    review.looked_at, review.sync_error = now, ""
    review.missing_since, review.missing_looks, review.reported_deleted = None, 0, False


def _apply_facts(
    review: Review, item: ItemFacts, people: dict[str, Person], series: Series | None, now: datetime
) -> None:
    """Put an item's facts on its review: the one place where a new fact of an item is added.

    What the item leaves out stays as it is known. State, times, comments and what follows from them are not facts.
    """
    review.owner, review.series = people[item.owner.username], series or review.series
    for name in (
        "number", "bug_target", "api_url", "url", "title", "launchpad_status", "private", "duplicate_of",
        "description", "commit_message",
    ):  # fmt: skip
        setattr(review, name, getattr(item, name))
    for name in KEPT_FACTS:
        setattr(review, name, getattr(item, name) or getattr(review, name))
    review.source_url = review.test_url
    is_new_revision = bool(item.revision) and item.revision != review.revision
    if is_new_revision and review.revision:
        review.revision_at = now
    if item.code_owner or item.test_url or is_new_revision:  # else what is known of the code stays, and whose it is
        review.code_owner = people[item.code_owner.username] if item.code_owner else None
    if item.prerequisite:
        review.prerequisite_owner = people[item.prerequisite_owner.username] if item.prerequisite_owner else None
    if item.revision:
        review.revision, review.diff_marker = item.revision, item.diff_marker
    if item.diff:
        _apply_diff(review, item.diff, now)
    elif is_new_revision or not review.diff_marker:
        _apply_diff(review, DiffFacts(""), now)  # what was known is of another revision


def _apply_diff(review: Review, diff: DiffFacts, now: datetime) -> None:
    """Put what a diff says on the review of its item. A conflict that stays is one since it was first seen."""
    review.diff_url, review.conflicts, review.conflicts_text = diff.url, diff.conflicts, diff.conflicts_text
    review.lines_added, review.lines_removed = diff.lines_added, diff.lines_removed
    review.files_changed = diff.files_changed
    review.target_revision = diff.target_revision
    if not diff.conflicts:
        review.conflicts_since = None
    elif review.conflicts_since is None:
        review.conflicts_since = min(diff.made_at or now, now)


def _state_of(item: ItemFacts, series: Series | None) -> tuple[str, str]:
    """The state that the item's status, tags, series and duplicate say, and the reason where it is not the status."""
    if item.is_duplicate:
        other = item.duplicate_of or "a bug that Launchpad does not show"
        return State.ABANDONED, f"It is a duplicate of {other}."
    if item.excluded:
        return State.ABANDONED, "It has a tag that its source excludes."
    if series and not series.active:
        return State.ABANDONED, f"The series {series.name} is not active."
    return item.state, ""


def _refine_state(review: Review, state: str) -> str:
    """The state by the item's status, refined by whose comment is the last (docs/specification.md, section 3)."""
    if state == State.REVIEWED and _submitter_spoke_last(review):
        return State.FOLLOW_UP
    if state == State.FOLLOW_UP and review.kind == Review.Kind.NEW and _answered_by_us(review):
        return State.FOLLOW_UP if _submitter_spoke_last(review) else State.REVIEWED
    return state


def _set_turn(review: Review, before: Before, now: datetime, *, is_read: bool) -> None:
    """Since when it is whose turn: since the fact that made it so. Set when somebody else acts next than before, and
    when an item's comments are read for the first time."""
    actor = review.next_actor
    if actor == before.next_actor and (before.was_read or not is_read):
        return
    began: datetime | None = None
    if actor == Actor.SUBMITTER:
        obstacles = [review.objected_at, review.conflicts_since if review.conflicts else None]
        began = max((at for at in obstacles if at), default=None)
    elif actor == Actor.REVIEWER:
        began = review.answered_at
    if before.was_read:
        review.turn_since = min(began or now, now)
    else:
        review.turn_since = min(began or review.created_at, now)


def is_believable(moment: datetime, now: datetime | None = None) -> bool:
    """Whether something can have happened at a moment that Launchpad names: it does not lie in the future."""
    return moment <= (now or timezone.now()) + CLOCK_SKEW


def _apply_activity(
    review: Review, item: ItemFacts, said: SyncedComments | None, before: Before, *, by_status: str, now: datetime
) -> bool:
    """Move ``updated_at`` to what people did last. True when it is a reason to release the lock.

    ``by_status`` is the state that the status alone says. Nothing that this queue did itself counts, and no moment in
    the future (docs/specification.md, sections 3 and 4).
    """
    named = item.updated_at if is_believable(item.updated_at, now) else None
    if not is_believable(review.updated_at, now):
        logger.warning("time in the future set back", review=review.pk, updated_at=str(review.updated_at))
        review.updated_at = named or min(review.created_at, now)
    changed_at = named if named and named > review.updated_at else None
    if changed_at and said is None and item.kind == Review.Kind.NEW and review.state == before.state:
        # A bug's last change may be our own message on it: its messages have to be read first.
        if review.synced_at is None or changed_at > review.synced_at:
            review.due_at = min(review.due_at, now)
        changed_at = None
    if changed_at and said and said.explains(changed_at):
        changed_at = None
    review.updated_at = changed_at or review.updated_at
    if said and said.last_at:
        review.updated_at = max(review.updated_at, min(said.last_at, now))
    # What was said before the lock was taken, and is read for the first time, is no reason to release it.
    is_first_reading = said is not None and review.synced_at is None
    since = review.locked_at if is_first_reading else None
    if changed_at and said and said.explains(changed_at, review.locked_by_id):
        changed_at = None
    if changed_at and (since is None or changed_at > since):
        return True
    if said and said.by_others(review.locked_by_id, since):
        return True
    return (by_status if is_first_reading else review.state) != before.state


def announce(review: Review, before: Before) -> None:
    """History and signals for what has changed, in the transaction of the change."""
    is_back = before.withdrawn and review.withdrawn_at is None
    if review.revision != before.revision:
        record(review, Event.Kind.REVISION, old=before.revision, new=review.revision)
    if review.is_open:
        announce_start([review], {review.pk: before.start})
    if review.revision != before.revision:
        revision_changed.send(Review, review=review, old=before.revision)
    if review.state != before.state:
        old, new = State(before.state).label, review.get_state_display()
        record(review, Event.Kind.STATE, old=old, new=new, note=review.state_reason)
    if review.state in CLOSED_STATES:
        if review.state != before.state:
            review_closed.send(Review, review=review)
    elif review.state in TESTABLE_STATES and (review.state != before.state or is_back):
        reviews_opened.send(Review, reviews=[review])


def upsert_series(facts: SeriesFacts, now: datetime) -> Series:
    """The series, created or brought up to date. ``active`` as staff set it stands until Launchpad changes its own."""
    series, added = Series.objects.get_or_create(
        api_url=facts.api_url,
        defaults={
            "name": facts.name,
            "target": facts.target,
            "active": facts.active,
            "active_outside": facts.active,
            "fetched_at": now,
        },
    )
    if not added and series.active_outside != facts.active:
        series.active = series.active_outside = facts.active
        series.fetched_at = now
        series.save()
    return series


def _submitter_spoke_last(review: Review) -> bool:
    """In the order of the outside: the date of a mail is its writer's."""
    last = review.comments.replies().order_by("-position", "-id").values_list("author_id", flat=True).first()
    return last is not None and last == review.owner_id


def _answered_by_us(review: Review) -> bool:
    """Whether the last that was said was posted by this queue: for Launchpad any message is an answer."""
    last = review.comments.order_by("-position", "-id").values_list("is_automated", flat=True).first()
    return bool(last)
