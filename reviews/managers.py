"""The questions that pages, the API, the import and the sweep ask about reviews, their comments and sources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from django.apps import apps
from django.db import connection, models
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    Exists,
    F,
    Func,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat, JSONObject, NullIf
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from accounts.models import bot_usernames
from reviews.choices import (
    CLOSED_STATES,
    NEXT_ACTOR,
    OPEN_STATES,
    Actor,
    State,
    Verdict,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import Person, User
    from reviews.models import Comment, Review, Source  # noqa: F401  (the models that the querysets are of)

SORTS: dict[str, tuple[Any, ...]] = {
    "age": ("updated_at", "id"),
    "waiting": ("turn_since", "id"),
    "submitted": ("created_at", "id"),
    "lines": (Coalesce("lines_added", 0) + Coalesce("lines_removed", 0), "id"),
    "state": ("state", "updated_at", "id"),
    "title": ("title", "id"),
    "submitter": ("owner__username", "updated_at", "id"),
    "votes": ("-positive_votes", "negative_votes", "id"),
    "square": ("square", "updated_at", "id"),
    "lock": ("locked_at", "updated_at", "id"),
}
SIZES = (50, 300)  # lines added and removed: small, middling; more is large
MAX_WORDS = 8  # of a free text that count
PRIVATE_FOR_REVIEWERS = "reviewers"  # a value of Source.private_items
UNTESTED = "none"  # asked for like a status of a mark: there is no run on the substrate
WAITING_STATES = tuple(state for state in OPEN_STATES if NEXT_ACTOR[state] == Actor.REVIEWER)


Reader: TypeAlias = "User | AnonymousUser | None"


def visibility(user: Reader, prefix: str = "") -> Q:
    """The condition of ``ReviewQuerySet.visible_to``; ``prefix`` leads to the review, as ``review__``.

    A private item is seen by reviewers and staff alone, and only if its source says so.
    """
    public = Q(**{f"{prefix}private": False})
    if not may_see_private(user):
        return public
    return public | Q(**{f"{prefix}source__private_items": PRIVATE_FOR_REVIEWERS})


def may_see_private(user: Reader) -> bool:
    """Whether this reader sees the private items of sources that let them in."""
    if user is None or not user.is_authenticated or not user.is_active:
        return False
    return user.is_staff or user.is_reviewer


def turn_of(actor: str) -> Q:
    """The condition of ``ReviewQuerySet.next_for``."""
    by_state = Q(state__in=[state for state, who in NEXT_ACTOR.items() if who == actor])
    reviewing = Q(state__in=[state for state, who in NEXT_ACTOR.items() if who == Actor.REVIEWER])
    obstacle = Q(verdict=Verdict.FAIL, tests_excused=False) | Q(conflicts=True) | Q(objections__gt=0)
    if actor == Actor.SUBMITTER:
        return by_state | (reviewing & obstacle)
    return by_state & ~obstacle if actor == Actor.REVIEWER else by_state


class ReviewQuerySet(models.QuerySet["Review"]):
    """What can be asked about reviews; each method narrows or orders, and costs no query unless it says so."""

    # By reader.
    def visible_to(self, user: Reader) -> ReviewQuerySet:
        """What this reader may know of (docs/specification.md, section 3, private items). Every page, feed, export and
        answer that speaks of reviews to somebody begins with this; None is a visitor."""
        return self.filter(visibility(user))

    # By state.
    def in_queue(self) -> ReviewQuerySet:
        """Without those of sources that are switched off; these can still be found."""
        return self.filter(Q(source__isnull=True) | Q(source__active=True))

    def tracked(self) -> ReviewQuerySet:
        """In the queue for somebody: tested and counted. ``Review.why_untracked`` says the same of one."""
        return self.in_queue().filter(_is_shown_to_somebody())

    def untracked(self) -> ReviewQuerySet:
        """The others: their source is switched off, or they are private and their source takes no private items."""
        return self.filter(Q(source__active=False) | ~_is_shown_to_somebody())

    def open(self) -> ReviewQuerySet:
        return self.filter(state__in=OPEN_STATES)

    def closed(self) -> ReviewQuerySet:
        return self.filter(state__in=CLOSED_STATES)

    def open_at(self, moment: datetime) -> ReviewQuerySet:
        """Submitted by then, and not closed yet."""
        is_open = Q(state__in=OPEN_STATES) | Q(closed_at__gt=moment)
        return self.filter(is_open, created_at__lte=moment)

    def waiting(self) -> ReviewQuerySet:
        """In the queue, and a reviewer has to act next: *Incoming* and *Reviews* together."""
        return self.in_queue().filter(state__in=WAITING_STATES)

    def next_for(self, actor: str) -> ReviewQuerySet:
        """Those whose next step is this ``Actor``'s: ``Review.next_actor`` says the same of one."""
        return self.filter(turn_of(actor))

    # By whose code runs.
    def starting_by_itself(self) -> ReviewQuerySet:
        """Their tests may start without anybody being asked; ``reviews.starting`` keeps what this reads."""
        return self.filter(trusted=True, tests_wait_for="")

    def held(self, reason: str) -> ReviewQuerySet:
        """Open ones in the queue whose tests wait for this ``TestsWaitFor``."""
        return self.tracked().open().filter(tests_wait_for=reason)

    # By words.
    def matching(self, text: str) -> ReviewQuerySet:
        """Those that have each word of the text in their title, their address or their submitter's names; the first
        ``MAX_WORDS`` words count."""
        people = apps.get_model("accounts", "Person").objects.order_by()
        found = self
        for word in text.split()[:MAX_WORDS]:
            named = people.filter(Q(username__icontains=word) | Q(display_name__icontains=word)).values("pk")
            found = found.filter(Q(title__icontains=word) | Q(url__icontains=word) | _owned_by(named))
        return found

    # By tests.
    def with_outcome(self, outcomes: Iterable[str], substrates: Iterable[str] = ()) -> ReviewQuerySet:
        """Those whose newest run of the current revision says one of these (a status of a mark, or ``UNTESTED``) on one
        of these substrates. No substrates stand for any; no outcomes for whatever a run says."""
        found = Q()
        for substrate, outcome in product(list(substrates) or [""], list(outcomes) or [""]):
            if outcome == UNTESTED or not (substrate or outcome):
                tested = _has_mark(substrate, "") if substrate else ~Q(marks=[])
                found |= ~tested if outcome == UNTESTED else tested
            else:
                found |= _has_mark(substrate, outcome)
        return self.filter(found)

    # By time.
    def submitted_before(self, day: datetime) -> ReviewQuerySet:
        """Those that were there at that time already."""
        return self.filter(created_at__lte=day)

    def due(self, now: datetime | None = None) -> ReviewQuerySet:
        """To be brought up to date now."""
        return self.filter(due_at__lte=now or timezone.now())

    def closed_before(self, cutoff: datetime) -> ReviewQuerySet:
        return self.closed().filter(closed_at__lt=cutoff)

    # By person.
    def submitted_by(self, *people: Person | str) -> ReviewQuerySet:
        """Those of any of these people; each may be a username."""
        return self.filter(_is_among("owner", people))

    def with_code_of(self, people: Iterable[int]) -> ReviewQuerySet:
        """Those in which code of these people (ids) is tested: who submitted it, whose branch or prerequisite it is."""
        keys = list(people)
        return self.filter(Q(owner__in=keys) | Q(code_owner__in=keys) | Q(prerequisite_owner__in=keys))

    def reviewed_by(
        self, *people: Person | str, since: datetime | None = None, until: datetime | None = None
    ) -> ReviewQuerySet:
        """Those of others that any of these people commented on in that time, both ends included; each may be a
        username."""
        return self.filter(_is_reviewed_by(people, since, until))

    def unreviewed(self) -> ReviewQuerySet:
        """Nobody but their submitter has said anything yet; what bots and this queue say does not count."""
        return self.filter(first_reviewed_at__isnull=True)

    def locked(self) -> ReviewQuerySet:
        return self.filter(locked_by__isnull=False)

    def unlocked(self) -> ReviewQuerySet:
        return self.filter(locked_by__isnull=True)

    def locked_by(self, *people: Person | str) -> ReviewQuerySet:
        """Those that any of these people have locked; each may be a username."""
        return self.filter(_is_among("locked_by", people))

    def waiting_for(self, reviewer: Person | None) -> ReviewQuerySet:
        """What a reviewer can take up now: a reviewer's turn, nobody else holds it, and it is not their own."""
        waiting = self.waiting().next_for(Actor.REVIEWER)
        if reviewer is None:
            return waiting.unlocked()
        return waiting.filter(Q(locked_by__isnull=True) | Q(locked_by=reviewer)).exclude(owner=reviewer)

    def needs(self, person: Person) -> ReviewQuerySet:
        """Open ones in the queue that wait for them: their own that the submitter has to move, those that they have
        locked, those that they were asked to review, and those that they have reviewed whose submitter has answered."""
        own = Q(owner=person) & turn_of(Actor.SUBMITTER)
        answered = Q(state=State.FOLLOW_UP) & _is_reviewed_by([person])
        asked = is_asked(person) & turn_of(Actor.REVIEWER)
        return self.in_queue().open().filter(own | Q(locked_by=person) | asked | answered)

    # Orders, columns, figures.
    def sorted_by(self, sort: str) -> ReviewQuerySet:
        """In an order of ``SORTS``; with ``-`` before it the other way round."""
        ordered = self.order_by(*SORTS[sort.removeprefix("-")])
        return ordered.reverse() if sort.startswith("-") else ordered

    def best_first(self, person: Person | None) -> ReviewQuerySet:
        """In the order in which this reviewer can best take them up: what was asked of them, then of a team of theirs,
        then what was answered that they reviewed, then the rest; in each what passed its tests first, small ones
        before large ones, and then what has waited longest."""
        asked: list[When] = []
        if person is not None:
            answered = Q(state=State.FOLLOW_UP) & _is_reviewed_by([person])
            asked = [When(is_asked(person), then=0), When(is_team_asked(person), then=1), When(answered, then=2)]
        size = Coalesce("lines_added", 0) + Coalesce("lines_removed", 0)
        return self.annotate(
            best_by_asked=Case(*asked, default=Value(3)),
            best_by_tests=Case(When(verdict=Verdict.PASS, then=0), When(verdict="", then=1), default=2),
            best_by_size=Case(
                When(lines_added__isnull=True, then=1),
                *(When(LessThanOrEqual(size, most), then=number) for number, most in enumerate(SIZES)),
                default=len(SIZES),
            ),
        ).order_by("best_by_asked", "best_by_tests", "best_by_size", "turn_since", "id")

    def newest_first(self) -> ReviewQuerySet:
        """Latest activity first."""
        return self.order_by("-updated_at", "-id")

    def for_reader(self, user: User) -> ReviewQuerySet:
        """With what rows say to this reader alone: when they opened it (``visited_at``), who asked them to review it
        (``asked_by``: a name, empty where it is hidden, None where nobody did), or of which team of theirs that was
        asked (``asked_team``)."""
        found = self.with_visit(user)
        if user.person is None or not user.is_reviewer:
            return found.annotate(asked_by=Value(None, CharField()), asked_team=Value(""))
        asked = _pending_requests().filter(reviewer=user.person)
        teams = _requests_of_teams(user.person).values("reviewer__username")[:1]
        return found.annotate(asked_by=Subquery(asked.values(name=asked_by_name())[:1]), asked_team=Subquery(teams))

    def with_visit(self, user: User) -> ReviewQuerySet:
        """With ``visited_at``: when this reader first opened it after its last change; None if they never did."""
        visits = apps.get_model("reviews", "Visit").objects.filter(user=user, review=OuterRef("pk")).order_by()
        return self.annotate(visited_at=Subquery(visits.values("at")[:1]))

    def for_rows(self) -> ReviewQuerySet:
        """With everything that a row of a page or of the API shows, in one query."""
        return self.select_related("owner", "series", "source", "locked_by", "code_owner", "prerequisite_owner")

    def with_prerequisite(self, user: Reader) -> ReviewQuerySet:
        """With ``prerequisite_item``: id, title and state of the newest item that proposes the prerequisite; None where
        there is none, or this reader may not know of it."""
        items: ReviewQuerySet = apps.get_model("reviews", "Review").objects.visible_to(user)
        proposed = items.exclude(source_url="").filter(
            source_url=OuterRef("prerequisite_url"), source_branch=OuterRef("prerequisite_branch")
        )
        item = JSONObject(id="id", title="title", state="state")
        return self.annotate(prerequisite_item=Subquery(proposed.order_by("-created_at").values(item=item)[:1]))

    def with_stamps(self) -> ReviewQuerySet:
        """With ``comment_stamp`` and ``event_stamp``, which change when its comments or its history do."""
        comments = apps.get_model("reviews", "Comment").objects.filter(review=OuterRef("pk")).order_by()
        events = apps.get_model("reviews", "Event").objects.filter(review=OuterRef("pk")).order_by()
        stamp = Concat(Count("pk"), Value(" "), Max("pk"), Value(" "), Max("edited_at"), output_field=CharField())
        return self.annotate(
            comment_stamp=Subquery(comments.values("review").annotate(stamp=stamp).values("stamp")),
            event_stamp=Subquery(events.values("review").annotate(stamp=Max("pk")).values("stamp")),
        )

    def count_by_state(self) -> dict[str, int]:
        """How many there are in each state that occurs. One query."""
        return dict(self.order_by().values_list("state").annotate(Count("id")))


def _owned_by(people: QuerySet[Any, Any]) -> Q:
    """Reviews of these people. An array is what PostgreSQL can combine with the indexes of other conditions."""
    if connection.vendor != "postgresql":
        return Q(owner__in=people)
    return Q(
        Func(
            F("owner_id"), Func(Subquery(people), function="ARRAY", template="%(function)s%(expressions)s"),
            template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField(),
        )
    )  # fmt: skip


def asked_by_name() -> Coalesce:
    """The name of who asked for a review, of ``ReviewRequest``; empty where that is hidden."""
    name = NullIf("registrant__display_name", Value(""))
    return Coalesce(name, "registrant__username", Value(""), output_field=CharField())


def is_asked(person: Person) -> Q:
    """Reviews that this person was asked to review, and has not voted on."""
    return Q(Exists(_pending_requests().filter(reviewer=person)))


def is_team_of(person: Person) -> Exists:
    """Whether a request for a review is to a team of this person's."""
    memberships = apps.get_model("accounts", "TeamMembership").objects.order_by()
    return Exists(memberships.filter(person=person, team=OuterRef("reviewer__username")))


def is_team_asked(person: Person) -> Q:
    """Reviews that a team of this person's was asked to review, and nobody of it has voted on."""
    return Q(Exists(_requests_of_teams(person)))


def _requests_of_teams(person: Person) -> QuerySet[Any, Any]:
    memberships = apps.get_model("accounts", "TeamMembership").objects.filter(person=person).order_by()
    return _pending_requests().filter(reviewer__username__in=memberships.values("team"))


def _pending_requests() -> QuerySet[Any, Any]:
    requests = apps.get_model("reviews", "ReviewRequest").objects.order_by()
    return requests.filter(review=OuterRef("pk"), is_pending=True)


def _is_shown_to_somebody() -> Q:
    return Q(private=False) | Q(source__isnull=False, source__private_items=PRIVATE_FOR_REVIEWERS)


def _is_among(field: str, people: Sequence[Person | str]) -> Q:
    """That the person in this field is one of these, all of them rows or all of them usernames."""
    by_name = any(isinstance(person, str) for person in people)
    return Q(**{f"{field}__username__in" if by_name else f"{field}__in": people})


def _is_reviewed_by(people: Sequence[Person | str], since: datetime | None = None, until: datetime | None = None) -> Q:
    comments: CommentQuerySet = apps.get_model("reviews", "Comment").objects.all()
    theirs = comments.replies().filter(_is_among("author", people), review=OuterRef("pk"))
    if since:
        theirs = theirs.filter(created_at__gte=since)
    if until:
        theirs = theirs.filter(created_at__lte=until)
    return Q(Exists(theirs.exclude(author=OuterRef("owner"))))


def _has_mark(substrate: str, status: str) -> Q:
    """That the newest run on this substrate has this status; an empty one stands for any."""
    if connection.vendor == "postgresql":
        return Q(marks__contains=[[word for word in (substrate, status) if word]])
    # Elsewhere a mark is found as it is written: ["lxc", "pass", true].
    begin = f"[{json.dumps(substrate)}, " if substrate else ", "
    return Q(marks__icontains=begin + (f"{json.dumps(status)}, " if status else ""))


class CommentQuerySet(models.QuerySet["Comment"]):
    """What can be asked about comments."""

    def replies(self) -> CommentQuerySet:
        """What people said about an item: not its description, nor what a bot or this queue itself posted."""
        by_bots = Q(author__is_bot=True) | Q(author__username__in=bot_usernames())
        return self.filter(is_description=False, is_automated=False).exclude(by_bots)

    def votes(self) -> CommentQuerySet:
        """What people said that counts as a vote, Abstain too, which takes one back."""
        return self.replies().exclude(vote="", sentiment="neutral")

    def visible_to(self, user: Reader) -> CommentQuerySet:
        """Those on reviews that this reader may know of."""
        return self.filter(visibility(user, "review__"))

    def by_others(self) -> CommentQuerySet:
        """Not by the item's own submitter."""
        return self.exclude(author=F("review__owner"))


class SourceQuerySet(models.QuerySet["Source"]):
    """What can be asked about sources."""

    def active(self) -> SourceQuerySet:
        return self.filter(active=True)
