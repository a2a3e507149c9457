"""What an integration knows of an item, its people and its comments: frozen dataclasses, read by ``reviews.ingest``."""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import HIDDEN_USERNAME


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A person or team. ``username`` is unique outside as well."""

    username: str
    display_name: str = ""
    is_team: bool = False
    url: str = ""


# Somebody whom Launchpad hides from us. No account can have that name, there or here.
HIDDEN_PERSON = PersonFacts(HIDDEN_USERNAME, "hidden by Launchpad")


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A series of a distribution or project; ``api_url`` identifies it."""

    api_url: str
    name: str
    target: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class CommentFacts:
    """One comment. ``number`` is unique within its item, and ``position`` its place in the order of the outside.

    ``vote`` is the formal vote as the outside spells it, or empty.
    """

    number: int
    position: int
    api_url: str
    author: PersonFacts
    content: str
    created_at: datetime
    edited_at: datetime | None = None
    vote: str = ""
    vote_tag: str = ""
    is_description: bool = False  # a bug's first message: no comment on it, and no vote


@dataclass(frozen=True, slots=True)
class DiffFacts:
    """What a diff between an item and its target says. ``url`` identifies the diff.

    ``conflicts`` is None when the diff is of an older revision, or does not say it; so are the lines and files.
    """

    url: str
    conflicts: bool | None = None
    conflicts_text: str = ""
    lines_added: int | None = None
    lines_removed: int | None = None
    files_changed: int | None = None
    target_revision: str = ""
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """That somebody is asked to review an item, or reviewed it. ``is_pending``: they have not voted yet.

    ``registrant`` is who asked them, None where that is hidden; ``review_type`` what for, in that person's words.
    """

    reviewer: PersonFacts
    requested_at: datetime
    registrant: PersonFacts | None = None
    review_type: str = ""
    is_pending: bool = True


@dataclass(frozen=True, slots=True)
class BugFacts:
    """A bug that everybody may see. ``url`` is its page."""

    number: int
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ExtraFacts:
    """What is known of an item beside its entry and its comments, and not read each time.

    Each is None where it is not known this time; then what was known stays. ``is_complete`` is False when something
    has to be read again soon.
    """

    requests: tuple[RequestFacts, ...] | None = None
    bugs: tuple[BugFacts, ...] | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item as it is outside, in our words. Times are aware UTC.

    A proposal is the same by its ``number``, a bug task by its bug's ``number`` and ``bug_target``; every address may
    change. ``state`` is what its status alone says (docs/specification.md, section 3); the rules that need more
    (series, last comment) are applied by ``reviews.ingest``. ``revision`` is empty while unknown. ``diff_marker`` is
    whatever the outside changes with every new tip, so that an unchanged marker means an unchanged revision without
    asking again. ``test_url`` is what is proposed, with ``source_branch`` if it is Git; likewise the target and the
    prerequisite, which are empty where there is none or it is hidden. ``code_owner`` is whose branch or repository is
    proposed, None where that is not known; likewise of the prerequisite. ``diff`` is None when none was read this time.
    """

    number: int
    api_url: str
    url: str
    kind: str
    title: str
    state: str
    launchpad_status: str
    owner: PersonFacts
    created_at: datetime
    updated_at: datetime  # last activity that the outside names, whoever acted
    bug_target: str = ""
    private: bool = False
    is_duplicate: bool = False
    duplicate_of: str = ""  # the page of the bug that this is a duplicate of; empty when it may not be known
    test_url: str = ""
    branch: str = ""
    revision: str = ""
    diff_marker: str = ""
    series: SeriesFacts | None = None
    excluded: bool = False  # tagged with one of the source's excluded tags
    comments_url: str = ""  # where what was said on it can be read
    source_branch: str = ""
    target: str = ""  # as pages name it
    target_url: str = ""
    target_branch: str = ""
    prerequisite: str = ""
    prerequisite_url: str = ""
    prerequisite_branch: str = ""
    code_owner: PersonFacts | None = None
    prerequisite_owner: PersonFacts | None = None
    description: str = ""
    commit_message: str = ""
    diff: DiffFacts | None = None
    not_believed: tuple[str, ...] = ()  # sentences on times that are not believed

    @property
    def people(self) -> list[PersonFacts]:
        """Everybody whom the item names."""
        return [person for person in (self.owner, self.code_owner, self.prerequisite_owner) if person]
