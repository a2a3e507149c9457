"""Who is a reviewer: the participants of the reviewer teams."""

from __future__ import annotations

import logging
from datetime import timedelta
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import LaunchpadProblem, text_of
from integrations.models import Remembered
from reviews.facts import PersonFacts
from reviews.ingest import keep_people

logger = logging.getLogger(__name__)


TEAM_AGE = timedelta(hours=1)


def sync_reviewers(launchpad: Launchpad) -> None:
    """Reviewers are who participates in a reviewer team (SPEC section 6). One request a team, at most once an hour."""
    now = timezone.now()
    marker, _ = Remembered.objects.get_or_create(url="reviewer-teams", defaults={"fetched_at": now - 2 * TEAM_AGE})
    if marker.facts == {"teams": settings.REVIEWER_TEAMS} and marker.fetched_at > now - TEAM_AGE:
        return
    members: dict[str, PersonFacts] = {}
    for team in settings.REVIEWER_TEAMS:
        try:
            entries = launchpad.entries(f"~{quote(team)}/participants")
        except LaunchpadProblem as problem:
            logger.warning("reviewer team not read team=%s reason=%s", team, problem)
            return  # nobody loses a role because Launchpad did not answer
        for entry in entries:
            if isinstance(entry, dict) and not entry.get("is_team"):
                name = text_of(entry, "name", 255)
                members[name] = PersonFacts(name, text_of(entry, "display_name", 255) or name)
    keep_people(members.values(), now)
    with transaction.atomic():
        Person.objects.filter(is_reviewer=True).exclude(username__in=members).update(is_reviewer=False)
        Person.objects.filter(is_reviewer=False, username__in=members).update(is_reviewer=True)
        marker.facts, marker.fetched_at = {"teams": settings.REVIEWER_TEAMS}, now
        marker.save()
