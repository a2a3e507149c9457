"""From Launchpad's entries to facts: tip, branch, bug and series of many items at once.

In the fewest requests: bugs, branches and series that several items share are asked for once, the tips of Bazaar
branches many in one request, the rest a few at a time. Only the calling thread uses the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import structlog
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.client import Launchpad
from integrations.launchpad.entries import (
    REDACTED,
    Branch,
    Bug,
    CollectionPage,
    Entry,
    EntryType,
    GitRef,
    GitRepository,
    LinkedBranch,
    PersonEntry,
    PreviewDiff,
    Proposal,
    Task,
    diff_facts,
    parse,
    place_owner,
    proposal_facts,
    task_facts,
)
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.paging import SIZES
from integrations.models import Repository
from reviews.facts import HIDDEN_PERSON, DiffFacts, ItemFacts, PersonFacts, SeriesFacts
from reviews.ingest import upsert_series
from reviews.models import Review, Series, Source
from reviews.people import upsert_people
from reviews.starting import starts_for

logger = structlog.get_logger(__name__)

MAX_LINKED_BRANCHES = 10  # of a bug, that are tried one after the other
MAX_NEW_DIFFS = 4  # new items in a batch of which the diff is read at once; else the refresh that follows reads it
SERIES_AGE = timedelta(minutes=10)
Answer = dict[str, Any] | LaunchpadError  # what get_many has for a URL: an entry, or why there is none


@dataclass(eq=False)
class Item:
    """One item on its way in: its entry, its review if it is known, and what was found out about it."""

    entry: Proposal | Task
    review: Review | None
    bug: Bug = field(default_factory=Bug)
    revision: str = ""
    test_url: str = ""
    code_owner: PersonFacts | None = None  # of a bug's branch; a proposal's entry names its own
    target_url: str = ""
    prerequisite_url: str = ""
    diff: DiffFacts | None = None
    series: SeriesFacts | None = None
    is_branch_private: bool = False
    is_original_shown: bool = False  # of a duplicate: whether everybody may know of the bug that it repeats
    facts: ItemFacts | None = None
    problem: LaunchpadError | None = None  # why it has no facts

    @property
    def may_be_private(self) -> bool:
        """Whether it is private, or, new and its bug not read, perhaps is."""
        if self.entry.private or self.is_branch_private or (self.facts is not None and self.facts.private):
            return True
        if self.bug.is_private or (self.review is not None and self.review.private):
            return True
        return self.review is None and isinstance(self.entry, Task) and self.bug == Bug()

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Whatever goes wrong inside is this item's ``problem``, and stops no other item."""
        try:
            yield
        except LaunchpadError as problem:
            self.problem = problem
        except Exception as error:
            logger.exception("item not understood", item=self.entry.self_link[:200])
            self.problem = LaunchpadError(type(error).__name__)


def resolve_items(launchpad: Launchpad, items: list[Item], source: Source | None) -> None:
    """Find out the facts of each item: afterwards it has ``facts``, or a ``problem``."""
    _read_bugs(launchpad, _tasks(items))
    _read_originals(launchpad, _tasks(items))
    _read_linked_branches(launchpad, _tasks(items))
    _keep_known_tips(_proposals(items))
    _read_tips(launchpad, _proposals(items))
    _read_urls(launchpad, _proposals(items))
    _read_privacy(launchpad, _proposals(items))
    _read_series(launchpad, _proposals(items))
    excluded_tags = source.excluded_tags if source else []
    for item, task in _tasks(items):
        with item.catching():
            item.facts = task_facts(
                task, item.bug, revision=item.revision, test_url=item.test_url, excluded_tags=excluded_tags,
                code_owner=item.code_owner, private=item.is_branch_private, show_original=item.is_original_shown,
            )  # fmt: skip
    for item, proposal in _proposals(items):
        with item.catching():
            item.facts = proposal_facts(
                proposal, revision=item.revision, test_url=item.test_url, series=item.series,
                private=item.is_branch_private, target_url=item.target_url, prerequisite_url=item.prerequisite_url,
                diff=item.diff,
            )  # fmt: skip
    people = [item.facts.owner for item in items if item.facts]
    if starts_for(source) == Source.StartsTests.TRUSTED:  # whether they are people or teams matters
        people += [owner for item in items if item.facts and (owner := item.facts.code_owner)]
        people += [owner for item in items if item.facts and (owner := item.facts.prerequisite_owner)]
    read_people(launchpad, {person.username for person in people})


def _tasks(items: Iterable[Item]) -> list[tuple[Item, Task]]:
    """The bug tasks among the items that have no problem."""
    return [(item, item.entry) for item in items if item.problem is None and isinstance(item.entry, Task)]


def _proposals(items: Iterable[Item]) -> list[tuple[Item, Proposal]]:
    """The proposals among the items that have no problem."""
    return [(item, item.entry) for item in items if item.problem is None and isinstance(item.entry, Proposal)]


def read_people(launchpad: Launchpad, usernames: Iterable[str]) -> None:
    """Fetch the display names of those that are not known yet, once. One query when all are known.

    Somebody whose account is gone keeps the username as name; a failure is no reason to lose an item.
    """
    wanted = set(usernames) - {HIDDEN_PERSON.username}
    wanted -= set(
        Person.objects.filter(username__in=wanted, fetched_at__isnull=False).values_list("username", flat=True)
    )
    if not wanted:
        return
    paths = {username: "~" + quote(username) for username in sorted(wanted)}
    answers = launchpad.get_many(paths.values())
    upsert_people([_person_of(username, answers[path]) for username, path in paths.items()], timezone.now())


def _person_of(username: str, answer: Answer) -> PersonFacts:
    if isinstance(answer, NotAccessible):
        return PersonFacts(username, username)
    if isinstance(answer, LaunchpadError):
        return PersonFacts(username)  # asked for again next time
    try:
        person = parse(PersonEntry, answer)
    except LaunchpadError:
        return PersonFacts(username)
    return PersonFacts(username, person.display_name or username, person.is_team, person.web_link[:500])


def _parse_answer(model: type[EntryType], answer: Answer) -> EntryType:
    """What was answered. Raises what was wrong with it."""
    if isinstance(answer, LaunchpadError):
        raise answer
    return parse(model, answer)


# --- proposals -------------------------------------------------------------------------------------------------


def _keep_known_tips(proposals: list[tuple[Item, Proposal]]) -> None:
    """An unchanged preview diff means an unchanged tip, an unchanged address an unchanged repository: nothing is asked.

    The address of a Bazaar branch is in its link, and costs no request.
    """
    for item, proposal in proposals:
        if item.review:
            if proposal.source_git_repository_link and proposal.self_link == item.review.api_url:
                item.test_url = item.review.test_url
            if proposal.target == item.review.target:
                item.target_url = item.review.target_url
            if proposal.prerequisite == item.review.prerequisite:
                item.prerequisite_url = item.review.prerequisite_url
            if proposal.preview_diff_link and proposal.preview_diff_link == item.review.diff_marker:
                item.revision = item.review.revision


def _read_tips(launchpad: Launchpad, proposals: list[tuple[Item, Proposal]]) -> None:
    """The tip of what is proposed: from the branches, many at once; else from the preview diff, else one by one."""
    unknown = [(item, proposal) for item, proposal in proposals if not item.revision]
    found = launchpad.branches(
        link
        for _, proposal in unknown
        for link in (proposal.source_branch_link, proposal.target_branch_link, proposal.prerequisite_branch_link)
        if link
    )
    for item, proposal in unknown:
        with item.catching():
            for link in (proposal.target_branch_link, proposal.prerequisite_branch_link):
                if place := found.get(link):
                    item.is_branch_private = item.is_branch_private or parse(Branch, place).private
            if source := found.get(proposal.source_branch_link):
                _take_branch(item, parse(Branch, source))
    diffs = _read_diffs(launchpad, proposals)
    for item, diff in diffs.items():
        if not item.revision and not diff.stale:
            item.revision = diff.source_revision_id
    branches = {item: proposal.source_branch_link for item, proposal in unknown}
    for item, branch in _answers(launchpad, branches, Branch):
        _take_branch(item, branch)
    refs = {item: proposal.source_ref_url for item, proposal in unknown}
    for item, ref in _answers(launchpad, refs, GitRef):
        item.revision = ref.commit_sha1
    for item, proposal in proposals:
        if diff_read := diffs.get(item):
            item.revision = item.revision or diff_read.source_revision_id
            item.diff = diff_facts(diff_read, proposal.diff_url, item.revision)


def _read_diffs(launchpad: Launchpad, proposals: list[tuple[Item, Proposal]]) -> dict[Item, PreviewDiff]:
    """The preview diffs that were not read yet: each costs a request. What is not there is left out.

    Only an item whose tip is not known without its diff has a problem when it can't be read.
    """
    wanted, left_to_refresh = {}, []
    for item, proposal in proposals:
        if not proposal.diff_url or item.problem:
            continue
        if item.revision and item.review is None:
            left_to_refresh.append((item, proposal.diff_url))
        elif not (item.revision and item.review and item.review.diff_url == proposal.diff_url):
            wanted[item] = proposal.diff_url
    if len(left_to_refresh) <= MAX_NEW_DIFFS:
        wanted.update(left_to_refresh)
    answers = launchpad.get_many(wanted.values())
    diffs: dict[Item, PreviewDiff] = {}
    for item, url in wanted.items():
        if isinstance(answers[url], NotAccessible):
            continue
        try:
            diffs[item] = _parse_answer(PreviewDiff, answers[url])
        except LaunchpadError as problem:
            if item.revision:
                logger.info("diff not read", item=item.entry.self_link[:200], reason=str(problem))
            else:
                item.problem = problem
    return diffs


def read_diff(launchpad: Launchpad, review: Review) -> DiffFacts | None:
    """The diff of a review whose tip is known, if it was not read yet and can be. One request at most."""
    url = review.diff_marker
    if not url or url in (REDACTED, review.diff_url):
        return None
    try:
        return diff_facts(parse(PreviewDiff, launchpad.get(url)), url, review.revision)
    except LaunchpadError as problem:
        logger.info("diff not read", review=review.pk, reason=str(problem))
        return None


def _take_branch(item: Item, branch: Branch) -> None:
    item.revision = branch.last_scanned_id
    item.is_branch_private = item.is_branch_private or branch.private


def _answers(launchpad: Launchpad, links: dict[Item, str], model: type[EntryType]) -> Iterator[tuple[Item, EntryType]]:
    """What the links lead to, for the items that have no tip yet; what is not there is left out."""
    wanted = {item: link for item, link in links.items() if link and not item.revision and not item.problem}
    answers = launchpad.get_many(wanted.values())
    for item, link in wanted.items():
        if isinstance(answers[link], NotAccessible):  # no diff yet, or its branch was deleted: ask the next
            continue
        with item.catching():
            yield item, _parse_answer(model, answers[link])


def _read_urls(launchpad: Launchpad, proposals: list[tuple[Item, Proposal]]) -> None:
    """Of what is proposed, its target and its prerequisite: ``lp:`` and a branch's unique name, or a repository's URL
    (a request each, once)."""
    repositories: dict[Item, Proposal] = {}
    for item, proposal in proposals:
        if proposal.source_branch_link:
            item.test_url = _address(launchpad, proposal.source_branch_link)
        if proposal.target_branch_link:
            item.target_url = _address(launchpad, proposal.target_branch_link)
        if proposal.prerequisite_branch_link:
            item.prerequisite_url = _address(launchpad, proposal.prerequisite_branch_link)
        if (
            (proposal.source_git_repository_link and not item.test_url)
            or (proposal.target_git_repository_link and not item.target_url)
            or (proposal.prerequisite_git_repository_link and not item.prerequisite_url)
        ):
            repositories[item] = proposal
    if not repositories:
        return
    urls = {url for proposal in repositories.values() for url in proposal.places}
    known = dict(Repository.objects.filter(url__in=urls).values_list("url", "https_url"))
    answers = launchpad.get_many(sorted(urls - set(known)))
    fetched: dict[str, str] = {}
    for item, proposal in repositories.items():
        with item.catching():
            for url in proposal.places:
                if url not in answers or isinstance(answers[url], NotAccessible):
                    continue
                repository = _parse_answer(GitRepository, answers[url])
                if repository.private:  # it may be public tomorrow: it is asked for again
                    item.is_branch_private = True
                else:
                    fetched[url] = repository.git_https_url
            addresses = {url: fetched.get(url) or known.get(url) or _address(launchpad, url) for url in proposal.places}
            item.test_url = item.test_url or addresses.get(proposal.source_git_repository_link, "")
            item.target_url = item.target_url or addresses.get(proposal.target_git_repository_link, "")
            item.prerequisite_url = item.prerequisite_url or addresses.get(
                proposal.prerequisite_git_repository_link, ""
            )
    rows = [Repository(url=url, https_url=https_url) for url, https_url in sorted(fetched.items())]
    Repository.objects.bulk_create(rows, ignore_conflicts=True)


def _address(launchpad: Launchpad, link: str) -> str:
    """The address of a branch, or of a repository that has no better one, from its link."""
    return "lp:" + link.removeprefix(launchpad.root)


def _read_privacy(launchpad: Launchpad, proposals: list[tuple[Item, Proposal]]) -> None:
    """Whether items that were private still are: one becomes public only when Launchpad says so."""
    links: dict[Item, list[str]] = {}
    for item, proposal in proposals:
        if item.review and item.review.private and not proposal.private and not item.is_branch_private:
            links[item] = proposal.places
    answers = launchpad.get_many(link for places in links.values() for link in places)
    for item, places in links.items():
        with item.catching():
            item.is_branch_private = any(_is_private(answers[link]) for link in places)


def _is_private(answer: Answer) -> bool:
    """Of a branch or repository; one that we may not see is. Raises LaunchpadError."""
    return isinstance(answer, NotAccessible) or _parse_answer(Entry, answer).private


def _series_url(launchpad: Launchpad, proposal: Proposal) -> str:
    """The series of a package branch (``~owner/distribution/series/package/name``), or nothing."""
    link = proposal.target_branch_link
    parts = link.removeprefix(launchpad.root).split("/")
    return f"{launchpad.root}{parts[1]}/{parts[2]}" if link.startswith(launchpad.root) and len(parts) == 5 else ""


def _read_series(launchpad: Launchpad, proposals: list[tuple[Item, Proposal]]) -> None:
    """The series that the proposals are for. One is asked for again after some minutes."""
    urls = {item: url for item, proposal in proposals if (url := _series_url(launchpad, proposal))}
    if not urls:
        return
    now, wanted = timezone.now(), sorted(set(urls.values()))
    known = {series.api_url: series for series in Series.objects.filter(api_url__in=wanted)}
    found = {
        url: SeriesFacts(url, series.name, series.target, series.active_outside)
        for url, series in known.items()
        if series.fetched_at and series.fetched_at > now - SERIES_AGE
    }
    problems: dict[str, LaunchpadError] = {}
    for url, answer in launchpad.get_many(url for url in wanted if url not in found).items():
        if isinstance(answer, NotAccessible):
            active = known[url].active_outside if url in known else True
        elif isinstance(answer, LaunchpadError):
            problems[url] = answer
            continue
        else:
            active = answer.get("active") is not False
        target, name = url.removeprefix(launchpad.root).split("/")
        found[url] = SeriesFacts(url, name, target, active)
        Series.objects.filter(pk=upsert_series(found[url], now).pk).update(fetched_at=now)
    for item, url in urls.items():
        if url in problems:
            item.problem = problems[url]
        else:
            item.series = found[url]


# --- bugs ------------------------------------------------------------------------------------------------------


def _read_bugs(launchpad: Launchpad, tasks: list[tuple[Item, Task]]) -> None:
    """The bug that each task is of; tasks of one bug share it."""
    answers = launchpad.get_many(task.bug_link for _, task in tasks if task.bug_link)
    for item, task in tasks:
        with item.catching():
            if task.bug_link:
                item.bug = _parse_answer(Bug, answers[task.bug_link])


def _read_originals(launchpad: Launchpad, tasks: list[tuple[Item, Task]]) -> None:
    """Whether the bugs that others are duplicates of are public: in doubt they are not named."""
    links = {item: item.bug.duplicate_of_link for item, _ in tasks if item.bug.duplicate_of_link}
    answers = launchpad.get_many(links.values())
    for item, link in links.items():
        with suppress(LaunchpadError):
            item.is_original_shown = not _parse_answer(Bug, answers[link]).is_private


def _read_linked_branches(launchpad: Launchpad, tasks: list[tuple[Item, Task]]) -> None:
    """Name and tip of the first branch that is linked to each bug and can be read."""
    collections: dict[Item, str] = {}
    for item, _ in tasks:
        if link := item.bug.linked_branches_collection_link:
            collections[item] = launchpad.url(link, ws_size=SIZES[0])
    answers = launchpad.get_many(collections.values())
    linked: dict[Item, list[str]] = {}
    for item, url in collections.items():
        if isinstance(answers[url], NotAccessible):  # a part that can't be read is not the item's absence
            continue
        with item.catching():
            linked[item] = _links_of_branches(answers[url])[:MAX_LINKED_BRANCHES]
    firsts = [links[0] for links in linked.values() if links]
    branches: dict[str, Answer] = dict(launchpad.branches(firsts)) if len(firsts) > 1 else {}
    while waiting := {item: links[0] for item, links in linked.items() if links}:
        branches |= launchpad.get_many(link for link in waiting.values() if link not in branches)
        for item, link in waiting.items():
            if isinstance(branches[link], NotAccessible):
                linked[item] = linked[item][1:]
                continue
            linked[item] = []
            with item.catching():
                branch = _parse_answer(Branch, branches[link])
                item.test_url = branch.bzr_identity or "lp:" + link.removeprefix(launchpad.root)
                item.code_owner = place_owner(branch.self_link or link)
                _take_branch(item, branch)


def _links_of_branches(answer: Answer) -> list[str]:
    """The branches that a page of linked branches names, but for hidden ones. Raises LaunchpadError."""
    page = _parse_answer(CollectionPage, answer)
    links = [parse(LinkedBranch, entry).branch_link for entry in page.entries]
    return [link for link in links if link]
