"""The pages of people, and their names for the fields of the search."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Person, User
from core.db import TooSlow
from reviews.filters import SORTS, sorted_by
from reviews.models import State
from reviews.people import LISTS, Choice, counts_of, nothing_in, reviews_of, standing, suggestions, words_for
from reviews.search import DEFAULT_SORT, SLOW, page_of
from reviews.tables import heads_of


@require_safe
def person(request: HttpRequest, username: str) -> HttpResponse:
    """What somebody has locked, submitted and reviewed, and what waits for them."""
    known = Person.objects.select_related("user").filter(username=username).first() if "\x00" not in username else None
    if known is None:
        near = suggestions(username[:4].lower())
        return render(request, "reviews/person_unknown.html", {"username": username[:100], "near": near}, status=404)
    own = isinstance(request.user, User) and request.user.person_id == known.pk
    counts = counts_of(known)
    which = request.GET.get("list", "")
    if which not in LISTS:
        which = next((name for name in LISTS if counts[name]), "needs" if own else "submitted")
    state = request.GET.get("state", "")
    if state not in State.values:
        state = ""
    sort = request.GET.get("sort", "")
    if sort.removeprefix("-") not in SORTS:
        sort = "age" if which == "needs" else DEFAULT_SORT
    reviews = sorted_by(reviews_of(known, which), sort)
    if state:
        reviews = reviews.filter(state=state)
    kept = QueryDict(mutable=True)
    kept["list"] = which
    lists: list[Choice] = [
        {
            "name": name, "word": words_for(name, own=own), "count": sum(counts[name].values()),
            "chosen": name == which, "href": f"?list={name}",
        }
        for name in LISTS
    ]  # fmt: skip
    states: list[Choice] = [
        {
            "name": name, "word": State(name).label, "count": counts[which].get(name, 0), "chosen": name == state,
            "href": f"?list={which}&state={name}",
        }
        for name in State.values
        if counts[which].get(name) or name == state
    ]  # fmt: skip
    if state:
        kept["state"] = state
    if request.GET.get("sort") == sort:
        kept["sort"] = sort
    page, slow = None, ""
    try:
        page = page_of(reviews, request.GET.get("page", ""), timezone.now())
    except TooSlow:
        slow = SLOW
    context: dict[str, Any] = {
        "person": known,
        "own": own,
        "standing": standing(known),
        "lists": lists,
        "list": which,
        "states": states,
        "state": state,
        "page": page,
        "slow": slow,
        "label": next(item["word"] for item in lists if item["chosen"]),
        "nothing": nothing_in(which, own=own),
        "heads": heads_of(kept, sort),
        "link": "?" + kept.urlencode() + "&",
        "total": sum(counts[which].values()),
    }
    return render(request, "reviews/person.html", context)


@never_cache
@require_safe
@login_required
def me(request: HttpRequest) -> HttpResponse:
    """One's own page."""
    assert isinstance(request.user, User)
    return redirect("person", request.user.as_person().username)


@require_safe
def suggest(request: HttpRequest) -> HttpResponse:
    """People whose name begins with ``q``, for the fields of the search."""
    people = [{"username": username, "display_name": name} for username, name in suggestions(request.GET.get("q", ""))]
    return JsonResponse({"people": people})
