"""Imports and refreshes: from Launchpad's entries to reviews, in as few requests as batches allow (SPEC section 4)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integrations.launchpad import (
    REDACTED,
    BadItem,
    Gone,
    Launchpad,
    LaunchpadProblem,
    comment_facts,
    get_launchpad,
    proposal_facts,
    state_of,
    task_facts,
    text_of,
    time_of,
)
from integrations.models import ImportReport, Remembered
from reviews.ingest import abandon, due_after, ingest, keep_person, keep_series
from reviews.models import CLOSED_STATES, Person, Review, Series, Source
from reviews.sources import CommentFacts, ItemFacts, PersonFacts, SeriesFacts
from reviews.stats import sample_queue

logger = logging.getLogger(__name__)

MOST_PROBLEMS = 100
OVERLAP = timedelta(minutes=5)  # modified_since looks back a little: clocks differ
SERIES_AGE = timedelta(days=1)
TEAM_AGE = timedelta(hours=1)

Progress = Callable[[int], None]


class _Import:
    """One import of one source: what is known already, and what it reports."""

    def __init__(self, source: Source, launchpad: Launchpad, report: ImportReport, *, all_items: bool) -> None:
        self.source, self.launchpad, self.report, self.all_items = source, launchpad, report, all_items
        self.people = set(Person.objects.filter(fetched_at__isnull=False).values_list("username", flat=True))

    def problem(self, words: str) -> None:
        if len(self.report.problems) < MOST_PROBLEMS:
            self.report.problems.append(words[:500])

    def take(self, batch: list[Any], *, dry_run: bool) -> None:
        """Bring a batch in: one query for what is known, and nothing more for what is unchanged."""
        links = [entry.get("self_link") for entry in batch if isinstance(entry, dict)]
        rows = Review.objects.filter(api_url__in=[link for link in links if isinstance(link, str)])
        known = {review.api_url: review for review in rows.select_related("series")}
        for entry in batch:
            self.report.seen += 1
            name = str(entry.get("web_link") or entry.get("self_link"))[:200] if isinstance(entry, dict) else "an entry"
            try:
                if not isinstance(entry, dict):
                    raise BadItem("It is not an object.")
                self.take_one(entry, known.get(str(entry.get("self_link"))), dry_run=dry_run)
            except Gone as gone:
                self.problem(f"{name}: {gone}")
            except LaunchpadProblem as problem:
                self.problem(f"{name}: {problem}")
            except Exception as error:  # whatever is wrong with one item, the others go on
                logger.exception("item not imported source=%s", self.source.name)
                self.problem(f"{name}: {type(error).__name__}")

    def take_one(self, entry: dict[str, Any], review: Review | None, *, dry_run: bool) -> None:
        kind = Review.Kind.NEW if "bug_link" in entry else Review.Kind.UPDATE
        status = text_of(entry, "status" if kind == Review.Kind.NEW else "queue_status", 64)
        state, is_known = state_of(kind, status)
        if not is_known:
            self.problem(f"Unknown status {status!r}, taken as PENDING: {text_of(entry, 'web_link')}")
        if review is None and state in CLOSED_STATES and not self.all_items:
            return
        if review and kind == Review.Kind.UPDATE and _unchanged(review, entry, status):
            return
        if dry_run:
            self.report.added += review is None
            self.report.changed += review is not None
            return
        facts = item_facts(self.launchpad, entry, review, self.source)
        self.know(facts.owner.username)
        done = ingest(self.source, facts, None, now=timezone.now(), include_closed=self.all_items)
        self.report.added += done.added
        self.report.changed += done.changed

    def know(self, username: str) -> None:
        """Fetch somebody's display name, once."""
        if username not in self.people:
            self.people.add(username)
            fetch_person(self.launchpad, username)


def _unchanged(review: Review, entry: dict[str, Any], status: str) -> bool:
    """Whether a proposal's entry says nothing new; costs no request."""
    times = [time_of(entry, name) for name in ("date_review_requested", "date_reviewed", "date_merged")]
    newer = [moment for moment in times if moment and moment > review.updated_at]
    marker = text_of(entry, "preview_diff_link")
    return review.launchpad_status == status and not newer and bool(review.revision) and review.diff_marker == marker


def item_facts(launchpad: Launchpad, entry: dict[str, Any], review: Review | None, source: Source | None) -> ItemFacts:
    """The facts of a proposal's or bug task's entry, with the requests that it takes to know its revision."""
    if "bug_link" in entry:
        bug = launchpad.get(text_of(entry, "bug_link"))
        branch = _linked_branch(launchpad, bug)
        tags = source.excluded_tags if source else []
        return task_facts(
            entry, bug, excluded_tags=tags, revision=branch.get("tip", ""), test_url=branch.get("test_url", "")
        )
    marker = text_of(entry, "preview_diff_link")
    revision, test_url = (review.revision, review.test_url) if review else ("", "")
    if not review or not revision or review.diff_marker != marker:
        revision = _revision(launchpad, entry, marker)
    if not test_url:
        test_url = _test_url(launchpad, entry)
    series = _series(launchpad, text_of(entry, "target_branch_link"))
    return proposal_facts(entry, revision=revision, test_url=test_url, series=series)


def _revision(launchpad: Launchpad, entry: dict[str, Any], marker: str) -> str:
    """The tip of what is proposed: from the preview diff, else from the branch or ref itself."""
    if marker and marker != REDACTED:
        try:
            diff = launchpad.get(marker)
            if found := text_of(diff, "source_revision_id", 255):
                return found
        except Gone:
            pass  # no diff (yet): ask the branch
    branch = text_of(entry, "source_branch_link")
    repository, path = text_of(entry, "source_git_repository_link"), text_of(entry, "source_git_path")
    try:
        if branch and branch != REDACTED:
            return text_of(launchpad.get(branch), "last_scanned_id", 255)
        if repository and path and repository != REDACTED:
            ref = launchpad.get(f"{repository}/+ref/{quote(path.removeprefix('refs/heads/'))}")
            return text_of(ref, "commit_sha1", 255)
    except Gone:
        pass  # its branch was deleted: there is nothing to name
    return ""


def _test_url(launchpad: Launchpad, entry: dict[str, Any]) -> str:
    """What Jenkins is told to test: ``lp:`` and a branch's unique name, or a repository's URL (one request, once)."""
    branch = text_of(entry, "source_branch_link")
    if branch and branch != REDACTED:
        return "lp:" + branch.removeprefix(launchpad.root)
    repository = text_of(entry, "source_git_repository_link")
    if repository and repository != REDACTED:
        return str(_remembered(launchpad, repository, ["git_https_url"]).get("git_https_url", ""))
    return ""


def _linked_branch(launchpad: Launchpad, bug: dict[str, Any]) -> dict[str, str]:
    """Name and tip of the first branch that is linked to a bug."""
    link = text_of(bug, "linked_branches_collection_link")
    if not link:
        return {}
    for entry in launchpad.entries(link):
        branch_link = text_of(entry, "branch_link") if isinstance(entry, dict) else ""
        if branch_link and branch_link != REDACTED:
            try:
                branch = launchpad.get(branch_link)
            except Gone:
                continue
            identity = text_of(branch, "bzr_identity") or "lp:" + branch_link.removeprefix(launchpad.root)
            return {"test_url": identity, "tip": text_of(branch, "last_scanned_id", 255)}
    return {}


def _series(launchpad: Launchpad, branch_link: str) -> SeriesFacts | None:
    """The series of a package branch (``~owner/distribution/series/package/name``), asked for once a day."""
    parts = branch_link.removeprefix(launchpad.root).split("/")
    if not branch_link.startswith(launchpad.root) or len(parts) != 5:
        return None
    url = f"{launchpad.root}{parts[1]}/{parts[2]}"
    known = Series.objects.filter(api_url=url).first()
    if known and known.fetched_at and known.fetched_at > timezone.now() - SERIES_AGE:
        return SeriesFacts(url, known.name, known.target, known.active_outside)
    try:
        active = launchpad.get(url).get("active") is not False
    except Gone:
        active = known.active_outside if known else True
    series = keep_series(SeriesFacts(url, parts[2], parts[1], active), timezone.now())
    Series.objects.filter(pk=series.pk).update(fetched_at=timezone.now())
    return SeriesFacts(url, parts[2], parts[1], active)


def _remembered(launchpad: Launchpad, url: str, names: list[str]) -> dict[str, str]:
    """Fields of an object that never change, fetched once."""
    known = Remembered.objects.filter(url=url).first()
    if known:
        return dict(known.facts)
    try:
        entry = launchpad.get(url)
    except Gone:
        return {}
    facts = {name: text_of(entry, name) for name in names}
    Remembered.objects.get_or_create(url=url, defaults={"facts": facts})
    return facts


def fetch_person(launchpad: Launchpad, username: str) -> None:
    """Keep somebody's display name. One who vanished keeps the username; a failure is no reason to lose an item."""
    try:
        entry = launchpad.get("~" + quote(username))
        facts = PersonFacts(
            username, text_of(entry, "display_name", 255) or username, bool(entry.get("is_team")),
            text_of(entry, "web_link", 500),
        )  # fmt: skip
    except LaunchpadProblem:
        facts = PersonFacts(username, username)
    keep_person(facts, timezone.now())


def comments_of(launchpad: Launchpad, entry: dict[str, Any]) -> list[CommentFacts]:
    """All comments of a proposal's entry, or messages of a bug's. One request for each 300."""
    link = text_of(entry, "all_comments_collection_link") or text_of(entry, "messages_collection_link")
    is_bug = "messages_collection_link" in entry
    if not link:
        return []
    found = []
    for position, comment in enumerate(launchpad.entries(link)):
        try:
            found.append(comment_facts(comment, is_description=is_bug and position == 0))
        except (BadItem, AttributeError):
            logger.warning("comment left out item=%s", text_of(entry, "self_link"))
    return found


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
        for batch in launchpad.source_batches(source, include_closed=include_closed, since=since):
            work.take(batch, dry_run=dry_run)
            if progress:
                progress(report.seen)
        report.ok = True
    except LaunchpadProblem as problem:
        report.problems.append(f"{source.name}: {problem}")
    report.requests = launchpad.requests - before if launchpad else 0
    report.finished_at = timezone.now()
    if not dry_run:
        with transaction.atomic():
            report.save()
            changes: dict[str, Any] = {"last_import_at": report.finished_at}
            changes["last_error"] = "" if report.ok else report.problems[-1]
            if report.ok:
                changes["last_success_at"] = report.finished_at
                # The cursor moves only when nothing was left out, so that a failed item comes again.
                if not report.problems:
                    changes["cursor"] = report.started_at
            Source.objects.filter(pk=source.pk).update(**changes)
        sample_queue(timezone.now())
    return report


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
    except Gone:
        return ""  # created and deleted since, or not ours to see
    except LaunchpadProblem as problem:
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


def sync_reviewers(launchpad: Launchpad) -> None:
    """Reviewers are who participates in a reviewer team (SPEC section 6). One request a team, at most once an hour."""
    now = timezone.now()
    marker, _ = Remembered.objects.get_or_create(url="reviewer-teams", defaults={"fetched_at": now - 2 * TEAM_AGE})
    if marker.facts == {"teams": settings.REVIEWER_TEAMS} and marker.fetched_at > now - TEAM_AGE:
        return
    members: dict[str, PersonFacts] = {}
    for team in settings.REVIEWER_TEAMS:
        try:
            entries = launchpad.entries(f"~{quote(team)}/participants")
        except LaunchpadProblem as problem:
            logger.warning("reviewer team not read team=%s reason=%s", team, problem)
            return  # nobody loses a role because Launchpad did not answer
        for entry in entries:
            if isinstance(entry, dict) and not entry.get("is_team"):
                name = text_of(entry, "name", 255)
                members[name] = PersonFacts(name, text_of(entry, "display_name", 255) or name)
    for facts in members.values():
        keep_person(facts, now)
    with transaction.atomic():
        Person.objects.filter(is_reviewer=True).exclude(username__in=members).update(is_reviewer=False)
        Person.objects.filter(is_reviewer=False, username__in=members).update(is_reviewer=True)
        marker.facts, marker.fetched_at = {"teams": settings.REVIEWER_TEAMS}, now
        marker.save()


def refresh(review: Review) -> str:
    """Bring one review up to date, comments included. Returns what is wrong, in words; empty when nothing is."""
    now = timezone.now()
    try:
        launchpad = get_launchpad()
        try:
            entry = launchpad.get(review.api_url)
        except Gone as gone:
            if gone.status in (401, 403):
                launchpad.get("")  # are we let in at all? a revoked token must not abandon the whole queue
            abandon(review.pk, str(gone), now=now)
            return ""
        facts = item_facts(launchpad, entry, review, review.source)
        holder = launchpad.get(text_of(entry, "bug_link")) if "bug_link" in entry else entry
        comments = comments_of(launchpad, holder)
        known = set(Person.objects.filter(fetched_at__isnull=False).values_list("username", flat=True))
        for name in {facts.owner.username, *(comment.author.username for comment in comments)} - known:
            fetch_person(launchpad, name)
        ingest(review.source, facts, comments, now=now, include_closed=True, service_account=launchpad.me())
    except LaunchpadProblem as problem:
        Review.objects.filter(pk=review.pk).update(sync_error=str(problem), due_at=due_after(review.state, now))
        return str(problem)
    return ""
