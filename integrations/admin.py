"""Imports and webhooks in the admin; what Launchpad adds to the tables of sources and reviews."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.permissions import person_of
from core.admin import QueueModelAdmin, ReadOnly, Section, SetRelationFilter, action, age_cell, chosen, extend
from core.enqueue import enqueue_each_on_commit, enqueue_on_commit
from core.signals import is_worker_alive
from core.text import counted, shorten
from integrations.launchpad.reporting import plan_post
from integrations.models import (
    ImportReport,
    LaunchpadConnection,
    OwnPost,
    ReportRefusal,
    StatusReport,
    VerdictPost,
    WebhookDelivery,
    allows_posts,
)
from reviews.managers import visibility
from reviews.models import Review, Source
from reviews.refresh import request_refresh

MAX_REVISION, MAX_ERROR = 16, 80  # characters of a cell in a list; the row's own page has all of it
MAX_SHOWN = 20  # reviews whose posts one page shows


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
        return [Section("Problems", ["What"], [(words,) for words in row.shown_problems], "At most 100 are kept.")]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly, QueueModelAdmin):
    """The webhook deliveries that were accepted, and what came of each."""

    list_display = ["received_at", "event", "number", "source", "note"]
    list_filter = ["source", "event"]
    search_fields = ["=number"]
    date_hierarchy = "received_at"
    list_select_related = ["source"]


@admin.register(VerdictPost)
class VerdictPostAdmin(ReadOnly, QueueModelAdmin):
    """Verdicts that are posted to Launchpad, or wait for it."""

    list_display = ["review", "commit", "verdict", "vote", "state", "tries", "next_try", "problem", "posted"]
    list_filter = ["state", "verdict", ("review__source", SetRelationFilter)]
    search_fields = ["=review__id", "revision"]
    search_help_text = "Number of the review, or its revision."
    date_hierarchy = "created_at"
    list_select_related = ["review"]

    @admin.display(description="revision", ordering="revision")
    def commit(self, post: VerdictPost) -> str:
        return shorten(post.revision, MAX_REVISION)

    @admin.display(description="next try", ordering="due_at")
    def next_try(self, post: VerdictPost) -> Any:
        return age_cell(post.due_at if post.state == VerdictPost.State.WAITING else None)

    @admin.display(description="last error")
    def problem(self, post: VerdictPost) -> str:
        return shorten(post.error, MAX_ERROR)

    @admin.display(description="posted", ordering="posted_at")
    def posted(self, post: VerdictPost) -> Any:
        return age_cell(post.posted_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VerdictPost]:
        """Without the posts of items that this reader may not know of."""
        posts: QuerySet[VerdictPost] = super().get_queryset(request)
        return posts.filter(visibility(request.user, "review__"))


@admin.register(StatusReport)
class StatusReportAdmin(ReadOnly, QueueModelAdmin):
    """Revision status reports on Launchpad, and what it has of each."""

    list_display = ["review", "commit", "reports_on", "result", "summary", "written", "tries", "next_try", "problem"]
    list_filter = ["result", ("review__source", SetRelationFilter)]
    search_fields = ["=review__id", "=run__id", "revision"]
    search_help_text = "Number of the review or run, or its revision."
    date_hierarchy = "created_at"
    list_select_related = ["review", "run__substrate"]

    @admin.display(description="revision", ordering="revision")
    def commit(self, report: StatusReport) -> str:
        return shorten(report.revision, MAX_REVISION)

    @admin.display(description="reports on", ordering="run")
    def reports_on(self, report: StatusReport) -> str:
        return f"run {report.run_id} on {report.run.substrate}" if report.run else "the verdict"

    @admin.display(description="written", ordering="written_at")
    def written(self, report: StatusReport) -> Any:
        return age_cell(report.written_at)

    @admin.display(description="next try", ordering="due_at")
    def next_try(self, report: StatusReport) -> Any:
        """Of one that could not be written, if that is to come: where Launchpad refuses, none is tried for a day."""
        return age_cell(report.due_at if report.error and report.due_at > timezone.now() else None)

    @admin.display(description="last error")
    def problem(self, report: StatusReport) -> str:
        return shorten(report.error, MAX_ERROR)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatusReport]:
        """Without the reports on items that this reader may not know of."""
        reports: QuerySet[StatusReport] = super().get_queryset(request)
        return reports.filter(visibility(request.user, "review__"))


@admin.register(ReportRefusal)
class ReportRefusalAdmin(ReadOnly, QueueModelAdmin):
    """Repositories on which Launchpad lets us report nothing."""

    list_display = ["repository", "until", "words"]
    search_fields = ["repository"]

    def has_delete_permission(self, request: HttpRequest, obj: ReportRefusal | None = None) -> bool:
        """Deleting one has its repository tried again at once."""
        return request.user.has_perm("integrations.delete_reportrefusal")


@admin.register(LaunchpadConnection)
class LaunchpadConnectionAdmin(ReadOnly, QueueModelAdmin):
    """Who is connected with Launchpad. Tokens are shown nowhere; deleting a row forgets its token."""

    list_display = ["user", "name", "access", "connected", "revoked"]
    search_fields = ["name", "user__username"]
    list_select_related = ["user"]
    fields = ["user", "name", "access", "connected_at", "revoked_at"]

    @admin.display(description="connected", ordering="connected_at")
    def connected(self, connection: LaunchpadConnection) -> Any:
        return age_cell(connection.connected_at)

    @admin.display(description="not accepted since", ordering="revoked_at")
    def revoked(self, connection: LaunchpadConnection) -> Any:
        return age_cell(connection.revoked_at)

    def has_delete_permission(self, request: HttpRequest, obj: LaunchpadConnection | None = None) -> bool:
        return request.user.has_perm("integrations.delete_launchpadconnection")


@admin.register(OwnPost)
class OwnPostAdmin(ReadOnly, QueueModelAdmin):
    """What people sent off in their own name, and what became of it. What they wrote is theirs: it is not shown, and
    drafts are not listed."""

    list_display = ["review", "user", "vote", "status", "state", "tries", "next_try", "problem", "posted"]
    list_filter = ["state", "vote", ("review__source", SetRelationFilter)]
    search_fields = ["=review__id", "user__username"]
    search_help_text = "Number of the review, or a username."
    date_hierarchy = "sent_at"
    list_select_related = ["review", "user"]
    fields = [
        "review", "user", "vote", "status", "revision", "state", "sent_at", "tries", "due_at", "claimed_until",
        "commented_at", "status_set_at", "posted_at", "error",
    ]  # fmt: skip

    @admin.display(description="next try", ordering="due_at")
    def next_try(self, post: OwnPost) -> Any:
        return age_cell(post.due_at if post.state in OwnPost.ON_THE_WAY else None)

    @admin.display(description="last error")
    def problem(self, post: OwnPost) -> str:
        return shorten(post.error, MAX_ERROR)

    @admin.display(description="posted", ordering="posted_at")
    def posted(self, post: OwnPost) -> Any:
        return age_cell(post.posted_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OwnPost]:
        """Without those on items that this reader may not know of."""
        posts: QuerySet[OwnPost] = super().get_queryset(request)
        return posts.exclude(state=OwnPost.State.DRAFT).filter(visibility(request.user, "review__"))


@action("Try to post again now", permission="integrations.change_verdictpost")
def post_again(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[VerdictPost]) -> None:
    """Try those that are not on Launchpad again, refused ones too, once their source posts and their verdict holds."""
    posts = chosen(request, queryset)
    again = VerdictPost.objects.filter(
        pk__in=[post.pk for post in posts], state__in=[VerdictPost.State.WAITING, VerdictPost.State.REFUSED]
    )
    count = again.update(state=VerdictPost.State.WAITING, due_at=timezone.now())
    if not count:
        messages.warning(request, "None of these waits to be posted.")
        return
    enqueue_on_commit("integrations.tasks.publish_results")
    messages.success(request, f"{counted(count, 'verdict')} will be tried again now.")
    _warn_without_worker(request)


@action("Show what would be posted", permission="reviews.change_review")
def show_post(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse:
    """The comment that each review's verdict makes on Launchpad, without posting it."""
    reviews = list(queryset.select_related("source").order_by("pk")[:MAX_SHOWN])
    context = {
        **admin.site.each_context(request),
        "title": "What would be posted",
        "opts": Review._meta,
        "posts": [(review, *plan_post(review)) for review in reviews],
        "limit": MAX_SHOWN if queryset.count() > MAX_SHOWN else None,
    }
    return render(request, "admin/planned_posts.html", context)


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


extend(Review, actions=[refresh_now, show_post])
extend(VerdictPost, actions=[post_again])
extend(Source, columns=[posts_outcomes, takes_webhooks], actions=[import_now], links=source_links)
