"""Imports in the admin: reports, deliveries, *import now*, *refresh from Launchpad*; schedules that make sense."""

from __future__ import annotations

import logging

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.permissions import actor_of
from core.admin import ConsoleAdmin, ReadOnly, Section, SourceFilter, chosen, column, counted
from core.enqueue import enqueue_each_on_commit
from core.signals import is_worker_alive
from integrations.models import ImportReport, OutcomePost, WebhookDelivery
from reviews import admin as reviews_admin
from reviews.models import Review, Source
from reviews.refresh import request_refresh
from testing import admin as testing_admin

logger = logging.getLogger(__name__)


@admin.register(ImportReport)
class ImportReportAdmin(ReadOnly, ConsoleAdmin):
    list_display = ["source", "started_at", "ok", "took", "requests", "seen", "added", "changed", "problem_count"]
    list_filter = ["source", "ok"]
    date_hierarchy = "started_at"
    list_select_related = ["source"]
    fields = ["source", "started_at", "finished_at", "ok", "requests", "seen", "added", "changed"]

    @column("took")
    def took(self, report: ImportReport) -> str:
        return "–" if report.seconds is None else f"{report.seconds:.1f} s"

    @column("problems")
    def problem_count(self, report: ImportReport) -> int:
        return len(report.problems)

    def sections(self, request: HttpRequest, row: ImportReport) -> list[Section]:
        return [Section("Problems", ["What"], [(words,) for words in row.problems], "At most 100 are kept.")]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly, ConsoleAdmin):
    list_display = ["received_at", "event", "number", "source", "note"]
    list_filter = ["source", "event"]
    search_fields = ["=number"]
    date_hierarchy = "received_at"
    list_select_related = ["source"]


@admin.register(OutcomePost)
class OutcomePostAdmin(ReadOnly, ConsoleAdmin):
    list_display = ["run", "outcome", "state", "tries", "due_at", "error", "posted_at"]
    list_filter = ["state", "outcome", ("run__review__source", SourceFilter)]
    search_fields = ["=run__id"]
    search_help_text = "Number of the run."
    date_hierarchy = "created_at"
    list_select_related = ["run"]


class SourceAdmin(reviews_admin.SourceAdmin):
    """Sources, with their imports."""

    actions = ["import_now"]
    buttons = ("import_now",)

    def links(self, request: HttpRequest, row: Source) -> list[tuple[str, str]]:
        reports, deliveries = (
            f"{reverse(f'admin:integrations_{name}_changelist')}?source__id__exact={row.pk}"
            for name in ("importreport", "webhookdelivery")
        )
        return [(reports, "Import reports"), (deliveries, "Webhook deliveries")]

    @admin.action(description="Import now", permissions=["change"])
    def import_now(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        """Enqueue an import of each source."""
        sources = chosen(request, queryset)
        for source in sources:
            self.log_change(request, source, "Import now")
        enqueue_each_on_commit("integrations.tasks.import_from_launchpad", [source.pk for source in sources])
        words = f"{counted(len(sources), 'import')} will begin now; their reports appear under import reports."
        messages.success(request, words)
        if not is_worker_alive():
            messages.warning(request, "No worker gave a sign of life lately: they begin when one does. See Health.")


class ReviewAdmin(testing_admin.ReviewAdmin):
    """Reviews, with what Launchpad says of them."""

    actions = [*testing_admin.ReviewAdmin.actions, "refresh_now"]
    buttons = ("refresh_now", *testing_admin.ReviewAdmin.buttons)

    @admin.action(description="Refresh from Launchpad", permissions=["operate"])
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        """Have each review brought up to date now."""
        reviews, actor = chosen(request, queryset), actor_of(request)
        request_refresh(reviews, actor)
        messages.success(request, f"{counted(len(reviews), 'refresh', 'refreshes')} will begin now.")


for model, model_admin in ((Source, SourceAdmin), (Review, ReviewAdmin)):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    admin.site.register(model, model_admin)
