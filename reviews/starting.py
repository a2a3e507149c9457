"""Whether an item's tests may start by themselves: the one place that works it out (docs/specification.md, section 5).

What it says is kept on the review: ``trusted``, its current revision may be tested without anybody being asked, and
``tests_wait_for``, what holds its tests back. Permission goes before conflicts: what nobody may run is
said first. Where a source starts no tests by itself nothing waits either: each test is started by hand.

Everybody whose code a build runs has to be trusted: who submitted the item, whose branch or repository it is (anybody
can link a branch to a bug, or propose another's), and whose the prerequisite is, as that is merged too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from accounts.models import Person, TeamMembership
from reviews.history import build_event, record_all
from reviews.managers import ReviewQuerySet
from reviews.models import AllowedRevision, Event, Review, Source, TestsWaitFor
from reviews.signals import tests_held, tests_released


@dataclass(frozen=True)
class Start:
    """What the rule says of a review."""

    trusted: bool
    waits_for: str

    @classmethod
    def of(cls, review: Review) -> Start:
        """As it is kept on the review."""
        return cls(review.trusted, review.tests_wait_for)

    @property
    def words(self) -> str:
        """How the history names it."""
        if self.waits_for == TestsWaitFor.PERMISSION:
            return "tests wait for permission"
        if self.waits_for == TestsWaitFor.CONFLICTS:
            return "tests wait: it conflicts with its target"
        return "tests start by themselves" if self.trusted else "tests are started by hand"

    @property
    def by_itself(self) -> bool:
        return self.trusted and not self.waits_for


def apply_rule(reviews: Sequence[Review]) -> None:
    """Set ``trusted`` and ``tests_wait_for`` of reviews, however many; the caller saves them.

    No query where everybody's code runs, else at most three.
    """
    trusted = _trusted_of([review for review in reviews if starts_for(review.source) == Source.StartsTests.TRUSTED])
    for review in reviews:
        review.trusted = _is_everybodys(review) or all(
            (review.source_id, person) in trusted for person in _whose_code(review).values()
        )
    allowed = _allowed_revisions([review for review in reviews if not review.trusted])
    for review in reviews:
        review.trusted = review.trusted or (review.pk, review.revision) in allowed
        review.tests_wait_for = _wait_of(review)


def update_starting(
    reviews: ReviewQuerySet,
    *,
    actor: Person | None = None,
    note: str = "",
    requested_by: Person | None = None,
) -> list[Review]:
    """Work the rule out again for the open ones of these reviews, after something that it depends on has changed.

    Tests that waited start, as asked for by ``requested_by`` (None: by themselves). What runs by itself is cancelled
    when its code is trusted no more, and what was not sent yet also for conflicts. The history says who (``actor``) did
    what (``note``). Returns the reviews that changed. A constant number of queries.
    """
    with transaction.atomic():
        # In the order of their ids, so that no two of these deadlock.
        rows = reviews.open().select_related("source", "code_owner", "prerequisite_owner")
        rows = rows.defer("description", "commit_message", "conflicts_text")
        locked = list(rows.order_by("pk").select_for_update(of=("self",)))
        before = {review.pk: Start.of(review) for review in locked}
        apply_rule(locked)
        changed = [review for review in locked if Start.of(review) != before[review.pk]]
        by_start: dict[Start, list[int]] = defaultdict(list)
        for review in changed:
            by_start[Start.of(review)].append(review.pk)
        for start, keys in by_start.items():
            Review.objects.filter(pk__in=keys).update(trusted=start.trusted, tests_wait_for=start.waits_for)
        announce_start(changed, before, actor=actor, note=note, requested_by=requested_by)
    return changed


def announce_start(
    reviews: Iterable[Review],
    before: dict[int, Start],
    *,
    actor: Person | None = None,
    note: str = "",
    requested_by: Person | None = None,
) -> None:
    """History and signals for reviews whose start may have changed, in the transaction of the change.

    ``before`` is by their ids.
    """
    reviews = [review for review in reviews if Start.of(review) != before[review.pk]]
    record_all(
        build_event(
            review, Event.Kind.START, old=before[review.pk].words, new=Start.of(review).words, actor=actor, note=note
        )
        for review in reviews
        if review.is_open and Start.of(review).words != before[review.pk].words
    )
    # Where nothing waited nothing begins: a source that starts to test everybody's code begins with what comes next.
    released = [
        review
        for review in reviews
        if Start.of(review).by_itself
        and not before[review.pk].by_itself
        and (before[review.pk].waits_for or requested_by is not None)
    ]
    held = [review for review in reviews if before[review.pk].by_itself and not Start.of(review).by_itself]
    if held:
        tests_held.send(Review, reviews=held)
    if released:
        tests_released.send(Review, reviews=released, requested_by=requested_by)


def starts_for(source: Source | None) -> str:
    """Whose tests start by themselves; of an item whose source was removed those of trusted people."""
    return source.starts_tests if source else Source.StartsTests.TRUSTED


def is_trusted(person: Person, source: Source | None) -> bool:
    """Whether a person's code is tested without asking in a source that asks. At most two queries."""
    return bool(_trusted_people({person.pk}, {None: list(source.trusted_teams) if source else []}))


def missing_trust(review: Review) -> dict[str, Person | None]:
    """Who is not trusted of those whose code a review's tests run; None where it is not known who that is.

    By what they are: ``submitter``, ``branch`` (whose it is), ``prerequisite``. Somebody who is several of these is
    named once. Reads the review's people and source, and costs at most two queries.
    """
    trusted, missing = _trusted_of([review]), dict[str, Person | None]()
    people = {"submitter": review.owner, "branch": review.code_owner, "prerequisite": review.prerequisite_owner}
    for part, key in _whose_code(review).items():
        if (review.source_id, key) not in trusted and (key is None or people[part] not in missing.values()):
            missing[part] = people[part]
    return missing


def _whose_code(review: Review) -> dict[str, int | None]:
    """The ids of everybody whose code its tests run, by what they are; None where that is not known."""
    people = {"submitter": review.owner_id, "branch": review.code_owner_id}
    if review.prerequisite or review.prerequisite_url:
        people["prerequisite"] = review.prerequisite_owner_id
    return people


def _is_everybodys(review: Review) -> bool:
    return starts_for(review.source) == Source.StartsTests.EVERYBODY


def _wait_of(review: Review) -> str:
    if not review.is_open or (starts_for(review.source) == Source.StartsTests.NOBODY and not review.trusted):
        return ""
    if not review.trusted:
        return TestsWaitFor.PERMISSION
    if review.conflicts:
        return TestsWaitFor.CONFLICTS
    return TestsWaitFor.DIFF if _is_diff_unread(review) else ""


def _is_diff_unread(review: Review) -> bool:
    """Whether the first refresh of a new item is still to read its diff. One that it can't read is not waited for."""
    return review.synced_at is None and bool(review.diff_marker) and review.diff_marker != review.diff_url


def _trusted_of(reviews: Sequence[Review]) -> set[tuple[int | None, int]]:
    """Ids of source and person, of those whose code these reviews' tests run and who are trusted in their source.

    Every member of a team can push to its branches: a team is trusted only if it is named as one whose members are.
    """
    if not reviews:
        return set()
    sources = {review.source_id: review.source for review in reviews}
    teams = {key: list(source.trusted_teams) if source else [] for key, source in sources.items()}
    trusted = _trusted_people({key for review in reviews for key in _whose_code(review).values() if key}, teams)
    for review in reviews:
        reviewing = review.source.reviewer_teams if review.source else []
        named = {*teams[review.source_id], *reviewing, *settings.REVIEWER_TEAMS}
        owners = [owner for owner in (review.code_owner, review.prerequisite_owner) if owner]
        trusted |= {(review.source_id, owner.pk) for owner in owners if owner.username in named}
    return trusted


def _trusted_people(people: set[int], teams: dict[int | None, list[str]]) -> set[tuple[int | None, int]]:
    """Ids of source and person, for each source that is a key of ``teams``, its trusted teams."""
    everywhere = set(Person.objects.filter(pk__in=people).trusted().order_by().values_list("pk", flat=True))
    found = {(source, person) for source in teams for person in everywhere}
    named = {team for names in teams.values() for team in names}
    if named and people - everywhere:
        humans = Person.objects.filter(pk__in=people - everywhere).named().humans()
        members = TeamMembership.objects.filter(team__in=named, person__in=humans).order_by()
        for person, team in members.values_list("person_id", "team"):
            found |= {(source, person) for source, names in teams.items() if team in names}
    return found


def _allowed_revisions(reviews: Sequence[Review]) -> set[tuple[int, str]]:
    """Ids and revisions that a reviewer has allowed, of those reviews that are saved."""
    keys = [review.pk for review in reviews if review.pk is not None]
    if not keys:
        return set()
    return set(AllowedRevision.objects.filter(review__in=keys).order_by().values_list("review_id", "revision"))
