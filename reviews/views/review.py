"""The pages of one review, and what its readers do there: lock, unlock, refresh."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.permissions import require_reviewer, require_reviewer_or_staff
from reviews.change import Change
from reviews.choices import Actor
from reviews.dashboard import remembered_group
from reviews.locks import LockedByOther, NotInQueue, lock, unlock
from reviews.managers import ReviewQuerySet
from reviews.models import Review, TestsWaitFor
from reviews.panels import Place, panel_versions, render_panels
from reviews.refresh import request_refresh
from reviews.starting import missing_trust
from reviews.tables import votes
from reviews.texts import missing_notice, trust_words, why_tests_wait
from reviews.timeline import Order, get_history, get_recent
from reviews.trust import NotPossible, allow_tests, trust
from reviews.turns import todo, whose_turn
from reviews.views.next_item import next_context
from reviews.visits import note_visit

BUG_NUMBER = re.compile(r"/(?:\+?bugs?/)?([0-9]{1,18})/?$")  # at the end of a bug's address

View = Callable[..., HttpResponse]


def review_button(view: View) -> View:
    """For a view behind a button of a review's page. Visitors log in first and come back to that page; a GET, as of
    somebody who opens the address by hand, leads to that page too."""

    @wraps(view)
    def wrapped(request: HttpRequest, pk: int, **more: Any) -> HttpResponse:
        page = reverse("review", args=[pk])
        if not request.user.is_authenticated:
            return redirect_to_login(page)
        return view(request, pk, **more) if request.method == "POST" else redirect(page)

    return wrapped


@dataclass(frozen=True)
class Tab:
    """A part of an item with an address of its own. ``note`` says in a few words what is in it."""

    slug: str
    label: str
    url: str
    note: str


EVERYWHERE = (Place.ACTIONS, Place.SIDE)  # places of panels that every tab has
ORDER_COOKIE = "timeline-order"

# Slug, label, name of the address.
TABS = (
    ("overview", "Overview", "review"),
    ("diff", "Diff", "review-diff"),
    ("tests", "Tests", "review-tests"),
    ("history", "History", "review-history"),
)


@require_safe
def review_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The overview of one review: the sentence, the change, its newest runs, the newest of its timeline."""
    places = (*EVERYWHERE, Place.OVERVIEW, Place.ANSWER)
    review = find_review(request, pk)
    if unchanged := not_modified(request, review, places):
        return unchanged
    context = review_context(request, review, "overview", places)
    order = reading_order(request)
    context |= {"timeline": get_recent(review, order), "orders": Order.choices}
    return render_review(request, "reviews/review.html", context)


@require_safe
def review_tests(request: HttpRequest, pk: int) -> HttpResponse:
    """All test runs of one review."""
    places = (*EVERYWHERE, Place.TESTS)
    review = find_review(request, pk)
    if unchanged := not_modified(request, review, places):
        return unchanged
    return render_review(request, "reviews/review_tests.html", review_context(request, review, "tests", places))


@require_safe
def review_history(request: HttpRequest, pk: int) -> HttpResponse:
    """All comments on one review and all that happened to it, page by page."""
    review = find_review(request, pk)
    if unchanged := not_modified(request, review, EVERYWHERE):
        return unchanged
    context = review_context(request, review, "history", EVERYWHERE)
    timeline, page = get_history(review, reading_order(request), request.GET.get("page", "1"))
    context |= {"timeline": timeline, "orders": Order.choices, "page": page}
    return render_review(request, "reviews/review_history.html", context)


def find_review(request: HttpRequest, pk: int) -> Review:
    """The review for a page about it. Raises Http404 for what this reader may not know of. One query."""
    reviews = Review.objects.visible_to(request.user).for_rows().with_prerequisite(request.user).with_stamps()
    if isinstance(request.user, User):
        reviews = reviews.with_visit(request.user)
    review: Review = get_object_or_404(reviews, pk=pk)
    return review


def review_context(
    request: HttpRequest, review: Review, tab: str, places: tuple[str, ...], *, is_wide: bool = False
) -> dict[str, Any]:
    """What ``reviews/review_base.html`` needs, which each page about a review extends: what stands above the tabs and
    beside them, and the panels of these places. No query besides those of the panels and of ``reviews.change.Change``,
    but for one where the reader has not seen the last change, and for reviewers two where tests wait for permission.
    ``review`` is of ``find_review``.

    ``is_wide``: a page that needs its width and its queries for itself, without the narrow column; it does
    not keep itself fresh.
    """
    user = request.user if isinstance(request.user, User) else None
    now = timezone.now()
    change = Change(review, user)
    asked = [] if is_wide or review.next_actor != Actor.REVIEWER else change.asked_of_reader
    panels = render_panels(request, review, places)
    if user is not None and not is_wide:
        note_visit(user, review, now)
    return {
        "layout": "reviews/parts_only.html" if is_refresh(request) and not is_wide else "base.html",
        "version": "" if is_wide else _version(request, review, panels.versions),
        "is_wide": is_wide,
        "review": review,
        "tab": tab,
        "tabs": review_tabs(review),
        "whose_turn": whose_turn(review, user),
        "turn_reason": "; ".join([*asked, f"{review.next_reason}."]),
        "duplicate": None if is_wide else _duplicate(review, user),
        "missing": missing_notice(review, now),
        **({} if is_wide else _missing_trust(review, user)),
        **next_context(request, review),
        "votes": votes(review.positive_votes, review.negative_votes),
        "change": change,
        "expected": todo(review.turn),
        "panels": panels.html,
        "scripts": panels.scripts,
        "styles": panels.styles,
        "list_name": remembered_group(user).name if review.is_open and review.is_in_queue else "",
        "next_check_at": review.due_at if review.due_at > now else None,
        "may_review": user is not None and user.is_reviewer,
        "is_submitter": user is not None and user.person_id == review.owner_id,
        "holds_lock": user is not None and review.locked_by_id is not None and review.locked_by_id == user.person_id,
    }


def is_refresh(request: HttpRequest) -> bool:
    """Whether a page that is open asks for what changed on it (static/reviews/review.js)."""
    return request.headers.get("HX-Request") == "true"


def not_modified(request: HttpRequest, review: Review, places: tuple[str, ...]) -> HttpResponse | None:
    """The answer to a page that asks whether something changed on it, when nothing did; one query for each panel that
    has a version."""
    if not is_refresh(request):
        return None
    etag = f'"{_version(request, review, panel_versions(request, review, places))}"'
    answer: HttpResponse | None = get_conditional_response(request, etag=etag)
    return answer


def render_review(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page, or to a page that is open only the parts of it that change; it remembers the order that was chosen."""
    answer = render(request, template, context)
    if is_refresh(request):
        answer["ETag"] = f'"{context["version"]}"'
    patch_vary_headers(answer, ["HX-Request"])
    if request.GET.get("order") in Order.values:
        answer.set_cookie(
            ORDER_COOKIE, request.GET["order"], max_age=365 * 86400, httponly=True, samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )  # fmt: skip
    return answer


def reading_order(request: HttpRequest) -> str:
    """How this reader likes to read a timeline: as chosen now, or the last time."""
    chosen = [request.GET.get("order"), request.COOKIES.get(ORDER_COOKIE)]
    return next((order for order in chosen if order in Order.values), Order.NEWEST)


def _version(request: HttpRequest, review: Review, panels: list[str]) -> str:
    """Changes whenever something does that a page about the review shows to this reader, but for the ages on it."""
    user = request.user if isinstance(request.user, User) else None
    facts = (
        [getattr(review, column.attname) for column in Review._meta.concrete_fields],
        (getattr(review, "comment_stamp", ""), getattr(review, "event_stamp", "")),
        user and (user.pk, user.person_id, user.is_staff, user.is_reviewer),
        (request.GET.urlencode(), reading_order(request)),
        panels,
    )
    return sha256(repr(facts).encode()).hexdigest()[:32]


def review_tabs(review: Review) -> list[Tab]:
    """The tabs of a review's page. Costs no query."""
    notes = {"tests": str(len(review.marks) or "")}
    if review.lines_added is not None and review.lines_removed is not None:
        notes["diff"] = f"+{review.lines_added} −{review.lines_removed}"
    return [
        Tab(slug, label, reverse(name, args=[review.pk]), notes.get(slug, ""))
        for slug, label, name in TABS
        if slug != "diff" or review.kind == Review.Kind.UPDATE
    ]


def _missing_trust(review: Review, user: User | None) -> dict[str, Any]:
    """For reviewers, where tests wait for permission: whose trust is missing, in words, and whom they can trust."""
    if user is None or not user.is_reviewer or not review.is_in_queue:
        return {}
    if review.tests_wait_for != TestsWaitFor.PERMISSION:
        return {}
    missing = missing_trust(review)
    people = [person for person in missing.values() if person and not person.is_hidden and not person.is_team]
    return {"untrusted": trust_words(missing) or "Its code is not trusted", "trustable": people}


def _duplicate(review: Review, user: User | None) -> Review | None:
    """The review of the bug that this one is a duplicate of, if this reader may know of it. One query if it is one."""
    number = BUG_NUMBER.search(review.duplicate_of)
    if not number:
        return None
    others: ReviewQuerySet = Review.objects.visible_to(user).exclude(pk=review.pk)
    return others.filter(kind=Review.Kind.NEW, number=int(number[1])).first()


def _back(request: HttpRequest, review: Review) -> HttpResponse:
    """To the list that the button was pressed in, at the review's row; else to the review's page."""
    before = request.POST.get("next", "")
    if before and url_has_allowed_host_and_scheme(before, {request.get_host()}, require_https=request.is_secure()):
        return redirect(f"{before.partition('#')[0]}#r{review.pk}")
    return redirect(review)


@review_button
def lock_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim the review."""
    user = require_reviewer(request)
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    try:
        lock(review.pk, user.as_person())
    except LockedByOther as other:
        messages.error(request, f"Not locked: {other.holder} was faster.")
    except NotInQueue as reason:
        messages.error(request, f"Not locked. {reason}")
    return _back(request, review)


@review_button
def unlock_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the review back; staff may release another's lock."""
    user = require_reviewer_or_staff(request)
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    try:
        unlock(review.pk, user.as_person(), force=user.is_staff)
    except LockedByOther as other:
        messages.error(request, f"Not released: {other.holder} holds the lock. Staff can release it.")
    return _back(request, review)


@review_button
def refresh_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Staff: ask Launchpad about it now instead of when it is due."""
    user = request.user
    if not isinstance(user, User) or not user.is_staff:
        raise PermissionDenied("Only staff can refresh a review. It is refreshed by itself when it is due.")
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    request_refresh([review], user.as_person())
    messages.success(request, "Launchpad is being asked. Reload the page in a few seconds.")
    return redirect(review)


@review_button
def allow_review_tests(request: HttpRequest, pk: int) -> HttpResponse:
    """Test this revision once: the one that the page showed, and no newer one."""
    user = require_reviewer(request)
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    try:
        allow_tests(review.pk, request.POST.get("revision", ""), actor=user.as_person())
    except NotPossible as reason:
        messages.error(request, str(reason))
    else:
        review.refresh_from_db()
        messages.success(request, f"This revision may be tested. {why_tests_wait(review, timezone.now())}".strip())
    return redirect(review)


@review_button
def trust_submitter(request: HttpRequest, pk: int) -> HttpResponse:
    """Trust from now on the one that the button named, whose code this is: the submitter, if it named nobody."""
    user = require_reviewer(request)
    review = get_object_or_404(Review.objects.visible_to(request.user).for_rows(), pk=pk)
    whose = [person for person in (review.owner, review.code_owner, review.prerequisite_owner) if person]
    name = request.POST.get("person", review.owner.username)
    person = next((one for one in whose if one.username == name), None)
    if person is None:
        messages.error(request, "Nobody was trusted: it is somebody else's code by now. Look at it again.")
        return redirect(review)
    try:
        trust(person, actor=user.as_person())
        messages.success(request, f"{person} is trusted from now on.")
    except NotPossible as reason:
        messages.error(request, str(reason))
    return redirect(review)
