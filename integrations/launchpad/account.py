"""The account that the queue acts as on Launchpad, and whether its teams get in the way of people's reviews.

Launchpad lets a vote of a team's member answer what the team was asked, and takes an Approve for a person's approval
(docs/specification.md, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from integrations.launchpad.client import Launchpad
from integrations.launchpad.errors import LaunchpadError
from integrations.launchpad.reviewers import named_teams
from integrations.models import allows_posts
from reviews.models import Source

LISTED = 5  # teams named in a sentence
TEAM_KINDS = (Source.Kind.TEAM_BRANCHES, Source.Kind.REQUESTED_REVIEWS)  # whose target is a team, or a person
WHY_HARMFUL = (
    "Launchpad takes a vote of a team's member for the team's answer: it asks the team no more, and an Approve counts "
    "as a person's approval."
)
REMEDY = (
    "Keep the account out of such teams, also through other teams, or log in as an account of its own with: "
    "manage.py setup_launchpad_credentials"
)


@dataclass(frozen=True)
class Account:
    """Who we are on Launchpad."""

    name: str
    teams: tuple[str, ...]  # that it takes part in, directly or through other teams
    problem: str = ""  # why the teams could not be read


def read_account(launchpad: Launchpad) -> Account | None:
    """The account, and its teams; None when anonymous. One request, and one for who it is.

    Raises LaunchpadError when Launchpad does not say who we are.
    """
    name = launchpad.me()
    if not name:
        return None
    try:
        entries = launchpad.entries(f"~{quote(name)}/super_teams")
    except LaunchpadError as problem:
        return Account(name, (), str(problem))
    teams = {str(entry.get("name", "")) for entry in entries if isinstance(entry, dict)}
    return Account(name, tuple(sorted(teams - {""})))


def describe_harmful_teams(account: Account) -> str:
    """Which reviewer teams and sources' teams the account takes part in, and why that is harmful; empty if in none.

    Two queries. Says so where it is not known.
    """
    if account.problem:
        return f"The teams that {account.name} takes part in could not be read: {account.problem} {WHY_HARMFUL}"
    harmful = sorted(_teams_of_the_queue() & set(account.teams))
    if not harmful:
        return ""
    more = f" and {len(harmful) - LISTED} more" if len(harmful) > LISTED else ""
    word = "team" if len(harmful) == 1 else "teams"
    names = ", ".join(harmful[:LISTED]) + more
    return f"The account {account.name} takes part in the {word} {names}. {WHY_HARMFUL}"


def casts_votes() -> bool:
    """Whether any active source posts verdicts with votes. One query."""
    voting = Source.objects.active().exclude(vote_policy=Source.VotePolicy.NONE)
    return any(allows_posts(source) for source in voting)


def _teams_of_the_queue() -> set[str]:
    """Names of the reviewer teams, and of those that active sources name or are about."""
    about = Source.objects.active().filter(kind__in=TEAM_KINDS).values_list("target", flat=True)
    return {*named_teams()[1], *(target.lstrip("~") for target in about)}
