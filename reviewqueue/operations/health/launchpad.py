"""Checks of what the last imports learned from Launchpad: reviewer teams, items that it does not show."""

from __future__ import annotations

from django.conf import settings

from accounts.models import Person
from integrations.launchpad.reviewers import team_problems
from integrations.models import TeamSync
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviews.missing import summarize_missing


def check_reviewers() -> Finding:
    """Whether each reviewer team could be read, and whether there is any reviewer."""
    remedy = "Check REVIEWER_TEAMS: was the team renamed, is it private, is anybody in it?"
    problems = [Problem(words, remedy) for words in team_problems()]
    was_read = TeamSync.objects.filter(team__in=settings.REVIEWER_TEAMS, synced_at__isnull=False).exists()
    reviewers = Person.objects.filter(is_reviewer=True).count()
    if was_read and not reviewers and not problems:
        words = f"Nobody is in the reviewer teams ({', '.join(settings.REVIEWER_TEAMS)})."
        problems.append(Problem(words, remedy))
    return found("reviewers", *problems, facts=f"{reviewers} by their team" if was_read else "not read yet")


def check_missing_items() -> Finding:
    """Whether Launchpad does not show so many items at once that none of it is believed."""
    summary = summarize_missing()
    if summary.is_braked:
        remedy = "Open some of them on Launchpad. If they are really gone, raise MISSING_BRAKE for a day."
        return found("missing items", Problem(summary.words, remedy))
    return found("missing items", facts=summary.words)
