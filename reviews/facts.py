"""What is known of an item, its people and its comments outside: plain, frozen facts, made by ``integrations``."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A person or team. ``username`` is unique outside as well."""

    username: str
    display_name: str = ""
    is_team: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A series of a distribution or project; ``api_url`` identifies it."""

    api_url: str
    name: str
    target: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class CommentFacts:
    """One comment. ``vote`` is the formal vote as the outside spells it, or empty."""

    api_url: str
    author: PersonFacts
    content: str
    created_at: datetime
    vote: str = ""
    vote_tag: str = ""
    is_description: bool = False  # a bug's first message: no comment on it, and no vote


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item as it is outside, in our words. Times are aware UTC.

    ``state`` is what its status alone says (docs/specification.md, section 3); the rules that need more (series, last
    comment) are applied by ``reviews.ingest``. ``revision`` is empty while unknown. ``diff_marker`` is whatever the
    outside changes with every new tip, so that an unchanged marker means an unchanged revision without asking again.
    """

    api_url: str
    url: str
    kind: str
    title: str
    state: str
    launchpad_status: str
    owner: PersonFacts
    created_at: datetime
    updated_at: datetime
    test_url: str = ""
    branch: str = ""
    revision: str = ""
    diff_marker: str = ""
    series: SeriesFacts | None = None
    excluded: bool = False  # tagged with one of the source's excluded tags
    comments_url: str = ""  # where what was said on it can be read
