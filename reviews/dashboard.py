"""What the dashboard shows: the filtered line in two sections, with counts, and a tag that says if it changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Value
from django.http import QueryDict

from accounts.models import User
from core.compiled_queries import prepared
from core.text import age
from reviews.filters import SORTS, ReviewFilter, sorted_by
from reviews.models import INCOMING_STATES, REVIEWING_STATES, Review, ReviewQuerySet, Series, Source, State
from reviews.tables import FIELDS, Row, as_rows

PAGE = 100
PARAMETERS = ("q", "state", "source", "series", "needs", "sort")
SHOWN_STATES = (*INCOMING_STATES, *REVIEWING_STATES)
SILENCE = timedelta(minutes=30)  # three imports of the default schedule: Launchpad should have been heard from


@dataclass
class Section:
    """One table of the dashboard."""

    name: str
    slug: str  # also the parameter that holds its page
    states: tuple[str, ...]
    count: int = 0
    page: int = 1
    facts: list[tuple[Any, ...]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    before: str = ""  # links to the neighbouring pages
    after: str = ""

    @property
    def last(self) -> int:
        return max(1, -(-self.count // PAGE))


@dataclass
class Line:
    """The dashboard's data; ``problems`` says per parameter what makes no sense."""

    query: QueryDict
    sections: list[Section]
    sort: str
    problems: dict[str, str]
    sources: list[tuple[str, str, datetime | None]]
    series: list[str]  # names to choose from
    silent: str  # for how long Launchpad has not been heard from, in words, when that is too long

    @property
    def filtered(self) -> bool:
        return any(self.query.get(name) for name in PARAMETERS if name != "sort")

    @property
    def is_empty(self) -> bool:
        return not any(part.count for part in self.sections)

    @property
    def heard(self) -> datetime | None:
        """When a source last answered."""
        return max((at for _, _, at in self.sources if at), default=None)

    def tag(self, user: User | None, token: str, now: datetime) -> str:
        """The same for two pages that would look the same; costs no query."""
        shown = [
            self.query.urlencode(), self.sources, self.series, self.silent, token,
            user and (user.pk, user.username, user.is_staff, user.is_reviewer),
            [(part.count, part.page, _digest(part)) for part in self.sections],
            [age(row[1], now) for part in self.sections for row in part.facts],
        ]  # fmt: skip
        return f'"{_hash(shown)}"'

    def fill_rows(self, now: datetime) -> None:
        """Words for every row, and links; left out when the reader has the page already."""
        for part in self.sections:
            part.rows = list(as_rows(part.facts, now))
            part.before = _link(self.query, part.slug, part.page - 1) if part.page > 1 else ""
            part.after = _link(self.query, part.slug, part.page + 1) if part.page < part.last else ""


def line_of(query: QueryDict, user: User | None, now: datetime) -> Line:
    """The line by these parameters, for this reader. Four queries; a named source costs one more."""
    problems: dict[str, str] = {}
    reviews: ReviewQuerySet = Review.objects.all()
    asked = any(query.get(name) for name in PARAMETERS if name not in ("sort", "needs"))
    if asked:
        chosen = QueryDict(mutable=True)
        for name in ("q", "state", "source", "series"):
            chosen.setlist(name, [value for value in query.getlist(name) if value])
        search = ReviewFilter(chosen, queryset=reviews)
        reviews = search.usable()
        for name, errors in search.form.errors.items():
            problems[name] = " ".join(str(error) for error in errors)
        if set(query.getlist("state")) & set(State.values) - set(SHOWN_STATES):
            problems["state"] = "The line holds what waits for a reviewer; the search finds the other states."
    reviews = _needs(reviews, query.get("needs", ""), user, problems)
    sort = query.get("sort", "") or "age"
    if sort.removeprefix("-") not in SORTS:
        problems["sort"] = f"The line can't be sorted by that. It can by: {', '.join(SORTS)}."
        sort = "age"
    everything = not asked and not query.get("needs")
    counts = dict(prepared("line:counts", lambda: _counts(reviews)) if everything else _counts(reviews))
    sections = [
        Section("Incoming", "incoming", INCOMING_STATES),
        Section("Reviews", "reviews", REVIEWING_STATES),
    ]
    for part in sections:
        part.count = sum(counts.get(state, 0) for state in part.states)
        part.page = _page(query, part, problems)
        rows = partial(_rows, reviews, part.states, sort, part.page)
        first = everything and part.page == 1  # what everybody asks for, again and again
        part.facts = prepared(f"line:{part.slug}:{sort}", rows) if first else list(rows())
    sources, series = _places()
    line = Line(query, sections, sort, problems, sources, series, "")
    if line.heard and line.heard < now - SILENCE:
        line.silent = age(line.heard, now)
    return line


def _counts(reviews: ReviewQuerySet) -> QuerySet[Any, Any]:
    return reviews.filter(state__in=SHOWN_STATES).order_by().values_list("state").annotate(Count("id"))


def _rows(reviews: ReviewQuerySet, states: tuple[str, ...], sort: str, page: int) -> QuerySet[Any, Any]:
    found = sorted_by(reviews.filter(state__in=states), sort).values_list(*FIELDS)
    return found[(page - 1) * PAGE : page * PAGE]


def _places() -> tuple[list[tuple[str, str, datetime | None]], list[str]]:
    """Active sources, and names of active series: both in one query, since every page load pays for it."""
    found = sorted(prepared("places", _named), key=lambda row: row[:2])
    return [row[1:] for row in found if row[0] == 0], list(dict.fromkeys(row[1] for row in found if row[0] == 1))


def _named() -> QuerySet[Any, Any]:
    sources = Source.objects.filter(active=True).values_list(Value(0), "name", "last_error", "last_success_at")
    series = Series.objects.filter(active=True).values_list(Value(1), "name", Value(""), F("fetched_at"))
    return sources.order_by().union(series.order_by(), all=True)


def _needs(reviews: ReviewQuerySet, needs: str, user: User | None, problems: dict[str, str]) -> ReviewQuerySet:
    """What the reader can act on: nobody else holds it, and (for a reviewer) somebody else submitted it."""
    if not needs:
        return reviews
    if needs != "me":
        problems["needs"] = "Only “me” makes sense here."
    elif user is None:
        problems["needs"] = "Log in to see what needs you."
    elif not user.is_reviewer:
        return reviews.filter(owner=user.person_id) if user.person_id else reviews.none()
    else:
        mine = Q(locked_by__isnull=True) | Q(locked_by=user.person_id)
        return reviews.filter(mine).exclude(owner=user.person_id) if user.person_id else reviews.filter(mine)
    return reviews


def _page(query: QueryDict, part: Section, problems: dict[str, str]) -> int:
    text = query.get(part.slug, "") or "1"
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if 1 <= number <= part.last:
        return number
    problems[part.slug] = f"{part.name} has no such page: the last one is {part.last}."
    return 1


def _hash(shown: Any) -> str:
    return hashlib.blake2b(repr(shown).encode(), digest_size=12).hexdigest()


_digested: dict[str, tuple[list[tuple[Any, ...]], str]] = {}  # by section, what was hashed last


def _digest(part: Section) -> str:
    """The hash of its rows. They are mostly those of the request before, and to compare them is much cheaper."""
    facts, digest = _digested.get(part.slug, ([], ""))
    if not digest or facts != part.facts:
        digest = _hash(part.facts)
        _digested[part.slug] = part.facts, digest
    return digest


def _link(query: QueryDict, name: str, number: int) -> str:
    kept = query.copy()
    kept[name] = str(number)
    return f"?{kept.urlencode()}"


STATE_CHOICES = [(state, State(state).label) for state in SHOWN_STATES]
