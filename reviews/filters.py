"""The search (SPEC section 6): the same parameters for the pages, the exports and the REST API."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import django_filters
from django import forms
from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Subquery

from accounts.models import Person
from reviews.models import NEXT_ACTOR, Actor, Comment, Review, ReviewQuerySet, Source, Square, State

SORTS: dict[str, tuple[str, ...]] = {
    "age": ("updated_at", "id"),
    "state": ("state", "updated_at", "id"),
    "title": ("title", "id"),
    "submitter": ("owner__username", "updated_at", "id"),
    "votes": ("-positive_votes", "negative_votes", "id"),
    "square": ("square", "updated_at", "id"),
    "lock": ("locked_at", "updated_at", "id"),
}
LONGEST_TEXT = 200  # characters
WORDS = 8  # of a free text


def sorted_by(reviews: ReviewQuerySet, sort: str) -> ReviewQuerySet:
    """In an order of ``SORTS``, reversed with ``-`` before it."""
    ordered = reviews.order_by(*SORTS[sort.removeprefix("-")])
    return ordered.reverse() if sort.startswith("-") else ordered


def _offered(datalist: str) -> forms.TextInput:
    """A plain text field; the page's list of that id offers what may be typed."""
    return forms.TextInput(attrs={"list": datalist, "autocomplete": "off", "spellcheck": "false"})


def reviewed_by(username: str) -> Q:
    """Reviews that somebody commented on, not being their submitter."""
    comments = Comment.objects.filter(
        review=OuterRef("pk"), author__username=username, is_description=False, is_automated=False
    )
    return Q(Exists(comments)) & ~Q(owner__username=username)


def _owned_by(people: QuerySet[Any, Any]) -> Q:
    """Reviews of these people. An array is what PostgreSQL can combine with the indexes of other conditions."""
    if connection.vendor != "postgresql":
        return Q(owner__in=people)
    return Q(
        Func(
            F("owner_id"), Func(Subquery(people), function="ARRAY", template="%(function)s%(expressions)s"),
            template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField(),
        )
    )  # fmt: skip


class ReviewFilter(django_filters.FilterSet):
    """``state``, ``source``, ``series``, ``kind``, ``submitter``, ``reviewer``, ``locked_by``, ``next_actor``,
    ``square``, ``from``, ``to`` (days of the last activity, both included), ``q`` (words of title, submitter or URL),
    ``sort``."""

    q = django_filters.CharFilter(method="by_text", label="Text", max_length=LONGEST_TEXT)
    state = django_filters.MultipleChoiceFilter(
        method="by_state", choices=State.choices, label="State", widget=forms.CheckboxSelectMultiple
    )
    kind = django_filters.ChoiceFilter(choices=Review.Kind.choices, label="Kind", empty_label="any")
    source = django_filters.ModelChoiceFilter(
        queryset=Source.objects.order_by("name"), to_field_name="name", label="Source", empty_label="any"
    )
    series = django_filters.CharFilter(
        field_name="series__name", label="Series", max_length=LONGEST_TEXT, widget=_offered("series-names")
    )
    submitter = django_filters.CharFilter(
        field_name="owner__username", label="Submitter", max_length=LONGEST_TEXT, widget=_offered("people")
    )
    reviewer = django_filters.CharFilter(
        method="by_reviewer", label="Reviewer", max_length=LONGEST_TEXT, widget=_offered("people")
    )
    locked_by = django_filters.CharFilter(
        field_name="locked_by__username", label="Locked by", max_length=LONGEST_TEXT, widget=_offered("people")
    )
    next_actor = django_filters.ChoiceFilter(
        choices=Actor.choices, method="by_actor", label="Acts next", empty_label="any"
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
        for word in value.split()[:WORDS]:
            people = Person.objects.filter(Q(username__icontains=word) | Q(display_name__icontains=word))
            owned = _owned_by(people.order_by().values("pk"))
            reviews = reviews.filter(Q(title__icontains=word) | Q(url__icontains=word) | owned)
        return reviews

    def by_reviewer(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.filter(reviewed_by(value))

    def by_actor(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return reviews.filter(state__in=[state for state, actor in NEXT_ACTOR.items() if actor == value])

    def by_order(self, reviews: ReviewQuerySet, name: str, value: str) -> ReviewQuerySet:
        return sorted_by(reviews, value)

    def since(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(updated_at__gte=datetime.combine(value, time.min, UTC))

    def until(self, reviews: ReviewQuerySet, name: str, value: date) -> ReviewQuerySet:
        return reviews.filter(updated_at__lte=datetime.combine(value, time.max, UTC))

    def usable(self) -> ReviewQuerySet:
        """The reviews by every parameter that makes sense; those that don't are errors of ``form``."""
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
