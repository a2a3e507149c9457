"""Accounts, people, API tokens and the log of what staff did, in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from social_django.admin import Association, Nonce  # registered by this import, and taken off below

from accounts.forms import TokenForm
from accounts.models import ApiToken, Person, User
from accounts.signals import bot_mark_changed
from core.admin import Autocompletes, ConsoleAdmin, KeptWhileUsed, ReadOnly, age_cell, link
from core.text import counted


@admin.register(Person)
class PersonAdmin(ConsoleAdmin):
    """People as Launchpad has them. Only whether somebody is a bot is for staff to say."""

    list_display = ["username", "display_name", "is_reviewer", "is_team", "counts_as_bot", "profile"]
    list_filter = ["is_reviewer", "is_team", "is_bot"]
    search_fields = ["username", "display_name"]
    fields = ["username", "display_name", "is_team", "is_reviewer", "is_bot", "url", "fetched_at"]
    readonly_fields = ["username", "display_name", "is_team", "is_reviewer", "url", "fetched_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People come from Launchpad, or with an account."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "is_bot" in form.changed_data:
            bot_mark_changed.send(Person, person=obj)

    @admin.display(description="bot", boolean=True)
    def counts_as_bot(self, person: Person) -> bool:
        return person.counts_as_bot

    @admin.display(description="on Launchpad")
    def profile(self, person: Person) -> Any:
        return link(person.url, "profile")

    def links(self, row: Person) -> list[tuple[str, str]]:
        reviews = reverse("admin:reviews_review_changelist")
        return [(f"{reviews}?submitter={row.username}", "Reviews that they submitted")]


@admin.register(User)
class AccountAdmin(KeptWhileUsed, Autocompletes, UserAdmin):
    used_by, used_words = "logentry_set", "they stand in the log of what staff did"
    list_display = ["username", "person", "is_active", "is_staff", "is_superuser", "last_login"]
    list_select_related = ["person"]
    autocomplete_fields = ["person"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Launchpad", {"fields": ("person",)}))
    actions = ["revoke_tokens"]

    @admin.action(description="Revoke API tokens", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        revoked = 0
        for user in queryset.filter(tokens__isnull=False).distinct():
            count, _ = user.tokens.all().delete()
            self.log_change(request, user, "API tokens revoked")
            revoked += count
        messages.success(request, f"{counted(revoked, 'token')} revoked.")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser makes others more than they are."""
        fields = super().get_readonly_fields(request, obj)
        superuser = isinstance(request.user, User) and request.user.is_superuser
        return fields if superuser else (*fields, "is_superuser", "groups", "user_permissions")


class AdminTokenForm(TokenForm):
    """A new token of any account."""

    class Meta(TokenForm.Meta):
        fields = ["user", "name"]


@admin.register(ApiToken)
class ApiTokenAdmin(Autocompletes, ConsoleAdmin):
    """API tokens: whose, what for, how long. A token is shown once, to the person who made it."""

    form = AdminTokenForm
    list_display = ["name", "user", "made", "last_used", "ends"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    autocomplete_fields = ["user"]
    fields = ["user", "name", "days"]
    readonly_fields = ["created", "last_used_at", "expiry"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["user", "name", *self.readonly_fields] if obj else ["user", "name", "days"]

    @admin.display(description="made", ordering="created")
    def made(self, token: ApiToken) -> Any:
        return age_cell(token.created)

    @admin.display(description="last used", ordering="last_used_at")
    def last_used(self, token: ApiToken) -> Any:
        return age_cell(token.last_used_at)

    @admin.display(description="ends", ordering="expiry")
    def ends(self, token: ApiToken) -> Any:
        return age_cell(token.expiry)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        made, text = form.make(obj.user)
        obj.pk = made.pk
        messages.warning(request, f"The token “{made}”, shown this once: {text}")


@admin.register(LogEntry)
class LogAdmin(ReadOnly, ConsoleAdmin):
    """What staff did in the admin. Reviews have a history of their own."""

    list_display = ["action_time", "user", "content_type", "object_repr", "__str__"]
    list_filter = ["action_flag"]
    search_fields = ["object_repr", "user__username"]
    list_select_related = ["user", "content_type"]
    ordering = ["-action_time"]


# What social-auth keeps for logins: an association holds a shared secret, and there is nothing to do about either.
for model in (Association, Nonce):
    admin.site.unregister(model)
