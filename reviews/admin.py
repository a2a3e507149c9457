"""Reviews, sources and series in the admin. What the import writes is read-only; what staff do is on the history."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import Person, Trust, User
from accounts.permissions import person_of
from core.admin import (
    Autocompletes,
    KeptWhileUsed,
    QueueModelAdmin,
    ReadOnly,
    Section,
    SetRelationFilter,
    TextFilter,
    action,
    age_cell,
    chosen,
    extend,
    report,
)
from core.secret_field import ENTER_AGAIN, Undecryptable
from core.text import shorten
from reviews.locks import unlock
from reviews.models import Review, Series, Source, TestsWaitFor
from reviews.starting import missing_trust
from reviews.trust import NotPossible, allow_tests, check_trustable, revoke, trust

MAX_EVENTS, MAX_COMMENTS, MAX_TRUSTS = 100, 50, 50
_NAME = r"[a-z0-9][a-z0-9+.-]*"
_PATHS = re.compile(r"^(?:https?://(?:[a-z]+\.)?launchpad\.net/|lp:)")
# What a target of each kind looks like, and how to say so.
TARGETS: dict[str, tuple[str, str]] = {
    Source.Kind.TEAM_BRANCHES: (rf"~?{_NAME}", "the name of a team, as charmers"),
    Source.Kind.REQUESTED_REVIEWS: (rf"~?{_NAME}", "the name of a person or team, as charmers"),
    Source.Kind.PROJECT: (_NAME, "the name of a project, as juju-gui"),
    Source.Kind.DISTRIBUTION_BUGS: (_NAME, "the name of a distribution, as charms"),
    Source.Kind.GIT_REPOSITORY: (
        rf"~{_NAME}(?:/{_NAME})?(?:/\+source/{_NAME})?/\+git/[A-Za-z0-9][A-Za-z0-9+.-]*",
        "the path of a repository, as ~owner/project/+git/name",
    ),
}


REVIEW_FIELDS: dict[str | None, tuple[str, ...]] = {
    None: ("title", "kind", "state", "state_reason", "source", "owner", "series", "locked_by", "locked_at"),
    "On Launchpad": (
        "url", "api_url", "number", "bug_target", "launchpad_status", "duplicate_of", "private", "created_at",
        "updated_at",
    ),
    "What is tested": (
        "test_url", "branch", "code_owner", "revision", "target", "target_url", "target_branch", "target_revision",
        "prerequisite", "prerequisite_url", "prerequisite_branch", "prerequisite_owner", "conflicts", "conflicts_text",
        "conflicts_since", "lines_added", "lines_removed", "files_changed",
    ),
    "Import": (
        "requested_reviewers", "related_bugs", "extras_read_at", "imported_at", "synced_at", "due_at", "sync_error",
        "looked_at", "missing_since", "missing_looks",
    ),
}  # fmt: skip
WEBHOOK_STEPS = (
    "<p>{} A webhook brings a changed item into the queue seconds later instead of minutes.</p><ol>"
    "<li>Set or generate a secret here and save.</li>"
    "<li>On Launchpad open the branch, repository, project or distribution: Manage webhooks, Add webhook.</li>"
    "<li>Delivery URL: <code>{}/api/webhooks/launchpad/</code></li><li>Secret: the same as here.</li>"
    "<li>Event types: everything on merge proposals, bugs and pushes.</li>"
    "<li>Let Launchpad send a ping: it is then among the webhook deliveries here.</li></ol>"
)


class SubmitterFilter(TextFilter):
    title, parameter_name, lookup = "submitter (username)", "submitter", "owner__username"


class SeriesFilter(TextFilter):
    title, parameter_name, lookup = "series", "in_series", "series__name"


class LockFilter(admin.SimpleListFilter):
    title, parameter_name = "lock", "lock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Locked"), ("no", "Not locked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        wanted = self.value()
        return queryset.filter(locked_by__isnull=wanted == "no") if wanted in ("yes", "no") else queryset


class SyncFilter(admin.SimpleListFilter):
    title, parameter_name = "last refresh", "refresh"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Review]) -> QuerySet[Review]:
        return queryset.exclude(sync_error="") if self.value() == "failed" else queryset


@admin.register(Review)
class ReviewAdmin(ReadOnly, QueueModelAdmin):
    """Reviews, with their history and comments."""

    list_display = [
        "shown_title", "state", "square", "tests_wait_for", "owner", "source", "series", "locked_by", "activity",
        "synced", "sync_problem",
    ]  # fmt: skip
    list_display_links = ["shown_title"]
    list_filter = [
        "state", "kind", "square", "tests_wait_for", ("source", SetRelationFilter), LockFilter, SyncFilter,
        SubmitterFilter, SeriesFilter,
    ]  # fmt: skip
    search_fields = ["title"]  # what is searched, ``get_search_results`` says
    search_help_text = "Title, address on Launchpad, or name of the submitter."
    date_hierarchy = "updated_at"
    ordering = ["-updated_at", "-id"]
    list_select_related = ["owner", "source", "series", "locked_by"]
    actions = ["release_lock"]
    fieldsets = [(title, {"fields": names}) for title, names in REVIEW_FIELDS.items()]
    readonly_fields = [name for names in REVIEW_FIELDS.values() for name in names]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change reviews may refresh them and release locks."""
        return request.user.has_perm("reviews.change_review")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without private items of a source that does not let them in."""
        reviews: Any = super().get_queryset(request)
        return reviews.visible_to(request.user)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """As the search page does, whose query has indexes."""
        return queryset.matching(search_term), False

    @admin.display(description="title", ordering="title")
    def shown_title(self, review: Review) -> str:
        return shorten(review.title, 80)

    @admin.display(description="last activity", ordering="updated_at")
    def activity(self, review: Review) -> Any:
        return age_cell(review.updated_at)

    @admin.display(description="refreshed", ordering="synced_at")
    def synced(self, review: Review) -> Any:
        return age_cell(review.synced_at)

    @admin.display(description="last error")
    def sync_problem(self, review: Review) -> str:
        return shorten(review.sync_error, 80)

    def links(self, row: Review) -> list[tuple[str, str]]:
        return [(row.get_absolute_url(), "Its page")]

    def sections(self, row: Review) -> list[Section]:
        events = row.events.select_related("actor").order_by("-at", "-id")[:MAX_EVENTS]
        comments = row.comments.select_related("author").order_by("-created_at")[:MAX_COMMENTS]
        return [
            Section(
                "History", ["When", "What", "From", "To", "Who", "Note"],
                [(age_cell(e.at), e.get_kind_display(), e.old, e.new, e.actor or "the queue", shorten(e.note, 300))
                 for e in events],
                f"The newest {MAX_EVENTS}. History is written once and can't be edited.",
            ),
            Section(
                "Comments", ["When", "Who", "Vote", "Counts as", "Text"],
                [(age_cell(c.created_at), c.author, c.vote, c.get_sentiment_display(), shorten(c.content, 300))
                 for c in comments],
                f"The newest {MAX_COMMENTS}.",
            ),
        ]  # fmt: skip

    @admin.action(description="Release lock", permissions=["operate"])
    def release_lock(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        reviews, actor = chosen(request, queryset), person_of(request)
        locked = [review for review in reviews if review.locked_by_id]
        for review in locked:
            if actor:
                unlock(review.pk, actor, force=True)
        skipped = Counter({"nobody held the lock.": len(reviews) - len(locked)} if len(locked) < len(reviews) else {})
        report(request, f"{len(locked)} released", skipped)


class TeamNames(forms.CharField):
    """Names of teams, with spaces or commas between; addresses on Launchpad may be pasted. Its value is a list."""

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> list[str]:
        names = [_PATHS.sub("", name).lstrip("~") for name in super().clean(value).replace(",", " ").split()]
        if wrong := [name for name in names if not re.fullmatch(_NAME, name)]:
            raise ValidationError(f"“{shorten(wrong[0], 40)}” is no name of a team, as charmers.")
        return list(dict.fromkeys(names))


class SourceForm(forms.ModelForm):
    """A source whose target has the form of its kind. The webhook secret is written here and never shown again."""

    webhook_secret = forms.CharField(
        required=False, max_length=255, strip=True, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Leave it empty to keep the one there is.",
    )  # fmt: skip
    generate_secret = forms.BooleanField(
        required=False, label="Generate a new secret", help_text="It is shown once, after saving."
    )
    remove_secret = forms.BooleanField(
        required=False, label="Remove the secret", help_text="Webhooks of this source are refused then."
    )
    excluded_tags = forms.JSONField(
        required=False, initial=list, help_text='Bugs with one of these tags are ABANDONED, as ["not-a-charm"].',
        error_messages={"invalid": 'Write a list of tags, as ["not-a-charm"].'},
    )  # fmt: skip

    reviewer_teams = TeamNames(
        required=False,
        help_text="Names of teams on Launchpad that review it, spaces between; empty: REVIEWER_TEAMS.",
    )
    trusted_teams = TeamNames(
        required=False, help_text="Names of teams on Launchpad whose members' code is tested without asking."
    )

    class Meta:
        model = Source
        fields = [
            "name", "kind", "target", "distribution", "excluded_tags", "active", "private_items", "comments",
            "webhook_secret", "starts_tests", "reviewer_teams", "trusted_teams", "vote_policy", "status_reports",
            "tests_targets",
        ]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starts_tests"].required = self.fields["vote_policy"].required = False
        self.secret_before = self.instance.webhook_secret
        self.initial.pop("webhook_secret", None)

    def clean_target(self) -> str:
        """Launchpad addresses may be pasted."""
        return _PATHS.sub("", self.cleaned_data["target"].strip()).strip("/")

    def clean_starts_tests(self) -> str:
        """Left out, it stays as it is; a new source asks."""
        return self.cleaned_data["starts_tests"] or self.instance.starts_tests

    def clean_vote_policy(self) -> str:
        """Left out, it stays as it is."""
        return self.cleaned_data["vote_policy"] or self.instance.vote_policy

    def clean_excluded_tags(self) -> list[str]:
        tags = self.cleaned_data["excluded_tags"] or []
        if not isinstance(tags, list) or not all(isinstance(tag, str) and re.fullmatch(_NAME, tag) for tag in tags):
            raise ValidationError(
                'Write a list of tags, as ["not-a-charm"]; a tag has small letters, digits and + . - only.'
            )
        return tags

    def clean_webhook_secret(self) -> str | Undecryptable:
        secret: str = self.cleaned_data["webhook_secret"]
        return secret or self.secret_before

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind, target = data.get("kind"), data.get("target")
        if kind in TARGETS and target:
            pattern, words = TARGETS[kind]
            if not re.fullmatch(pattern, target):
                self.add_error("target", f"For {kind} this is {words}.")
        distribution = (data.get("distribution") or "").strip()
        if kind == Source.Kind.TEAM_BRANCHES and not distribution:
            self.add_error("distribution", "team-branches takes package branches of one distribution: name it.")
        elif kind and kind != Source.Kind.TEAM_BRANCHES and distribution:
            self.add_error("distribution", f"Only team-branches has a distribution: leave it empty for {kind}.")
        elif distribution and not re.fullmatch(_NAME, distribution):
            self.add_error("distribution", "This is no name of a distribution, as charms.")
        if data.get("generate_secret") and data.get("remove_secret"):
            self.add_error("remove_secret", "Either generate a secret or remove it.")
        elif data.get("generate_secret"):
            data["webhook_secret"] = secrets.token_urlsafe(32)
        elif data.get("remove_secret"):
            data["webhook_secret"] = ""
        return data


@admin.register(Source)
class SourceAdmin(KeptWhileUsed, QueueModelAdmin):
    """Sources: where items are imported from, their webhook secret and their last import."""

    used_by = {"reviews": "reviews were imported from it, and history is kept. Switch off “active” instead."}
    secret_fields = ["webhook_secret"]
    form = SourceForm
    list_display = ["name", "short_kind", "target", "active", "imported", "problem"]
    list_filter = ["kind", "active"]
    search_fields = ["name", "target"]
    readonly_fields = ["last_import_at", "last_success_at", "last_error"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        what = ["name", "kind", "target", "distribution", "excluded_tags", "active", "private_items", "comments",
                "vote_policy", "status_reports", "build_url", "starts_tests", "tests_targets", "trusted_teams",
                "reviewer_teams"]  # fmt: skip
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": [*what, *self.readonly_fields]})]
        secret = obj.webhook_secret if obj else ""
        has_secret = bool(secret) or isinstance(secret, Undecryptable)
        state = "A secret is set." if has_secret else "No secret is set: webhooks are refused."
        if isinstance(secret, Undecryptable):
            state = f"Webhooks are refused: the secret {ENTER_AGAIN}."
        hooks = ["webhook_secret", "generate_secret", *(["remove_secret"] if has_secret else [])]
        return [
            (None, {"fields": what}),
            ("Webhook", {"fields": hooks, "description": format_html(WEBHOOK_STEPS, state, settings.BASE_URL)}),
            ("Last import", {"fields": self.readonly_fields}),
        ]

    @admin.display(description="kind", ordering="kind")
    def short_kind(self, source: Source) -> str:
        return source.kind

    @admin.display(description="last good import", ordering="last_success_at")
    def imported(self, source: Source) -> Any:
        return age_cell(source.last_success_at)

    @admin.display(description="last error")
    def problem(self, source: Source) -> str:
        return shorten(source.last_error, 80)

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("generate_secret"):
            messages.warning(
                request, f"The secret of {obj.name}, shown this once; copy it to Launchpad: {obj.webhook_secret}"
            )


def person_links(person: Person) -> list[tuple[str, str]]:
    """Where the reviews of a person are listed."""
    reviews = reverse("admin:reviews_review_changelist")
    return [(f"{reviews}?submitter={person.username}", "Reviews that they submitted")]


def trust_section(person: Person) -> list[Section]:
    """Which reviewers trusted the person, and until when."""
    rows: list[Sequence[Any]] = [
        (row.granted_by or "-", age_cell(row.granted_at), row.revoked_by or "-", age_cell(row.revoked_at))
        for row in person.trusts.select_related("granted_by", "revoked_by")[:MAX_TRUSTS]
    ]
    return [Section("Trust", ["Trusted by", "When", "Revoked by", "When"], rows)]


def _asking_reviewer(request: HttpRequest) -> Person | None:
    """Who asks, if a reviewer: only they say whose code runs (docs/specification.md, section 5). Else it is said."""
    if isinstance(request.user, User) and request.user.is_reviewer:
        return request.user.as_person()
    messages.error(request, "Only reviewers say whose code runs, and you are none.")
    return None


@action("Test this revision once", permission="reviews.change_review")
def allow_chosen(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]) -> None:
    """Allow the tests of what waits for a reviewer: this revision, once."""
    if (actor := _asking_reviewer(request)) is None:
        return
    allowed, skipped = 0, Counter[str]()
    for review in chosen(request, queryset):
        try:
            is_new = allow_tests(review.pk, review.revision, actor=actor)
        except NotPossible as reason:
            skipped[str(reason)] += 1
        else:
            allowed += is_new
            skipped += Counter({"it was allowed already.": not is_new})
    report(request, f"{allowed} allowed", skipped)


@action("Trust the submitter, and whose branch it is", permission="reviews.change_review")
def trust_code_of_chosen(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Review]) -> None:
    """Trust everybody whose trust is missing for tests that wait for permission."""
    if (actor := _asking_reviewer(request)) is None:
        return
    trusted, skipped = 0, Counter[str]()
    for review in chosen(request, queryset.select_related("owner", "source", "code_owner", "prerequisite_owner")):
        missing = missing_trust(review) if review.tests_wait_for == TestsWaitFor.PERMISSION else {}
        for person in missing.values():
            try:
                if person is None:
                    raise NotPossible("It is not known whose branch it is.")
                trusted += trust(person, actor=actor)
            except NotPossible as reason:
                skipped[str(reason)] += 1
        if not missing:
            skipped["its tests do not wait for permission."] += 1
    report(request, f"{trusted} trusted", skipped)


@action("Trust: test their code without asking", permission="accounts.change_person")
def trust_chosen(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Person]) -> None:
    """Trust people: what waits of theirs starts."""
    if (actor := _asking_reviewer(request)) is None:
        return
    trusted, skipped = 0, Counter[str]()
    for person in chosen(request, queryset):
        try:
            is_new = trust(person, actor=actor)
        except NotPossible as reason:
            skipped[str(reason)] += 1
        else:
            trusted += is_new
            skipped += Counter({"somebody trusts them already.": not is_new})
    report(request, f"{trusted} trusted", skipped)


@action("Trust no more", permission="accounts.change_person")
def revoke_chosen(model_admin: QueueModelAdmin, request: HttpRequest, queryset: QuerySet[Person]) -> None:
    """Trust people no more: what runs of theirs by itself is cancelled."""
    if (actor := _asking_reviewer(request)) is None:
        return
    people = chosen(request, queryset)
    revoked = sum(revoke(person, actor=actor) for person in people)
    report(request, f"{revoked} trusted no more", +Counter({"nobody trusted them.": len(people) - revoked}))


extend(Review, actions=[allow_chosen, trust_code_of_chosen])
extend(Person, links=person_links, sections=trust_section, actions=[trust_chosen, revoke_chosen])


class InForceFilter(admin.SimpleListFilter):
    title, parameter_name = "in force", "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In force"), ("no", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trust]) -> QuerySet[Trust]:
        wanted = self.value()
        return queryset.filter(revoked_at__isnull=wanted == "yes") if wanted in ("yes", "no") else queryset


class TrustForm(forms.ModelForm):
    """Somebody to trust."""

    class Meta:
        model = Trust
        fields = ["person"]

    def clean_person(self) -> Person:
        person: Person = self.cleaned_data["person"]
        try:
            check_trustable(person)
        except NotPossible as reason:
            raise ValidationError(str(reason)) from reason
        if person.trusts.in_force().exists():
            raise ValidationError("Somebody trusts them already.")
        return person


@admin.register(Trust)
class TrustAdmin(Autocompletes, QueueModelAdmin):
    """Whom reviewers trust: by whom, since when, until when. A row is never edited or deleted: it is the history."""

    form = TrustForm
    list_display = ["person", "granted_by", "granted", "revoked_by", "revoked"]
    list_filter = [InForceFilter]
    search_fields = ["person__username", "person__display_name", "granted_by__username"]
    list_select_related = ["person", "granted_by", "revoked_by"]
    autocomplete_fields = ["person"]
    actions = ["revoke_trust"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["person", "granted_by", "granted_at", "revoked_by", "revoked_at"] if obj else ["person"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only reviewers say whose code runs (docs/specification.md, section 5)."""
        is_reviewer = isinstance(request.user, User) and request.user.is_reviewer
        return is_reviewer and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_trust")

    def save_model(self, request: HttpRequest, obj: Trust, form: Any, change: bool) -> None:
        actor = person_of(request)
        assert actor is not None
        trust(obj.person, actor=actor)
        obj.pk = obj.person.trusts.in_force().values_list("pk", flat=True).get()

    @admin.display(description="since", ordering="granted_at")
    def granted(self, row: Trust) -> Any:
        return age_cell(row.granted_at)

    @admin.display(description="revoked", ordering="revoked_at")
    def revoked(self, row: Trust) -> Any:
        return age_cell(row.revoked_at)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_trust(self, request: HttpRequest, queryset: QuerySet[Trust]) -> None:
        if (actor := _asking_reviewer(request)) is None:
            return
        rows = chosen(request, queryset.select_related("person"))
        revoked = sum(revoke(row.person, actor=actor) for row in rows if row.is_in_force)
        report(request, f"{revoked} revoked", +Counter({"it was revoked already.": len(rows) - revoked}))


@admin.register(Series)
class SeriesAdmin(QueueModelAdmin):
    """Series, and which are active: items of the others are ABANDONED."""

    list_display = ["name", "target", "active"]
    list_filter = ["active"]
    search_fields = ["name", "target"]
    readonly_fields = ["name", "target", "api_url"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Series come from Launchpad."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
