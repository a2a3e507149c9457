"""The search as a page, and what it found as CSV, JSON and Atom."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.db import TooSlow
from reviews import exports
from reviews.models import Series
from reviews.search import DEFAULT_SORT, SLOW, asked, page_of, tidy
from reviews.tables import heads_of

FORMATS = ("csv", "json", "atom")
MOST_SERIES = 200


@require_safe
def search(request: HttpRequest) -> HttpResponseBase:
    """The search as a page; with ``format`` as CSV, JSON or Atom. Its URL is the search."""
    wanted = request.GET.get("format", "")
    if wanted in FORMATS:
        return _export(request, wanted)
    found = asked(request.GET)
    kept = tidy(request.GET)
    reviews = found.usable()
    sort = found.form.cleaned_data.get("sort") or DEFAULT_SORT
    page, slow = None, ""
    try:
        by_text = bool(found.form.cleaned_data.get("q"))
        page = page_of(reviews, request.GET.get("page", ""), timezone.now(), by_text=by_text)
    except TooSlow:
        slow = SLOW
    context = {
        "form": found.form,
        "problems": len(found.form.errors),
        "page": page,
        "slow": slow,
        "heads": heads_of(kept, sort),
        "sort": kept.get("sort", ""),
        "query": kept.urlencode(),
        "link": "?" + kept.urlencode() + ("&" if kept else ""),
        "narrowed": any(name != "sort" for name in kept),
        "most_lines": exports.MOST_LINES,
        "most_objects": exports.MOST_OBJECTS,
        "unknown_format": wanted,
        "series": Series.objects.order_by("name").values_list("name", flat=True).distinct()[:MOST_SERIES],
    }
    return render(request, "reviews/search.html", context)


def _export(request: HttpRequest, wanted: str) -> HttpResponseBase:
    """A program is told what makes no sense rather than given more than it asked for."""
    found = asked(request.GET)
    reviews = found.usable()
    if found.form.errors:
        return JsonResponse(found.form.errors, status=400)
    try:
        if wanted == "csv":
            return exports.as_csv(reviews)
        if wanted == "json":
            return exports.as_json(reviews)
        return exports.as_atom(reviews, tidy(request.GET).urlencode())
    except TooSlow:
        return JsonResponse({"detail": SLOW}, status=503)
