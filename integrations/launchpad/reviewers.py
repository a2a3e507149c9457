"""Who is a reviewer: the participants of the reviewer teams."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import PersonEntry, parse
from integrations.launchpad.errors import LaunchpadError
from integrations.models import TeamSync
from reviews.facts import PersonFacts
from reviews.people import upsert_people

logger = structlog.get_logger(__name__)

SYNC_INTERVAL = timedelta(hours=1)


def sync_reviewers(launchpad: Launchpad) -> None:
    """Make the participants of the reviewer teams reviewers, and nobody else (docs/specification.md, section 6).

    At most once an hour, one request a team. Nobody's role changes unless every team could be read.
    """
    now = timezone.now()
    teams: list[str] = settings.REVIEWER_TEAMS
    if not _is_due(teams, now):
        return
    people: dict[str, PersonFacts] = {}
    for team in teams:
        try:
            people |= _read_participants(launchpad, team)
        except LaunchpadError as problem:
            logger.warning("reviewer team not read", team=team, reason=str(problem))
            return
    upsert_people(people.values(), now)
    with transaction.atomic():
        Person.objects.filter(is_reviewer=True).exclude(username__in=people).update(is_reviewer=False)
        Person.objects.filter(is_reviewer=False, username__in=people).update(is_reviewer=True)
        TeamSync.objects.exclude(team__in=teams).delete()
        for team in teams:
            TeamSync.objects.update_or_create(team=team, defaults={"synced_at": now, "tried_at": now, "problem": ""})


def _is_due(teams: list[str], now: datetime) -> bool:
    """Whether a team was not read within the last hour, or one that was is no reviewer team any more. One query."""
    synced = dict(TeamSync.objects.values_list("team", "synced_at"))
    if set(synced) != set(teams):
        return True
    return any(moment is None or moment <= now - SYNC_INTERVAL for moment in synced.values())


def _read_participants(launchpad: Launchpad, team: str) -> dict[str, PersonFacts]:
    people = {}
    for entry in launchpad.entries(f"~{quote(team)}/participants"):
        person = parse(PersonEntry, entry)
        if not person.is_team:
            people[person.name] = PersonFacts(person.name, person.display_name or person.name)
    return people
