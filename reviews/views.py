"""The pages of the line: dashboard, review, lock and unlock."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from reviews.locks import LockedByOther, lock, unlock
from reviews.models import INCOMING_STATES, REVIEWING_STATES, Comment, Event, Review, Source, User

PAGE = 100
TIMELINE = 500  # newest entries of either sort that a review page shows

SORTS: dict[str, tuple[str, ...]] = {
    "age": ("updated_at", "id"),
    "state": ("state", "updated_at", "id"),
    "title": ("title", "id"),
    "submitter": ("owner__username", "updated_at", "id"),
    "votes": ("-positive_votes", "negative_votes", "id"),
    "square": ("square", "updated_at", "id"),
    "lock": ("locked_at", "updated_at", "id"),
}

EXPLANATIONS: dict[str, str] = {
    "new": "Nobody has looked at it yet.",
    "pending": "It waits for a reviewer.",
    "reviewed": "It was reviewed; the submitter has to answer.",
    "in-progress": "The submitter is working on it.",
    "follow-up": "The submitter has answered; a reviewer has to look again.",
    "ready": "It is approved and waits to be merged.",
    "merged": "It is merged.",
    "closed": "It is done.",
    "abandoned": "Nobody works on it any more.",
}


def reviewer(request: HttpRequest) -> User:
    """The reviewer who asks. Raises PermissionDenied, in words, for anybody else."""
    user = request.user
    if not isinstance(user, User) or not user.is_reviewer:
        raise PermissionDenied("Only reviewers can do this. Reviewers are the members of the reviewer team.")
    return user


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """What waits for review, oldest activity first: *Incoming* and *Reviews*."""
    asked = request.GET.get("sort", "age")
    sort = asked.lstrip("-") if asked.lstrip("-") in SORTS else "age"
    order = Review.objects.for_rows().order_by(*SORTS[sort])
    if asked.startswith("-"):
        order = order.reverse()
    sections = [
        ("Incoming", Paginator(order.filter(state__in=INCOMING_STATES), PAGE).get_page(request.GET.get("incoming"))),
        ("Reviews", Paginator(order.filter(state__in=REVIEWING_STATES), PAGE).get_page(request.GET.get("reviews"))),
    ]
    context: dict[str, Any] = {
        "sections": [(name, name.lower(), page) for name, page in sections],
        "explanations": EXPLANATIONS,
        "sort": asked if sort != "age" or asked.startswith("-") else "age",
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
