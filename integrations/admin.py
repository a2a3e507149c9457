"""Imports and webhooks in the admin; what Launchpad adds to the tables of sources and reviews."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts.permissions import person_of
from core.admin import QueueModelAdmin, ReadOnly, Section, SetRelationFilter, action, chosen, extend
from core.enqueue import enqueue_each_on_commit
from core.signals import is_worker_alive
from core.text import counted
from integrations.models import ImportReport, OutcomePost, WebhookDelivery, allows_posts
from reviews.managers import visibility
from reviews.models import Review, Source
from reviews.refresh import request_refresh


@admin.register(ImportReport)
class ImportReportAdmin(ReadOnly, QueueModelAdmin):
    """What each import did, with its problems."""

    list_display = ["source", "started_at", "ok", "took", "requests", "seen", "added", "changed", "problem_count"]
    list_filter = ["source", "ok"]
    date_hierarchy = "started_at"
    list_select_related = ["source"]
    fields = ["source", "started_at", "finished_at", "ok", "requests", "seen", "added", "changed"]

    @admin.display(description="took")
    def took(self, report: ImportReport) -> str:
        return "–" if report.seconds is None else f"{report.seconds:.1f} s"

    @admin.display(description="problems")
    def problem_count(self, report: ImportReport) -> int:
        return len(report.problems)

    def sections(self, row: ImportReport) -> list[Section]:
        return [Section("Problems", ["What"], [(words,) for words in row.problems], "At most 100 are kept.")]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly, QueueModelAdmin):
    """The webhook deliveries that were accepted, and what came of each."""

    list_display = ["received_at", "event", "number", "source", "note"]
    list_filter = ["source", "event"]
    search_fields = ["=number"]
    date_hierarchy = "received_at"
    list_select_related = ["source"]


@admin.register(OutcomePost)
class OutcomePostAdmin(ReadOnly, QueueModelAdmin):
    """Outcomes that are posted to Launchpad, or wait for it."""

    list_display = ["run", "outcome", "state", "tries", "due_at", "error", "posted_at"]
    list_filter = ["state", "outcome", ("run__review__source", SetRelationFilter)]
    search_fields = ["=run__id"]
    search_help_text = "Number of the run."
    date_hierarchy = "created_at"
    list_select_related = ["run"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutcomePost]:
        """Without the posts of items that this reader may not know of."""
        posts: QuerySet[OutcomePost] = super().get_queryset(request)
        return posts.filter(visibility(request.user, "run__review__"))


@action("Import now", permission="reviews.change_source")
def import_now(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Source]) -> None:
    """Enqueue an import of each source that is switched on: items of one that is off would be in no queue."""
    sources = chosen(request, queryset)
    if off := [source.name for source in sources if not source.active]:
        messages.warning(request, f"Not imported: {', '.join(off)}. Switch the source on first (Active), then import.")
    sources = [source for source in sources if source.active]
    if not sources:
        return
    for source in sources:
        model_admin.log_change(request, source, "Import now")
    enqueue_each_on_commit("integrations.tasks.import_from_launchpad", [source.pk for source in sources])
    words = f"{counted(len(sources), 'import')} will begin now; their reports appear under import reports."
    messages.success(request, words)
    _warn_without_worker(request)


@action("Refresh from Launchpad", permission="reviews.change_review")
def refresh_now(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]) -> None:
    """Have each review brought up to date now."""
    reviews, actor = chosen(request, queryset), person_of(request)
    request_refresh(reviews, actor)
    messages.success(request, f"{counted(len(reviews), 'refresh', 'refreshes')} will begin now.")
    _warn_without_worker(request)


def _warn_without_worker(request: HttpRequest) -> None:
    if not is_worker_alive():
        messages.warning(request, "No worker is running, so it starts once there is one. Health says more.")


def source_links(source: Source) -> list[tuple[str, str]]:
    """Where the imports of a source and what its webhook sent are listed."""
    reports, deliveries = (
        f"{reverse(f'admin:integrations_{name}_changelist')}?source__id__exact={source.pk}"
        for name in ("importreport", "webhookdelivery")
    )
    return [(reports, "Import reports"), (deliveries, "Webhook deliveries")]


@admin.display(description="posts outcomes", boolean=True)
def posts_outcomes(source: Source) -> bool:
    """Whether outcomes of its tests are posted to Launchpad."""
    return allows_posts(source)


@admin.display(description="webhooks", boolean=True)
def takes_webhooks(source: Source) -> bool:
    """Whether it takes webhooks, as it has a secret for them."""
    return bool(source.webhook_secret)


extend(Review, actions=[refresh_now])
extend(Source, columns=[posts_outcomes, takes_webhooks], actions=[import_now], links=source_links)
