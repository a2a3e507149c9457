"""Test runs in the admin: retrigger, cancel, recover; tests of reviews."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Right
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from accounts.permissions import actor_of, may
from core.admin import (
    ConsoleAdmin,
    ReadOnly,
    Section,
    SourceFilter,
    TextFilter,
    age_cell,
    chosen,
    column,
    confirmation,
    counted,
    link,
    tell,
)
from core.text import shorten
from reviews import admin as reviews_admin
from reviews.history import record
from reviews.models import Event, Review
from testing.models import Substrate, TestRun
from testing.runs import NotAllowed, cancel_run, launch_default_runs, launch_runs, retrigger
from testing.sweep.outcomes import recover

MOST_RECOVERIES = 20  # each asks Jenkins twice while the page waits
MOST_RESULTS, MOST_OUTPUT = 300, 2_000  # single tests on a run's page, characters of the output of each
MOST_RUNS = 50  # runs on a review's page


class RequesterFilter(TextFilter):
    title, parameter_name, lookup = "requested by (username)", "requested_by", "requested_by__username"


@admin.register(TestRun)
class TestRunAdmin(ReadOnly, ConsoleAdmin):
    list_display = [
        "id", "status", "shown_attempt", "age", "substrate", "shown_review", "last_error", "console", "next_attempt",
        "requested_by",
    ]  # fmt: skip
    list_filter = ["status", "substrate", ("review__source", SourceFilter), "created_at", RequesterFilter]
    search_fields = ["review__title"]
    search_help_text = "Number of the run, or title of the item."
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    list_select_related = ["review", "substrate", "requested_by"]
    actions = ["retrigger_runs", "cancel_runs", "recover_results"]
    buttons = ("retrigger_runs", "cancel_runs", "recover_results")
    fields = [
        "review", "substrate", "status", "attempt", "refusals", "revision", "requested_by", "console", "result",
        "error", "created_at", "next_attempt_at", "sent_at", "started_at", "finished_at", "posted_at",
    ]  # fmt: skip

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change test runs may retrigger, cancel and recover them."""
        return may(request, "testing.change_testrun")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """A number is the run's own, found by its key: compared as text, every run would be read."""
        if search_term.isdecimal():
            return queryset.filter(pk=int(search_term[:18])), False
        return super().get_search_results(request, queryset, search_term)

    def name_of(self, row: TestRun) -> str:
        return f"run {row.pk} of {shorten(row.review.title, 80)} on {row.substrate}: {row.status}"

    @column("attempt", "attempt")
    def shown_attempt(self, run: TestRun) -> str:
        return f"{run.attempt} of {settings.TESTING_MAX_ATTEMPTS}"

    @column("age", "created_at")
    def age(self, run: TestRun) -> Any:
        return age_cell(run.created_at)

    @column("review")
    def shown_review(self, run: TestRun) -> Any:
        url = reverse("admin:reviews_review_change", args=[run.review_id])
        return format_html('<a href="{}">{}</a>', url, shorten(run.review.title, 60))

    @column("last error")
    def last_error(self, run: TestRun) -> str:
        return shorten(run.error, 80)

    @column("console")
    def console(self, run: TestRun) -> Any:
        return link(run.build_url, "console")

    @column("result")
    def result(self, run: TestRun) -> Any:
        return link(run.result_url, "result")

    @column("next attempt", "next_attempt_at")
    def next_attempt(self, run: TestRun) -> Any:
        return age_cell(run.next_attempt_at)

    def links(self, request: HttpRequest, row: TestRun) -> list[tuple[str, str]]:
        review = reverse("admin:reviews_review_change", args=[row.review_id])
        return [(row.review.get_absolute_url(), "The item's page"), (review, "The review in the admin")]

    def sections(self, request: HttpRequest, row: TestRun) -> list[Section]:
        results = row.results.annotate(tail=Right("output", MOST_OUTPUT)).defer("output")[:MOST_RESULTS]
        events = Event.objects.filter(review=row.review_id, run_id=row.pk).select_related("actor")[:100]
        return [
            Section(
                "Attempts", ["Number", "Outcome", "Begun", "Accepted", "Queue", "Console", "Ended", "Note"],
                [(a.number, age_cell(a.created_at), age_cell(a.accepted_at), link(a.queue_url, "queue"),
                  link(a.build_url, "console"), age_cell(a.ended_at), a.note) for a in row.attempts.all()[:100]],
            ),
            Section(
                "Single tests", ["Outcome", "Suite", "Test", "Seconds", "Output"],
                [("✓ passed" if r.returncode == 0 else f"✗ failed ({r.returncode})", r.suite, r.test,
                  "–" if r.duration is None else round(r.duration, 1),
                  format_html("<details><summary>show</summary><pre>{}</pre></details>", r.tail) if r.tail else "–")
                 for r in results],
                f"The first {MOST_RESULTS}, each with the last {MOST_OUTPUT} characters of its output.",
            ),
            Section(
                "History", ["When", "From", "To", "Who", "Note"],
                [(age_cell(e.at), e.old, e.new, e.actor or "the queue", e.note) for e in events],
            ),
        ]  # fmt: skip

    @admin.action(description="Retrigger", permissions=["operate"])
    def retrigger_runs(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> HttpResponse | None:
        if page := confirmation(
            self, request, queryset, question="Retrigger {count} test runs?", button="Yes, retrigger them",
            cost="Each starts a new build of its item's current revision on the same substrate.", unless_single=True,
        ):  # fmt: skip
            return page
        done, skipped = 0, Counter[str]()
        for run in chosen(request, queryset.select_related("review", "substrate")):
            try:
                retrigger(run, actor=actor_of(request))
                done += 1
            except NotAllowed as reason:
                skipped[str(reason)] += 1
        tell(request, f"{done} retriggered", skipped)
        return None

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> HttpResponse | None:
        if page := confirmation(
            self, request, queryset, question="Cancel the chosen test runs ({count})?", button="Yes, cancel",
            cost="Their builds are stopped where that is possible, and what they have done so far is lost.",
        ):  # fmt: skip
            return page
        done, skipped = 0, Counter[str]()
        for run in chosen(request, queryset):
            if cancel_run(run, actor=actor_of(request), note="Cancelled by staff."):
                done += 1
            else:
                skipped["It was finished already."] += 1
        tell(request, f"{done} cancelled", skipped)
        return None

    @admin.action(description="Recover results", permissions=["operate"])
    def recover_results(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> None:
        actor = actor_of(request)
        for run in chosen(request, queryset.select_related("review"), most=MOST_RECOVERIES):
            words = recover(run, actor=actor)
            record(run.review, Event.Kind.STAFF, new="recover results", actor=actor, note=words, run_id=run.pk)
            messages.info(request, words)


class ChosenSubstrates(forms.Form):
    """What to test on."""

    substrates = forms.ModelMultipleChoiceField(
        queryset=Substrate.objects.filter(active=True), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one substrate."},
    )  # fmt: skip


class ReviewAdmin(reviews_admin.ReviewAdmin):
    """Reviews, with their test runs."""

    actions = [*reviews_admin.ReviewAdmin.actions, "run_default_tests", "run_tests_on"]
    buttons: tuple[str, ...] = ("run_default_tests", "run_tests_on", *reviews_admin.ReviewAdmin.buttons)

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Who may change test runs may start them."""
        return may(request, "testing.change_testrun")

    def sections(self, request: HttpRequest, row: Review) -> list[Section]:
        runs = row.test_runs.select_related("substrate", "requested_by")[:MOST_RUNS]
        url = "admin:testing_testrun_change"
        found = Section(
            "Test runs", ["Run", "Substrate", "Status", "Attempt", "Age", "Requested by", "Console", "Last error"],
            [(format_html('<a href="{}">{}</a>', reverse(url, args=[r.pk]), r.pk), r.substrate,
              r.status if r.revision == row.revision else f"{r.status} (of an older revision)", r.attempt,
              age_cell(r.created_at), r.requested_by or "the queue", link(r.build_url, "console"),
              shorten(r.error, 200))
             for r in runs],
            f"The newest {MOST_RUNS}.",
        )  # fmt: skip
        return [found, *super().sections(request, row)]

    @admin.action(description="Run default tests", permissions=["test"])
    def run_default_tests(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        """Launch what a new item would be tested on, where it was not tested yet."""
        if page := confirmation(
            self, request, queryset, question="Run the default tests of {count} reviews?", button="Yes, run them",
            cost="Each is tested on every default substrate where its current revision was not tested yet.",
            unless_single=True,
        ):  # fmt: skip
            return page
        reviews = chosen(request, queryset)
        runs = launch_default_runs(reviews, requested_by=actor_of(request))
        without = len(reviews) - len({run.review_id for run in runs})
        reason = "tested already, or neither NEW nor PENDING."
        tell(request, f"{counted(len(runs), 'run')} launched", Counter({reason: without} if without else {}))
        return None

    @admin.action(description="Run tests on…", permissions=["test"])
    def run_tests_on(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        """Launch runs on the substrates that are chosen on the page in between."""
        form = ChosenSubstrates(request.POST if request.POST.get("post") else None)
        if page := confirmation(
            self, request, queryset, question="Run tests of the chosen reviews ({count}) on…", button="Run the tests",
            cost="Each is tested on every substrate that you choose.", form=form,
        ):  # fmt: skip
            return page
        substrates, launched, skipped = list(form.cleaned_data["substrates"]), 0, Counter[str]()
        most = max(1, 500 // len(substrates))
        for review in chosen(request, queryset, most=most):
            try:
                result = launch_runs(review, substrates, actor_of(request))
                launched += len(result.launched)
                skipped.update(f"A run on {run.substrate.name} is under way already." for run in result.already)
            except NotAllowed as reason:
                skipped[str(reason)] += 1
        tell(request, f"{counted(launched, 'run')} launched", skipped)
        return None


@admin.register(Substrate)
class SubstrateAdmin(ConsoleAdmin):
    list_display = ["name", "active", "default", "order"]
    list_editable = ["active", "default", "order"]

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """One that was tested on is part of the history."""
        return reviews_admin.kept_if_used(
            self, request, object_id, "test_runs", "items were tested on it"
        ) or super().delete_view(request, object_id, extra_context)
