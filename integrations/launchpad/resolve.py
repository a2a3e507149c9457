"""From Launchpad's entries to facts: tip, branch, bug and series of many items at once.

In the fewest requests: bugs, branches and series that several items share are asked for once, the tips of Bazaar
branches many in one request, the rest a few at a time. Only the calling thread uses the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import structlog
from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.client import BATCH, Launchpad
from integrations.launchpad.entries import REDACTED, proposal_facts, task_facts, text_of
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.models import Repository
from reviews.facts import ItemFacts, PersonFacts, SeriesFacts
from reviews.ingest import upsert_people, upsert_series
from reviews.models import Review, Series, Source

logger = structlog.get_logger(__name__)

SERIES_AGE = timedelta(minutes=10)
Answer = dict[str, Any] | LaunchpadError  # what get_many has for a URL: an entry, or why there is none


@dataclass(eq=False)
class Item:
    """One item on its way in: its entry, its review if it is known, and what was found out about it."""

    entry: dict[str, Any]
    review: Review | None
    bug: dict[str, Any] = field(default_factory=dict)
    revision: str = ""
    test_url: str = ""
    series: SeriesFacts | None = None
    facts: ItemFacts | None = None
    problem: LaunchpadError | None = None  # why it has no facts

    @property
    def is_bug(self) -> bool:
        return "bug_link" in self.entry

    def link(self, name: str) -> str:
        """A link of the entry; empty when it is null, or when we may not follow it. Raises InvalidEntry."""
        link = text_of(self.entry, name)
        return "" if link == REDACTED else link

    @property
    def git_ref(self) -> str:
        """The URL of the Git ref that is proposed, or nothing. Raises InvalidEntry."""
        repository, path = self.link("source_git_repository_link"), self.link("source_git_path")
        return f"{repository}/+ref/{quote(path.removeprefix('refs/heads/'))}" if repository and path else ""

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Whatever goes wrong inside is this item's ``problem``, and stops no other item."""
        try:
            yield
        except LaunchpadError as problem:
            self.problem = problem
        except Exception as error:
            logger.exception("item not understood", item=str(self.entry.get("self_link"))[:200])
            self.problem = LaunchpadError(type(error).__name__)


def resolve_items(launchpad: Launchpad, items: list[Item], source: Source | None) -> None:
    """Find out the facts of each item: afterwards it has ``facts``, or a ``problem``."""
    bugs = [item for item in items if item.is_bug]
    proposals = [item for item in items if not item.is_bug]
    _read_bugs(launchpad, bugs)
    _read_linked_branches(launchpad, bugs)
    _keep_known_tips(proposals)
    _read_tips(launchpad, proposals)
    _read_test_urls(launchpad, proposals)
    _read_series(launchpad, proposals)
    excluded_tags = source.excluded_tags if source else []
    for item in _without_problem(items):
        with item.catching():
            if item.is_bug:
                item.facts = task_facts(
                    item.entry,
                    item.bug,
                    revision=item.revision,
                    test_url=item.test_url,
                    excluded_tags=excluded_tags,
                )
            else:
                item.facts = proposal_facts(
                    item.entry, revision=item.revision, test_url=item.test_url, series=item.series
                )
    read_people(launchpad, {item.facts.owner.username for item in items if item.facts})


def read_people(launchpad: Launchpad, usernames: Iterable[str]) -> None:
    """Fetch the display names of those that are not known yet, once. One query when all are known.

    Somebody whose account is gone keeps the username as name; a failure is no reason to lose an item.
    """
    wanted = set(usernames)
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
        name, page = text_of(answer, "display_name", 255), text_of(answer, "web_link", 500)
    except LaunchpadError:
        return PersonFacts(username)
    return PersonFacts(username, name or username, bool(answer.get("is_team")), page)


def _without_problem(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.problem is None]


def _entry_of(answer: Answer) -> dict[str, Any]:
    """What was answered. Raises what was wrong with it."""
    if isinstance(answer, LaunchpadError):
        raise answer
    return answer


# --- proposals -------------------------------------------------------------------------------------------------


def _keep_known_tips(proposals: list[Item]) -> None:
    """An unchanged preview diff means an unchanged tip: nothing has to be asked."""
    for item in proposals:
        with item.catching():
            marker = text_of(item.entry, "preview_diff_link")
            if item.review and marker and item.review.diff_marker == marker:
                item.revision = item.review.revision
            item.test_url = item.review.test_url if item.review else ""


def _read_tips(launchpad: Launchpad, proposals: list[Item]) -> None:
    """The tip of what is proposed: from the branches, many at once; else from the preview diff, else one by one."""
    branches: dict[Item, str] = {}
    diffs: dict[Item, str] = {}
    refs: dict[Item, str] = {}
    for item in _without_problem(proposals):
        with item.catching():
            if not item.revision:
                branches[item] = item.link("source_branch_link")
                diffs[item] = item.link("preview_diff_link")
                refs[item] = item.git_ref
    named = [link for link in branches.values() if link]
    if len(named) > 1:  # for one, the diff that the proposal names is asked for straight away
        found = launchpad.branches(named)
        for item, link in branches.items():
            if link in found:
                with item.catching():
                    item.revision = text_of(found[link], "last_scanned_id", 255)
    for links, name in ((diffs, "source_revision_id"), (branches, "last_scanned_id"), (refs, "commit_sha1")):
        _read_tips_at(launchpad, links, name)


def _read_tips_at(launchpad: Launchpad, links: dict[Item, str], name: str) -> None:
    """The tips of items that have none yet, from a field of what their links lead to."""
    wanted = {item: link for item, link in links.items() if link and not item.revision and not item.problem}
    answers = launchpad.get_many(wanted.values())
    for item, link in wanted.items():
        if isinstance(answers[link], NotAccessible):  # no diff yet, or its branch was deleted: ask the next
            continue
        with item.catching():
            item.revision = text_of(_entry_of(answers[link]), name, 255)


def _read_test_urls(launchpad: Launchpad, proposals: list[Item]) -> None:
    """What is to be tested: ``lp:`` and a branch's unique name, or a repository's URL (one request, once)."""
    repositories: dict[Item, str] = {}
    for item in _without_problem(proposals):
        with item.catching():
            if item.test_url:
                continue
            if branch := item.link("source_branch_link"):
                item.test_url = "lp:" + branch.removeprefix(launchpad.root)
            elif repository := item.link("source_git_repository_link"):
                repositories[item] = repository
    if not repositories:
        return
    urls = set(repositories.values())
    known = dict(Repository.objects.filter(url__in=urls).values_list("url", "https_url"))
    answers = launchpad.get_many(sorted(urls - set(known)))
    fetched: dict[str, str] = {}
    for item, url in repositories.items():
        with item.catching():
            if url in answers and not isinstance(answers[url], NotAccessible):
                fetched[url] = text_of(_entry_of(answers[url]), "git_https_url")
            item.test_url = fetched.get(url) or known.get(url) or "lp:" + url.removeprefix(launchpad.root)
    rows = [Repository(url=url, https_url=https_url) for url, https_url in sorted(fetched.items())]
    Repository.objects.bulk_create(rows, ignore_conflicts=True)


def _series_url(launchpad: Launchpad, item: Item) -> str:
    """The series of a package branch (``~owner/distribution/series/package/name``), or nothing. Raises InvalidEntry."""
    link = item.link("target_branch_link")
    parts = link.removeprefix(launchpad.root).split("/")
    return f"{launchpad.root}{parts[1]}/{parts[2]}" if link.startswith(launchpad.root) and len(parts) == 5 else ""


def _read_series(launchpad: Launchpad, proposals: list[Item]) -> None:
    """The series that the proposals are for. One is asked for again after some minutes."""
    urls: dict[Item, str] = {}
    for item in _without_problem(proposals):
        with item.catching():
            if url := _series_url(launchpad, item):
                urls[item] = url
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


def _read_bugs(launchpad: Launchpad, tasks: list[Item]) -> None:
    """The bug that each task is of; tasks of one bug share it."""
    links: dict[Item, str] = {}
    for item in tasks:
        with item.catching():
            if link := item.link("bug_link"):
                links[item] = link
    answers = launchpad.get_many(links.values())
    for item, link in links.items():
        with item.catching():
            item.bug = _entry_of(answers[link])


def _read_linked_branches(launchpad: Launchpad, tasks: list[Item]) -> None:
    """Name and tip of the first branch that is linked to each bug and can be read."""
    collections: dict[Item, str] = {}
    for item in _without_problem(tasks):
        with item.catching():
            if link := text_of(item.bug, "linked_branches_collection_link"):
                collections[item] = f"{link}{'&' if '?' in link else '?'}ws.size={BATCH}"
    answers = launchpad.get_many(collections.values())
    linked: dict[Item, list[str]] = {}
    for item, url in collections.items():
        with item.catching():
            linked[item] = _links_of_branches(_entry_of(answers[url]))
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
                branch = _entry_of(branches[link])
                item.test_url = text_of(branch, "bzr_identity") or "lp:" + link.removeprefix(launchpad.root)
                item.revision = text_of(branch, "last_scanned_id", 255)


def _links_of_branches(page: dict[str, Any]) -> list[str]:
    """The branches that a page of linked branches names, but for those that we may not follow. Raises InvalidEntry."""
    entries = page.get("entries")
    if not isinstance(entries, list):
        raise LaunchpadError("Launchpad answered a collection without entries.")
    links = [text_of(entry, "branch_link") for entry in entries if isinstance(entry, dict)]
    return [link for link in links if link and link != REDACTED]
