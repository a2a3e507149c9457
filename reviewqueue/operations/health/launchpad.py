"""Checks of the work with Launchpad: reviewer teams, items that it does not show, status reports, our account."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from accounts.models import Person
from core.text import counted
from integrations.launchpad.account import REMEDY, Account, casts_votes, describe_harmful_teams
from integrations.launchpad.reviewers import reviewer_teams, team_problems
from integrations.models import ReportRefusal, StatusReport, TeamSync
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviews.missing import summarize_missing
from reviews.models import Source

MAX_NAMED = 5  # repositories
MAX_REPORT_DELAY = timedelta(hours=1)


def check_reviewers() -> Finding:
    """Whether each reviewer team could be read, and whether there is any reviewer."""
    remedy = "Check REVIEWER_TEAMS: was the team renamed, is it private, is anybody in it?"
    problems = [Problem(words, remedy) for words in team_problems()]
    teams = reviewer_teams()
    was_read = TeamSync.objects.filter(team__in=teams, synced_at__isnull=False).exists()
    reviewers = Person.objects.filter(is_reviewer=True).count()
    if was_read and not reviewers and not problems:
        words = f"Nobody is in the reviewer teams ({', '.join(teams)})."
        problems.append(Problem(words, remedy))
    return found("reviewers", *problems, facts=f"{reviewers} by their team" if was_read else "not read yet")


def check_whose_code_runs() -> Finding:
    """Which sources test the code of people whom nobody knows. A choice that staff made, so no problem."""
    everybodys = Source.objects.active().filter(starts_tests=Source.StartsTests.EVERYBODY)
    names = ", ".join(everybodys.order_by("name").values_list("name", flat=True))
    if not names:
        return found("whose code runs", facts="trusted people's, or what a reviewer allows")
    words = "whoever proposes something there runs programs on your test machines, with what these can reach"
    return found(
        "whose code runs",
        facts=f"everybody's in {names}: {words}. To have a reviewer asked first, choose trusted in the source.",
    )


def check_status_reports() -> Finding:
    """Whether Launchpad takes the status reports of the sources that make them; each refusal is said for a day."""
    if not Source.objects.active().filter(status_reports=True).exists():
        return found("status reports", facts="switched off")
    problems = []
    refusals = ReportRefusal.objects.in_force()
    if refused := [refusal.repository.partition("/~")[2] for refusal in refusals]:
        shown = ", ".join(f"~{name}" for name in refused[:MAX_NAMED])
        more = f" and {len(refused) - MAX_NAMED} more" if len(refused) > MAX_NAMED else ""
        problems.append(
            Problem(
                f"Launchpad refuses status reports on {shown}{more}. They are left alone for a day; others are sent.",
                "Give our account edit rights on them, or switch status reports off in their source.",
            )
        )
    late = StatusReport.objects.out_of_step().filter(created_at__lt=timezone.now() - MAX_REPORT_DELAY)
    late = late.exclude(repository__in=refusals.values("repository")).exclude(error="")
    if failed := late.order_by("created_at").first():
        words = f"{counted(late.count(), 'status report')} could not be sent. The oldest: {failed.error}"
        problems.append(Problem(words, "Each is tried again, later and later. The admin lists them."))
    return found("status reports", *problems, facts="switched on")


def check_missing_items() -> Finding:
    """Whether Launchpad does not show so many items at once that none of it is believed."""
    summary = summarize_missing()
    if summary.is_braked:
        remedy = "Open some of them on Launchpad. If they are really gone, raise MISSING_BRAKE for a day."
        return found("missing items", Problem(summary.words, remedy))
    return found("missing items", facts=summary.words)


def check_account(account: Account) -> Finding:
    """Whether the account that the queue acts as takes part in a team that reviews; a problem only once it votes."""
    words = describe_harmful_teams(account)
    if words and casts_votes():
        return found("account", Problem(words, REMEDY))
    return found(
        "account",
        facts=f"{words} It casts no votes now."
        if words
        else f"{account.name}, in no reviewer team and no team of a source",
    )
