"""Test runs in the admin: retrigger, cancel, recover; run default tests."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.db.models import ProtectedError, QuerySet
from django.http import HttpRequest

from reviews.admin import ReadOnly
from reviews.models import Person, User
from testing.hints import hint
from testing.models import Attempt, Substrate, TestResult, TestRun
from testing.runs import NotAllowed, cancel_run, retrigger
from testing.sweep import recover
from testing.tasks import stop_build, sweep_test_runs

MOST_RECOVERIES = 20  # each asks Jenkins twice while the page waits


def _actor(request: HttpRequest) -> Person | None:
    return request.user.as_person() if isinstance(request.user, User) else None


class AttemptInline(ReadOnly, admin.TabularInline):
    model = Attempt
    fields = ["number", "created_at", "accepted_at", "queue_url", "build_url", "ended_at", "note"]
    extra = 0


class ResultInline(ReadOnly, admin.TabularInline):
    model = TestResult
    fields = ["position", "suite", "test", "returncode", "duration"]
    extra = 0


@admin.register(TestRun)
class TestRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["id", "review", "substrate", "status", "attempt", "created_at", "next_attempt_at", "error"]
    list_filter = ["status", "substrate", "created_at"]
    search_fields = ["review__title", "=id"]
    date_hierarchy = "created_at"
    list_select_related = ["review", "substrate"]
    show_full_result_count = False
    inlines = [AttemptInline, ResultInline]
    actions = ["retrigger_runs", "cancel_runs", "recover_results"]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change test runs may retrigger, cancel and recover them."""
        return bool(getattr(request.user, "has_perm", lambda _: False)("testing.change_testrun"))

    @admin.action(description="Retrigger", permissions=["operate"])
    def retrigger_runs(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> None:
        done, skipped = 0, Counter[str]()
        for run in queryset.select_related("review", "substrate"):
            try:
                retrigger(run, actor=_actor(request))
                done += 1
            except NotAllowed as reason:
                skipped[str(reason)] += 1
        hint(sweep_test_runs)
        self._say(request, f"{done} retriggered", skipped)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> None:
        done, skipped = 0, Counter[str]()
        for run in queryset:
            if cancel_run(run, actor=_actor(request), note="Cancelled by staff."):
                hint(stop_build, run.pk)
                done += 1
            else:
                skipped["It was finished already."] += 1
        self._say(request, f"{done} cancelled", skipped)

    @admin.action(description="Recover results", permissions=["operate"])
    def recover_results(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> None:
        for run in queryset[:MOST_RECOVERIES]:
            messages.info(request, recover(run, actor=_actor(request)))
        if (count := queryset.count()) > MOST_RECOVERIES:
            messages.warning(
                request, f"Only the first {MOST_RECOVERIES} of {count} were looked for; take the rest next."
            )

    def _say(self, request: HttpRequest, done: str, skipped: Counter[str]) -> None:
        reasons = "".join(f", {count} skipped: {reason}" for reason, count in skipped.items())
        (messages.warning if skipped else messages.success)(request, done + reasons)


@admin.register(Substrate)
class SubstrateAdmin(admin.ModelAdmin):
    list_display = ["name", "active", "default", "order"]
    list_editable = ["active", "default", "order"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that was tested on is part of the history: deactivate it instead."""
        if isinstance(obj, Substrate) and obj.test_runs.exists():
            return False
        return super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Substrate]) -> None:
        try:
            queryset.delete()
        except ProtectedError:
            messages.error(request, "Nothing was deleted: some were tested on. Deactivate them instead.")
