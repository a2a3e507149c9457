"""Launchpad's entries: JSON to typed objects at the border, and those to facts.

An entry has only the fields that are used. Each of its texts is cut to a length and free of what no database keeps;
its times are aware UTC; a link that Launchpad hides from us is empty. What is not of that form raises InvalidEntry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import structlog
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from core.web_urls import is_web_url
from integrations.launchpad.errors import InvalidEntry
from reviews.facts import (
    HIDDEN_PERSON,
    CommentFacts,
    DiffFacts,
    ItemFacts,
    PersonFacts,
    RequestFacts,
    SeriesFacts,
)
from reviews.ingest import is_believable
from reviews.models import Review, State

logger = structlog.get_logger(__name__)

REDACTED = "tag:launchpad.net:2008:redacted"  # in place of a link that we may not follow
MAX_COMMENT = 100_000  # characters kept
MAX_BODY = 20_000
MAX_TITLE = 1_000
MAX_CONFLICTS = 10_000
MAX_LINES = 2**31 - 1
LATEST = datetime.max.replace(tzinfo=UTC)
PUBLIC_TYPES = ("", "Public", "Public Security")  # of information, as a bug names its own

PROPOSAL_STATES: dict[str, str] = {
    "Needs review": State.PENDING,
    "Queued": State.PENDING,
    "Code failed to merge": State.FOLLOW_UP,
    "Work in progress": State.IN_PROGRESS,
    "Approved": State.READY,
    "Rejected": State.ABANDONED,
    "Superseded": State.ABANDONED,
    "Merged": State.MERGED,
}
TASK_STATES: dict[str, str] = {
    "New": State.PENDING,  # NEW if it never left New
    "Confirmed": State.PENDING,
    "Triaged": State.PENDING,
    "Incomplete": State.REVIEWED,
    "Incomplete (without response)": State.REVIEWED,
    "Incomplete (with response)": State.FOLLOW_UP,
    "In Progress": State.IN_PROGRESS,
    "Fix Committed": State.READY,
    "Fix Released": State.CLOSED,
    "Invalid": State.CLOSED,
    "Opinion": State.CLOSED,
    "Won't Fix": State.ABANDONED,
    "Expired": State.ABANDONED,
}

_PERSON = re.compile(r"/~([^/]+)$")
_OWNED = re.compile(r"^/[^/]+/~([^/]+)/")  # a branch or repository by its unique name
_PROPOSAL = re.compile(r"/\+merge/([0-9]{1,18})$")
_TASK = re.compile(r"^/[^/]+/(.+)/\+bug/([0-9]{1,18})$")
_COMMENT = re.compile(r"/comments/([0-9]{1,18})$")

_logged_statuses: set[str] = set()  # unknown ones: each is logged once by a process


# --- fields ----------------------------------------------------------------------------------------------------


def _read_text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PydanticCustomError("text", "is not a text")
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "")


def _read_short(value: object) -> str:
    return _read_text(value)[:64]


def _read_name(value: object) -> str:
    return _read_text(value)[:255]


def _read_address(value: object) -> str:
    return _read_text(value)[:1000]


def _read_title(value: object) -> str:
    return _read_text(value)[:10_000]


def _read_comment(value: object) -> str:
    return _read_text(value)[:MAX_COMMENT]


def _read_link(value: object) -> str:
    link = _read_address(value)
    return "" if link == REDACTED else link


def _read_page(value: object) -> str:
    page = _read_address(value)
    if not is_web_url(page):
        raise PydanticCustomError("page", "is not an http or https URL")
    return page


def _read_time(value: object) -> datetime | None:
    if value is None or value == "":
        return None
    moment = None
    try:
        moment = parse_datetime(value) if isinstance(value, str) and len(value) <= 64 else None
        if moment is not None:
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except ValueError:  # the 30th of February
        pass
    except OverflowError:  # outside the years 1 to 9999 after conversion to UTC
        if moment is not None and moment.year == LATEST.year:
            return LATEST  # in the future, so it is not believed
    raise PydanticCustomError("time", "is not a time")


def _read_required_time(value: object) -> datetime:
    moment = _read_time(value)
    if moment is None:
        raise PydanticCustomError("time", "is missing")
    return moment


def _read_person(value: object) -> PersonFacts:
    found = _PERSON.search(value) if isinstance(value, str) else None
    return PersonFacts(found.group(1)[:255]) if found else HIDDEN_PERSON


def _read_entries(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise PydanticCustomError("entries", "is not a list")
    return value


def _read_total_size(value: object) -> int | None:
    """A number, or an object with one; None for what is no size."""
    if isinstance(value, dict):
        value = value.get("total_size")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _read_body(value: object) -> str:
    """A text that is only shown: without it, or when it is none, the item is the same."""
    return _read_text(value)[:MAX_BODY] if isinstance(value, str) else ""


def _read_conflicts(value: object) -> str | None:
    """Launchpad's text of the conflicts, which is empty when there are none; None when it does not say."""
    if value is None:
        return ""
    return _read_text(value).strip()[:MAX_CONFLICTS] if isinstance(value, str) else None


def _read_count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_LINES
    return value if is_count and isinstance(value, int) else None


def _read_files(value: object) -> int | None:
    """How many files a diffstat names; None when there is none."""
    return len(value) if isinstance(value, dict) else None


def _read_known_time(value: object) -> datetime | None:
    """A time that can be done without."""
    try:
        return _read_time(value)
    except PydanticCustomError:
        return None


def _read_private(value: object) -> bool:
    return value not in (None, False)  # whatever else it is: in doubt it is not shown


def _read_line(value: object) -> int:
    """A number from 1, which Launchpad writes as a text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or int(text) > MAX_LINES:
        raise PydanticCustomError("line", "is not the number of a line")
    return int(text)


def _read_author(value: object) -> PersonFacts:
    """A person by link, or as an entry."""
    return _read_person(value.get("self_link") if isinstance(value, dict) else value)


Short = Annotated[str, PlainValidator(_read_short)]
Name = Annotated[str, PlainValidator(_read_name)]
Title = Annotated[str, PlainValidator(_read_title)]
LongText = Annotated[str, PlainValidator(_read_comment)]
Body = Annotated[str, PlainValidator(_read_body)]
Conflicts = Annotated[str | None, PlainValidator(_read_conflicts)]
Count = Annotated[int | None, PlainValidator(_read_count)]
Files = Annotated[int | None, PlainValidator(_read_files)]
KnownTime = Annotated[datetime | None, PlainValidator(_read_known_time)]
Address = Annotated[str, PlainValidator(_read_address)]  # compared and kept, never followed
Link = Annotated[str, PlainValidator(_read_link)]  # empty when it is null, or hidden from us
Page = Annotated[str, PlainValidator(_read_page)]
Time = Annotated[datetime | None, PlainValidator(_read_time)]
RequiredTime = Annotated[datetime, PlainValidator(_read_required_time)]
Person = Annotated[PersonFacts, PlainValidator(_read_person)]
Line = Annotated[int, PlainValidator(_read_line)]
Author = Annotated[PersonFacts, PlainValidator(_read_author)]
Entries = Annotated[list[Any], PlainValidator(_read_entries)]
TotalSize = Annotated[int | None, PlainValidator(_read_total_size)]
Private = Annotated[bool, PlainValidator(_read_private)]


# --- entries ---------------------------------------------------------------------------------------------------


class Entry(BaseModel):
    """An object as Launchpad answers it. Fields that it leaves out are empty."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    self_link: Address = ""
    private: Private = False


EntryType = TypeVar("EntryType", bound=BaseModel)


def parse(model: type[EntryType], value: object) -> EntryType:
    """The value as such an entry. Raises InvalidEntry, which names the field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if not first["loc"]:
            raise InvalidEntry("It is not an object.") from None
        raise InvalidEntry(f"{first['loc'][0]} {first['msg']}.") from None


class ListedItem(Entry):
    """What a list says of a proposal or a bug task: as much as shows whether it says something new."""

    web_link: Address = ""
    bug_link: Address = ""
    queue_status: Short = ""
    status: Short = ""
    date_review_requested: Time = None
    date_reviewed: Time = None
    date_merged: Time = None
    preview_diff_link: Address = ""

    @property
    def is_bug(self) -> bool:
        return bool(self.bug_link)

    @property
    def kind(self) -> str:
        return Review.Kind.NEW if self.is_bug else Review.Kind.UPDATE

    @property
    def identity(self) -> tuple[str, int, str]:
        """Kind, number and target: what makes it the same item whatever its address. Raises InvalidEntry."""
        pattern = _TASK if self.is_bug else _PROPOSAL
        # As urlsplit, which takes a tenth of an import of unchanged items; a self_link has no query.
        path = "/" + self.self_link.partition("://")[2].partition("/")[2]
        found = pattern.search(path)
        if found is None:
            raise InvalidEntry("self_link is not the address of such an item.")
        return (
            (self.kind, int(found.group(2)), found.group(1)[:500])
            if self.is_bug
            else (self.kind, int(found.group(1)), "")
        )

    @property
    def launchpad_status(self) -> str:
        return self.status if self.is_bug else self.queue_status

    @property
    def times(self) -> list[datetime]:
        """When somebody did something to it, without times in the future."""
        return _believable(self.date_review_requested, self.date_reviewed, self.date_merged)


class ItemEntry(Entry):
    """A proposal or a bug task, whole."""

    address: ClassVar[re.Pattern[str]]

    web_link: Page
    date_created: RequiredTime

    @property
    def found_address(self) -> re.Match[str]:
        found = self.address.search(urlsplit(self.self_link).path)
        if found is None:
            raise InvalidEntry("self_link is not the address of such an item.")
        return found


class Proposal(ItemEntry):
    """A merge proposal, of Bazaar branches or Git refs."""

    address = _PROPOSAL

    queue_status: Short = ""
    registrant: Person = Field(default=HIDDEN_PERSON, alias="registrant_link")
    date_review_requested: Time = None
    date_reviewed: Time = None
    date_merged: Time = None
    source_branch_link: Link = ""
    source_git_repository_link: Link = ""
    source_git_path: Link = ""
    target_branch_link: Link = ""
    target_git_repository_link: Link = ""
    target_git_path: Body = ""
    prerequisite_branch_link: Link = ""
    prerequisite_git_repository_link: Link = ""
    prerequisite_git_path: Body = ""
    description: Body = ""
    commit_message: Body = ""
    preview_diff_link: Address = ""
    all_comments_collection_link: Link = ""
    votes_collection_link: Link = ""

    @property
    def number(self) -> int:
        """Its number, unique on all of Launchpad. Raises InvalidEntry."""
        return int(self.found_address.group(1))

    @property
    def diff_url(self) -> str:
        """The preview diff; empty before the first one, or when it is hidden from us."""
        return "" if self.preview_diff_link == REDACTED else self.preview_diff_link

    @property
    def target_link(self) -> str:
        """The branch or repository that it is to be merged into."""
        return self.target_branch_link or self.target_git_repository_link

    @property
    def places(self) -> list[str]:
        """The branches or repositories that it is from, for and built on, but for hidden ones."""
        links = (
            self.source_branch_link, self.source_git_repository_link,
            self.target_branch_link, self.target_git_repository_link,
            self.prerequisite_branch_link, self.prerequisite_git_repository_link,
        )  # fmt: skip
        return [link for link in links if link]

    @property
    def code_owner(self) -> PersonFacts | None:
        """Whose branch or repository is proposed; None when it is hidden."""
        return place_owner(self.source_branch_link or self.source_git_repository_link)

    @property
    def prerequisite_owner(self) -> PersonFacts | None:
        """Whose branch or repository has to be merged before it; None when there is none or it is hidden."""
        return place_owner(self.prerequisite_branch_link or self.prerequisite_git_repository_link)

    @property
    def source_ref_url(self) -> str:
        """The Git ref that is proposed, or nothing."""
        repository, path = self.source_git_repository_link, self.source_git_path
        return f"{repository}/+ref/{quote(path.removeprefix('refs/heads/'))}" if repository and path else ""

    @property
    def title(self) -> str:
        """The first line of its commit message or description, else its branch."""
        lines = (self.commit_message.strip() or self.description.strip()).splitlines()
        if lines:
            return lines[0].strip()[:MAX_TITLE]
        path = urlsplit(self.source_branch_link or self.source_git_repository_link).path
        name, branch = "/".join(path.split("/")[2:]), branch_name(self.source_git_path)
        return " ".join(filter(None, [name, branch])) or self.self_link

    @property
    def target(self) -> str:
        """What it is to be merged into, as Launchpad's pages name it; empty when it is hidden."""
        return _place_name(self.target_branch_link, self.target_git_repository_link, self.target_git_path)

    @property
    def prerequisite(self) -> str:
        """What has to be merged before it, as Launchpad's pages name it; empty when there is none or it is hidden."""
        return _place_name(
            self.prerequisite_branch_link, self.prerequisite_git_repository_link, self.prerequisite_git_path
        )


def place_owner(link: str) -> PersonFacts | None:
    """Whose a branch or repository is, by its link; None when that names nobody, as ``lp:project`` does not."""
    found = _OWNED.search(urlsplit(link).path)
    return PersonFacts(found.group(1)[:255]) if found else None


def branch_name(git_path: str) -> str:
    """The name of a Git branch by its path, cut to what is kept of it."""
    return git_path.removeprefix("refs/heads/")[:500]


def _place_name(bazaar_link: str, repository_link: str, git_path: str) -> str:
    path = "/".join(urlsplit(bazaar_link or repository_link).path.split("/")[2:])
    if not path:
        return ""
    return f"lp:{path}"[:1000] if bazaar_link else f"{path}:{branch_name(git_path)}".rstrip(":")[:1000]


class Task(ItemEntry):
    """A bug task: what is to be done about a bug at one target."""

    address = _TASK

    bug_link: Link = ""
    status: Short = ""
    title: Title = ""
    owner: Person = Field(default=HIDDEN_PERSON, alias="owner_link")
    date_left_new: Time = None

    @property
    def target(self) -> str:
        """The path of what the task is on. Raises InvalidEntry."""
        return self.found_address.group(1)[:500]

    @property
    def number(self) -> int:
        """The bug's number. Raises InvalidEntry."""
        return int(self.found_address.group(2))


def parse_item(value: object) -> Proposal | Task:
    """The value as a proposal, or as a task when it is of a bug. Raises InvalidEntry."""
    if isinstance(value, dict) and "bug_link" in value:
        return parse(Task, value)
    return parse(Proposal, value)


class Bug(Entry):
    """A bug, which may have several tasks."""

    id: Count = None  # its number
    web_link: Address = ""
    title: Title = ""
    description: Body = ""
    tags: Annotated[list[Any], PlainValidator(lambda value: value if isinstance(value, list) else [])] = []
    date_last_updated: Time = None
    date_last_message: Time = None
    duplicate_of_link: Address = ""
    information_type: Short = ""
    messages_collection_link: Link = ""
    linked_branches_collection_link: Link = ""

    @property
    def is_private(self) -> bool:
        return self.private or self.information_type not in PUBLIC_TYPES


class Comment(Entry):
    """A comment on a proposal (``author_link``, a vote) or a message on a bug (``owner_link``)."""

    author: Person = Field(default=HIDDEN_PERSON, alias="author_link")
    owner: Person = Field(default=HIDDEN_PERSON, alias="owner_link")
    content: LongText = ""
    date_created: RequiredTime
    date_last_edited: Time = None
    vote: Short = ""
    vote_tag: Name = ""
    visible: Annotated[bool, PlainValidator(lambda value: value not in (False, 0, "false"))] = True

    @property
    def number(self) -> int:
        """Its number, which stays when its proposal or bug moves. Raises InvalidEntry."""
        found = _COMMENT.search(self.self_link)
        if found is None:
            raise InvalidEntry("self_link is not the address of a comment.")
        return int(found.group(1))


class PersonEntry(Entry):
    """A person or a team."""

    name: Name = ""
    display_name: Name = ""
    is_team: Annotated[bool, PlainValidator(bool)] = False
    web_link: Address = ""


class Branch(Entry):
    """A Bazaar branch."""

    bzr_identity: Address = ""
    last_scanned_id: Name = ""
    sourcepackage_link: Link = ""


class GitRepository(Entry):
    """A Git repository."""

    git_https_url: Address = ""


class GitRef(Entry):
    """A branch of a Git repository."""

    commit_sha1: Name = ""


class PreviewDiff(Entry):
    """What merging a proposal would change."""

    source_revision_id: Name = ""
    target_revision_id: Name = ""
    stale: Annotated[bool, PlainValidator(bool)] = False
    conflicts: Conflicts = ""
    added_lines_count: Count = None
    removed_lines_count: Count = None
    files_changed: Files = Field(default=None, alias="diffstat")
    date_created: KnownTime = None
    diff_text_link: Link = ""


class LinkedBranch(Entry):
    """That a branch is linked to a bug."""

    branch_link: Link = ""


class CollectionPage(BaseModel):
    """A page of a collection."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    entries: Entries
    next_collection_link: Link = ""
    total_size: TotalSize = None


class VoteReference(Entry):
    """That somebody was asked for a review, or gave one."""

    reviewer_link: Link = ""
    registrant: Person = Field(default=HIDDEN_PERSON, alias="registrant_link")
    review_type: Name = ""
    date_created: KnownTime = None
    is_pending: Annotated[bool, PlainValidator(bool)] = False

    @property
    def reviewer(self) -> PersonFacts:
        return _read_person(self.reviewer_link)


class InlineComment(BaseModel):
    """A comment on a line of a diff, as ``getInlineComments`` answers it: with a whole person."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    line_number: Line
    person: Author
    text: LongText = ""
    date: RequiredTime


# --- facts -----------------------------------------------------------------------------------------------------


def get_state(kind: str, status: str, *, left_new: bool = True) -> tuple[str, bool]:
    """The state of a Launchpad status (docs/specification.md, section 3), and whether the status is known."""
    states = PROPOSAL_STATES if kind == Review.Kind.UPDATE else TASK_STATES
    if status == "New" and not left_new and kind == Review.Kind.NEW:
        return State.NEW, True
    if status not in states:
        if status not in _logged_statuses:
            _logged_statuses.add(status)
            logger.warning("unknown status on Launchpad", kind=kind, status=status)
        return State.PENDING, False
    return states[status], True


def find_proposal_number(path: str) -> int | None:
    """The number in the path of a proposal; None for another path."""
    found = _PROPOSAL.search(path)
    return int(found.group(1)) if found else None


def request_facts(vote: VoteReference) -> RequestFacts:
    """The facts of a vote that was given or is waited for. Raises InvalidEntry when who is asked is hidden."""
    if vote.reviewer == HIDDEN_PERSON:
        raise InvalidEntry("reviewer_link names nobody.")
    return RequestFacts(
        reviewer=vote.reviewer,
        requested_at=min(vote.date_created or timezone.now(), timezone.now()),
        registrant=None if vote.registrant == HIDDEN_PERSON else vote.registrant,
        review_type=" ".join(vote.review_type.split()),
        is_pending=vote.is_pending,
    )


def proposal_facts(
    proposal: Proposal,
    *,
    revision: str,
    test_url: str,
    series: SeriesFacts | None,
    private: bool = False,
    target_url: str = "",
    prerequisite_url: str = "",
    diff: DiffFacts | None = None,
) -> ItemFacts:
    """The facts of a proposal. ``private`` says that what is proposed is. Raises InvalidEntry."""
    times = _believable(proposal.date_review_requested, proposal.date_reviewed, proposal.date_merged)
    not_believed = _not_believed(proposal, "date_created", "date_review_requested", "date_reviewed", "date_merged")
    created = min(proposal.date_created, timezone.now())
    return ItemFacts(
        number=proposal.number,
        api_url=proposal.self_link,
        url=proposal.web_link,
        kind=Review.Kind.UPDATE,
        title=proposal.title,
        state=get_state(Review.Kind.UPDATE, proposal.queue_status)[0],
        launchpad_status=proposal.queue_status,
        owner=proposal.registrant,
        created_at=created,
        updated_at=max([created, *times]),
        private=proposal.private or private,
        test_url=test_url,
        branch=proposal.source_git_path[:500],
        revision=revision,
        diff_marker=proposal.preview_diff_link,
        series=series,
        comments_url=proposal.all_comments_collection_link,
        source_branch=branch_name(proposal.source_git_path),
        target=proposal.target,
        target_url=target_url,
        target_branch=branch_name(proposal.target_git_path),
        prerequisite=proposal.prerequisite,
        prerequisite_url=prerequisite_url,
        prerequisite_branch=branch_name(proposal.prerequisite_git_path),
        code_owner=proposal.code_owner,
        prerequisite_owner=proposal.prerequisite_owner,
        description=proposal.description,
        commit_message=proposal.commit_message,
        diff=diff,
        not_believed=not_believed,
    )


def task_facts(
    task: Task,
    bug: Bug,
    *,
    revision: str,
    test_url: str,
    excluded_tags: Sequence[str],
    code_owner: PersonFacts | None = None,
    private: bool = False,
    show_original: bool = False,
) -> ItemFacts:
    """The facts of a bug task with its bug. Raises InvalidEntry.

    ``private`` says that its branch is; ``show_original`` that everybody may know of the bug that it is a duplicate of.
    """
    created = min(task.date_created, timezone.now())
    duplicate_of = bug.duplicate_of_link.rstrip("/").rpartition("/")[2]
    return ItemFacts(
        number=task.number,
        bug_target=task.target,
        api_url=task.self_link,
        url=task.web_link,
        kind=Review.Kind.NEW,
        title=bug.title or task.title,
        state=get_state(Review.Kind.NEW, task.status, left_new=task.date_left_new is not None)[0],
        launchpad_status=task.status,
        owner=task.owner,
        created_at=created,
        updated_at=max([created, *_believable(bug.date_last_updated, bug.date_last_message)]),
        private=task.private or bug.is_private or private,
        is_duplicate=bool(bug.duplicate_of_link),
        duplicate_of=urljoin(task.web_link, f"/bugs/{duplicate_of}")
        if show_original and duplicate_of.isdigit()
        else "",
        test_url=test_url,
        revision=revision,
        excluded=any(tag in excluded_tags for tag in bug.tags),
        comments_url=bug.messages_collection_link,
        target=task.target,
        code_owner=code_owner,
        description=bug.description,
        not_believed=(
            *_not_believed(task, "date_created"),
            *_not_believed(bug, "date_last_updated", "date_last_message"),
        ),
    )


def diff_facts(diff: PreviewDiff, url: str, revision: str) -> DiffFacts:
    """The facts of the preview diff at ``url``, for the revision that is proposed now.

    A stale one may be of an older revision: then it says nothing of this one. It is stale as well when only the target
    has moved, and Launchpad makes no newer one for that.
    """
    if diff.stale and diff.source_revision_id != revision:
        return DiffFacts(url)
    return DiffFacts(
        url=url,
        conflicts=None if diff.conflicts is None else bool(diff.conflicts),
        conflicts_text=diff.conflicts or "",
        lines_added=diff.added_lines_count,
        lines_removed=diff.removed_lines_count,
        files_changed=diff.files_changed,
        target_revision=diff.target_revision_id,
        made_at=diff.date_created,
    )


def comment_facts(comment: Comment, *, position: int, is_bug: bool) -> CommentFacts:
    """The facts of a comment on a proposal, or of a message on a bug. Raises InvalidEntry."""
    number = comment.number
    return CommentFacts(
        number=number,
        position=position,
        api_url=comment.self_link,
        author=comment.author if comment.author != HIDDEN_PERSON else comment.owner,
        content=comment.content,
        created_at=min(comment.date_created, timezone.now()),
        edited_at=comment.date_last_edited,
        vote=comment.vote,
        vote_tag=comment.vote_tag,
        is_description=is_bug and number == 0,
    )


def _believable(*moments: datetime | None) -> list[datetime]:
    """Those of the times that are there and not in the future."""
    return [moment for moment in moments if moment is not None and is_believable(moment)]


def _not_believed(entry: Entry, *names: str) -> tuple[str, ...]:
    """A sentence for each of an entry's times that lies in the future, as a clock was wrong."""
    named = [(name, getattr(entry, name)) for name in names]
    return tuple(
        f"{name} {moment.isoformat()} lies in the future and is not believed."
        for name, moment in named
        if moment is not None and not is_believable(moment)
    )
