"""The search's parameters, the same for the page, the exports and the REST API (docs/specification.md, section 6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import django_filters
from django import forms

from reviews.choices import Actor, Square, State, TestsWaitFor
from reviews.managers import SORTS, ReviewQuerySet
from reviews.models import Review, Source

MAX_TEXT = 200  # characters


def _with_suggestions(datalist: str) -> forms.TextInput:
    """A plain text field; the page's list of that id offers what may be typed."""
    return forms.TextInput(attrs={"list": datalist, "autocomplete": "off", "spellcheck": "false"})


class ReviewFilter(django_filters.FilterSet):
    """``state``, ``source``, ``series``, ``kind``, ``submitter``, ``reviewer``, ``locked_by``, ``next_actor``,
    ``square``, ``waits`` (why no test starts by itself: ``permission``, ``conflicts``), ``from``, ``to`` (days of the
    last activity, both included), ``q`` (words of title, submitter or URL), ``sort``."""

    q = django_filters.CharFilter(method="by_text", label="Text", max_length=MAX_TEXT)
    state = django_filters.MultipleChoiceFilter(
        method="by_state", choices=State.choices, label="State", widget=forms.CheckboxSelectMultiple
    )
    kind = django_filters.ChoiceFilter(choices=Review.Kind.choices, label="Kind", empty_label="any")
    source = django_filters.ModelChoiceFilter(
        queryset=Source.objects.order_by("name"), to_field_name="name", label="Source", empty_label="any"
    )
    series = django_filters.CharFilter(
        field_name="series__name", label="Series", max_length=MAX_TEXT, widget=_with_suggestions("series-names")
    )
    submitter = django_filters.CharFilter(
        field_name="owner__username", label="Submitter", max_length=MAX_TEXT, widget=_with_suggestions("people")
    )
    reviewer = django_filters.CharFilter(
        method="by_reviewer", label="Reviewer", max_length=MAX_TEXT, widget=_with_suggestions("people")
    )
    locked_by = django_filters.CharFilter(
        field_name="locked_by__username", label="Locked by", max_length=MAX_TEXT, widget=_with_suggestions("people")
    )
    next_actor = django_filters.ChoiceFilter(
        choices=Actor.choices, method="by_actor", label="Acts next", empty_label="any"
    )
    waits = django_filters.ChoiceFilter(
        choices=TestsWaitFor.choices, method="by_wait", label="Tests wait because", empty_label="any"
    )
    square = django_filters.ChoiceFilter(choices=Square.choices, label="Tests", empty_label="any")
    sort = django_filters.ChoiceFilter(
        choices=[(sign + name, sign + name) for name in SORTS for sign in ("", "-")],
        method="by_order", label="Sort", empty_label="newest activity first",
    )  # fmt: skip

    class Meta:
        model = Review
        fields: list[str] = []

    def by_state(self, reviews: ReviewQuerySet, name: str, value: list[str]) -> ReviewQuerySet:
        """One ``IN``; the filter's own OR with DISTINCT would sort every row that fits."""
        return reviews.filter(state__in=value) if value else reviews

    def by_text(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.matching(value)

    def by_reviewer(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.reviewed_by(value)

    def by_actor(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.next_for(value)

    def by_wait(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.held(value)

    def by_order(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.sorted_by(value)

    def since(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(updated_at__gte=datetime.combine(value, time.min, UTC))

    def until(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(updated_at__lte=datetime.combine(value, time.max, UTC))

    def results(self) -> ReviewQuerySet:
        """The reviews by every valid parameter; what is wrong with the others is in ``form.errors``."""
        self.form.is_valid()
        found: ReviewQuerySet = self.queryset
        for name, value in self.form.cleaned_data.items():
            found = self.filters[name].filter(found, value)
        return found


def _day(name: str, method: str, label: str) -> Any:
    widget = forms.DateInput(attrs={"type": "date"})
    return name, django_filters.DateFilter(method=method, label=label, widget=widget)


# ``from`` is a word of Python's own, so these two can't be attributes.
ReviewFilter.base_filters.update([_day("from", "since", "From"), _day("to", "until", "To")])
