"""The pages of the line: dashboard, review, lock and unlock."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from reviews.filters import SORTS, sorted_by
from reviews.locks import LockedByOther, lock, unlock
from reviews.models import INCOMING_STATES, REVIEWING_STATES, Comment, Event, Review, Source, User
from reviews.rows import EXPLANATIONS, SQUARE_CELLS, heads_of, rows_of

PAGE = 100
TIMELINE = 500  # newest entries of either sort that a review page shows


def reviewer(request: HttpRequest) -> User:
    """The reviewer who asks. Raises PermissionDenied, in words, for anybody else."""
    user = request.user
    if not isinstance(user, User) or not user.is_reviewer:
        raise PermissionDenied("Only reviewers can do this. Reviewers are the members of the reviewer team.")
    return user


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """What waits for review, oldest activity first: *Incoming* and *Reviews*."""
    sort = request.GET.get("sort", "age")
    if sort.removeprefix("-") not in SORTS:
        sort = "age"
    order = sorted_by(Review.objects.all(), sort)
    now = timezone.now()
    sections = [
        ("Incoming", Paginator(order.filter(state__in=INCOMING_STATES), PAGE).get_page(request.GET.get("incoming"))),
        ("Reviews", Paginator(order.filter(state__in=REVIEWING_STATES), PAGE).get_page(request.GET.get("reviews"))),
    ]
    context: dict[str, Any] = {
        "sections": [(name, name.lower(), page, rows_of(page.object_list, now)) for name, page in sections],
        "heads": heads_of(request.GET, sort),
        "sort": sort,
        "sources": list(Source.objects.filter(active=True)),
    }
    return render(request, "reviews/dashboard.html", context)


@require_GET
def review_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One review: the sentence, its runs, its timeline."""
    review = get_object_or_404(Review.objects.for_rows(), pk=pk)
    events = review.events.select_related("actor").order_by("-at")[:TIMELINE]
    comments = review.comments.select_related("author").order_by("-created_at")[:TIMELINE]
    timeline: list[tuple[str, datetime, Event | Comment]] = [("event", event.at, event) for event in events]
    timeline += [("comment", comment.created_at, comment) for comment in comments]
    timeline.sort(key=lambda entry: entry[1], reverse=True)
    user = request.user if isinstance(request.user, User) else None
    may_review = user is not None and user.is_reviewer
    context = {
        "review": review,
        "explanation": EXPLANATIONS[review.state],
        "square": SQUARE_CELLS[review.square],
        "timeline": timeline,
        "may_review": may_review,
        "holds_lock": user is not None and review.locked_by_id is not None and review.locked_by_id == user.person_id,
    }
    return render(request, "reviews/review.html", context)


@require_POST
@login_required
def lock_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim the review."""
    user = reviewer(request)
    review = get_object_or_404(Review, pk=pk)
    try:
        lock(review.pk, user.as_person())
    except LockedByOther as other:
        messages.error(request, f"Not locked: {other.holder} was faster.")
    return redirect("review", pk=pk)


@require_POST
@login_required
def unlock_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the review back; staff may release another's lock."""
    user = reviewer(request)
    review = get_object_or_404(Review, pk=pk)
    try:
        unlock(review.pk, user.as_person(), force=user.is_staff)
    except LockedByOther as other:
        messages.error(request, f"Not released: {other.holder} holds the lock. Staff can release it.")
    return redirect("review", pk=pk)
