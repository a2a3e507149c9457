"""*Next for me* and *Skip*."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.permissions import require_reviewer
from reviews.locks import LockedByOther, unlock
from reviews.models import Review
from reviews.next_item import find_next, take_next, why_nothing

SKIPPED_FOR = 12 * 3600  # seconds that a skipped item is not offered again: the rest of a working day
MAX_SKIPPED = 200  # newest, that a session keeps
TAKEN, SKIPPED = "next_taken", "next_skipped"  # keys of the session


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def next_item(request: HttpRequest) -> HttpResponse:
    """POST: lock the best next item and open it; with ``again`` also from those skipped today. GET: which one that
    would be, or why there is none. Visitors log in first."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("next"))
    user = require_reviewer(request)
    if request.method == "POST":
        if "again" in request.POST:
            request.session.pop(SKIPPED, None)
        return _open_next(request, user, here=_review_id(request, "here"))
    skipped = skipped_ids(request)
    found = find_next(user, skipped)
    context = {"next": found, "skipped": len(skipped), "nothing": "" if found else why_nothing(user, skipped)}
    return render(request, "reviews/next.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def skip(request: HttpRequest) -> HttpResponse:
    """Release the item that the button is of, do not offer it again today, and open the next one."""
    if not request.user.is_authenticated or request.method != "POST":
        return redirect("next")
    user = require_reviewer(request)
    pk = _review_id(request, "review")
    if pk is None or not Review.objects.visible_to(user).filter(pk=pk).exists():
        messages.error(request, "Nothing was skipped: the form contains an unknown id.")
        return redirect("next")
    with suppress(LockedByOther):  # not theirs: nothing to release
        unlock(pk, user.as_person())
    skipped = {**_skipped(request), str(pk): timezone.now().timestamp()}
    request.session[SKIPPED] = dict(list(skipped.items())[-MAX_SKIPPED:])
    return _open_next(request, user, here=pk)


def _open_next(request: HttpRequest, user: User, here: int | None) -> HttpResponse:
    taken = take_next(user, skipped=skipped_ids(request), here=here)
    if taken is None:
        return redirect("next")
    request.session[TAKEN] = {"review": taken.review.pk, "why": taken.why}
    return redirect(taken.review)


def next_context(request: HttpRequest, review: Review) -> dict[str, Any]:
    """What ``reviews/_next.html`` shows on a review's page: why it was taken, while the reader holds it."""
    user = request.user
    if not isinstance(user, User) or not user.is_reviewer:
        return {"offers_next": False, "next_why": ""}
    taken = request.session.get(TAKEN) or {}
    holds = review.locked_by_id is not None and review.locked_by_id == user.person_id
    is_taken = holds and taken.get("review") == review.pk
    return {"offers_next": True, "next_why": taken.get("why", "") if is_taken else ""}


def skipped_ids(request: HttpRequest) -> list[int]:
    """What the reader has skipped today."""
    return [int(pk) for pk in _skipped(request)]


def _skipped(request: HttpRequest) -> dict[str, float]:
    """When each item was skipped (seconds since 1970), without those that are to be offered again."""
    since = timezone.now().timestamp() - SKIPPED_FOR
    kept: dict[str, float] = request.session.get(SKIPPED) or {}
    return {pk: at for pk, at in kept.items() if at > since}


def _review_id(request: HttpRequest, field: str) -> int | None:
    """The review's id in this field of the form; None for what is no id."""
    text = request.POST.get(field, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
