"""The dashboard."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import User
from core.notices import get_notices
from reviews.dashboard import get_dashboard
from reviews.forms import STATE_CHOICES
from reviews.managers import SORTS
from reviews.tables import column_headers


@cache
def _style_sheet() -> str:
    """The style sheet's address, which another deploy changes."""
    return static("core/base.css")


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """What waits for review, oldest activity first. Answers 304 when the page that the reader has is up to date."""
    now = timezone.now()
    user = request.user if isinstance(request.user, User) else None
    data = get_dashboard(request.GET, user, now)
    etag = None
    if not len(get_messages(request)):
        reader = user and (user.pk, user.username, user.is_staff, user.is_reviewer)
        csrf_cookie = request.COOKIES.get(settings.CSRF_COOKIE_NAME, "")
        etag = f'"{data.fingerprint(now, reader, csrf_cookie, _style_sheet(), get_notices())}"'
    response = get_conditional_response(request, etag=etag) if etag else None
    if response is None:
        data.build_rows(now)
        context = {
            "dashboard": data,
            "headers": column_headers(request.GET, data.sort),
            "states": [(state, word, state in request.GET.getlist("state")) for state, word in STATE_CHOICES],
            "sorts": SORTS,
        }
        response = render(request, "reviews/dashboard.html", context)
    if etag:
        response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response
