"""What the list shows: the open reviews in groups by whose turn it is, and what changed since last time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.paginator import InvalidPage, Page
from django.db.models import Count, F, Q, Value
from django.http import QueryDict

from accounts.models import User
from core.pagination import BoundedPaginator
from core.text import age
from reviews.chips import Chip, build_chips
from reviews.choices import INCOMING_STATES, REVIEWING_STATES, Actor, Square, State, TestsWaitFor
from reviews.forms import DashboardForm
from reviews.managers import WAITING_STATES, ReviewQuerySet, turn_of
from reviews.models import Review, Series, Source
from reviews.notices import NOTICE, notice_queries
from reviews.tables import READER_FIELDS, ROW_FIELDS, Row, RowReader, build_rows, page_link

PAGE_SIZE = 100  # rows
BEST_FIRST = "best"  # an order besides those of reviews.managers.SORTS
MAX_SILENCE = timedelta(minutes=30)  # three imports of the default schedule: one should have succeeded
END_OF_VISIT = timedelta(minutes=30)  # without a look at the list, after which the next one begins another visit
VIEW_NOTED_EVERY = timedelta(minutes=1)
MAX_VIEW = 2000  # characters of User.queue_view
MOMENTARY = ("q", "page", "incoming", "reviews")  # parameters that nobody wants back the next morning


class Group(NamedTuple):
    """One tab of the list."""

    slug: str
    name: str
    key: str  # after g
    sort: str  # its order, unless the reader chooses another
    states: tuple[str, ...]
    needs_login: bool = False


WAITING, INCOMING, REVIEWS, MY_TURN, MINE = "waiting", "incoming", "reviews", "my-turn", "mine"
GROUPS: dict[str, Group] = {
    group.slug: group
    for group in (
        Group(MY_TURN, "My turn", "m", BEST_FIRST, WAITING_STATES, needs_login=True),
        Group(WAITING, "All waiting", "a", "age", WAITING_STATES),
        Group(INCOMING, "Incoming", "i", "age", INCOMING_STATES),
        Group(REVIEWS, "Reviews", "r", "age", REVIEWING_STATES),
        Group("submitters", "Waiting for submitters", "s", "waiting", ()),
        Group(MINE, "Mine", "y", "waiting", (), needs_login=True),
    )
}


class ActiveSource(NamedTuple):
    """A source that is imported from, and how its last import went."""

    name: str
    error: str
    succeeded_at: datetime | None


class Tab(NamedTuple):
    """A group as one can choose it."""

    group: Group
    size: int
    href: str
    is_current: bool


@dataclass
class Section:
    """One table of the list: one page of the reviews in a group."""

    name: str
    slug: str
    count: int
    page: Page[Any]
    values: list[tuple[Any, ...]]  # of ROW_FIELDS, and READER_FIELDS for who is logged in
    link: str  # to another page of it, up to the page's number
    problem: str = ""  # with the page that was asked for
    rows: list[Row] = field(default_factory=list)  # see Dashboard.build_rows


@dataclass
class Dashboard:
    """The list's data. Errors of ``form`` say what is wrong with a parameter, which was then left out."""

    form: DashboardForm
    query: QueryDict
    group: Group
    sort: str
    tabs: list[Tab]
    sections: list[Section]
    sources: list[ActiveSource]
    series: list[str]  # names to choose from
    held: int  # how many of these wait for permission to be tested; 0 for who can't allow it
    silent_for: str  # how long ago an import last succeeded, in words, when that is too long
    reader: RowReader | None
    notices: list[str]
    team_text: str = ""  # Markdown: what the team says of the source that is chosen

    @property
    def is_filtered(self) -> bool:
        return any(self.query.get(name) for name in FILTERS)

    @property
    def is_empty(self) -> bool:
        return not any(section.count for section in self.sections)

    @property
    def chips(self) -> list[Chip]:
        """The filters that are set and valid."""
        kept = _canonical(self.query, "needs", *self.form.errors)
        kept["group"] = self.group.slug
        return list(build_chips(kept, FILTERS, CHOICE_WORDS))

    @property
    def view(self) -> str:
        """The parameters that make this list."""
        kept = _canonical(self.query, "needs")
        kept["group"] = self.group.slug
        return kept.urlencode()

    @property
    def all_link(self) -> str:
        """To the whole group, without filters."""
        return f"?group={self.group.slug}"

    @property
    def last_import_at(self) -> datetime | None:
        """When an import last succeeded."""
        return _last_import_at(self.sources)

    def fingerprint(self, now: datetime, *more: Any) -> str:
        """The same for two pages that look the same, given ``more`` that they depend on. Costs no query."""
        shown = [
            self.query.urlencode(), self.tabs, self.sources, self.series, self.silent_for, self.held, self.reader,
            self.team_text, self.notices, more,
            [(section.count, section.page.number, section.values) for section in self.sections],
            [age(values[TURN_SINCE], now) for section in self.sections for values in section.values],
        ]  # fmt: skip
        return hashlib.blake2b(repr(shown).encode(), digest_size=12).hexdigest()

    def build_rows(self, now: datetime) -> None:
        """Fill every section's ``rows``; not needed when the reader has the page already."""
        for section in self.sections:
            section.rows = build_rows(section.values, now, self.reader)


TURN_SINCE = ROW_FIELDS.index("turn_since")
# The filters, each with its name on its chip, and the words of its values where they have some.
FILTERS = {
    "q": "text",
    "state": "state",
    "source": "source",
    "series": "series",
    "square": "tests",
    "waits": "tests wait",
}
CHOICE_WORDS: dict[str, dict[str, str]] = {
    "state": dict(State.choices), "square": dict(Square.choices), "waits": dict(TestsWaitFor.choices),
}  # fmt: skip


def get_dashboard(query: QueryDict, user: User | None, now: datetime) -> Dashboard:
    """The list by these parameters, for this reader. Three queries, four where two groups are shown; a source among the
    parameters costs one more."""
    form = DashboardForm(query)
    form.is_valid()
    chosen = form.cleaned_data
    if chosen.get("needs") and user is None:
        form.add_error("needs", "Log in to see what needs you.")
    group = _group(form, user)
    reviews = _filtered(form, user)
    counts = _count(reviews, user)
    if not query.get("group") and not chosen.get("needs") and user and not user.is_reviewer and counts[MINE]:
        group = GROUPS[MINE]  # who reviews nothing begins with what they submitted
    sort = chosen.get("sort") or group.sort
    reader = RowReader(user.person_id, user.is_reviewer, user.queue_left_at) if user else None
    sections = []
    shown = _shown(group)
    for part in shown:
        found = _sorted(reviews.filter(condition(part, user)), sort, user)
        rows = found.values_list(*ROW_FIELDS)
        if user:
            rows = found.for_reader(user).values_list(*ROW_FIELDS, *READER_FIELDS)
        parameter = part.slug if len(shown) > 1 else "page"
        paginator = BoundedPaginator(rows, PAGE_SIZE, known_count=counts[part.slug])
        page, problem = _page(paginator, part.name, query.get(parameter) or "1")
        link = page_link(query, parameter) + f"{parameter}="
        values = list(page.object_list)
        sections.append(Section(part.name, part.slug, counts[part.slug], page, values, link, problem))
    sources, series, notices = _sources_series_notices()
    last = _last_import_at(sources)
    silent_for = age(last, now) if last and last < now - MAX_SILENCE else ""
    tabs = [
        Tab(tab, counts[tab.slug], _group_link(query, tab), tab == group)
        for tab in GROUPS.values()
        if user or not tab.needs_login
    ]
    team_text = chosen["source"].text if chosen.get("source") else ""
    return Dashboard(
        form, query, group, sort, tabs, sections, sources, series, counts["held"], silent_for, reader, notices,
        team_text,
    )  # fmt: skip


def condition(group: Group, user: User | None) -> Q:
    """Which open reviews in the queue are in a group, for this reader."""
    person = user.person if user else None
    mine = Q(owner=person) if person else Q(pk__in=[])
    if group.slug == MINE:
        return mine | Q(locked_by=person) if person else mine
    if group.slug == MY_TURN and user and user.is_reviewer:
        free = Q(locked_by__isnull=True) | Q(locked_by=person) if person else Q(locked_by__isnull=True)
        return Q(state__in=WAITING_STATES) & turn_of(Actor.REVIEWER) & free & ~mine
    if group.slug == MY_TURN:
        return mine & turn_of(Actor.SUBMITTER)
    if not group.states:
        return turn_of(Actor.SUBMITTER)
    return Q(state__in=group.states)


def _group(form: DashboardForm, user: User | None) -> Group:
    """The group that was asked for, else the one that this reader begins with."""
    group = GROUPS.get(form.cleaned_data.get("group") or "")
    if group is None:
        begins_with = MY_TURN if user and (user.is_reviewer or form.cleaned_data.get("needs")) else WAITING
        group = GROUPS[begins_with]
    if group.needs_login and user is None:
        form.add_error("group", f"Log in to see the group {group.name}.")
        return GROUPS[WAITING]
    return group


def _filtered(form: DashboardForm, user: User | None) -> ReviewQuerySet:
    chosen = form.cleaned_data
    reviews: ReviewQuerySet = Review.objects.visible_to(user).in_queue().open()
    if chosen.get("q"):
        reviews = reviews.matching(chosen["q"])
    if chosen.get("state"):
        reviews = reviews.filter(state__in=chosen["state"])
    if chosen.get("source"):
        reviews = reviews.filter(source=chosen["source"])
    if chosen.get("series"):
        reviews = reviews.filter(series__name=chosen["series"])
    if chosen.get("square"):
        reviews = reviews.filter(square=chosen["square"])
    if chosen.get("waits"):
        reviews = reviews.held(chosen["waits"])
    return reviews


def _count(reviews: ReviewQuerySet, user: User | None) -> dict[str, int]:
    """How many of these are in each group, and for reviewers how many wait for permission (``held``). One query."""
    asked = [group for group in GROUPS.values() if group.slug != WAITING and (user or not group.needs_login)]
    counted = {group.slug.replace("-", "_"): Count("pk", filter=condition(group, user)) for group in asked}
    if user and user.is_reviewer:
        counted["held"] = Count("pk", filter=Q(tests_wait_for=TestsWaitFor.PERMISSION))
    found = {name.replace("_", "-"): count for name, count in reviews.order_by().aggregate(**counted).items()}
    return {"held": 0, **found, WAITING: found[INCOMING] + found[REVIEWS]}


def _sorted(reviews: ReviewQuerySet, sort: str, user: User | None) -> ReviewQuerySet:
    if sort.removeprefix("-") != BEST_FIRST:
        return reviews.sorted_by(sort)
    best = reviews.best_first(user.person if user and user.is_reviewer else None)
    return best.reverse() if sort.startswith("-") else best


def _group_link(query: QueryDict, group: Group) -> str:
    """To another group with the same filters; its own order, its first page."""
    kept = _canonical(query, "sort", "needs")
    kept["group"] = group.slug
    return f"?{kept.urlencode()}"


def _canonical(query: QueryDict, *without: str) -> QueryDict:
    """The parameters that make the list: no empty ones, no page."""
    kept = QueryDict(mutable=True)
    for name in DashboardForm.base_fields:
        values = [value for value in query.getlist(name) if value]
        if values and name not in without:
            kept.setlist(name, values)
    return kept


def note_look(user: User, dashboard: Dashboard, now: datetime) -> None:
    """Write down that they looked at the list, and how it was narrowed, to which they come back. At most one query a
    minute while they change nothing."""
    kept = _canonical(dashboard.query, "needs", *MOMENTARY)
    kept["group"] = dashboard.group.slug
    view = kept.urlencode()
    changed: dict[str, Any] = {}
    if not dashboard.form.errors and view != user.queue_view and len(view) <= MAX_VIEW:
        changed["queue_view"] = view
    if user.queue_seen_at is None or user.queue_seen_at < now - VIEW_NOTED_EVERY:
        changed["queue_seen_at"] = now
    if user.queue_seen_at and user.queue_seen_at < now - END_OF_VISIT:
        changed["queue_left_at"] = user.queue_seen_at
    if changed:
        User.objects.filter(pk=user.pk).update(**changed)


def _page(paginator: BoundedPaginator, name: str, number: str) -> tuple[Page[Any], str]:
    try:
        return paginator.page(number), ""
    except InvalidPage:
        return paginator.page(1), f"{name} has no such page: the last one is {paginator.num_pages}."


def _sources_series_notices() -> tuple[list[ActiveSource], list[str], list[str]]:
    """Active sources, names of active series, notices: all in one query, since every page load pays for it."""
    sources = Source.objects.active().values_list(Value("source"), "name", "last_error", "last_success_at")
    series = Series.objects.filter(active=True).values_list(Value("series"), "name", Value(""), F("fetched_at"))
    parts = [series.order_by(), *notice_queries()]
    found = sorted(sources.order_by().union(*parts, all=True), key=lambda row: row[:2])
    names = dict.fromkeys(row[1] for row in found if row[0] == "series")
    notices = [row[2] for row in found if row[0] == NOTICE]
    return [ActiveSource(*row[1:]) for row in found if row[0] == "source"], list(names), notices


def _last_import_at(sources: list[ActiveSource]) -> datetime | None:
    return max((source.succeeded_at for source in sources if source.succeeded_at), default=None)


def remembered_group(user: User | None) -> Group:
    """The group of the list that this reader last looked at, or begins with. Costs no query."""
    slug = QueryDict(user.queue_view).get("group", "") if user else ""
    return GROUPS.get(slug) or GROUPS[MY_TURN if user and user.is_reviewer else WAITING]


def get_order(user: User | None) -> list[int]:
    """The ids of the list that this reader last looked at, in its order, with the filters that are remembered. One
    query, two where two groups are shown; a source among the filters costs one more."""
    form = DashboardForm(QueryDict(user.queue_view if user else ""))
    form.is_valid()
    group = _group(form, user)
    reviews, sort = _filtered(form, user), form.cleaned_data.get("sort") or group.sort
    found: list[int] = []
    for part in _shown(group):
        found += _sorted(reviews.filter(condition(part, user)), sort, user).values_list("pk", flat=True)
    return found


def _shown(group: Group) -> list[Group]:
    """The sections that a group is shown in."""
    return [GROUPS[INCOMING], GROUPS[REVIEWS]] if group.slug == WAITING else [group]
