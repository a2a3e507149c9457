"""The pages of the line. That of one review is in ``reviews.review_page``."""

from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from reviews.filters import SORTS, sorted_by
from reviews.models import INCOMING_STATES, REVIEWING_STATES, Review, Source, User
from reviews.rows import heads_of, person_path, rows_of

PAGE = 100


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
def old_person(request: HttpRequest, username: str) -> HttpResponse:
    """The person page's old path."""
    return redirect(f"{person_path()}{quote(username, safe='')}/", permanent=True)
