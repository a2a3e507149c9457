"""Pages of the targets that are tested by themselves (docs/specification.md, section 5)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from reviews.models import Source
from testing.evidence import history_url
from testing.models import Baseline, TestOutcome, TestResult, TestRun
from testing.tables import RunRow, build_target_results, build_target_row

PAGE_SIZE = 50  # targets
MAX_RUNS = 50  # of a target that its page shows
RESULTS_PAGE_SIZE = 200  # single tests


@require_safe
def targets(request: HttpRequest) -> HttpResponse:
    """All tested targets, with the newest run on each substrate. Five queries, however many there are."""
    rows = Baseline.objects.filter(source__active=True).select_related("source").order_by("name", "pk")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    place = Window(RowNumber(), partition_by=[F("baseline_id"), F("substrate_id")], order_by="-id")
    newest = TestRun.objects.filter(baseline__in=[target.pk for target in page]).order_by().annotate(place=place)
    runs = TestRun.objects.filter(pk__in=newest.filter(place=1).values("pk"))
    by_target: dict[int | None, list[RunRow]] = defaultdict(list)
    for run in runs.with_test_counts().select_related("substrate").order_by("substrate__order", "substrate__name"):
        by_target[run.baseline_id].append(build_target_row(run))
    context = {
        "page": page,
        "rows": [(target, by_target[target.pk]) for target in page],
        "sources": list(Source.objects.active().filter(tests_targets=True)),
    }
    return render(request, "testing/targets.html", context)


@require_safe
def target(request: HttpRequest, pk: int) -> HttpResponse:
    """One target and its newest runs."""
    baseline = get_object_or_404(Baseline.objects.select_related("source"), pk=pk)
    runs = baseline.runs.with_test_counts().select_related("substrate", "job__server").newest_first()[:MAX_RUNS]
    context = {"target": baseline, "rows": [build_target_row(run) for run in runs], "most": MAX_RUNS}
    return render(request, "testing/target.html", context)


@require_safe
def target_run(request: HttpRequest, pk: int, run_pk: int) -> HttpResponse:
    """One run of a target: its attempts, and its single tests, all or those of one outcome."""
    runs = TestRun.objects.with_test_counts().select_related("baseline__source", "substrate", "job__server")
    run = get_object_or_404(runs, pk=run_pk, baseline_id=pk)
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in TestOutcome.values else ""
    results = run.results.with_outcome(outcome).defer("output").order_by("position")
    page = Paginator(results, RESULTS_PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "target": run.baseline,
        "row": build_target_row(run, run.attempts.all()),
        "page": page,
        "results": build_target_results(page, pk),
        "outcome": outcome,
        "outcomes": TestOutcome.choices,
    }
    return render(request, "testing/target_run.html", context)


@require_safe
def target_test(request: HttpRequest, pk: int, run_pk: int, position: int) -> HttpResponse:
    """One single test of a target's run, with its output."""
    results = TestResult.objects.filter(run=run_pk, run__baseline=pk)
    result = get_object_or_404(results.select_related("run__baseline", "run__substrate"), position=position)
    return render(request, "testing/single_test.html", {"target": result.run.baseline, **single_test_context(result)})


def single_test_context(result: TestResult) -> dict[str, Any]:
    """What the page of one single test shows, whatever it tested."""
    places = TestResult.objects.filter(run=result.run_id).order_by("position").values_list("position", flat=True)
    return {
        "result": result,
        "before": places.filter(position__lt=result.position).last(),
        "after": places.filter(position__gt=result.position).first(),
        "history": history_url(result.test, result.suite),
    }
