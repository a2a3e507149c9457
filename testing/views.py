"""Launching tests from a review's page."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from reviews.models import Review
from reviews.views import reviewer
from testing.hints import hint
from testing.models import Substrate
from testing.runs import NotAllowed, launch_runs
from testing.tasks import sweep_test_runs


@require_POST
@login_required
def launch(request: HttpRequest, pk: int) -> HttpResponse:
    """Test the review on the substrates that were ticked."""
    user = reviewer(request)
    review = get_object_or_404(Review, pk=pk)
    names = request.POST.getlist("substrates")
    substrates = list(Substrate.objects.filter(active=True))
    chosen = substrates if "all" in names else [substrate for substrate in substrates if substrate.name in names]
    if not chosen:
        messages.error(request, "Nothing was launched: tick at least one substrate.")
        return redirect("review", pk=pk)
    try:
        result = launch_runs(review, chosen, user.as_person())
    except NotAllowed as reason:
        messages.error(request, str(reason))
        return redirect("review", pk=pk)
    if result.launched:
        hint(sweep_test_runs)
        messages.success(request, f"Launched on {', '.join(run.substrate.name for run in result.launched)}.")
    if result.already:
        names = [run.substrate.name for run in result.already]
        messages.info(request, f"Already under way on {', '.join(names)}.")
    return redirect("review", pk=pk)
