"""What a source holds, a class for each kind (docs/specification.md, section 4).

``batches`` lists it, for an import; ``holds`` says it of one item, for a webhook. The two stand side by side, and
``tests/test_sources.py`` compares them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import structlog

from integrations.launchpad.client import FETCHERS, Launchpad
from integrations.launchpad.entries import Branch, Bug, Proposal, Task, VoteReference, parse
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible
from integrations.launchpad.paging import Collection
from reviews.ingest import takes_private
from reviews.models import Source

logger = structlog.get_logger(__name__)

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

Item = Proposal | Task


class SourceReader(ABC):
    """Reads what one source holds.

    ``include_closed`` lists closed items too. ``since`` (UTC) leaves out what has not changed since then, where
    Launchpad's list has that filter. ``skipped`` is called with a sentence for each part that could not be read.
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
    def holds(self, item: Item) -> bool:
        """Whether ``batches`` would list this item, were it open. Raises LaunchpadError."""

    def read(self, path: str, **parameters: Any) -> Iterator[list[Any]]:
        """The batches of one list; calls ``skipped`` when some of it may have been overlooked."""
        collection = self.launchpad.collection(path, **parameters)
        yield from collection.batches()
        if collection.is_moving:
            self.skipped(f"{self.source.target}: the list changed each time it was read; it is read again next time.")

    def into(self, item: Item) -> list[str]:
        """The path of what a proposal is to be merged into, in its steps; empty for a bug task."""
        link = item.target_link if isinstance(item, Proposal) else ""
        return link.removeprefix(self.launchpad.root).split("/") if link.startswith(self.launchpad.root) else []


class ProjectProposals(SourceReader):
    """All proposals into a project's branches and repositories."""

    def batches(self) -> Iterator[list[Any]]:
        return self.read(self.target, ws_op="getMergeProposals", status=self.statuses)

    def holds(self, item: Item) -> bool:
        return self.target in self.into(item)[:2]  # ~owner/project/branch, or project/+git/repository


class RepositoryProposals(SourceReader):
    """All proposals into one Git repository."""

    def batches(self) -> Iterator[list[Any]]:
        if self.include_closed:
            return self.read(self.target, ws_op="getMergeProposals", status=self.statuses)
        return self.read(self.target + "/landing_candidates")

    def holds(self, item: Item) -> bool:
        return "/".join(self.into(item)) == self.target


class RequestedReviews(SourceReader):
    """Proposals that a person or team was asked to review."""

    @property
    def person(self) -> str:
        return "~" + self.target.lstrip("~")

    def batches(self) -> Iterator[list[Any]]:
        return self.read(self.person, ws_op="getRequestedReviews", status=self.statuses)

    def holds(self, item: Item) -> bool:
        if not isinstance(item, Proposal) or not item.votes_collection_link:
            return False
        votes = self.launchpad.entries(item.votes_collection_link)
        asked = self.launchpad.root + self.person
        return any(parse(VoteReference, vote).reviewer_link == asked for vote in votes)


class DistributionBugs(SourceReader):
    """Bugs of a distribution itself, not of its packages, that have a branch linked."""

    def batches(self) -> Iterator[list[Any]]:
        more: dict[str, Any] = {"modified_since": self.since} if self.since else {}
        if self.source.excluded_tags and not self.include_closed:
            more |= {"tags": [f"-{tag}" for tag in self.source.excluded_tags], "tags_combinator": "All"}
        statuses = OPEN_TASKS + (CLOSED_TASKS if self.include_closed or self.since else [])
        tasks = self.read(self.target, ws_op="searchTasks", status=statuses, linked_branches=LINKED_BRANCHES, **more)
        for batch in tasks:
            yield [entry for entry in batch if not isinstance(entry, dict) or not _is_of_package(entry.get("web_link"))]

    def holds(self, item: Item) -> bool:
        if not isinstance(item, Task) or _is_of_package(item.web_link):
            return False
        if not item.self_link.startswith(f"{self.launchpad.root}{self.target}/+bug/"):
            return False
        bug = parse(Bug, self.launchpad.get(item.bug_link))
        branches = bug.linked_branches_collection_link
        return bool(branches) and bool(self.launchpad.entries(branches))


class TeamBranches(SourceReader):
    """Proposals into the package branches that a team owns, of one distribution where the source names one."""

    @property
    def team(self) -> str:
        return "~" + self.target.lstrip("~")

    def batches(self) -> Iterator[list[Any]]:
        """A request a branch, a few at a time; what some branches hold makes one batch."""
        failures = 0
        for page in self.read(self.team, ws_op="getBranches"):
            branches = self.package_branches(page)
            for start in range(0, len(branches), BRANCHES_AT_ONCE):
                some = branches[start : start + BRANCHES_AT_ONCE]
                lists = {branch: self.proposals_of(branch.self_link) for branch in some}
                firsts = self.launchpad.get_many(each.first_url for each in lists.values())
                held: list[Any] = []
                for branch, proposals in lists.items():
                    try:
                        for batch in proposals.batches(firsts[proposals.first_url]):
                            held += batch
                        failures = 0
                    except LaunchpadError as problem:
                        failures = 0 if isinstance(problem, NotAccessible) else failures + 1
                        if failures >= MAX_FAILURES:
                            yield held
                            raise
                        self.skipped(f"{self.shown_name(branch, problem)}: {problem}")
                if held:
                    yield held

    def holds(self, item: Item) -> bool:
        steps = self.into(item)  # ~owner/distribution/series/package/name
        return len(steps) == 5 and steps[0] == self.team and self.source.distribution in ("", steps[1])

    def proposals_of(self, branch: str) -> Collection:
        return self.launchpad.collection(branch, ws_op="getMergeProposals", status=self.statuses)

    def shown_name(self, branch: Branch, problem: LaunchpadError) -> str:
        """What the import's report calls a branch: in doubt whether it is private, only whose it is."""
        if takes_private(self.source) or not (branch.private or isinstance(problem, NotAccessible)):
            return branch.self_link[:200]
        logger.warning("branch not read", source=self.source.name, branch=branch.self_link[:200], reason=str(problem))
        return f"A branch of {self.team} that is or may be private (the log names it)"

    def package_branches(self, page: list[Any]) -> list[Branch]:
        """The branches on a page that are of a package of the source's distribution."""
        below = f"{self.launchpad.root}{self.source.distribution}/" if self.source.distribution else self.launchpad.root
        branches = []
        for entry in page:
            try:
                branch = parse(Branch, entry)
            except InvalidEntry as problem:
                self.skipped(f"A branch of {self.team} was skipped: {problem}")
                continue
            if branch.self_link and branch.sourcepackage_link.startswith(below):
                branches.append(branch)
        return branches


READERS: dict[str, type[SourceReader]] = {
    Source.Kind.TEAM_BRANCHES: TeamBranches,
    Source.Kind.REQUESTED_REVIEWS: RequestedReviews,
    Source.Kind.PROJECT: ProjectProposals,
    Source.Kind.GIT_REPOSITORY: RepositoryProposals,
    Source.Kind.DISTRIBUTION_BUGS: DistributionBugs,
}


def _is_of_package(page: object) -> bool:
    """Whether the page of a bug task is that of a package's bug."""
    return "+source" in str(page)
