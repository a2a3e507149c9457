"""The Health page."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from reviewqueue.operations.health import check_all, overview

PATIENCE = 5.0  # seconds that the page waits for what lies outside


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def health(request: HttpRequest) -> HttpResponse:
    """Every check with its remedy, and the facts behind it. POST asks everything outside again."""
    if request.method == "POST":
        check_all(PATIENCE, fresh=True)
        messages.success(request, "Everything was looked at again.")
        return redirect("health")
    findings = check_all(PATIENCE)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "findings": findings,
        "problems": [(finding.name, problem) for finding in findings for problem in finding.problems],
        "unknown": [finding.name for finding in findings if not finding.known],
        "overview": overview(),
    }
    return render(request, "admin/health.html", context)
