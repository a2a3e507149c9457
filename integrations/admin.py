"""Imports in the admin: reports, *import now*, *refresh from Launchpad*, *run default tests*."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.models import ImportReport
from integrations.tasks import import_from_launchpad, refresh_review
from reviews.admin import ReadOnly
from reviews.models import Review, Source
from testing.hints import hint
from testing.runs import launch_default_runs
from testing.tasks import sweep_test_runs


@admin.register(ImportReport)
class ImportReportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["source", "started_at", "ok", "seen", "added", "changed", "requests"]
    list_filter = ["source", "ok"]
    date_hierarchy = "started_at"
    list_select_related = ["source"]
    show_full_result_count = False


@admin.action(description="Import now", permissions=["change"])
def import_now(model_admin: Any, request: HttpRequest, queryset: QuerySet[Source]) -> None:
    """Enqueue an import of each source."""
    for source in queryset:
        hint(import_from_launchpad, source.pk)
    messages.success(request, f"{queryset.count()} imports start now; their reports appear under import reports.")


@admin.action(description="Refresh from Launchpad")
def refresh_now(model_admin: Any, request: HttpRequest, queryset: QuerySet[Review]) -> None:
    """Enqueue a refresh of each review."""
    for review in queryset:
        hint(refresh_review, review.pk)
    messages.success(request, f"{queryset.count()} refreshes start now.")


@admin.action(description="Run default tests")
def run_default_tests(model_admin: Any, request: HttpRequest, queryset: QuerySet[Review]) -> None:
    """Launch what a new item would be tested on, where it was not tested yet."""
    if not getattr(request.user, "has_perm", lambda _: False)("testing.change_testrun"):
        messages.error(request, "You need the permission to change test runs for this.")
        return
    launched = [len(launch_default_runs([review])) for review in queryset]
    hint(sweep_test_runs)
    skipped = launched.count(0)
    words = f"{sum(launched)} runs launched"
    if skipped:
        words += f", {skipped} items skipped: tested already, or neither NEW nor PENDING"
    messages.success(request, words + ".")


# The layers below know neither Launchpad nor, for reviews, test runs: their actions are added from here.
admin.site._registry[Source].actions = [*(admin.site._registry[Source].actions or []), import_now]
admin.site._registry[Review].actions = [*(admin.site._registry[Review].actions or []), refresh_now, run_default_tests]
