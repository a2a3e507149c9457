"""The list's filter as a form; that of the search is in ``reviews.filters``."""

from __future__ import annotations

from django import forms

from reviews.choices import OPEN_STATES, Square, State, TestsWaitFor
from reviews.filters import MAX_TEXT
from reviews.managers import SORTS
from reviews.models import Source

STATE_CHOICES = [(state, State(state).label) for state in OPEN_STATES]
SORT_NAMES = ("best", *SORTS)
SORT_CHOICES = [(sign + name, sign + name) for name in SORT_NAMES for sign in ("", "-")]
# Groups, by their names in the address; reviews.dashboard says what is in each.
GROUP_NAMES = ("my-turn", "waiting", "incoming", "reviews", "submitters", "mine")


class DashboardForm(forms.Form):
    """Each field is checked for itself: a valid one counts whatever is wrong with another. Of ``source``, checking
    costs a query."""

    group = forms.ChoiceField(
        required=False,
        choices=[(name, name) for name in GROUP_NAMES],
        error_messages={"invalid_choice": f"There is no group “%(value)s”. Choose one of: {', '.join(GROUP_NAMES)}."},
    )
    q = forms.CharField(required=False, max_length=MAX_TEXT)
    state = forms.MultipleChoiceField(
        required=False,
        choices=STATE_CHOICES,
        error_messages={
            "invalid_choice": "%(value)s is not one of the available choices: the queue shows what is open. "
            "The search finds the other states."
        },
    )
    source = forms.ModelChoiceField(required=False, queryset=Source.objects.all(), to_field_name="name")
    series = forms.CharField(required=False, max_length=MAX_TEXT)
    square = forms.ChoiceField(required=False, choices=Square.choices)
    waits = forms.ChoiceField(required=False, choices=TestsWaitFor.choices)
    needs = forms.ChoiceField(  # an address from before there were groups: My turn
        required=False,
        choices=[("me", "me")],
        error_messages={"invalid_choice": "“%(value)s” is not valid here. The only choice is “me”."},
    )
    sort = forms.ChoiceField(
        required=False,
        choices=SORT_CHOICES,
        error_messages={
            "invalid_choice": f"The queue can't be sorted by “%(value)s”. Choose one of: {', '.join(SORT_NAMES)}."
        },
    )
