"""Test runs and substrates in the admin; the actions of reviews and sources that launch and remove test runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.db.models.functions import Right
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.models import User
from accounts.permissions import person_of
from core.admin import (
    KeptWhileUsed,
    QueueModelAdmin,
    ReadOnly,
    Section,
    SetRelationFilter,
    TextFilter,
    action,
    age_cell,
    change_url,
    chosen,
    confirmation,
    extend,
    link,
    report,
)
from core.text import counted, shorten
from reviews.history import record
from reviews.models import Event, Review, Source
from testing.baselines import run_baselines
from testing.forms import JobForm, PlanRowForm, ServerForm
from testing.models import Job, PlanRow, Server, Substrate, TestRun
from testing.removal import REMOVAL_SECONDS, SourceIsOn, items_of, remove_items
from testing.runs import NotAllowed, cancel_run, launch_default_runs, launch_runs, retrigger
from testing.sweep.outcomes import recover

MAX_RECOVERIES = 20  # each asks Jenkins twice while the page waits
MAX_RESULTS, MAX_OUTPUT = 300, 2_000  # single tests on a run's page, characters of the output of each
OPERATE = "testing.change_testrun"  # who has it may start, retrigger, cancel and recover runs
MAX_LAUNCHES = 500  # runs that one action launches while the page waits
MAX_RUNS = 50  # runs on a review's page


def may_start_by_hand(request: HttpRequest) -> bool:
    """Whether who asks may start what does not start by itself: reviewers may (docs/specification.md, section 5)."""
    return isinstance(request.user, User) and request.user.is_reviewer


def check_start_by_hand(request: HttpRequest, review: Review) -> None:
    """Raises NotAllowed when staff who are no reviewers ask for tests of code that does not run by itself."""
    if not review.trusted and not may_start_by_hand(request):
        raise NotAllowed("Its code does not run by itself, and you are no reviewer: a reviewer has to allow it.")


class RequesterFilter(TextFilter):
    title, parameter_name, lookup = "requested by (username)", "requested_by", "requested_by__username"


@admin.register(TestRun)
class TestRunAdmin(ReadOnly, QueueModelAdmin):
    """Test runs, with their attempts, single tests and history: retrigger, cancel, recover results."""

    list_display = [
        "id", "status", "shown_attempt", "age", "substrate", "job", "shown_review", "last_error", "console",
        "next_attempt", "requested_by",
    ]  # fmt: skip
    list_filter = ["status", "substrate", "job", ("review__source", SetRelationFilter), "created_at", RequesterFilter]
    search_fields = ["review__title"]
    search_help_text = "Number of the run, or title of the item."
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    list_select_related = ["review", "substrate", "job", "requested_by"]
    actions = ["retrigger_runs", "cancel_runs", "recover_results"]
    fields = [
        "review", "substrate", "job", "counts", "status", "attempt", "refusals", "revision", "requested_by", "console",
        "result", "error", "created_at", "next_attempt_at", "sent_at", "started_at", "finished_at", "posted_at",
    ]  # fmt: skip

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change test runs may retrigger, cancel and recover them."""
        return request.user.has_perm(OPERATE)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without runs of private items of a source that does not let them in."""
        runs: Any = super().get_queryset(request)
        return runs.visible_to(request.user)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """A number is the run's own, found by its key: compared as text, every run would be read."""
        if search_term.isdecimal():
            return queryset.filter(pk=int(search_term[:18])), False
        return super().get_search_results(request, queryset, search_term)

    def name_of(self, row: TestRun) -> str:
        return f"run {row.pk} of {shorten(row.item.title, 80)} on {row.substrate}: {row.status}"

    @admin.display(description="attempt", ordering="attempt")
    def shown_attempt(self, run: TestRun) -> str:
        return f"{run.attempt} of {run.most_attempts}"

    @admin.display(description="age", ordering="created_at")
    def age(self, run: TestRun) -> Any:
        return age_cell(run.created_at)

    @admin.display(description="review")
    def shown_review(self, run: TestRun) -> Any:
        return format_html('<a href="{}">{}</a>', change_url(run.item), shorten(run.item.title, 60))

    @admin.display(description="last error")
    def last_error(self, run: TestRun) -> str:
        return shorten(run.error, 80)

    @admin.display(description="console")
    def console(self, run: TestRun) -> Any:
        return link(run.build_url, "console")

    @admin.display(description="result")
    def result(self, run: TestRun) -> Any:
        return link(run.result_url, "result")

    @admin.display(description="next attempt", ordering="next_attempt_at")
    def next_attempt(self, run: TestRun) -> Any:
        return age_cell(run.next_attempt_at)

    def links(self, row: TestRun) -> list[tuple[str, str]]:
        return [
            (row.item.get_absolute_url(), "The item's page"),
            (change_url(row.item), "The review in the admin"),
        ]

    def sections(self, row: TestRun) -> list[Section]:
        results = row.results.annotate(tail=Right("output", MAX_OUTPUT)).defer("output")[:MAX_RESULTS]
        events = Event.objects.filter(review=row.review_id, run_id=row.pk).select_related("actor")[:100]
        return [
            Section(
                "Attempts", ["Number", "Outcome", "Begun", "Accepted", "Queue", "Console", "Ended", "Note"],
                [(a.number, a.get_outcome_display(), age_cell(a.created_at), age_cell(a.accepted_at),
                  link(a.queue_url, "queue"), link(a.build_url, "console"), age_cell(a.ended_at), a.note)
                 for a in row.attempts.all()[:100]],
            ),
            Section(
                "Single tests", ["Outcome", "Suite", "Test", "Error", "Seconds", "Output"],
                [(f"{r.symbol} {r.outcome_words}", r.suite, r.test, r.error,
                  "–" if r.duration is None else round(r.duration, 1),
                  format_html("<details><summary>show</summary><pre>{}</pre></details>", r.tail) if r.tail else "–")
                 for r in results],
                f"The first {MAX_RESULTS}, each with the last {MAX_OUTPUT} characters of its output.",
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
            consequence="Each starts a new build of its item's current revision on the same substrate.",
            unless_single=True,
        ):  # fmt: skip
            return page
        done, skipped = 0, Counter[str]()
        for run in chosen(request, queryset.select_related("review", "substrate")):
            try:
                check_start_by_hand(request, run.review)
                retrigger(run, actor=person_of(request))
                done += 1
            except NotAllowed as reason:
                skipped[str(reason)] += 1
        report(request, f"{done} retriggered", skipped)
        return None

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> HttpResponse | None:
        if page := confirmation(
            self, request, queryset, question="Cancel the chosen test runs ({count})?", button="Yes, cancel",
            consequence="Their builds are stopped where possible, and what they have done so far is lost.",
        ):  # fmt: skip
            return page
        done, skipped = 0, Counter[str]()
        for run in chosen(request, queryset):
            if cancel_run(run, actor=person_of(request), note="Cancelled by staff."):
                done += 1
            else:
                skipped["It was finished already."] += 1
        report(request, f"{done} cancelled", skipped)
        return None

    @admin.action(description="Recover results", permissions=["operate"])
    def recover_results(self, request: HttpRequest, queryset: QuerySet[TestRun]) -> None:
        actor = person_of(request)
        for run in chosen(request, queryset.select_related("review"), limit=MAX_RECOVERIES):
            words = recover(run, actor=actor)
            record(run.review, Event.Kind.STAFF, new="recover results", actor=actor, note=words, run_id=run.pk)
            messages.info(request, words)


class ChosenSubstrates(forms.Form):
    """What to test on."""

    substrates = forms.ModelMultipleChoiceField(
        queryset=Substrate.objects.filter(active=True), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one substrate."},
    )  # fmt: skip


def run_sections(review: Review) -> list[Section]:
    """The newest test runs of a review."""
    runs = review.test_runs.select_related("substrate", "requested_by")[:MAX_RUNS]
    return [
        Section(
            "Test runs", ["Run", "Substrate", "Status", "Attempt", "Age", "Requested by", "Console", "Last error"],
            [(format_html('<a href="{}">{}</a>', change_url(r), r.pk), r.substrate,
              r.status if r.revision == review.revision else f"{r.status} (of an older revision)", r.attempt,
              age_cell(r.created_at), r.requested_by or "the queue", link(r.build_url, "console"),
              shorten(r.error, 200))
             for r in runs],
            f"The newest {MAX_RUNS}.",
        )
    ]  # fmt: skip


@action("Run default tests", permission=OPERATE)
def run_default_tests(
    model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]
) -> HttpResponse | None:
    """Launch what a new item would be tested on, where it was not tested yet."""
    if page := confirmation(
        model_admin, request, queryset, question="Run the default tests of {count} reviews?", button="Yes, run them",
        consequence="Each is tested on every default substrate where its current revision was not tested yet.",
        unless_single=True,
    ):  # fmt: skip
        return page
    reviews = chosen(request, queryset)
    runs = launch_default_runs(reviews, requested_by=person_of(request), by_hand=may_start_by_hand(request))
    without = len(reviews) - len({run.review_id for run in runs})
    reason = "tested already, neither NEW nor PENDING, or waiting for a reviewer to allow it."
    report(request, f"{counted(len(runs), 'run')} launched", Counter({reason: without} if without else {}))
    return None


@action("Run tests on…", permission=OPERATE)
def run_tests_on(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
    """Launch runs on the substrates that are chosen on the page in between."""
    form = ChosenSubstrates(request.POST if request.POST.get("post") else None)
    if page := confirmation(
        model_admin, request, queryset, question="Run tests of the chosen reviews ({count}) on…",
        button="Run the tests", consequence="Each is tested on every substrate that you choose.", form=form,
    ):  # fmt: skip
        return page
    substrates, launched, skipped = list(form.cleaned_data["substrates"]), 0, Counter[str]()
    limit = max(1, MAX_LAUNCHES // len(substrates))
    for review in chosen(request, queryset, limit=limit):
        try:
            check_start_by_hand(request, review)
            result = launch_runs(review, substrates, person_of(request))
            launched += len(result.launched)
            skipped.update(f"A run on {run.substrate.name} is under way already." for run in result.already)
        except NotAllowed as reason:
            skipped[str(reason)] += 1
    report(request, f"{counted(launched, 'run')} launched", skipped)
    return None


@action("Remove its items for good", permission="reviews.delete_review")
def remove_source_items(
    model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Source]
) -> HttpResponse | None:
    """Delete the reviews of switched-off sources, with their runs, comments and history."""
    sources = chosen(request, queryset)
    for source in [source for source in sources if source.active]:
        messages.warning(
            request, f"The source {source.name} is on: switch it off first. None of its items were removed."
        )
        sources.remove(source)
    if not sources:
        return None
    counts = "; ".join(f"{source.name}: {_items(*items_of(source))}" for source in sources)
    if page := confirmation(
        model_admin, request, queryset.filter(pk__in=[source.pk for source in sources]),
        question="Remove the items of the chosen sources for good ({count})?", button="Yes, remove them for good",
        consequence=f"{counts}. Their comments, history and test results are removed too; nothing brings them back, "
        "except that a source which is switched on again reads from Launchpad what is there then.",
    ):  # fmt: skip
        return page
    for source in sources:
        try:
            removed = remove_items(source, actor=person_of(request), seconds=REMOVAL_SECONDS / len(sources))
        except SourceIsOn:
            messages.warning(
                request, f"The source {source.name} was switched on meanwhile: no more of its items were removed."
            )
            continue
        words = f"Removed from {source.name}: {_items(removed.reviews, removed.runs)}"
        model_admin.log_change(request, source, words)
        skipped = Counter[str]()
        if removed.stopping:
            skipped["a build is still being stopped. Repeat it in a few minutes."] = removed.stopping
        if more := removed.remaining - removed.stopping:
            skipped["the page would have taken too long. Repeat it for them."] = more
        report(request, words, skipped)
    return None


@action("Test its targets now", permission=OPERATE)
def test_targets(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Source]) -> None:
    """Test what the open items of the chosen sources merge into, without waiting for the schedule."""
    sources = chosen(request, queryset)
    without = [source for source in sources if not (source.active and source.tests_targets)]
    made = run_baselines(sources, now_again=True)
    skipped = Counter({"switched off, or its targets are not tested: tick “test the targets”.": len(without)})
    report(request, f"{counted(made, 'run')} launched", skipped if without else Counter())


def _items(reviews: int, runs: int) -> str:
    return f"{counted(reviews, 'review')} with {counted(runs, 'test run')}"


extend(Source, actions=[test_targets, remove_source_items])
extend(Review, actions=[run_default_tests, run_tests_on], sections=run_sections)


@admin.register(Substrate)
class SubstrateAdmin(KeptWhileUsed, QueueModelAdmin):
    """Substrates: which can be tested on, and which new items are tested on."""

    used_by = {
        "test_runs": "items were tested on it, and history is kept. Switch off “active” instead.",
        "plan_rows": "the test plan has rows for it. Delete those rows first, or switch off “active” instead.",
    }
    list_display = ["name", "active", "default", "order"]
    list_editable = ["active", "default", "order"]


@admin.register(Server)
class ServerAdmin(KeptWhileUsed, QueueModelAdmin):
    """Servers: a Jenkins each, besides the one that the environment names."""

    used_by = {"jobs": "jobs are on it. Delete them first, or switch off “active” instead."}
    secret_fields = ["api_token"]
    form = ServerForm
    list_display = ["name", "url", "user", "active", "since", "shown_problem"]
    list_filter = ["active"]
    search_fields = ["name", "url"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees no field of a secret."""
        fields = ["name", "url", "user", "active"]
        return [*fields, *ServerForm.WRITTEN] if self.has_change_permission(request, obj) else fields

    @admin.display(description="does not answer since", ordering="failing_since")
    def since(self, server: Server) -> Any:
        return age_cell(server.failing_since)

    @admin.display(description="problem")
    def shown_problem(self, server: Server) -> str:
        return shorten(server.problem, 80)

    def save_model(self, request: HttpRequest, obj: Server, form: Any, change: bool) -> None:
        obj.failing_since, obj.paused_until, obj.problem = None, None, ""  # it is asked again at once
        super().save_model(request, obj, form, change)
        for words in form.warnings:
            messages.warning(request, words)


@admin.register(Job)
class JobAdmin(KeptWhileUsed, QueueModelAdmin):
    """Jobs: where on a server builds are asked for, and with which parameters."""

    used_by = {
        "test_runs": "it has test runs, and history is kept. Take it out of the test plan instead: nothing new is sent "
        "to it then.",
        "plan_rows": "the test plan names it. Delete those rows, or give them another job, first.",
    }
    secret_fields = ["token"]
    form = JobForm
    list_display = ["name", "server", "path", "used_for"]
    list_filter = ["server"]
    list_select_related = ["server"]
    search_fields = ["name", "path"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees no field of a secret."""
        fields = ["name", "server", "path", "parameters"]
        return [*fields, *JobForm.WRITTEN] if self.has_change_permission(request, obj) else fields

    def get_queryset(self, request: HttpRequest) -> Any:
        jobs: Any = super().get_queryset(request)
        return jobs.annotate(rows=Count("plan_rows"))

    @admin.display(description="rows of the test plan", ordering="rows")
    def used_for(self, job: Any) -> int:
        return int(job.rows)

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        for words in form.warnings:
            messages.warning(request, words)


@admin.register(PlanRow)
class PlanRowAdmin(QueueModelAdmin):
    """The test plan: which job tests items of a source on a substrate."""

    form = PlanRowForm
    list_display = ["shown_source", "shown_substrate", "shown_job", "default", "counts", "timeout", "attempts"]
    list_display_links = ["shown_source", "shown_substrate"]
    list_filter = ["source", "substrate", "job"]
    list_select_related = ["source", "substrate", "job"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing starts by itself unless it is ticked: an empty row is one for every source and substrate."""
        return {"default": False, **super().get_changeform_initial_data(request)}

    @admin.display(description="source", ordering="source")
    def shown_source(self, row: PlanRow) -> str:
        return str(row.source or "every source")

    @admin.display(description="substrate", ordering="substrate")
    def shown_substrate(self, row: PlanRow) -> str:
        return str(row.substrate or "every substrate")

    @admin.display(description="job", ordering="job")
    def shown_job(self, row: PlanRow) -> str:
        return str(row.job or "of the environment")
