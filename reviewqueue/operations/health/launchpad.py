"""Checks of what the last imports learned from Launchpad: reviewer teams, items that it does not show."""

from __future__ import annotations

from django.conf import settings

from accounts.models import Person
from integrations.models import TeamSync
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviewqueue.operations.health.moments import utc
from reviews.missing import summarize_missing


def check_reviewers() -> Finding:
    """Whether each reviewer team could be read, and whether there is any reviewer."""
    teams = TeamSync.objects.in_bulk(settings.REVIEWER_TEAMS, field_name="team")
    problems = []
    for sync in teams.values():
        if sync.problem:
            since = f" since {utc(sync.synced_at)}" if sync.synced_at else ""
            words = f"The team {sync.team} could not be read{since}: {sync.problem} Nobody's role changes meanwhile."
            problems.append(Problem(words, "Check REVIEWER_TEAMS: was the team renamed, or is it private?"))
    reviewers = Person.objects.filter(is_reviewer=True).count()
    was_read = any(sync.synced_at for sync in teams.values())
    if settings.REVIEWER_TEAMS and was_read and not reviewers:
        words = f"Nobody is in the reviewer teams ({', '.join(settings.REVIEWER_TEAMS)})."
        problems.append(Problem(words, "Set REVIEWER_TEAMS to a team with members."))
    return found("reviewers", *problems, facts=f"{reviewers} by their team" if was_read else "not read yet")


def check_missing_items() -> Finding:
    """Whether Launchpad does not show so many items at once that none of it is believed."""
    summary = summarize_missing()
    if summary.is_braked:
        remedy = "Open some of them on Launchpad. If they are really gone, raise MISSING_BRAKE for a day."
        return found("missing items", Problem(summary.words, remedy))
    return found("missing items", facts=summary.words)
