"""What a source holds, a class for each kind (docs/specification.md, section 4).

``batches`` lists it, for an import; ``holds`` says it of one item, for a webhook. The two stand side by side, share
what the entry itself tells (``is_meant``), and ``tests/test_sources.py`` compares them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from integrations.launchpad.client import FETCHERS, Launchpad
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.paging import Collection
from reviews.models import Source

MAX_FAILURES = 3  # branches in a row that can't be read, after which Launchpad counts as down
BRANCHES_AT_ONCE = 3 * FETCHERS  # branches of a team whose proposals make one batch
UNFINISHED_PROPOSALS = ["Work in progress", "Needs review", "Approved", "Code failed to merge", "Queued"]
ALL_PROPOSALS = [*UNFINISHED_PROPOSALS, "Rejected", "Merged", "Superseded"]
OPEN_TASKS = [
    "New", "Incomplete", "Incomplete (with response)", "Incomplete (without response)", "Confirmed", "Triaged",
    "In Progress", "Fix Committed",
]  # fmt: skip
CLOSED_TASKS = ["Opinion", "Invalid", "Won't Fix", "Expired", "Fix Released"]
LINKED_BRANCHES = "Show only Bugs with linked Branches"

Entry = dict[str, Any]


class SourceReader(ABC):
    """Reads what one source holds.

    ``include_closed`` lists closed items too. ``since`` (UTC) leaves out what has not changed since then, where
    Launchpad can tell. ``skipped`` is told, in words, of a part that could not be read while the rest can.
    """

    def __init__(
        self,
        launchpad: Launchpad,
        source: Source,
        *,
        include_closed: bool = False,
        since: datetime | None = None,
        skipped: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.launchpad, self.source, self.skipped = launchpad, source, skipped
        self.include_closed, self.since = include_closed, since
        self.target = quote(source.target.strip("/"), safe="~/+.-")
        self.statuses = ALL_PROPOSALS if include_closed else UNFINISHED_PROPOSALS

    @abstractmethod
    def batches(self) -> Iterator[list[Any]]:
        """The entries that the source holds, in the fewest requests. Raises LaunchpadError."""

    @abstractmethod
    def holds(self, entry: Entry) -> bool:
        """Whether ``batches`` would list this entry, were it open. Raises LaunchpadError."""

    def read(self, path: str, **parameters: Any) -> Iterator[list[Any]]:
        """The batches of one list; ``skipped`` is told when some of it may have been overlooked."""
        collection = self.launchpad.collection(path, **parameters)
        yield from collection.batches()
        if collection.is_moving:
            self.skipped(f"{self.source.target}: the list changed each time it was read; it is read again next time.")

    def into(self, entry: Entry) -> list[str]:
        """The path of what a proposal is to be merged into, in its steps; empty for what is no proposal."""
        if "queue_status" not in entry:
            return []
        link = _text(entry, "target_branch_link") or _text(entry, "target_git_repository_link")
        return link.removeprefix(self.launchpad.root).split("/") if link.startswith(self.launchpad.root) else []


class ProjectProposals(SourceReader):
    """All proposals into a project's branches and repositories."""

    def batches(self) -> Iterator[list[Any]]:
        return self.read(self.target, ws_op="getMergeProposals", status=self.statuses)

    def holds(self, entry: Entry) -> bool:
        return self.target in self.into(entry)[:2]  # ~owner/project/branch, or project/+git/repository


class RepositoryProposals(SourceReader):
    """All proposals into one Git repository."""

    def batches(self) -> Iterator[list[Any]]:
        if self.include_closed:
            return self.read(self.target, ws_op="getMergeProposals", status=self.statuses)
        return self.read(self.target + "/landing_candidates")

    def holds(self, entry: Entry) -> bool:
        return "/".join(self.into(entry)) == self.target


class RequestedReviews(SourceReader):
    """Proposals that a person or team was asked to review."""

    @property
    def person(self) -> str:
        return "~" + self.target.lstrip("~")

    def batches(self) -> Iterator[list[Any]]:
        return self.read(self.person, ws_op="getRequestedReviews", status=self.statuses)

    def holds(self, entry: Entry) -> bool:
        votes = _text(entry, "votes_collection_link")
        if not self.into(entry) or not votes:
            return False
        return any(
            isinstance(vote, dict) and vote.get("reviewer_link") == self.launchpad.root + self.person
            for vote in self.launchpad.entries(votes)
        )


class DistributionBugs(SourceReader):
    """Bugs of a distribution itself, not of its packages, that have a branch linked."""

    def batches(self) -> Iterator[list[Any]]:
        more: dict[str, Any] = {"modified_since": self.since} if self.since else {}
        if self.source.excluded_tags and not self.include_closed:
            more |= {"tags": [f"-{tag}" for tag in self.source.excluded_tags], "tags_combinator": "All"}
        statuses = OPEN_TASKS + (CLOSED_TASKS if self.include_closed or self.since else [])
        tasks = self.read(self.target, ws_op="searchTasks", status=statuses, linked_branches=LINKED_BRANCHES, **more)
        for batch in tasks:
            yield [entry for entry in batch if not self.is_of_package(entry)]

    def holds(self, entry: Entry) -> bool:
        below = f"{self.launchpad.root}{self.target}/+bug/"
        if not _text(entry, "self_link").startswith(below) or self.is_of_package(entry):
            return False
        bug = self.launchpad.get(_text(entry, "bug_link"))
        branches = _text(bug, "linked_branches_collection_link")
        return bool(branches) and bool(self.launchpad.entries(branches))

    def is_of_package(self, entry: Any) -> bool:
        return isinstance(entry, dict) and "+source" in _text(entry, "web_link")


class TeamBranches(SourceReader):
    """Proposals into the package branches that a team owns, of one distribution where the source names one."""

    @property
    def team(self) -> str:
        return "~" + self.target.lstrip("~")

    def batches(self) -> Iterator[list[Any]]:
        """A request a branch, a few at a time; what some branches hold makes one batch."""
        failures = 0
        for page in self.read(self.team, ws_op="getBranches"):
            links = [entry["self_link"] for entry in page if self.is_package_branch(entry)]
            for start in range(0, len(links), BRANCHES_AT_ONCE):
                lists = {link: self.proposals_of(link) for link in links[start : start + BRANCHES_AT_ONCE]}
                firsts = self.launchpad.get_many(each.first_url for each in lists.values())
                held: list[Any] = []
                for link, proposals in lists.items():
                    try:
                        for batch in proposals.batches(firsts[proposals.first_url]):
                            held += batch
                        failures = 0
                    except LaunchpadError as problem:
                        failures = 0 if isinstance(problem, NotAccessible) else failures + 1
                        if failures >= MAX_FAILURES:
                            yield held
                            raise
                        self.skipped(f"{link[:200]}: {problem}")
                if held:
                    yield held

    def holds(self, entry: Entry) -> bool:
        steps = self.into(entry)  # ~owner/distribution/series/package/name
        return len(steps) == 5 and steps[0] == self.team and self.source.distribution in ("", steps[1])

    def proposals_of(self, branch: str) -> Collection:
        return self.launchpad.collection(branch, ws_op="getMergeProposals", status=self.statuses)

    def is_package_branch(self, entry: Any) -> bool:
        package = _text(entry, "sourcepackage_link") if isinstance(entry, dict) else ""
        below = f"{self.launchpad.root}{self.source.distribution}/" if self.source.distribution else self.launchpad.root
        return package.startswith(below) and bool(_text(entry, "self_link"))


READERS: dict[str, type[SourceReader]] = {
    Source.Kind.TEAM_BRANCHES: TeamBranches,
    Source.Kind.REQUESTED_REVIEWS: RequestedReviews,
    Source.Kind.PROJECT: ProjectProposals,
    Source.Kind.GIT_REPOSITORY: RepositoryProposals,
    Source.Kind.DISTRIBUTION_BUGS: DistributionBugs,
}


def _text(entry: Entry, name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
