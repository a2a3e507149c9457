"""Several reviews at once: what the bar below a list does with those that are ticked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.permissions import require_reviewer
from core.text import counted
from reviews.models import Review
from reviews.selected import Selected, done_words, get_action, refused_words

MAX_SELECTED = 100  # reviews at once: as many as a page of a list shows


def selected(request: HttpRequest) -> HttpResponse:
    """Do ``action`` with each ``review`` of the form (``12``, or ``12:revision`` with the one that was shown), say what
    was done and why the rest was not, and go back to the list (``next``)."""
    back = _list_address(request)
    if not request.user.is_authenticated:
        return redirect_to_login(back)
    if request.method != "POST":
        return redirect(back)
    user = require_reviewer(request)
    action = get_action(request.POST.get("action", ""))
    values = list(dict.fromkeys(request.POST.getlist("review")))
    if action is None:
        messages.error(request, "Nothing was changed: the form contains an unknown action.")
    elif not values:
        messages.error(request, "Nothing was changed: select at least one item.")
    elif len(values) > MAX_SELECTED:
        messages.error(request, f"Nothing was changed: at most {MAX_SELECTED} items can be changed at once.")
    elif (revisions := _revisions(values)) is None:
        messages.error(request, "Nothing was changed: the form contains an unknown id.")
    else:
        found = Review.objects.visible_to(user).filter(pk__in=revisions).select_related("source").order_by("pk")
        reviews = [Selected(review, revisions[review.pk]) for review in found]
        outcome = action.run(reviews, user.as_person())
        if words := done_words(action, outcome):
            messages.success(request, words)
        for words in refused_words(action, outcome):
            messages.warning(request, words)
        if missing := len(revisions) - len(reviews):
            messages.warning(request, f"{counted(missing, 'selected item')} could not be found any more.")
    return redirect(back)


def _revisions(values: list[str]) -> dict[int, str | None] | None:
    """The ids in a form, each with the revision that was shown, if any; None when one of them is no id."""
    revisions: dict[int, str | None] = {}
    for value in values:
        pk, colon, revision = value.partition(":")
        if not (pk.isascii() and pk.isdigit() and len(pk) <= 18):
            return None
        revisions[int(pk)] = revision if colon else None
    return revisions


def _list_address(request: HttpRequest) -> str:
    """The list that the form is on; the dashboard for what is no address of this site."""
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("dashboard")
