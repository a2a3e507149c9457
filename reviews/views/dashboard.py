"""The pages of the line. That of one review is in ``reviews.views.review``."""

from functools import cache
from urllib.parse import quote

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import User
from reviews.dashboard import STATE_CHOICES, line_of
from reviews.filters import SORTS
from reviews.tables import heads_of, person_path


@cache
def _style() -> str:
    """The style sheet's address, which another deploy changes."""
    return static("core/base.css")


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """What waits for review, oldest activity first. Answers 304 when the reader's page is still true."""
    now = timezone.now()
    user = request.user if isinstance(request.user, User) else None
    line = line_of(request.GET, user, now)
    page = request.COOKIES.get(settings.CSRF_COOKIE_NAME, "") + _style()
    tag = None if len(get_messages(request)) else line.tag(user, page, now)
    response = get_conditional_response(request, etag=tag) if tag else None
    if response is None:
        line.fill_rows(now)
        context = {
            "line": line,
            "heads": heads_of(request.GET, line.sort),
            "states": [(state, word, state in request.GET.getlist("state")) for state, word in STATE_CHOICES],
            "sorts": SORTS,
        }
        response = render(request, "reviews/dashboard.html", context)
    if tag:
        response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response


@require_safe
def old_person(request: HttpRequest, username: str) -> HttpResponse:
    """The person page's old path."""
    return redirect(f"{person_path()}{quote(username, safe='')}/", permanent=True)
