"""The dashboard's filter as a form; that of the search is in ``reviews.filters``."""

from __future__ import annotations

from django import forms

from reviews.choices import State
from reviews.filters import MAX_TEXT
from reviews.managers import SORTS, WAITING_STATES
from reviews.models import Source

STATE_CHOICES = [(state, State(state).label) for state in WAITING_STATES]
SORT_CHOICES = [(sign + name, sign + name) for name in SORTS for sign in ("", "-")]


class DashboardForm(forms.Form):
    """Each field is checked for itself: a valid one counts whatever is wrong with another. Of ``source``, checking
    costs a query."""

    q = forms.CharField(required=False, max_length=MAX_TEXT)
    state = forms.MultipleChoiceField(
        required=False,
        choices=STATE_CHOICES,
        error_messages={
            "invalid_choice": "%(value)s is not one of the available choices: the dashboard shows what waits for a "
            "reviewer. The search finds the other states."
        },
    )
    source = forms.ModelChoiceField(required=False, queryset=Source.objects.all(), to_field_name="name")
    series = forms.CharField(required=False, max_length=MAX_TEXT)
    needs = forms.ChoiceField(
        required=False,
        choices=[("me", "me")],
        error_messages={"invalid_choice": "“%(value)s” is not valid here. The only choice is “me”."},
    )
    sort = forms.ChoiceField(
        required=False,
        choices=SORT_CHOICES,
        error_messages={
            "invalid_choice": f"The queue can't be sorted by “%(value)s”. Choose one of: {', '.join(SORTS)}."
        },
    )
