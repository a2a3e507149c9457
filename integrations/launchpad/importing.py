"""Imports and refreshes: from Launchpad's entries to reviews, in as few requests as batches allow (SPEC section 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from django.db import transaction
from django.utils import timezone

from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import state_of, text_of, time_of
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible
from integrations.launchpad.resolve import Item, gather
from integrations.launchpad.reviewers import sync_reviewers
from integrations.models import ImportReport
from reviews.ingest import ingest, ingest_new
from reviews.models import CLOSED_STATES, Review, Source
from reviews.stats import sample_queue

logger = logging.getLogger(__name__)

MOST_PROBLEMS = 100
OVERLAP = timedelta(minutes=5)  # modified_since looks back a little: clocks differ

Progress = Callable[[int], None]


class _Known(NamedTuple):
    """What an import needs to know of a review to see whether its entry says something new."""

    api_url: str
    pk: int
    launchpad_status: str
    updated_at: datetime
    revision: str
    diff_marker: str
    sync_error: str


class _Import:
    """One import of one source, and what it reports."""

    def __init__(self, source: Source, launchpad: Launchpad, report: ImportReport, *, all_items: bool) -> None:
        self.source, self.launchpad, self.report, self.all_items = source, launchpad, report, all_items

    def note(self, words: str) -> None:
        """Something that staff should read."""
        if len(self.report.problems) < MOST_PROBLEMS:
            self.report.problems.append(words[:500])

    def left_out(self, words: str) -> None:
        """Something could not be brought in: it has to come again next time."""
        self.report.failed += 1
        self.note(words)

    def take(self, batch: list[Any], *, dry_run: bool) -> None:
        """Bring a batch in: one query for what is known, nothing more for what is unchanged, the rest together."""
        links = [link for entry in batch if isinstance(entry, dict) and isinstance(link := entry.get("self_link"), str)]
        rows = Review.objects.filter(api_url__in=links).order_by().values_list(*_Known._fields)
        known = {row[0]: _Known(*row) for row in rows}
        changed: dict[str, dict[str, Any]] = {}
        for entry in batch:
            self.report.seen += 1
            try:
                if not isinstance(entry, dict):
                    raise InvalidEntry("It is not an object.")
                link = str(entry.get("self_link"))
                if self.says_news(entry, known.get(link)):
                    changed[link] = entry
            except Exception as error:  # whatever is wrong with one item, the others go on
                self.failed(entry, error)
        if dry_run:
            self.report.added += len(set(changed) - set(known))
            self.report.changed += len(set(changed) & set(known))
        elif changed:
            pks = [known[link].pk for link in changed if link in known]
            reviews = {review.api_url: review for review in Review.objects.filter(pk__in=pks)} if pks else {}
            self.bring_in([Item(entry, reviews.get(link)) for link, entry in changed.items()])

    def says_news(self, entry: dict[str, Any], known: _Known | None) -> bool:
        """Whether an entry is to be brought in. Costs neither a query nor a request."""
        kind = Review.Kind.NEW if "bug_link" in entry else Review.Kind.UPDATE
        status = text_of(entry, "status" if kind == Review.Kind.NEW else "queue_status", 64)
        state, is_known = state_of(kind, status)
        if not is_known:
            self.note(f"Unknown status {status!r}, taken as PENDING: {text_of(entry, 'web_link')}")
        if known is None:
            return self.all_items or state not in CLOSED_STATES
        if known.sync_error:  # it was out of reach, and now it is here
            return True
        if kind == Review.Kind.NEW or known.launchpad_status != status or not known.revision:
            return True
        times = [time_of(entry, name) for name in ("date_review_requested", "date_reviewed", "date_merged")]
        newer = any(moment and moment > known.updated_at for moment in times)
        return newer or known.diff_marker != text_of(entry, "preview_diff_link")

    def bring_in(self, items: list[Item]) -> None:
        """Find out what there is to know, then write it: new items together, changed ones each on their own."""
        good = gather(self.launchpad, items, self.source)
        for item in items:
            if item.problem:
                self.failed(item.entry, item.problem)
        new = [item.facts for item in good if item.facts and item.review is None]
        if len(new) > 1:
            try:
                self.report.added += ingest_new(self.source, new, now=timezone.now(), include_closed=self.all_items)
                good = [item for item in good if item.review]
            except Exception as error:  # another import was faster with one, or one can't be written: one by one
                logger.info("items taken one by one source=%s error=%s", self.source.name, type(error).__name__)
        for item in good:
            try:
                self.take_one(item)
            except Exception as error:
                self.failed(item.entry, error)

    def take_one(self, item: Item) -> None:
        if item.facts:
            done = ingest(self.source, item.facts, None, now=timezone.now(), include_closed=self.all_items)
            self.report.added += done.added
            self.report.changed += done.changed

    def failed(self, entry: Any, error: Exception) -> None:
        """One item could not be brought in: the report says which, and why."""
        name = str(entry.get("web_link") or entry.get("self_link"))[:200] if isinstance(entry, dict) else "an entry"
        if not isinstance(error, LaunchpadError):
            logger.error("item not imported source=%s", self.source.name, exc_info=error)
        self.left_out(f"{name}: {error if isinstance(error, LaunchpadError) else type(error).__name__}")


def import_source(
    source: Source, *, include_closed: bool = False, dry_run: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Import a source now. Never raises for what Launchpad does: the report says it, and the rest carries on."""
    report = ImportReport(source=source, started_at=timezone.now())
    launchpad = None
    before = 0
    try:
        launchpad = get_launchpad()
        before = launchpad.requests
        if not dry_run:
            sync_reviewers(launchpad)
        work = _Import(source, launchpad, report, all_items=include_closed)
        since = source.cursor - OVERLAP if source.cursor and not include_closed else None
        for batch in launchpad.source_batches(
            source, include_closed=include_closed, since=since, skipped=work.left_out
        ):
            work.take(batch, dry_run=dry_run)
            if progress:
                progress(report.seen)
        report.ok = True
    except NotAccessible as gone:
        report.problems.append(f"{source.name}: {_refusal_of(source, launchpad, gone.status)}")
    except LaunchpadError as problem:
        report.problems.append(f"{source.name}: {problem}")
    except Exception as error:  # whatever is wrong with one source, the others go on
        logger.exception("source not imported source=%s", source.name)
        report.problems.append(f"{source.name}: {type(error).__name__}; the log says where.")
    report.requests = launchpad.requests - before if launchpad else 0
    report.finished_at = timezone.now()
    if not dry_run:
        with transaction.atomic():
            report.save()
            changes: dict[str, Any] = {"last_import_at": report.finished_at}
            changes["last_error"] = "" if report.ok else report.problems[-1].removeprefix(f"{source.name}: ")
            if report.ok:
                changes["last_success_at"] = report.finished_at
                # The cursor moves only when nothing was left out, so that a failed item comes again.
                if not report.failed:
                    changes["cursor"] = report.started_at
            Source.objects.filter(pk=source.pk).update(**changes)
        sample_queue(timezone.now())
    return report


def _refusal_of(source: Source, launchpad: Launchpad | None, status: int) -> str:
    """What it means that Launchpad refuses a source as a whole."""
    if launchpad and status == 401:
        return launchpad.refusal(status)
    return f"Launchpad answered {status} for {source.target}: check the source's kind and target in the admin."


def import_item(source: Source, path: str) -> str:
    """Import one item that a webhook named, if the source holds it. Returns what is wrong, in words, or nothing.

    A failure is left to the next import of the source.
    """
    report = ImportReport(source=source, started_at=timezone.now())
    try:
        launchpad = get_launchpad()
        entry = launchpad.get(path)
        if not _belongs(launchpad, entry, source):
            return ""
        _Import(source, launchpad, report, all_items=False).take([entry], dry_run=False)
    except NotAccessible:
        return ""  # created and deleted since, or not ours to see
    except LaunchpadError as problem:
        report.problems.append(str(problem))
    for words in report.problems:
        logger.warning("item not imported source=%s reason=%s", source.name, words)
    return " ".join(report.problems)


def _belongs(launchpad: Launchpad, entry: dict[str, Any], source: Source) -> bool:
    """Whether a source holds an item, as ``source_batches`` would find it (SPEC section 4)."""
    target = source.target.strip("/")
    if source.kind == Source.Kind.DISTRIBUTION_BUGS:
        if "bug_link" not in entry or "+source" in text_of(entry, "web_link"):
            return False
        if not text_of(entry, "self_link").startswith(f"{launchpad.root}{target}/+bug/"):
            return False
        link = text_of(launchpad.get(text_of(entry, "bug_link")), "linked_branches_collection_link")
        return bool(link) and bool(launchpad.entries(link))
    if "queue_status" not in entry:
        return False
    into = text_of(entry, "target_branch_link") or text_of(entry, "target_git_repository_link")
    parts = into.removeprefix(launchpad.root).split("/")
    if source.kind == Source.Kind.PROJECT:
        return target in (parts[0], *parts[1:2])
    if source.kind == Source.Kind.GIT_REPOSITORY:
        return into == launchpad.root + target
    if source.kind == Source.Kind.TEAM_BRANCHES:
        in_distribution = not source.distribution or parts[1] == source.distribution
        return len(parts) == 5 and parts[0] == "~" + target.lstrip("~") and in_distribution
    votes = launchpad.entries(text_of(entry, "votes_collection_link"))
    asked = launchpad.root + "~" + quote(target.lstrip("~"))
    return any(isinstance(vote, dict) and vote.get("reviewer_link") == asked for vote in votes)
