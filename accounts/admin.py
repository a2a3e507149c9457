"""Accounts, people, API tokens and the log of staff in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.authtoken.admin import TokenAdmin as DefaultTokenAdmin
from rest_framework.authtoken.models import Token, TokenProxy
from social_django.admin import Association, Nonce  # registered by this import, and taken off below

from accounts.models import Person, User
from core.admin import (
    Autocompletes,
    ConsoleAdmin,
    ReadOnly,
    column,
    kept_if_used,
    link,
)
from core.pagination import BoundedPaginator


@admin.register(Person)
class PersonAdmin(ReadOnly, ConsoleAdmin):
    list_display = ["username", "display_name", "is_reviewer", "is_team", "profile"]
    list_filter = ["is_reviewer", "is_team"]
    search_fields = ["username", "display_name"]

    @column("on Launchpad")
    def profile(self, person: Person) -> Any:
        return link(person.url, "profile")

    def links(self, request: HttpRequest, row: Person) -> list[tuple[str, str]]:
        reviews = reverse("admin:reviews_review_changelist")
        return [(f"{reviews}?submitter={row.username}", "Reviews that they submitted")]


@admin.register(User)
class AccountAdmin(Autocompletes, UserAdmin):
    list_display = ["username", "person", "is_active", "is_staff", "is_superuser", "last_login"]
    list_select_related = ["person"]
    autocomplete_fields = ["person"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Launchpad", {"fields": ("person",)}))
    actions = ["revoke_tokens"]

    @admin.action(description="Revoke API token", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.filter(auth_token__isnull=False):
            self.log_change(request, user, "API token revoked")
        count, _ = Token.objects.filter(user__in=queryset).delete()
        messages.success(request, f"{count} revoked, {queryset.count() - count} had none.")

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """With an account the log of what it did would go."""
        return kept_if_used(
            self, request, object_id, "logentry_set", "they stand in the log of what staff did"
        ) or super().delete_view(request, object_id, extra_context)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser makes others more than they are."""
        fields = super().get_readonly_fields(request, obj)
        superuser = isinstance(request.user, User) and request.user.is_superuser
        return fields if superuser else (*fields, "is_superuser", "groups", "user_permissions")


# A token calls itself by its key: confirmations, messages and the deletion of its account would all show it.
Token.add_to_class("__str__", lambda token: f"API token of {token.user}")
admin.site.unregister(TokenProxy)  # registered by the import above; its list shows the keys


@admin.register(TokenProxy)
class TokenAdmin(Autocompletes, DefaultTokenAdmin):
    """API tokens: whose and since when. A key is shown once, to who made it."""

    list_display = ["user", "created"]
    list_select_related = ["user"]
    autocomplete_fields = ["user"]
    paginator = BoundedPaginator
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        messages.warning(request, f"The token of {obj.user}, shown this once: {obj.key}")

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The log names the account: a token's own name is its secret."""
        return super().log_addition(request, obj.user, f"API token made. {message}"[:200])

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The same for what is deleted."""
        return super().log_deletions(request, User.objects.filter(pk__in=[token.user_id for token in queryset]))


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
