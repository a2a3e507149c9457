"""Imports: what a source holds on Launchpad becomes reviews, in as few requests as its batches allow.

An import is one walk (docs/specification.md, section 4): a batch of entries is read, those that say something new are
picked, their facts are found out (``resolve``), and ``reviews.ingest`` writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.db import transaction
from django.utils import timezone

from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import ListedItem, Proposal, Task, get_state, parse, parse_item
from integrations.launchpad.errors import LaunchpadError, NotAccessible
from integrations.launchpad.resolve import Item, resolve_items
from integrations.launchpad.reviewers import sync_teams
from integrations.launchpad.sources import READERS
from integrations.models import ImportReport
from reviews.ingest import ingest, ingest_new, is_believable, takes_private
from reviews.models import CLOSED_STATES, Review, Source

logger = structlog.get_logger(__name__)

MAX_PROBLEMS = 100  # that a report keeps
WITHHELD = "An item that is or may be private (the log names it)"  # in place of its address
OVERLAP = timedelta(minutes=5)  # modified_since looks back a little: clocks differ


class Known(NamedTuple):
    """What is read of a review to see whether its entry says something new. Names of columns.

    Nearly all reviews of an import are unchanged: only of the others a model instance is made.
    """

    id: int
    kind: str
    number: int
    bug_target: str
    api_url: str
    launchpad_status: str
    updated_at: datetime
    revision: str
    diff_marker: str
    sync_error: str
    missing_since: datetime | None
    private: bool
    source_id: int | None


Progress = Callable[[int], None]


class ImportRun:
    """One import of a source. It writes reviews, and counts in its ``report``, which ``finish`` saves."""

    def __init__(self, source: Source, *, include_closed: bool = False, dry_run: bool = False) -> None:
        self.source, self.include_closed, self.dry_run = source, include_closed, dry_run
        self.report = ImportReport(source=source, started_at=timezone.now())

    def add_batch(self, launchpad: Launchpad, batch: list[Any]) -> None:
        """Import a batch of entries: one query for all that are unchanged, new items together, changed ones each."""
        items = self._changed_items(batch)
        if self.dry_run:
            self.report.added += sum(item.review is None for item in items)
            self.report.changed += sum(item.review is not None for item in items)
        elif items:
            resolve_items(launchpad, items, self.source)
            self._write(items)

    def _changed_items(self, batch: list[Any]) -> list[Item]:
        """Those of a batch that say something new. One query, and one for those of them that are known; no request."""
        listed: dict[tuple[str, int, str], tuple[ListedItem, Any]] = {}
        for entry in batch:
            self.report.seen += 1
            try:
                item = parse(ListedItem, entry)
                listed[item.identity] = item, entry
            except LaunchpadError as problem:
                self._item_failed(_name_of(entry), problem, private=_may_be_private(entry))
        numbers = {number for _, number, _ in listed}
        found = Review.objects.filter(number__in=numbers).order_by().values_list(*Known._fields)
        rows = [Known._make(values) for values in found]
        known = {(review.kind, review.number, review.bug_target): review for review in rows}
        # A source lists one task of a bug at most: it is the same one when its target has another name now.
        tasks = {review.number: review for review in rows if review.source_id == self.source.pk and review.bug_target}
        news: list[tuple[Proposal | Task, int | None]] = []
        for identity, (item, entry) in listed.items():
            review = known.get(identity) or (tasks.get(identity[1]) if item.is_bug else None)
            try:
                if self._is_news(item, review):
                    news.append((parse_item(entry), review.id if review else None))
            except Exception as error:  # whatever is wrong with one item, the others go on
                # Whether a bug is private only the bug says, and that is not read yet.
                private = item.private or (review.private if review else item.is_bug)
                self._item_failed(item.web_link or item.self_link, error, private=private)
        changed = [review_id for _, review_id in news if review_id is not None]
        reviews = Review.objects.in_bulk(changed) if changed else {}
        return [Item(entry, reviews.get(review_id) if review_id else None) for entry, review_id in news]

    def _is_news(self, item: ListedItem, review: Known | None) -> bool:
        """Whether an item says something that its review does not."""
        if item.private and not takes_private(self.source) and (review is None or review.private):
            self.report.private += 1
            return False
        state, is_known = get_state(item.kind, item.launchpad_status)
        if not is_known:
            name = self._shown_name(item.web_link, item.private)
            self.add_problem(f"Unknown status {item.launchpad_status!r}, taken as PENDING: {name}")
        if review is None:
            return self.include_closed or state not in CLOSED_STATES
        if review.sync_error or review.missing_since:  # it was out of reach, and now it is here
            return True
        if item.is_bug or review.launchpad_status != item.launchpad_status or not review.revision:
            return True
        if review.private != item.private or review.api_url != item.self_link:
            return True
        is_newer = any(moment > review.updated_at for moment in item.times)
        return is_newer or review.diff_marker != item.preview_diff_link

    def _write(self, items: list[Item]) -> None:
        """Write what was found out: new items together, changed ones each on their own."""
        now = timezone.now()
        new = [item for item in items if item.facts and item.review is None]
        if not takes_private(self.source):
            left_out = [item for item in items if item.review is None or item.review.private]
            self.report.private += sum(item.facts.private for item in left_out if item.facts)
        written: list[Item] = []
        if len(new) > 1:
            try:
                facts = [item.facts for item in new if item.facts]
                self.report.added += ingest_new(self.source, facts, now=now, include_closed=self.include_closed)
                written = new
            except Exception as error:  # another import was faster with one, or one can't be written: one by one
                logger.info("items imported one by one", source=self.source.name, reason=type(error).__name__)
        for item in items:
            try:
                if item.problem:
                    raise item.problem
                for words in item.facts.not_believed if item.facts else ():
                    self.add_problem(f"{self._shown_name(item.entry.web_link, item.may_be_private)}: {words}")
                if item.facts and item not in written:
                    done = ingest(
                        self.source, item.facts, None, now=now, include_closed=self.include_closed,
                        review_id=item.review.pk if item.review else None,
                    )  # fmt: skip
                    self.report.added += done.added
                    self.report.changed += done.changed
            except Exception as error:
                self._item_failed(item.entry.web_link, error, private=item.may_be_private)

    def add_problem(self, words: str) -> None:
        """Something that staff should read."""
        if len(self.report.problems) < MAX_PROBLEMS:
            self.report.problems.append(words[:500])

    def part_failed(self, words: str) -> None:
        """Something could not be imported: the next import of the source has to read it again."""
        self.report.failed += 1
        self.add_problem(words)

    def _shown_name(self, name: str, private: bool) -> str:
        """What the report calls an item: its readers may know of a private one only if the source lets these in."""
        return name[:200] if takes_private(self.source) or not private else WITHHELD

    def _item_failed(self, name: str, error: Exception, *, private: bool) -> None:
        shown = self._shown_name(name, private)
        if isinstance(error, LaunchpadError):
            if shown == WITHHELD:
                logger.warning("item not imported", source=self.source.name, item=name[:200], reason=str(error))
            self.part_failed(f"{shown}: {error}")
        else:
            logger.error("item not imported", source=self.source.name, item=name[:200], exc_info=error)
            self.part_failed(f"{shown}: {type(error).__name__}")

    def get_start(self) -> datetime | None:
        """From when on changes are to be read; None: everything, as what the source holds is another thing now."""
        cursor = self.source.cursor
        if cursor is None or self.source.cursor_scope != _scope_of(self.source):
            return None
        if not is_believable(cursor, self.report.started_at):
            self.add_problem("The last import seems to lie in the future: a clock was wrong. All is read again.")
            return None
        return cursor - OVERLAP

    def finish(self, problem: str, requests: int) -> None:
        """Save the report, and on the source what it says. ``problem``: why the source could not be read, in words."""
        report = self.report
        report.ok, report.requests, report.finished_at = not problem, requests, timezone.now()
        if problem:
            report.problems.append(f"{self.source.name}: {problem}")
        if self.dry_run:
            return
        changes: dict[str, Any] = {"last_import_at": report.finished_at, "last_error": problem}
        if report.ok:
            changes["last_success_at"] = report.finished_at
            if not report.failed:  # the cursor waits for what failed, so that it comes again
                changes |= {"cursor": report.started_at, "cursor_scope": _scope_of(self.source)}
        with transaction.atomic():
            report.save()
            Source.objects.filter(pk=self.source.pk).update(**changes)


def import_source(
    source: Source, *, include_closed: bool = False, dry_run: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Import a source now. Never raises for what Launchpad does: the report says it, and the rest carries on."""
    run = ImportRun(source, include_closed=include_closed, dry_run=dry_run)
    launchpad: Launchpad | None = None
    problem, requests_before = "", 0
    try:
        launchpad = get_launchpad()
        requests_before = launchpad.requests
        if not dry_run:
            sync_teams(launchpad)
        since = None if include_closed else run.get_start()
        reader = READERS[source.kind](
            launchpad, source, include_closed=include_closed, since=since, skipped=run.part_failed
        )
        for batch in reader.batches():
            run.add_batch(launchpad, batch)
            if progress:
                progress(run.report.seen)
    except NotAccessible as gone:
        problem = _explain_refusal(source, launchpad, gone.status)
    except LaunchpadError as error:
        problem = str(error)
    except Exception as error:  # whatever is wrong with one source, the others go on
        logger.exception("source not imported", source=source.name)
        problem = f"{type(error).__name__}; the log says where."
    run.finish(problem, launchpad.requests - requests_before if launchpad else 0)
    return run.report


def _name_of(entry: Any) -> str:
    """What to call an entry that is not of the form that Launchpad promises."""
    return str(entry.get("web_link") or entry.get("self_link")) if isinstance(entry, dict) else "an entry"


def _may_be_private(entry: Any) -> bool:
    """Whether such an entry says that it is private, or is a bug's, which does not say it."""
    return isinstance(entry, dict) and (entry.get("private") not in (None, False) or bool(entry.get("bug_link")))


def _scope_of(source: Source) -> list[Any]:
    """What a source's cursor is valid for."""
    return [source.kind, source.target, source.distribution, source.excluded_tags]


def _explain_refusal(source: Source, launchpad: Launchpad | None, status: int) -> str:
    """What it means that Launchpad refuses a source as a whole."""
    if launchpad and status == 401:
        return launchpad.explain_refusal(status)
    return f"Launchpad answered {status} for {source.target}: check the source's kind and target in the admin."


def import_item(source: Source, path: str) -> str:
    """Import one item that a webhook named, if the source holds it. Returns what is wrong, in words, or nothing.

    A failure is left to the next import of the source.
    """
    run = ImportRun(source)
    try:
        launchpad = get_launchpad()
        entry = launchpad.get(path)
        if READERS[source.kind](launchpad, source).holds(parse_item(entry)):
            run.add_batch(launchpad, [entry])
    except NotAccessible:
        return ""  # created and deleted since, or not ours to see
    except LaunchpadError as problem:
        run.add_problem(str(problem))
    for words in run.report.problems:
        logger.warning("item not imported", source=source.name, reason=words)
    return " ".join(run.report.problems)
