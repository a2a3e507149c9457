"""From Launchpad's entries to facts: what it takes to know of an item (tip, branch, bug, series), for many at once.

Everything is asked for in the fewest requests: bugs, branches and series that several items share once, the tips of
Bazaar branches many in one request, the rest a few at a time. Only the thread that calls uses the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from accounts.models import Person
from integrations.launchpad.client import BATCH, Launchpad
from integrations.launchpad.entries import REDACTED, proposal_facts, task_facts, text_of
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.models import Repository
from reviews.facts import ItemFacts, PersonFacts, SeriesFacts
from reviews.ingest import upsert_people, upsert_series
from reviews.models import Review, Series, Source

logger = logging.getLogger(__name__)


Answer = dict[str, Any] | LaunchpadError


@dataclass(eq=False)
class Item:
    """One item on its way in: its entry, its review if there is one, and what was found out; or what is wrong."""

    entry: dict[str, Any]
    review: Review | None
    bug: dict[str, Any] = field(default_factory=dict)
    revision: str = ""
    test_url: str = ""
    facts: ItemFacts | None = None
    problem: LaunchpadError | None = None

    @property
    def is_bug(self) -> bool:
        return "bug_link" in self.entry

    def link(self, name: str) -> str:
        """A link of the entry; empty when it is null, or when we may not follow it. Raises InvalidEntry."""
        link = text_of(self.entry, name)
        return "" if link == REDACTED else link

    @property
    def git_ref(self) -> str:
        """The URL of the Git ref that is proposed, or nothing."""
        repository, path = self.link("source_git_repository_link"), self.link("source_git_path")
        return f"{repository}/+ref/{quote(path.removeprefix('refs/heads/'))}" if repository and path else ""


def gather(launchpad: Launchpad, items: Iterable[Item], source: Source | None) -> list[Item]:
    """Find out the facts of each item. Returns those that have them; the others say their ``problem``."""
    items = list(items)
    _gather_bugs(launchpad, [item for item in items if item.is_bug], source)
    _gather_proposals(launchpad, [item for item in items if not item.is_bug])
    good = [item for item in items if item.facts and not item.problem]
    know_people(launchpad, {item.facts.owner.username for item in good if item.facts})
    return good


def know_people(launchpad: Launchpad, usernames: Iterable[str]) -> None:
    """Fetch the display names of those that we don't know yet, once. One query when all are known.

    One who vanished keeps the username as name; a failure is no reason to lose an item.
    """
    wanted = set(usernames)
    wanted -= set(
        Person.objects.filter(username__in=wanted, fetched_at__isnull=False).values_list("username", flat=True)
    )
    if not wanted:
        return
    answers = launchpad.get_many("~" + quote(username) for username in sorted(wanted))
    upsert_people([_person(username, answers["~" + quote(username)]) for username in sorted(wanted)], timezone.now())


def _person(username: str, answer: Answer) -> PersonFacts:
    try:
        entry = _entry(answer)
        name, page = text_of(entry, "display_name", 255), text_of(entry, "web_link", 500)
        return PersonFacts(username, name or username, bool(entry.get("is_team")), page)
    except NotAccessible:
        return PersonFacts(username, username)
    except LaunchpadError:
        return PersonFacts(username)  # asked for again next time


def _entry(answer: Answer | None) -> dict[str, Any]:
    """What was answered. Raises what was wrong with it."""
    if isinstance(answer, LaunchpadError):
        raise answer
    return answer or {}


def _each(items: Iterable[Item], step: Callable[[Item], None]) -> list[Item]:
    """Take a step with each item that has no problem yet; whatever is wrong with one, the others go on."""
    going = [item for item in items if item.problem is None]
    for item in going:
        try:
            step(item)
        except LaunchpadError as problem:
            item.problem = problem
        except Exception as error:
            logger.exception("item not understood")
            item.problem = LaunchpadError(type(error).__name__)
    return [item for item in going if item.problem is None]


def _ask(launchpad: Launchpad, items: Iterable[Item], url_of: Callable[[Item], str]) -> list[tuple[Item, Answer]]:
    """The answers to a URL of each item that has one."""
    urls: dict[Item, str] = {}

    def note(item: Item) -> None:
        if url := url_of(item):
            urls[item] = url

    _each(items, note)
    answers = launchpad.get_many(urls.values())
    return [(item, answers[url]) for item, url in urls.items()]


# --- proposals -------------------------------------------------------------------------------------------------


def _gather_proposals(launchpad: Launchpad, items: list[Item]) -> None:
    def keep_known(item: Item) -> None:
        marker = text_of(item.entry, "preview_diff_link")
        if item.review and marker and item.review.diff_marker == marker:
            item.revision = item.review.revision
        item.test_url = item.review.test_url if item.review else ""

    items = _each(items, keep_known)
    _find_tips(launchpad, [item for item in items if not item.revision])
    _find_test_urls(launchpad, [item for item in items if not item.test_url and not item.problem])
    series = _series_of(launchpad, items)

    def conclude(item: Item) -> None:
        found = series.get(_series_url(launchpad, item))
        if isinstance(found, LaunchpadError):
            raise found
        item.facts = proposal_facts(item.entry, revision=item.revision, test_url=item.test_url, series=found)

    _each(items, conclude)


def _find_tips(launchpad: Launchpad, items: list[Item]) -> None:
    """The tip of what is proposed: from the branches, many at once; else from the preview diff, else one by one."""
    links: dict[Item, str] = {}

    def note(item: Item) -> None:
        if link := item.link("source_branch_link"):
            links[item] = link

    _each(items, note)
    if len(links) > 1:  # for one, the diff that the proposal names is asked for straight away
        branches = launchpad.branches(links.values())
        for item, link in links.items():
            item.revision = text_of(branches.get(link, {}), "last_scanned_id", 255)
    ways: list[tuple[Callable[[Item], str], str]] = [
        (lambda item: item.link("preview_diff_link"), "source_revision_id"),
        (lambda item: item.link("source_branch_link"), "last_scanned_id"),
        (lambda item: item.git_ref, "commit_sha1"),
    ]
    for url_of, name in ways:
        for item, answer in _ask(launchpad, [item for item in items if not item.revision], url_of):
            if not isinstance(answer, NotAccessible):  # no diff (yet), or its branch was deleted: ask for the next

                def read(item: Item, answer: Answer = answer, name: str = name) -> None:
                    item.revision = text_of(_entry(answer), name, 255)

                _each([item], read)


def _find_test_urls(launchpad: Launchpad, items: list[Item]) -> None:
    """What Jenkins is told to test: ``lp:`` and a branch's unique name, or a repository's URL (one request, once)."""
    repositories: dict[Item, str] = {}

    def read(item: Item) -> None:
        if branch := item.link("source_branch_link"):
            item.test_url = "lp:" + branch.removeprefix(launchpad.root)
        elif repository := item.link("source_git_repository_link"):
            repositories[item] = repository

    _each(items, read)
    if not repositories:
        return
    known = dict(Repository.objects.filter(url__in=set(repositories.values())).values_list("url", "https_url"))
    answers = launchpad.get_many(url for url in repositories.values() if url not in known)
    fetched: dict[str, str] = {}

    def take(item: Item) -> None:
        url = repositories[item]
        if url not in known and not isinstance(answers[url], NotAccessible):
            fetched[url] = known[url] = text_of(_entry(answers[url]), "git_https_url")
        item.test_url = known.get(url) or "lp:" + url.removeprefix(launchpad.root)

    _each(repositories, take)
    rows = [Repository(url=url, https_url=https_url) for url, https_url in sorted(fetched.items())]
    Repository.objects.bulk_create(rows, ignore_conflicts=True)


def _series_url(launchpad: Launchpad, item: Item) -> str:
    """The series of a package branch (``~owner/distribution/series/package/name``), or nothing."""
    link = item.link("target_branch_link")
    parts = link.removeprefix(launchpad.root).split("/")
    return f"{launchpad.root}{parts[1]}/{parts[2]}" if link.startswith(launchpad.root) and len(parts) == 5 else ""


def _series_of(launchpad: Launchpad, items: list[Item]) -> dict[str, SeriesFacts | LaunchpadError]:
    """The series that the items are for. Each client asks for one again after some minutes."""
    urls: set[str] = set()
    _each(items, lambda item: urls.add(_series_url(launchpad, item)))
    urls.discard("")
    if not urls:
        return {}
    now = timezone.now()
    known = {series.api_url: series for series in Series.objects.filter(api_url__in=urls)}
    found: dict[str, SeriesFacts | LaunchpadError] = {
        url: SeriesFacts(url, series.name, series.target, series.active_outside)
        for url, series in known.items()
        if launchpad.asked_lately(url)
    }
    for url, answer in launchpad.get_many(sorted(urls - set(found))).items():
        if isinstance(answer, LaunchpadError) and not isinstance(answer, NotAccessible):
            found[url] = answer
            continue
        target, name = url.removeprefix(launchpad.root).split("/")
        active = known[url].active_outside if url in known else True
        if not isinstance(answer, NotAccessible):
            active = _entry(answer).get("active") is not False
        facts = SeriesFacts(url, name, target, active)
        Series.objects.filter(pk=upsert_series(facts, now).pk).update(fetched_at=now)
        launchpad.note_asked(url)
        found[url] = facts
    return found


# --- bugs ------------------------------------------------------------------------------------------------------


def _gather_bugs(launchpad: Launchpad, items: list[Item], source: Source | None) -> None:
    def keep(item: Item, answer: Answer) -> None:
        item.bug = _entry(answer)

    for item, answer in _ask(launchpad, items, lambda item: text_of(item.entry, "bug_link")):
        _each([item], lambda item, answer=answer: keep(item, answer))  # type: ignore[misc]
    _find_linked_branches(launchpad, [item for item in items if not item.problem])

    def conclude(item: Item) -> None:
        tags = source.excluded_tags if source else []
        item.facts = task_facts(
            item.entry, item.bug, excluded_tags=tags, revision=item.revision, test_url=item.test_url
        )

    _each(items, conclude)


def _find_linked_branches(launchpad: Launchpad, items: list[Item]) -> None:
    """Name and tip of the first branch that is linked to each bug and can be read."""

    def collection(item: Item) -> str:
        link = text_of(item.bug, "linked_branches_collection_link")
        return f"{link}{'&' if '?' in link else '?'}ws.size={BATCH}" if link else ""

    linked: dict[Item, list[str]] = {}
    for item, answer in _ask(launchpad, items, collection):

        def read(item: Item, answer: Answer = answer) -> None:
            entries = _entry(answer).get("entries")
            if not isinstance(entries, list):
                raise LaunchpadError("Launchpad answered a collection without entries.")
            links = [text_of(entry, "branch_link") for entry in entries if isinstance(entry, dict)]
            linked[item] = [link for link in links if link and link != REDACTED]

        _each([item], read)
    firsts = {item: links[0] for item, links in linked.items() if links}
    branches = launchpad.branches(firsts.values()) if len(firsts) > 1 else {}
    while firsts:
        answers = launchpad.get_many(link for link in firsts.values() if link not in branches)
        following: dict[Item, str] = {}
        for item, link in firsts.items():
            branch = branches.get(link) or answers.get(link)
            if isinstance(branch, NotAccessible):
                linked[item] = linked[item][1:]
                if linked[item]:
                    following[item] = linked[item][0]
                continue

            def take(item: Item, branch: Answer | None = branch, link: str = link) -> None:
                entry = _entry(branch)
                item.test_url = text_of(entry, "bzr_identity") or "lp:" + link.removeprefix(launchpad.root)
                item.revision = text_of(entry, "last_scanned_id", 255)

            _each([item], take)
        firsts = following
