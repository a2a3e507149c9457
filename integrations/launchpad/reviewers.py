"""Who is in which team: the reviewer teams, and the teams that sources trust."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Person, TeamMembership
from core.text import utc
from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import PersonEntry, parse
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible, TemporaryError
from integrations.models import TeamSync
from reviews.facts import PersonFacts
from reviews.models import Review, Source
from reviews.people import upsert_people
from reviews.starting import update_starting

logger = structlog.get_logger(__name__)

SYNC_INTERVAL = timedelta(hours=1)
RETRY_INTERVAL = timedelta(minutes=10)
GRACE = timedelta(days=7)  # how long the people of a team that Launchpad does not show any more stay reviewers
USERNAME = re.compile(r"[a-z0-9][a-z0-9+.\-]*")  # what a name on Launchpad looks like


SYNC_FIELDS = ("tried_at", "synced_at", "problem", "failing_since")


def reviewer_teams() -> list[str]:
    """Names of all reviewer teams: ``REVIEWER_TEAMS``, and those that active sources name. One query."""
    return named_teams()[0]


def named_teams() -> tuple[list[str], list[str]]:
    """Names of all reviewer teams, and of these and the trusted teams of active sources. One query."""
    named = list(Source.objects.active().values_list("reviewer_teams", "trusted_teams"))
    reviewing = list(dict.fromkeys([*settings.REVIEWER_TEAMS, *(team for teams, _ in named for team in teams)]))
    return reviewing, list(dict.fromkeys([*reviewing, *(team for _, teams in named for team in teams)]))


def sync_teams(launchpad: Launchpad) -> None:
    """Keep who is in the reviewer teams and in the trusted teams (docs/specification.md, sections 5 and 6).

    At most once an hour, one request a team. A team that can't be read keeps its members; but who is in one that
    Launchpad has not shown for a week is in it no more. Who is in a reviewer team is a reviewer, and nobody else.
    """
    now = timezone.now()
    reviewing, teams = named_teams()
    syncs = {sync.team: sync for sync in TeamSync.objects.all()}
    if set(syncs) == set(teams) and not any(_is_due(sync, now) for sync in syncs.values()):
        return
    members: dict[str, dict[str, PersonFacts]] = {}  # of the teams that were read, or are gone
    for team in teams:
        sync = syncs.get(team) or TeamSync(team=team)
        sync.tried_at = now
        try:
            members[team] = _read_participants(launchpad, team)
            sync.synced_at, sync.problem, sync.failing_since = now, "", None
        except LaunchpadError as problem:
            logger.warning("team not read", team=team, reason=str(problem))
            sync.problem, sync.failing_since = str(problem), sync.failing_since or now
            if isinstance(problem, NotAccessible) and sync.failing_since <= now - GRACE:
                members[team] = {}
        # Another import may do the same at this moment.
        TeamSync.objects.update_or_create(team=team, defaults={name: getattr(sync, name) for name in SYNC_FIELDS})
    TeamSync.objects.exclude(team__in=teams).delete()
    people = upsert_people((facts for found in members.values() for facts in found.values()), now)
    read = {team: {people[name].pk for name in found} for team, found in members.items()}
    with transaction.atomic():
        if changed := _keep_members(reviewing, teams, read):
            update_starting(Review.objects.with_code_of(changed), note="Members of teams on Launchpad have changed.")


def _keep_members(reviewing: list[str], teams: list[str], read: dict[str, set[int]]) -> set[int]:
    """Keep the members of the teams that were read, and who is a reviewer. Returns the ids of the people concerned.

    Nobody loses the role of a reviewer while the members of one of the reviewer teams have never been kept.
    """
    before = set(TeamMembership.objects.order_by().values_list("team", "person_id"))
    after = {(team, person) for team, person in before if team in teams and team not in read}
    after |= {(team, person) for team, people in read.items() for person in people}
    left, came = before - after, after - before
    for team in {team for team, _ in left}:
        gone = [person for of, person in left if of == team]
        TeamMembership.objects.filter(team=team, person__in=gone).delete()
    new = [TeamMembership(team=team, person_id=person) for team, person in sorted(came)]
    TeamMembership.objects.bulk_create(new, ignore_conflicts=True)
    reviewers = set(Person.objects.filter(is_reviewer=True).order_by().values_list("pk", flat=True))
    members = {person for team, person in after if team in reviewing}
    known = set(read) | {team for team, _ in before}
    lost = reviewers - members if set(reviewing) <= known else set()
    if members - reviewers:
        Person.objects.filter(pk__in=members - reviewers).update(is_reviewer=True)
    if lost:
        Person.objects.filter(pk__in=lost).update(is_reviewer=False)
    return {person for _, person in left | came} | (members - reviewers) | lost


def _is_due(sync: TeamSync, now: datetime) -> bool:
    interval = RETRY_INTERVAL if sync.problem else SYNC_INTERVAL
    return sync.tried_at is None or not now - interval < sync.tried_at <= now


def _read_participants(launchpad: Launchpad, team: str) -> dict[str, PersonFacts]:
    """The people in a team, directly or through other teams. Raises LaunchpadError when the answer is not whole."""
    people = {}
    collection = launchpad.collection(f"~{quote(team)}/participants")
    for entry in collection.entries():
        person = parse(PersonEntry, entry)
        if not USERNAME.fullmatch(person.name):
            raise InvalidEntry("Launchpad named somebody without a name.")
        if not person.is_team:
            people[person.name] = PersonFacts(person.name, person.display_name or person.name)
    if collection.missing:
        raise TemporaryError(f"Launchpad did not show {collection.missing} of the team's participants.")
    if not people:
        raise InvalidEntry("Nobody is in it.")
    return people


def team_problems() -> list[str]:
    """What is wrong with the teams, a sentence each that names the team; for Health and ``check_queue``."""
    failing = TeamSync.objects.exclude(problem="")
    return [
        f"The team {sync.team} could not be read since {utc(sync.failing_since or sync.tried_at or timezone.now())}: "
        f"{sync.problem} Its members stay what they are within {GRACE.days} days."
        for sync in failing.order_by("team")
    ]
