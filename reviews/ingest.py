"""From an item's facts to its review: the one place that changes a review's state.

The rules are those of docs/specification.md, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Person
from reviews.facts import CommentFacts, ItemFacts, PersonFacts, SeriesFacts
from reviews.history import build_event, record, record_all
from reviews.locks import release
from reviews.models import CLOSED_STATES, TESTABLE_STATES, Comment, Event, Review, Series, Source, State
from reviews.refresh import due_after
from reviews.signals import review_closed, reviews_opened, revision_changed
from reviews.votes import keep_votes, sentiment

# A line that our own comments end with; what carries it is never a vote.
MARKER = "-- posted by Review Queue, run "


@dataclass(frozen=True)
class Ingested:
    """What became of an item: its review (None when it was not taken), and whether that is new or changed."""

    review: Review | None
    added: bool = False
    changed: bool = False


def ingest(
    source: Source | None,
    item: ItemFacts,
    comments: Sequence[CommentFacts] | None,
    *,
    now: datetime,
    include_closed: bool = False,
    service_account: str = "",
) -> Ingested:
    """Create or update the review of an item; idempotent, and safe when two imports see it at once.

    ``comments`` is None when they were not fetched this time. Items in a closed state when first seen are left out
    unless ``include_closed``.
    """
    try:
        with transaction.atomic():
            return _ingest(source, item, comments, now, include_closed, service_account)
    except IntegrityError:  # another import was faster: now it is an update
        with transaction.atomic():
            return _ingest(source, item, comments, now, include_closed, service_account)


def _ingest(
    source: Source | None,
    item: ItemFacts,
    comments: Sequence[CommentFacts] | None,
    now: datetime,
    include_closed: bool,
    service_account: str,
) -> Ingested:
    review = Review.objects.select_for_update(of=("self",)).filter(api_url=item.api_url).first()
    series = upsert_series(item.series, now) if item.series else None
    state = _state_of(item, series)
    added = review is None
    if review is None:
        if state in CLOSED_STATES and not include_closed:
            return Ingested(None)
        review = _new_review(source, item, state, now)
    before = (review.state, review.updated_at, review.revision)
    _apply_facts(review, item, upsert_person(item.owner, now), series)
    if added:
        review.save()
        record_all([_imported(review, source)])
    return _finish(review, state, comments, before, added, now, service_account)


def _finish(
    review: Review,
    state: str,
    comments: Sequence[CommentFacts] | None,
    before: tuple[str, datetime, str],
    added: bool,
    now: datetime,
    service_account: str,
) -> Ingested:
    """What follows from the facts: comments and votes, the state, the lock, history and signals. Saves the review."""
    first_reading = comments is not None and review.synced_at is None
    moved = state != before[0]  # by Launchpad's own word, whatever was said
    if comments is not None:
        _add_comments(review, comments, now, service_account)
        review.synced_at = now
    review.sync_error = ""
    if state == State.REVIEWED and _submitter_spoke_last(review):
        state = State.FOLLOW_UP
    review.state = state
    review.closed_at = (review.closed_at or now) if state in CLOSED_STATES else None
    review.due_at = due_after(state, now) if comments is not None else min(review.due_at, due_after(state, now))
    changed = (review.state, review.updated_at) != before[:2]
    if first_reading and review.locked_at:  # what was said before the lock was taken is no reason to release it
        changed = moved or review.updated_at > review.locked_at
    if changed and not added:
        release(review, "Released: the item changed on Launchpad.")
    review.save()
    _announce(review, before, added)
    return Ingested(review, added, not added and before != (review.state, review.updated_at, review.revision))


def _state_of(item: ItemFacts, series: Series | None) -> str:
    """The state that the item's status, tags and series say."""
    return State.ABANDONED if item.excluded or (series and not series.active) else item.state


def _apply_facts(review: Review, item: ItemFacts, owner: Person, series: Series | None) -> None:
    """Put an item's facts on its review: the one place where a new fact of an item is added.

    What the item leaves out stays as it is known. State, comments and what follows from them are not facts.
    """
    review.title, review.url, review.launchpad_status = item.title, item.url, item.launchpad_status
    review.owner, review.series = owner, series or review.series
    for name in ("test_url", "branch", "comments_url"):
        setattr(review, name, getattr(item, name) or getattr(review, name))
    if item.revision:
        review.revision, review.diff_marker = item.revision, item.diff_marker
    review.updated_at = max(review.updated_at, item.updated_at)


def _new_review(source: Source | None, item: ItemFacts, state: str, now: datetime) -> Review:
    """A review that is still to be written. One that is closed did not close today: its last activity counts."""
    return Review(
        api_url=item.api_url, source=source, kind=item.kind, created_at=item.created_at, updated_at=item.updated_at,
        state=state, imported_at=now, due_at=now, closed_at=item.updated_at if state in CLOSED_STATES else None,
    )  # fmt: skip


def _imported(review: Review, source: Source | None) -> Event:
    return build_event(review, Event.Kind.IMPORTED, new=review.get_state_display(), note=str(source or ""))


def ingest_new(source: Source, items: Sequence[ItemFacts], *, now: datetime, include_closed: bool = False) -> int:
    """Create the reviews of items that are not known yet, however many, in a constant number of queries: all or none.

    Returns how many were created. Raises IntegrityError when one of them is known by now: ``ingest`` them then.
    """
    with transaction.atomic():
        people = upsert_people((item.owner for item in items), now)
        series = {facts.api_url: upsert_series(facts, now) for facts in {item.series for item in items} if facts}
        reviews = []
        for item in sorted(items, key=lambda item: item.api_url):  # in one order, so that no two imports deadlock
            of_series = series[item.series.api_url] if item.series else None
            state = _state_of(item, of_series)
            if state in CLOSED_STATES and not include_closed:
                continue
            review = _new_review(source, item, state, now)
            _apply_facts(review, item, people[item.owner.username], of_series)
            reviews.append(review)
        Review.objects.bulk_create(reviews)
        record_all(_imported(review, source) for review in reviews)
        opened = [review for review in reviews if review.state in TESTABLE_STATES]
        if opened:
            reviews_opened.send(Review, reviews=opened)
    return len(reviews)


def add_comments(
    review_id: int, comments: Sequence[CommentFacts], *, now: datetime, service_account: str = ""
) -> Ingested:
    """What was said on a review whose other facts are up to date: as ``ingest`` does it with comments."""
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        before = (review.state, review.updated_at, review.revision)
        return _finish(review, review.state, comments, before, False, now, service_account)


def _announce(review: Review, before: tuple[str, datetime, str], added: bool) -> None:
    """History and signals for what has changed, in the same transaction."""
    old_state, _, old_revision = before
    if added:
        if review.state in TESTABLE_STATES:
            reviews_opened.send(Review, reviews=[review])
        return
    if review.revision != old_revision:
        record(review, Event.Kind.REVISION, old=old_revision, new=review.revision)
        revision_changed.send(Review, review=review, old=old_revision)
    if review.state == old_state:
        return
    record(review, Event.Kind.STATE, old=State(old_state).label, new=review.get_state_display())
    if review.state in CLOSED_STATES:
        review_closed.send(Review, review=review)
    elif review.state in TESTABLE_STATES:
        reviews_opened.send(Review, reviews=[review])


def move(review_id: int, api_url: str, *, now: datetime) -> bool:
    """The item has another address now, as when its project was renamed: its review goes along.

    False when there is a review of that address already: then the old one is abandoned, so that the item appears once.
    """
    if Review.objects.filter(api_url=api_url).exists():
        abandon(review_id, f"It is at {api_url} now, and known there.", now=now)
        return False
    Review.objects.filter(pk=review_id).update(api_url=api_url)
    return True


def abandon(review_id: int, reason: str, *, now: datetime) -> None:
    """The item is gone, or no longer ours to see: ABANDONED (docs/specification.md, section 3)."""
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).get(pk=review_id)
        before = (review.state, review.updated_at, review.revision)
        review.state, review.synced_at, review.sync_error = State.ABANDONED, now, reason
        review.closed_at, review.due_at = review.closed_at or now, due_after(State.ABANDONED, now)
        release(review, "Released: the item is gone from Launchpad.")
        review.save()
        _announce(review, before, added=False)


def upsert_people(facts: Iterable[PersonFacts], now: datetime) -> dict[str, Person]:
    """The people of those names, created or brought up to date. One query when all are known and unchanged."""
    # In one order, so that no two imports deadlock.
    wanted = {one.username: one for one in sorted(facts, key=lambda one: (one.username, one.display_name))}
    people: dict[str, Person] = Person.objects.in_bulk(wanted, field_name="username")
    if missing := [name for name in wanted if name not in people]:
        Person.objects.bulk_create([Person(username=name) for name in missing], ignore_conflicts=True)
        people |= Person.objects.in_bulk(missing, field_name="username")
    changed = []
    for name, one in wanted.items():
        person = people[name]
        url = one.url or person.url
        is_same = (person.display_name, person.url) == (one.display_name, url)
        if one.display_name and (person.fetched_at is None or not is_same):
            person.display_name, person.url, person.is_team, person.fetched_at = one.display_name, url, one.is_team, now
            changed.append(person)
    if changed:
        Person.objects.bulk_update(changed, ["display_name", "url", "is_team", "fetched_at"])
    return people


def upsert_person(facts: PersonFacts, now: datetime) -> Person:
    """``upsert_people`` for one."""
    return upsert_people([facts], now)[facts.username]


def upsert_series(facts: SeriesFacts, now: datetime) -> Series:
    """The series, created or brought up to date. Staff's word on ``active`` stands until Launchpad changes its own."""
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


def _add_comments(review: Review, comments: Sequence[CommentFacts], now: datetime, service_account: str) -> None:
    known = set(review.comments.values_list("api_url", flat=True))
    unknown = {facts.api_url: facts for facts in comments if facts.api_url not in known}
    people = upsert_people((facts.author for facts in unknown.values()), now) if unknown else {}
    new = []
    for facts in unknown.values():
        name = facts.author.username
        # At the start of a line: somebody who quotes our comment is not us.
        marked = any(line.startswith(MARKER) for line in facts.content.splitlines())
        automated = marked or bool(service_account and name == service_account)
        counts = not automated and not facts.is_description
        new.append(
            Comment(
                review=review, author=people[name], api_url=facts.api_url, content=facts.content,
                created_at=facts.created_at, vote=facts.vote, vote_tag=facts.vote_tag, is_automated=automated,
                is_description=facts.is_description,
                sentiment=sentiment(facts.content, facts.vote) if counts else Comment.Sentiment.NEUTRAL,
            )
        )  # fmt: skip
    if not new:
        return
    Comment.objects.bulk_create(new)
    keep_votes(review)
    said = [comment for comment in new if not comment.is_description]
    if said:
        review.updated_at = max(review.updated_at, max(comment.created_at for comment in said))
    first = [c.created_at for c in said if not c.is_automated and c.author_id != review.owner_id]
    if first:
        review.first_reviewed_at = min([*first, review.first_reviewed_at or min(first)])


def _submitter_spoke_last(review: Review) -> bool:
    said = review.comments.filter(is_description=False, is_automated=False).order_by("-created_at", "-id")
    last = said.values_list("author_id", flat=True).first()
    return last is not None and last == review.owner_id
