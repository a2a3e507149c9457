"""The search as a page, and what it found as CSV, JSON and Atom."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import User
from core.db import QueryTooSlow
from reviews import exports
from reviews.chips import Chip
from reviews.filters import ReviewFilter
from reviews.models import Review, Series
from reviews.search import DEFAULT_SORT, TOO_SLOW, canonical_query, chips, common_searches, get_page
from reviews.tables import column_headers, page_link

EXPORT_FORMATS = ("csv", "json", "atom")
MAX_SERIES = 200  # that are offered


@require_safe
def search(request: HttpRequest) -> HttpResponseBase:
    """The search as a page; with ``format`` as CSV, JSON or Atom. Its URL is the search."""
    wanted = request.GET.get("format", "")
    if wanted in EXPORT_FORMATS:
        return _export(request, wanted)
    filters = ReviewFilter(request.GET, queryset=Review.objects.visible_to(request.user).newest_first())
    reviews = filters.results()
    by_text = bool(filters.form.cleaned_data.get("q"))
    query = canonical_query(request.GET)
    page, slow = None, ""
    try:
        page = get_page(reviews, request.GET.get("page", ""), timezone.now(), by_text=by_text)
    except QueryTooSlow:
        slow = TOO_SLOW
    narrowed = any(name != "sort" for name in query)
    is_part = request.headers.get("HX-Request") == "true"  # asked for by search.js: what was found, and no form
    context = {
        "is_part": is_part,
        "common": [] if narrowed or is_part else _common_searches(request, filters),
        "form": filters.form,
        "chips": chips(query, filters.form.errors),
        # Folded once there are results: what is set stands above them.
        "is_form_open": not narrowed or bool(filters.form.errors) or page is None or not page.object_list,
        "page": page,
        "slow": slow,
        "headers": column_headers(query, filters.form.cleaned_data.get("sort") or DEFAULT_SORT),
        "link": page_link(query),
        "narrowed": narrowed,
        "max_csv_rows": exports.MAX_CSV_ROWS,
        "max_json_objects": exports.MAX_JSON_OBJECTS,
        "max_feed_entries": exports.MAX_FEED_ENTRIES,
        "unknown_format": wanted,
        "series": Series.objects.order_by("name").values_list("name", flat=True).distinct()[:MAX_SERIES],
    }
    response = render(request, "reviews/_found.html" if is_part else "reviews/search.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _common_searches(request: HttpRequest, filters: ReviewFilter) -> list[Chip]:
    """What is offered to this reader before they have asked for anything."""
    field = filters.form.fields["substrate"]
    field.choices = list(field.choices)  # read once, also for the form
    user = request.user
    person = user.person if isinstance(user, User) and user.is_reviewer else None
    return common_searches(
        [name for name, _ in field.choices], person.username if person else "", timezone.now().date()
    )


def _export(request: HttpRequest, wanted: str) -> HttpResponseBase:
    """A program is told what is not valid rather than given more than it asked for."""
    filters = ReviewFilter(request.GET, queryset=Review.objects.visible_to(request.user).newest_first())
    reviews = filters.results()
    if filters.form.errors:
        return JsonResponse(filters.form.errors, status=400)
    try:
        if wanted == "csv":
            return exports.csv_response(reviews)
        if wanted == "json":
            return exports.json_response(reviews)
        return exports.atom_response(reviews, canonical_query(request.GET).urlencode())
    except QueryTooSlow:
        return JsonResponse({"detail": TOO_SLOW}, status=503)
