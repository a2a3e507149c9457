"""The page of one test."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviews.models import Review
from testing.choices import TestOutcome
from testing.history import get_history, results_of
from testing.models import TestResult

PAGE_SIZE = 50
MAX_NAME = 255  # characters: no test is called longer
FILTERS = ("test", "suite", "substrate", "outcome", "item")


@require_safe
def test_history(request: HttpRequest) -> HttpResponse:
    """How one test went on items, revisions, substrates and targets. Five queries, however often it ran."""
    name, suite = request.GET.get("test", ""), request.GET.get("suite")
    if not name or len(name) > MAX_NAME or "\0" in name + (suite or ""):
        raise Http404("Name a test.")
    substrate, outcome, item = (request.GET.get(key, "") for key in ("substrate", "outcome", "item"))
    results = results_of(request.user, name, suite)
    if substrate and "\0" not in substrate:
        results = results.filter(run__substrate__name=substrate)
    review = _item(request, item)
    if review:
        results = results.filter(run__review=review)
    history = get_history(results)
    if not history.results and not (substrate or review):
        raise Http404("No result of this test is known.")
    outcome = outcome if outcome in TestOutcome.values else ""
    chosen = [result for result in history.results if outcome in ("", result.outcome)]
    page = Paginator(chosen, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = TestResult.objects.filter(pk__in=[result.pk for result in page]).defer("output")
    rows = rows.select_related("run__review", "run__substrate", "run__baseline", "run__compared_with")
    shown = sorted(rows, key=lambda result: (-result.run_id, result.position))
    context = {
        "test": name,
        "suite": suite,
        "history": history,
        "substrate": substrate,
        "outcome": outcome,
        "outcomes": [(value, label, _link(request, outcome=value)) for value, label in TestOutcome.choices],
        "all_outcomes": _link(request, outcome=""),
        "review": review,
        "everywhere": _link(request, substrate="", item="", outcome=""),
        "substrates": [(each, strip, _link(request, substrate=each)) for each, strip in history.strips],
        "page": page,
        "results": shown,
        "link": f"{_link(request)}&page=",
    }
    return render(request, "testing/test_history.html", context)


def _item(request: HttpRequest, number: str) -> Review | None:
    """The item that the page is narrowed to. Raises Http404 for one that this reader can't see."""
    if not number:
        return None
    if not number.isdecimal() or len(number) > 18:
        raise Http404("No such item.")
    review: Review | None = Review.objects.visible_to(request.user).filter(pk=int(number)).first()
    if review is None:
        raise Http404("No such item.")
    return review


def _link(request: HttpRequest, **changed: str) -> str:
    """The address of this page with other filters, on its first page."""
    query = QueryDict(mutable=True)
    for name in FILTERS:
        value = changed.get(name, request.GET.get(name, ""))
        if value or (name == "suite" and "suite" in request.GET):
            query[name] = value
    return f"?{query.urlencode()}"
