"""What the dashboard shows: the reviews that wait for a reviewer, in two sections, and what changed since last time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.core.paginator import InvalidPage, Page
from django.db.models import F, Q, Subquery, Value
from django.http import QueryDict

from accounts.models import User
from core.pagination import BoundedPaginator
from core.text import age
from reviews.choices import INCOMING_STATES, REVIEWING_STATES, TestsWaitFor
from reviews.forms import DashboardForm
from reviews.managers import ReviewQuerySet
from reviews.models import Review, Series, Source
from reviews.tables import ROW_FIELDS, Row, build_rows, page_link

PAGE_SIZE = 100  # rows
DEFAULT_SORT = "age"  # oldest activity first
MAX_SILENCE = timedelta(minutes=30)  # three imports of the default schedule: one should have succeeded
# Name, slug (also the parameter that holds the section's page), states.
SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Incoming", "incoming", INCOMING_STATES),
    ("Reviews", "reviews", REVIEWING_STATES),
)


class ActiveSource(NamedTuple):
    """A source that is imported from, and how its last import went."""

    name: str
    error: str
    succeeded_at: datetime | None


@dataclass
class Section:
    """One table of the dashboard: one page of the reviews in its states."""

    name: str
    slug: str
    count: int
    page: Page[Any]
    values: list[tuple[Any, ...]]  # of ROW_FIELDS
    link: str  # to another page of it, up to the page's number
    problem: str = ""  # with the page that was asked for
    rows: list[Row] = field(default_factory=list)  # see Dashboard.build_rows


@dataclass
class Dashboard:
    """The dashboard's data. Errors of ``form`` say what is wrong with a parameter, which was then left out."""

    form: DashboardForm
    query: QueryDict
    sort: str
    sections: list[Section]
    sources: list[ActiveSource]
    series: list[str]  # names to choose from
    held: int  # how many of all items wait for permission to be tested; 0 for who can't allow it
    silent_for: str  # how long ago an import last succeeded, in words, when that is too long

    @property
    def is_filtered(self) -> bool:
        return any(self.query.get(name) for name in self.form.fields if name != "sort")

    @property
    def is_empty(self) -> bool:
        return not any(section.count for section in self.sections)

    @property
    def last_import_at(self) -> datetime | None:
        """When an import last succeeded."""
        return _last_import_at(self.sources)

    def fingerprint(self, now: datetime, *more: Any) -> str:
        """The same for two pages that look the same, given ``more`` that they depend on. Costs no query."""
        shown = [
            self.query.urlencode(), self.sources, self.series, self.silent_for, self.held, more,
            [(section.count, section.page.number, section.values) for section in self.sections],
            [age(values[1], now) for section in self.sections for values in section.values],
        ]  # fmt: skip
        return hashlib.blake2b(repr(shown).encode(), digest_size=12).hexdigest()

    def build_rows(self, now: datetime) -> None:
        """Fill every section's ``rows``; not needed when the reader has the page already."""
        for section in self.sections:
            section.rows = build_rows(section.values, now)


def get_dashboard(query: QueryDict, user: User | None, now: datetime) -> Dashboard:
    """The dashboard by these parameters, for this reader. Four queries; a source among them costs one more, and that
    the reader is a reviewer too."""
    form = DashboardForm(query)
    form.is_valid()
    chosen = form.cleaned_data
    reviews = _filtered(form, user)
    counts = reviews.count_by_state()
    sort = chosen.get("sort") or DEFAULT_SORT
    sections = []
    for name, slug, states in SECTIONS:
        count = sum(counts.get(state, 0) for state in states)
        found = reviews.filter(state__in=states).sorted_by(sort).values_list(*ROW_FIELDS)
        page, problem = _page(BoundedPaginator(found, PAGE_SIZE, known_count=count), name, query.get(slug) or "1")
        link = page_link(query, slug) + f"{slug}="
        sections.append(Section(name, slug, count, page, list(page.object_list), link, problem))
    sources, series = _sources_and_series()
    held = 0
    if user and user.is_reviewer:
        held = Review.objects.visible_to(user).held(TestsWaitFor.PERMISSION).count()
    last = _last_import_at(sources)
    silent_for = age(last, now) if last and last < now - MAX_SILENCE else ""
    return Dashboard(form, query, sort, sections, sources, series, held, silent_for)


def _filtered(form: DashboardForm, user: User | None) -> ReviewQuerySet:
    chosen = form.cleaned_data
    reviews: ReviewQuerySet = Review.objects.visible_to(user).waiting()
    if chosen.get("q"):
        reviews = reviews.matching(chosen["q"])
    if chosen.get("state"):
        reviews = reviews.filter(state__in=chosen["state"])
    if chosen.get("source"):
        reviews = reviews.filter(source=chosen["source"])
    if chosen.get("series"):
        reviews = reviews.filter(series__name=chosen["series"])
    if chosen.get("needs"):
        if user is None:
            form.add_error("needs", "Log in to see what needs you.")
        elif user.is_reviewer:
            reviews = reviews.waiting_for(user.person)
        else:
            reviews = reviews.submitted_by(user.person) if user.person else reviews.none()
    return reviews


def _page(paginator: BoundedPaginator, name: str, number: str) -> tuple[Page[Any], str]:
    try:
        return paginator.page(number), ""
    except InvalidPage:
        return paginator.page(1), f"{name} has no such page: the last one is {paginator.num_pages}."


def _sources_and_series() -> tuple[list[ActiveSource], list[str]]:
    """Active sources, and names of active series: both in one query, since every page load pays for it."""
    sources = Source.objects.active().values_list(Value("source"), "name", "last_error", "last_success_at")
    series = Series.objects.filter(active=True).values_list(Value("series"), "name", Value(""), F("fetched_at"))
    found = sorted(sources.order_by().union(series.order_by(), all=True), key=lambda row: row[:2])
    names = dict.fromkeys(row[1] for row in found if row[0] == "series")
    return [ActiveSource(*row[1:]) for row in found if row[0] == "source"], list(names)


def _last_import_at(sources: list[ActiveSource]) -> datetime | None:
    return max((source.succeeded_at for source in sources if source.succeeded_at), default=None)


def neighbours(review: Review, user: User | None) -> tuple[Review | None, Review | None]:
    """The reviews before and after this one on this reader's unfiltered dashboard; none for what is not on it.

    One query.
    """
    here = _section_number(review)
    if here < 0 or not review.is_in_queue:
        return None, None
    same_time = Q(updated_at=review.updated_at)
    before = Q(updated_at__lt=review.updated_at) | same_time & Q(id__lt=review.pk)
    after = Q(updated_at__gt=review.updated_at) | same_time & Q(id__gt=review.pk)
    shown = Review.objects.visible_to(user).waiting()
    nearest = []
    for number, (_, _, states) in enumerate(SECTIONS):
        rows = shown.filter(state__in=states).sorted_by(DEFAULT_SORT)
        if number <= here:
            nearest.append((rows.filter(before) if number == here else rows).reverse())
        if number >= here:
            nearest.append(rows.filter(after) if number == here else rows)
    wanted = reduce(or_, [Q(pk=Subquery(rows.values("pk")[:1])) for rows in nearest])
    found = sorted(Review.objects.filter(wanted).order_by().only("title", "state", "updated_at"), key=_position)
    place = _position(review)
    earlier = [other for other in found if _position(other) < place]
    later = [other for other in found if _position(other) > place]
    return (earlier[-1] if earlier else None), (later[0] if later else None)


def _section_number(review: Review) -> int:
    """The section that it is in; -1 for none."""
    return next((number for number, (_, _, states) in enumerate(SECTIONS) if review.state in states), -1)


def _position(review: Review) -> tuple[int, datetime, int]:
    return _section_number(review), review.updated_at, review.pk
