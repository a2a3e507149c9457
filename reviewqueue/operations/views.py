"""The Health page."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from reviewqueue.operations.health import check_all, get_overview

TIMEOUT_SECONDS = 5.0  # that the page waits for what is asked outside


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def health(request: HttpRequest) -> HttpResponse:
    """Every check with its remedy, and the facts behind it. POST asks Launchpad, Jenkins and the broker again."""
    if request.method == "POST":
        check_all(TIMEOUT_SECONDS, fresh=True)
        messages.success(request, "Everything was checked again.")
        return redirect("health")
    findings = check_all(TIMEOUT_SECONDS)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "findings": findings,
        "problems": [(finding.name, problem) for finding in findings for problem in finding.problems],
        "unknown": [finding.name for finding in findings if not finding.known],
        "overview": get_overview(request.user),
    }
    return render(request, "admin/health.html", context)
