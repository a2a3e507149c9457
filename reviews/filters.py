"""The search's parameters, the same for the page, the exports and the REST API (docs/specification.md, section 6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import extend_schema_field

from core.text import shorten
from reviews.choices import OPEN_STATES, Actor, Square, State, TestsWaitFor
from reviews.managers import SORTS, UNTESTED, ReviewQuerySet
from reviews.models import Review, Source
from reviews.substrates import substrate_names

MAX_TEXT = 200  # characters
MAX_NAMES = 50  # people that one parameter names
MAX_DAYS = 36_500  # of ``older``
OPEN = "open"  # stands for every open state
STATE_CHOICES = [(OPEN, "any open"), *State.choices]
OUTCOME_CHOICES = [
    ("fail", "failed"), ("error", "error"), ("running", "under way"), ("pass", "passed"), (UNTESTED, "not tested"),
]  # fmt: skip
SORT_WORDS = {
    "age": "oldest activity first", "-age": "newest activity first",
    "waiting": "longest wait first", "-waiting": "shortest wait first",
    "submitted": "oldest submission first", "-submitted": "newest submission first",
    "lines": "smallest change first", "-lines": "largest change first",
    "title": "title, A to Z", "-title": "title, Z to A",
    "submitter": "submitter, A to Z", "-submitter": "submitter, Z to A",
    "state": "state", "-state": "state, reversed",
    "votes": "most votes for it first", "-votes": "fewest votes for it first",
    "square": "tests", "-square": "tests, reversed",
    "lock": "longest locked first", "-lock": "latest locked first",
}  # fmt: skip
SORT_CHOICES = [(sign + name, SORT_WORDS[sign + name]) for name in SORTS for sign in ("", "-")]


def split_words(values: Iterable[str]) -> list[str]:
    """The words of these values, between which stand commas or spaces; each once."""
    return list(dict.fromkeys(word for value in values for word in re.split(r"[,\s]+", value) if word))


def _values(data: Mapping[str, Any], name: str) -> list[str]:
    """What a parameter says that may be repeated."""
    return data.getlist(name) if isinstance(data, MultiValueDict) else [data.get(name) or ""]


def _with_suggestions(datalist: str) -> dict[str, str]:
    """Attributes of a text field; the page's list of that id offers what may be typed."""
    return {"list": datalist, "autocomplete": "off", "spellcheck": "false"}


class SeveralNames(forms.TextInput):
    """One text field for several names."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> str:
        return ", ".join(split_words(_values(data, name)))


class SeveralTicks(forms.CheckboxSelectMultiple):
    """A box for each choice; a URL may also name several in one parameter."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        return split_words(_values(data, name))


class NamesField(forms.Field):
    """Usernames: in lower case, as Launchpad has them, with or without a ``~`` before each."""

    def to_python(self, value: str | None) -> list[str]:
        names = list(dict.fromkeys(word.lstrip("~").lower() for word in split_words([value or ""])))
        for name in names:
            if "\x00" in name or len(name) > MAX_TEXT:
                raise ValidationError("This is not a username: “%(name)s”.", params={"name": shorten(name, 40)})
        if len(names) > MAX_NAMES:
            raise ValidationError(f"At most {MAX_NAMES} people can be named here.")
        return names


class SubstrateField(forms.MultipleChoiceField):
    """Names of substrates, which are asked for once."""

    def validate(self, value: list[str]) -> None:
        if not value:
            return
        names = substrate_names()
        self.choices = [(name, name) for name in names]  # the page shows the same
        for word in value:
            if word not in names:
                known = f"There are: {', '.join(names)}." if names else "There are none yet."
                raise ValidationError(f"There is no substrate “{shorten(word, 40)}”. {known}")


class NamesFilter(django_filters.Filter):
    """People by their usernames."""

    field_class = NamesField


class DaysFilter(django_filters.Filter):
    """A number of days."""

    field_class = forms.IntegerField


class SubstrateFilter(django_filters.MultipleChoiceFilter):
    """Substrates by their names."""

    field_class = SubstrateField


def _one_of(choices: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is said of a value that is none of these."""
    return {
        "invalid_choice": f"“%(value)s” is not valid here. Choose one of: {', '.join(name for name, _ in choices)}."
    }


def _day_field(label: str, method: str, help_text: str, column: str | None = None) -> django_filters.DateFilter:
    return django_filters.DateFilter(
        field_name=column, method=method, label=label, help_text=help_text,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "This is not a day. Write it as 2026-07-31."},
    )  # fmt: skip


class SearchForm(forms.Form):
    """The parameters together. Each is checked for itself, and what is not valid is left out."""

    def clean(self) -> dict[str, Any]:
        chosen = self.cleaned_data
        if chosen.get("from") and chosen.get("to") and chosen["from"] > chosen["to"]:
            self.add_error("to", "This day is before “From”.")
        return chosen


class ReviewFilter(django_filters.FilterSet):
    """Reviews by what is known of them. Several states, substrates, outcomes and people may be named, the parameter
    repeated or with commas between; any of them will do."""

    q = django_filters.CharFilter(
        method="by_text", label="Words", max_length=MAX_TEXT, help_text="Words of title, address or submitter."
    )
    state = django_filters.MultipleChoiceFilter(
        method="by_state", choices=STATE_CHOICES, label="State", widget=SeveralTicks,
        error_messages=_one_of(STATE_CHOICES), help_text="`open` stands for every open state.",
    )  # fmt: skip
    substrate = SubstrateFilter(
        method="by_substrate", choices=lambda: [(name, name) for name in substrate_names()], label="Substrate",
        widget=SeveralTicks, help_text="With `outcome`: tested so on this substrate; else tested there at all.",
    )  # fmt: skip
    outcome = django_filters.MultipleChoiceFilter(
        method="by_outcome", choices=OUTCOME_CHOICES, label="Outcome", widget=SeveralTicks,
        error_messages=_one_of(OUTCOME_CHOICES), help_text="What the newest run of the current revision says.",
    )  # fmt: skip
    unreviewed = django_filters.ChoiceFilter(
        method="by_lack_of_review", choices=[("yes", "yes")], label="No review yet", empty_label=None,
        error_messages={"invalid_choice": "“%(value)s” is not valid here. The only choice is “yes”."},
        help_text="`yes`: nobody but the submitter has commented.",
    )  # fmt: skip
    older = DaysFilter(
        method="by_age", label="Days since submission", min_value=0, max_value=MAX_DAYS,
        widget=forms.NumberInput(attrs={"placeholder": "at least"}),
        error_messages={"invalid": "Write a whole number of days, such as 30."}, help_text="At least so many.",
    )  # fmt: skip
    submitter = NamesFilter(
        method="by_submitter", label="Submitter", widget=SeveralNames(_with_suggestions("people")),
        help_text="Usernames.",
    )  # fmt: skip
    reviewer = NamesFilter(
        method="by_reviewer", label="Reviewer", widget=SeveralNames(_with_suggestions("people")),
        help_text="Usernames: they commented, in the time that `from` and `to` say.",
    )  # fmt: skip
    locked_by = NamesFilter(
        method="by_lock", label="Locked by", widget=SeveralNames(_with_suggestions("people")), help_text="Usernames."
    )
    next_actor = django_filters.ChoiceFilter(
        choices=Actor.choices, method="by_actor", label="Acts next", empty_label="any",
        error_messages=_one_of(Actor.choices),
    )  # fmt: skip
    source = django_filters.ModelChoiceFilter(
        queryset=Source.objects.order_by("name"), to_field_name="name", label="Source", empty_label="any",
        error_messages={"invalid_choice": "There is no such source."},
    )  # fmt: skip
    series = django_filters.CharFilter(
        field_name="series__name", label="Series", max_length=MAX_TEXT,
        widget=forms.TextInput(attrs=_with_suggestions("series-names")),
    )  # fmt: skip
    kind = django_filters.ChoiceFilter(
        choices=Review.Kind.choices, label="Kind", empty_label="any", error_messages=_one_of(Review.Kind.choices)
    )
    square = django_filters.ChoiceFilter(
        choices=Square.choices, label="Tests", empty_label="any", error_messages=_one_of(Square.choices)
    )
    waits = django_filters.ChoiceFilter(
        choices=TestsWaitFor.choices, method="by_wait", label="Tests wait because", empty_label="any",
        error_messages=_one_of(TestsWaitFor.choices),
    )  # fmt: skip
    sort = django_filters.ChoiceFilter(
        choices=SORT_CHOICES, method="by_order", label="Sort", empty_label="newest activity first",
        error_messages={
            "invalid_choice": f"Nothing can be sorted by “%(value)s”. Choose one of: {', '.join(SORTS)}; a “-” before "
            "it turns the order round."
        },
    )  # fmt: skip

    class Meta:
        model = Review
        fields: list[str] = []
        form = SearchForm

    def by_text(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.matching(value)

    def by_state(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        """One ``IN``; the filter's own OR with DISTINCT would sort every row that fits."""
        return reviews.filter(state__in={*value, *(OPEN_STATES if OPEN in value else ())} - {OPEN})

    def by_substrate(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        return reviews.with_outcome(self.form.cleaned_data.get("outcome") or [], substrates=value)

    def by_outcome(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        if self.form.cleaned_data.get("substrate"):
            return reviews  # by_substrate asks for both
        return reviews.with_outcome(value)

    def by_lack_of_review(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.unreviewed()

    def by_age(self, reviews: ReviewQuerySet, name: str, value: int) -> ReviewQuerySet:
        return reviews.submitted_before(timezone.now() - timedelta(days=value))

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def by_submitter(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        return reviews.submitted_by(*value)

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def by_reviewer(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        first, last = self.form.cleaned_data.get("from"), self.form.cleaned_data.get("to")
        return reviews.reviewed_by(
            *value, since=_begin_of(first) if first else None, until=_end_of(last) if last else None
        )

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def by_lock(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        return reviews.locked_by(*value)

    def by_actor(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.next_for(value)

    def by_wait(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.held(value)

    def by_order(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.sorted_by(value)

    def since(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        if self.form.cleaned_data.get("reviewer"):
            return reviews  # by_reviewer asks when they reviewed
        return reviews.filter(updated_at__gte=_begin_of(value))

    def until(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        if self.form.cleaned_data.get("reviewer"):
            return reviews
        return reviews.filter(updated_at__lte=_end_of(value))

    def on_or_after(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(**{f"{name}__gte": _begin_of(value)})

    def on_or_before(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(**{f"{name}__lte": _end_of(value)})

    def open_at_end_of(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.open_at(_end_of(value))

    def results(self) -> ReviewQuerySet:
        """The reviews by every valid parameter; what is wrong with the others is in ``form.errors``."""
        self.form.is_valid()
        found: ReviewQuerySet = self.queryset
        for name, value in self.form.cleaned_data.items():
            found = self.filters[name].filter(found, value)
        return found


for _name, _column, _words in (
    ("submitted", "created_at", "Submitted"), ("first_review", "first_reviewed_at", "First reviewed"),
    ("closed", "closed_at", "Closed"),
):  # fmt: skip
    for _end, _method in (("from", "on_or_after"), ("to", "on_or_before")):
        ReviewFilter.base_filters[f"{_name}_{_end}"] = _day_field(
            f"{_words}, {_end}", _method, "A day (UTC).", column=_column
        )
ReviewFilter.base_filters["open_on"] = _day_field("Open on", "open_at_end_of", "Open at the end of this day (UTC).")

# ``from`` is a word of Python's own, so these two can't be attributes.
ReviewFilter.base_filters["from"] = _day_field(
    "From", "since", "First day (UTC) of the last activity; with `reviewer`, of their reviews."
)
ReviewFilter.base_filters["to"] = _day_field(
    "To", "until", "Last day (UTC) of the last activity; with `reviewer`, of their reviews."
)


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)
