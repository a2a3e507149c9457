"""The list of open reviews: the first page."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import User
from core.markdown import to_html
from core.notices import get_notices
from reviews.choices import Square
from reviews.dashboard import get_dashboard, note_look
from reviews.forms import STATE_CHOICES
from reviews.selected import get_actions
from reviews.tables import column_headers

# The orders that one can choose besides the headings, and their words.
SORT_WORDS = {
    "best": "best for me first",
    "waiting": "longest wait first",
    "age": "oldest activity first",
    "submitted": "oldest submission first",
    "-age": "newest activity first",
    "-submitted": "newest submission first",
    "lines": "smallest change first",
}


@cache
def _style_sheet() -> str:
    """The style sheet's address, which another deploy changes."""
    return static("core/base.css")


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """The open reviews in groups. Answers 304 when what the reader has is up to date. With ``HX-Request`` only what
    changes is sent: the tabs, the notices and the rows."""
    now = timezone.now()
    user = request.user if isinstance(request.user, User) else None
    is_part = request.headers.get("HX-Request") == "true"
    query = request.GET
    if not query and user and user.queue_view:
        query = QueryDict(user.queue_view)  # they come back to where they were
    data = get_dashboard(query, user, now)
    if user and not is_part:
        note_look(user, data, now)
    etag = None
    if not len(get_messages(request)):
        reader = user and (user.pk, user.username, user.is_staff, user.is_reviewer)
        csrf_cookie = request.COOKIES.get(settings.CSRF_COOKIE_NAME, "")
        etag = f'"{data.fingerprint(now, reader, csrf_cookie, is_part, _style_sheet(), get_notices())}"'
    response = get_conditional_response(request, etag=etag) if etag else None
    if response is None:
        data.build_rows(now)
        context = {
            "dashboard": data,
            "team_text": to_html(data.team_text) if data.team_text else "",
            "headers": column_headers(query, data.sort, selectable=user is not None and user.is_reviewer),
            "actions": get_actions(),
            "states": [(state, word, state in query.getlist("state")) for state, word in STATE_CHOICES],
            "squares": Square.choices,
            "sorts": SORT_WORDS if data.sort in SORT_WORDS else {**SORT_WORDS, data.sort: f"by {_word(data.sort)}"},
        }
        response = render(request, "reviews/_list_part.html" if is_part else "reviews/dashboard.html", context)
    if etag:
        response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Cookie", "HX-Request"])
    return response


def _word(sort: str) -> str:
    name = sort.removeprefix("-")
    return f"{name}, reversed" if sort != name else name
