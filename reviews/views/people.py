"""The pages of people, and their names for the fields of the search."""

from __future__ import annotations

from typing import Any, TypedDict
from urllib.parse import quote

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Person, User
from accounts.permissions import require_reviewer
from core.db import QueryTooSlow
from reviews.choices import State
from reviews.known_people import people_known_to
from reviews.managers import SORTS, Reader, ReviewQuerySet
from reviews.models import Review
from reviews.search import DEFAULT_SORT, TOO_SLOW, get_page, reviewed_last_month, search_address
from reviews.tables import column_headers, page_link, person_path
from reviews.trust import NotPossible, revoke, trust

MAX_SUGGESTIONS = 10
MAX_TRUSTS = 10  # newest, that a page shows
LISTS = ("needs", "locked", "submitted", "reviewed")
SEARCHES = {"locked": "locked_by", "submitted": "submitter", "reviewed": "reviewer"}  # the list's parameter there


class Choice(TypedDict):
    """A list or a state to choose, and how many reviews it holds."""

    name: str
    word: str
    count: int
    chosen: bool
    href: str


@require_safe
def person(request: HttpRequest, username: str) -> HttpResponse:
    """What somebody has locked, submitted and reviewed, and what waits for them."""
    people = people_known_to(request.user).select_related("user")
    known = people.filter(username=username).first() if "\x00" not in username else None
    if known is None:
        near = suggest_people(username[:4].lower(), request.user)
        return render(request, "reviews/person_unknown.html", {"username": username[:100], "near": near}, status=404)
    is_own = isinstance(request.user, User) and request.user.person_id == known.pk
    visible = Review.objects.visible_to(request.user)
    counts = {name: _choose_list(visible, known, name).count_by_state() for name in LISTS}
    chosen = _chosen_list(request.GET.get("list", ""), counts, is_own)
    state = request.GET.get("state", "")
    if state not in State.values:
        state = ""
    sort = request.GET.get("sort", "")
    if sort.removeprefix("-") not in SORTS:
        sort = "age" if chosen == "needs" else DEFAULT_SORT
    query = QueryDict(mutable=True)
    query["list"] = chosen
    if state:
        query["state"] = state
    if request.GET.get("sort") == sort:
        query["sort"] = sort
    reviews = _choose_list(visible, known, chosen).sorted_by(sort)
    if state:
        reviews = reviews.filter(state=state)
    page, slow = None, ""
    try:
        page = get_page(reviews, request.GET.get("page", ""), timezone.now())
    except QueryTooSlow:
        slow = TOO_SLOW
    context: dict[str, Any] = {
        "person": known,
        "is_own": is_own,
        "standing": _standing(known),
        "trusts": list(known.trusts.select_related("granted_by", "revoked_by")[:MAX_TRUSTS]),
        "may_trust": isinstance(request.user, User) and request.user.is_reviewer and not known.is_team,
        "lists": _list_choices(counts, chosen, is_own),
        "list": chosen,
        "states": _state_choices(counts[chosen], chosen, state),
        "state": state,
        "page": page,
        "slow": slow,
        "label": _list_word(chosen, is_own),
        "nothing": _nothing_in(chosen, is_own),
        "headers": column_headers(query, sort),
        "link": page_link(query),
        "search": _search_of(known, chosen, state, request.GET.get("sort", "")),
        "last_month": reviewed_last_month(known.username, timezone.now().date()) if chosen == "reviewed" else "",
        "total": sum(counts[chosen].values()),
    }
    return render(request, "reviews/person.html", context)


def _choose_list(reviews: ReviewQuerySet, person: Person, name: str) -> ReviewQuerySet:
    """Those of the reviews that are on one of ``LISTS`` of the person."""
    if name == "needs":
        return reviews.needs(person)
    if name == "locked":
        return reviews.locked_by(person)
    if name == "submitted":
        return reviews.submitted_by(person)
    return reviews.reviewed_by(person)


def _search_of(person: Person, name: str, state: str, sort: str) -> str:
    """The search that finds what this list shows; empty for *needs*, which is none."""
    if name not in SEARCHES:
        return ""
    sort = sort if sort.removeprefix("-") in SORTS else ""
    return search_address(**{SEARCHES[name]: person.username}, state=state, sort=sort)


def _chosen_list(asked: str, counts: dict[str, dict[str, int]], is_own: bool) -> str:
    """The list that was asked for; else the first that holds something."""
    if asked in LISTS:
        return asked
    return next((name for name in LISTS if counts[name]), "needs" if is_own else "submitted")


def _list_choices(counts: dict[str, dict[str, int]], chosen: str, is_own: bool) -> list[Choice]:
    return [
        {
            "name": name, "word": _list_word(name, is_own), "count": sum(counts[name].values()),
            "chosen": name == chosen, "href": f"?list={name}",
        }
        for name in LISTS
    ]  # fmt: skip


def _state_choices(counts: dict[str, int], chosen_list: str, chosen: str) -> list[Choice]:
    return [
        {
            "name": name, "word": State(name).label, "count": counts.get(name, 0), "chosen": name == chosen,
            "href": f"?list={chosen_list}&state={name}",
        }
        for name in State.values
        if counts.get(name) or name == chosen
    ]  # fmt: skip


def _list_word(name: str, is_own: bool) -> str:
    """How a list is called on its owner's page and on others'."""
    if name == "needs":
        return "Needs you" if is_own else "Needs them"
    return name.capitalize()


def _nothing_in(name: str, is_own: bool) -> str:
    """What an empty list says."""
    if name == "needs":
        return "Nothing waits for you." if is_own else "Nothing waits for them."
    who = "You have" if is_own else "They have"
    return f"{who} nothing locked." if name == "locked" else f"{who} {name} nothing yet."


def _standing(person: Person) -> str:
    """Whether somebody is a reviewer, and why, in a sentence. One query when the team does not say it already."""
    if person.is_team:
        return "A team on Launchpad."
    if person.is_reviewer:
        return "A reviewer: member of a reviewer team on Launchpad."
    account: Any = getattr(person, "user", None)
    if account is not None and account.is_active and account.is_superuser:
        return "A reviewer: administrator of this queue."
    if account is not None and account.is_reviewer:
        return "A reviewer: member of the group of reviewers of this queue."
    return "Not a reviewer: in no reviewer team on Launchpad."


def trust_person(request: HttpRequest, username: str) -> HttpResponse:
    """The buttons of a person's page: trust them, or, with ``revoke``, trust them no more.

    Visitors log in first and come back to that page; a GET leads to it too.
    """
    page = f"{person_path()}{quote(username, safe='')}/"
    if not request.user.is_authenticated:
        return redirect_to_login(page)
    if request.method != "POST":
        return redirect(page)
    user = require_reviewer(request)
    known = people_known_to(request.user).filter(username=username).first() if "\x00" not in username else None
    if known is None:
        raise Http404
    try:
        if "revoke" not in request.POST:
            trust(known, actor=user.as_person())
            messages.success(request, f"{known} is trusted from now on.")
        elif revoke(known, actor=user.as_person()):
            messages.success(request, f"{known} is trusted no more. What is tested of theirs by itself is cancelled.")
    except NotPossible as reason:
        messages.error(request, str(reason))
    return redirect(page)


@never_cache
@require_safe
@login_required
def me(request: HttpRequest) -> HttpResponse:
    """One's own page."""
    assert isinstance(request.user, User)
    return redirect("person", request.user.as_person().username)


@require_safe
def old_person_path(request: HttpRequest, username: str) -> HttpResponse:
    """``/user/<name>``, as the page was called once."""
    return redirect(f"{person_path()}{quote(username, safe='')}/", permanent=True)


@require_safe
def suggest(request: HttpRequest) -> HttpResponse:
    """People whose name begins with ``q``, for the fields of the search."""
    found = suggest_people(request.GET.get("q", ""), request.user)
    return JsonResponse({"people": [{"username": username, "display_name": name} for username, name in found]})


def suggest_people(text: str, user: Reader) -> list[tuple[str, str]]:
    """At most ``MAX_SUGGESTIONS`` people whom the reader may know and whose name begins so. One query."""
    text = text.replace("\x00", "").strip()[:100]
    if not text:
        return []
    begins = Q(username__istartswith=text) | Q(display_name__istartswith=text) | Q(display_name__icontains=f" {text}")
    people = people_known_to(user).filter(begins).order_by("username")
    return list(people.values_list("username", "display_name")[:MAX_SUGGESTIONS])
