"""Who is a reviewer: the participants of the reviewer teams."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Person
from core.text import utc
from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import PersonEntry, parse
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible, TemporaryError
from integrations.models import TeamSync
from reviews.facts import PersonFacts
from reviews.people import upsert_people

logger = structlog.get_logger(__name__)

SYNC_INTERVAL = timedelta(hours=1)
RETRY_INTERVAL = timedelta(minutes=10)
GRACE = timedelta(days=7)  # how long the people of a team that Launchpad does not show any more stay reviewers
USERNAME = re.compile(r"[a-z0-9][a-z0-9+.\-]*")  # what a name on Launchpad looks like


SYNC_FIELDS = ("tried_at", "synced_at", "problem", "failing_since")


def sync_reviewers(launchpad: Launchpad) -> None:
    """Make the participants of the reviewer teams reviewers, and nobody else (docs/specification.md, section 6).

    At most once an hour, one request a team. While one of the teams can't be read, nobody loses the role; but who is in
    a team that Launchpad has not shown for a week is a reviewer no more, unless another team says so.
    """
    now = timezone.now()
    teams: list[str] = settings.REVIEWER_TEAMS
    syncs = {sync.team: sync for sync in TeamSync.objects.all()}
    if set(syncs) == set(teams) and not any(_is_due(sync, now) for sync in syncs.values()):
        return
    people: dict[str, PersonFacts] = {}
    may_lose_role = True
    for team in teams:
        sync = syncs.get(team) or TeamSync(team=team)
        sync.tried_at = now
        try:
            people |= _read_participants(launchpad, team)
            sync.synced_at, sync.problem, sync.failing_since = now, "", None
        except LaunchpadError as problem:
            logger.warning("reviewer team not read", team=team, reason=str(problem))
            sync.problem, sync.failing_since = str(problem), sync.failing_since or now
            is_gone = isinstance(problem, NotAccessible) and sync.failing_since <= now - GRACE
            may_lose_role = may_lose_role and is_gone
        # Another import may do the same at this moment.
        TeamSync.objects.update_or_create(team=team, defaults={name: getattr(sync, name) for name in SYNC_FIELDS})
    TeamSync.objects.exclude(team__in=teams).delete()
    upsert_people(people.values(), now)
    with transaction.atomic():
        if may_lose_role:
            Person.objects.filter(is_reviewer=True).exclude(username__in=people).update(is_reviewer=False)
        Person.objects.filter(is_reviewer=False, username__in=people).update(is_reviewer=True)


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
    """What is wrong with the reviewer teams, a sentence each that names the team; for Health and ``check_queue``."""
    failing = TeamSync.objects.filter(team__in=settings.REVIEWER_TEAMS).exclude(problem="")
    return [
        f"The team {sync.team} could not be read since {utc(sync.failing_since or sync.tried_at or timezone.now())}: "
        f"{sync.problem} Nobody loses the role within {GRACE.days} days."
        for sync in failing.order_by("team")
    ]
