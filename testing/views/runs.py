"""A review's test runs on pages: one run, one single test, launching."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.permissions import require_reviewer
from reviews.models import Review
from testing.evidence import get_evidence
from testing.models import Substrate, TestOutcome, TestRun
from testing.runs import LaunchResult, NotAllowed, launch_runs, repeat_failed
from testing.tables import build_results, build_row, may_launch
from testing.views.targets import single_test_context

PAGE_SIZE = 200  # single tests


@require_http_methods(["GET", "HEAD", "POST"])
def test_runs(request: HttpRequest, pk: int) -> HttpResponse:
    """A review's test runs. GET: the page of all of them. POST: launch more."""
    return launch(request, pk) if request.method == "POST" else redirect("review-tests", pk=pk)


def launch(request: HttpRequest, pk: int) -> HttpResponse:
    """Test the review on the substrates that were ticked."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("review", args=[pk]))
    user = require_reviewer(request)
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    names = request.POST.getlist("substrates")
    substrates = list(Substrate.objects.filter(active=True))
    chosen = substrates if "all" in names else [substrate for substrate in substrates if substrate.name in names]
    if not chosen:
        messages.error(request, "Nothing was launched: tick at least one substrate.")
        return redirect(tests_of(review))
    try:
        tell(request, launch_runs(review, chosen, user.as_person(), request.POST.get("revision")))
    except NotAllowed as reason:
        messages.error(request, str(reason))
    return redirect(tests_of(review))


@require_POST
def repeat_run(request: HttpRequest, pk: int, run_pk: int) -> HttpResponse:
    """*Run again*: a new run of the current revision on the same substrate."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("review", args=[pk]))
    user = require_reviewer(request)
    runs = TestRun.objects.visible_to(request.user).select_related("review", "substrate")
    run = get_object_or_404(runs, pk=run_pk, review_id=pk)
    try:
        tell(request, launch_runs(run.item, [run.substrate], user.as_person(), request.POST.get("revision")))
    except NotAllowed as reason:
        messages.error(request, str(reason))
    return redirect(tests_of(run.item))


@require_POST
def repeat_failed_runs(request: HttpRequest, pk: int) -> HttpResponse:
    """*Run again what failed*: a new run on each substrate where the current revision failed or was cancelled."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("review", args=[pk]))
    user = require_reviewer(request)
    review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
    try:
        result = repeat_failed(review, user.as_person(), request.POST.get("revision"))
    except NotAllowed as reason:
        messages.error(request, str(reason))
    else:
        tell(request, result)
        if not result.launched:
            messages.info(request, "Nothing was launched: what failed is under way again, or has passed since.")
    return redirect(tests_of(review))


def tests_of(review: Review) -> str:
    """Where a review's page shows its tests."""
    return f"{review.get_absolute_url()}#tests"


def tell(request: HttpRequest, result: LaunchResult) -> None:
    """Say what was launched, and what was under way already."""
    if result.launched:
        messages.success(request, f"Launched on {', '.join(run.substrate.name for run in result.launched)}.")
    if result.already:
        messages.info(request, f"Already under way on {', '.join(run.substrate.name for run in result.already)}.")


@require_safe
def test_run(request: HttpRequest, pk: int, run_pk: int) -> HttpResponse:
    """One run: its attempts, and its single tests in their order, all or those of one outcome."""
    runs = TestRun.objects.visible_to(request.user).with_test_counts()
    run = get_object_or_404(
        runs.select_related(
            "review__owner", "review__source", "substrate", "requested_by", "job__server", "compared_with"
        ),
        pk=run_pk,
        review_id=pk,
    )
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in TestOutcome.values else ""
    results = run.results.with_outcome(outcome).defer("output").order_by("position")
    page = Paginator(results, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "review": run.review,
        "row": build_row(run, run.item, run.attempts.all(), []),
        "page": page,
        "results": build_results(page, [run]),
        "outcome": outcome,
        "outcomes": TestOutcome.choices,
        "may_launch": may_launch(request.user, run.item),
    }
    return render(request, "testing/run.html", context)


@require_safe
def single_test(request: HttpRequest, pk: int, run_pk: int, position: int) -> HttpResponse:
    """One single test with its output."""
    runs = TestRun.objects.visible_to(request.user).select_related("review", "substrate", "compared_with")
    run = get_object_or_404(runs, pk=run_pk, review_id=pk)
    result = get_object_or_404(run.results.all(), position=position)
    result.run = run
    context = {
        "review": run.review,
        "outdated": run.outdated,
        "evidence": get_evidence([result], {run.pk: run}).get(result.pk),
        **single_test_context(result),
    }
    return render(request, "testing/single_test.html", context)
