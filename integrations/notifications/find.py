"""What happened that somebody wants to be told: found in the columns that say it, a query for each kind.

Nothing is written while items are imported or builds call back, and nothing can get lost: what one call missed, the
next finds. That nothing is told twice is a constraint of ``News``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from accounts.models import Person, TeamMembership, User, bot_usernames
from integrations.notifications.models import Channel, News, NewsKind
from integrations.notifications.trouble import find_trouble
from reviews.choices import Actor, State
from reviews.models import Comment, Event, Review, ReviewRequest, Verdict
from testing.models import TestRun

LOOKBACK = timedelta(days=3)  # what happened before that is not told any more
MAX_ITEMS = 5000  # whose turn changed lately
LOCK_KINDS = (Event.Kind.STATE, Event.Kind.REVISION)


@transaction.atomic
def find_news() -> None:
    """Write down what there is to tell, to people and to channels.

    Some fifteen queries, however many people there are, and four a channel. What another process is about to find for a
    channel is left to it.
    """
    earliest = timezone.now() - LOOKBACK
    news = [
        News(user_id=recipient.user, review_id=review, kind=kind, key=key, happened_at=at)
        for kind, found in FINDERS.items()
        for _, recipient, review, key, at in found(earliest)
        if at > recipient.since
    ]
    channels = Channel.objects.filter(active=True).select_related("source")
    for channel in channels.select_for_update(of=("self",), skip_locked=True):
        news += find_for_channel(channel, earliest)
    News.objects.bulk_create(news, ignore_conflicts=True, batch_size=500)


class Recipient(NamedTuple):
    """An account that wants to be told; nothing that happened before ``since``."""

    user: int
    since: datetime


Found = tuple[int, Recipient, int, str, datetime]  # person, recipient, review, key, when


def recipients(option: str, *, by_default: bool = False) -> dict[int, Recipient]:
    """Who wants to be told of this, by mail, by the id of the person. One query."""
    wants = Q(**{f"notification_preferences__{option}": True}, notification_preferences__stopped_at__isnull=True)
    if by_default:
        wants |= Q(notification_preferences__isnull=True)
    is_bot = Q(person__is_bot=True) | Q(person__username__in=bot_usernames())
    users = User.objects.filter(wants, is_active=True, person__isnull=False).exclude(email="").exclude(is_bot)
    rows = users.order_by().values_list("person_id", "pk", "notification_preferences__since", "date_joined")
    return {person: Recipient(user, since or joined) for person, user, since, joined in rows if person is not None}


def tests_failed(earliest: datetime) -> Iterator[Found]:
    """The tests of one's own item failed, and all of them are known."""
    people = recipients("tests_failed")
    reading = TestRun.objects.filter(review=OuterRef("pk"), results_due_at__isnull=False)
    failed = Review.objects.open().filter(~Exists(reading), verdict=Verdict.FAIL, verdict_at__gte=earliest)
    rows = failed.filter(owner__in=list(people)).order_by().values_list("owner_id", "pk", "verdict_at")
    for person, review, at in rows:
        if at is not None:
            yield person, people[person], review, at.isoformat(), at


def reviewed(earliest: datetime) -> Iterator[Found]:
    """Somebody said something about one's own item."""
    people = recipients("reviewed")
    comments = Comment.objects.replies().by_others().filter(created_at__gte=earliest, review__owner__in=list(people))
    rows = comments.order_by().values_list("review__owner_id", "review_id", "number", "created_at")
    for person, review, number, at in rows:
        yield person, people[person], review, f"comment {number}", at


def my_turn(earliest: datetime) -> Iterator[Found]:
    """It is the submitter's turn on their item, or again the reviewers' on one that this reviewer has to do with.

    Work in progress is none: its submitter made it so.
    """
    people = recipients("my_turn")
    passed_on = Review.objects.open().filter(turn_since__gte=earliest)
    own = passed_on.next_for(Actor.SUBMITTER).exclude(state=State.IN_PROGRESS).filter(owner__in=list(people))
    for person, review, at in own.order_by().values_list("owner_id", "pk", "turn_since"):
        yield person, people[person], review, at.isoformat(), at
    back = passed_on.next_for(Actor.REVIEWER).exclude(answered_at=None, revision_at=None).order_by()
    items = {pk: (owner, at) for pk, owner, at in back.values_list("pk", "owner_id", "turn_since")[:MAX_ITEMS]}
    for person, review in sorted(_involved(list(people), list(items))):
        owner, at = items[review]
        if owner != person:
            yield person, people[person], review, at.isoformat(), at


def _involved(people: list[int], reviews: list[int]) -> set[tuple[int, int]]:
    """People and the reviews that they hold, were asked for, or have commented on. Three queries."""
    if not people or not reviews:
        return set()
    held = Review.objects.filter(pk__in=reviews, locked_by__in=people).order_by()
    asked = ReviewRequest.objects.filter(review__in=reviews, reviewer__in=people, is_pending=True).order_by()
    said = Comment.objects.filter(review__in=reviews, author__in=people).order_by()
    found = {(person, review) for person, review in held.values_list("locked_by_id", "pk") if person is not None}
    found |= set(asked.values_list("reviewer_id", "review_id"))
    return found | set(said.values_list("author_id", "review_id"))


def locked_changed(earliest: datetime) -> Iterator[Found]:
    """Something became of an item that one has locked, or the lock was released by somebody else."""
    people = recipients("locked_changed")
    if not people:
        return
    held = Review.objects.filter(locked_by__in=list(people)).order_by()
    verdicts = held.exclude(verdict="").filter(verdict_at__gte=earliest, verdict_at__gt=F("locked_at"))
    for holder, review, moment in verdicts.values_list("locked_by_id", "pk", "verdict_at"):
        if holder is not None and moment is not None:
            yield holder, people[holder], review, f"verdict {moment.isoformat()}", moment
    events = Event.objects.filter(kind__in=LOCK_KINDS, at__gte=earliest, at__gt=F("review__locked_at"), review__in=held)
    rows = events.order_by().values_list("review__locked_by_id", "review_id", "pk", "at", "actor_id")
    for holder, review, event, at, actor in rows:
        if holder in people and actor != holder:
            yield holder, people[holder], review, f"event {event}", at
    comments = Comment.objects.replies().filter(
        created_at__gte=earliest, created_at__gt=F("review__locked_at"), review__in=held
    )
    said = comments.order_by().values_list("review__locked_by_id", "review_id", "number", "created_at", "author_id")
    for holder, review, number, at, author in said:
        if holder in people and author != holder:
            yield holder, people[holder], review, f"comment {number}", at
    names = dict(Person.objects.filter(pk__in=list(people)).values_list("username", "pk"))
    released = Event.objects.filter(kind=Event.Kind.LOCK, at__gte=earliest, old__in=list(names)).order_by()
    for name, review, event, at, actor in released.values_list("old", "review_id", "pk", "at", "actor_id"):
        if actor != names[name]:
            yield names[name], people[names[name]], review, f"event {event}", at


def review_requested(earliest: datetime) -> Iterator[Found]:
    """One was asked to review an item, or a team of one's own was; not by oneself, and not one's own item."""
    people = recipients("review_requested")
    teams = defaultdict(list)
    for team, person in TeamMembership.objects.filter(person__in=list(people)).values_list("team", "person_id"):
        teams[team].append(person)
    asked = Q(reviewer__in=list(people)) | Q(reviewer__username__in=list(teams))
    pending = ReviewRequest.objects.filter(asked, is_pending=True, requested_at__gte=earliest).order_by()
    for reviewer, name, review, request, at, registrant, owner in pending.values_list(
        "reviewer_id", "reviewer__username", "review_id", "pk", "requested_at", "registrant_id", "review__owner_id"
    ):
        for person in {reviewer, *teams.get(name, [])} & people.keys():
            if person not in (registrant, owner):
                yield person, people[person], review, f"request {request}", at


def my_runs(earliest: datetime) -> Iterator[Found]:
    """A test that one started by hand has ended, and its single tests are known."""
    people = recipients("my_runs", by_default=True)
    ended = TestRun.objects.of_items().with_outcome().filter(finished_at__gte=earliest, results_due_at__isnull=True)
    mine = ended.filter(requested_by__in=list(people)).order_by()
    for person, review, run, at in mine.values_list("requested_by_id", "review_id", "pk", "finished_at"):
        if person is not None and review is not None and at is not None:
            yield person, people[person], review, f"run {run}", at


FINDERS = {
    NewsKind.TESTS_FAILED: tests_failed,
    NewsKind.REVIEWED: reviewed,
    NewsKind.MY_TURN: my_turn,
    NewsKind.LOCKED_CHANGED: locked_changed,
    NewsKind.REVIEW_REQUESTED: review_requested,
    NewsKind.MY_RUNS: my_runs,
}


def find_for_channel(channel: Channel, earliest: datetime) -> list[News]:
    """What there is to tell a channel: only of items that everybody may see. Four queries at most."""
    since = max(channel.since, earliest)
    items = Review.objects.visible_to(None).in_queue()
    if channel.source:
        items = items.filter(source=channel.source)
    found: list[tuple[str, int, str, datetime]] = []
    if channel.new_items:
        new = items.open().filter(imported_at__gt=since).values_list("pk", "imported_at")
        found += [(NewsKind.NEW_ITEM, pk, "", at) for pk, at in new]
    if channel.verdicts:
        reading = TestRun.objects.filter(review=OuterRef("pk"), results_due_at__isnull=False)
        changed = items.open().filter(~Exists(reading), verdict_at__gt=since).exclude(verdict="")
        rows = changed.values_list("pk", "verdict_at")
        found += [(NewsKind.VERDICT, pk, at.isoformat(), at) for pk, at in rows if at is not None]
    if channel.waits_days is not None:
        limit = timedelta(days=channel.waits_days)
        waiting = items.waiting().filter(turn_since__lt=timezone.now() - limit, turn_since__gt=since - limit)
        found += [
            (NewsKind.WAITS, pk, at.isoformat(), at + limit) for pk, at in waiting.values_list("pk", "turn_since")
        ]
    news = [News(channel=channel, review_id=pk, kind=kind, key=key, happened_at=at) for kind, pk, key, at in found]
    return news + (find_trouble(channel) if channel.trouble else [])
