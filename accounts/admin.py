"""Accounts, people, API tokens and the log of what staff did, in the admin."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from social_django.admin import Association, Nonce, UserSocialAuth  # registered by this import, taken off below

from accounts.forms import TokenForm
from accounts.models import ApiToken, Person, User
from accounts.permissions import check_joinable, may_manage
from accounts.signals import bot_mark_changed
from core.admin import Autocompletes, KeptWhileUsed, QueueModelAdmin, ReadOnly, age_cell, link, report
from core.text import counted


@admin.register(Person)
class PersonAdmin(QueueModelAdmin):
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


class StaffForm(forms.ModelForm):
    """A form with the member of staff who fills it in, ``actor``: ``get_form`` makes a class for each request."""

    actor: ClassVar[User]


class AccountForm(StaffForm, UserChangeForm):
    """An account, which never gets the name or person of somebody with more rights than the member of staff."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if {"username", "person"} & set(self.changed_data):
            check_joinable(self.actor, self.instance, data.get("username", ""), data.get("person"))
        return data


class NewAccountForm(StaffForm, AdminUserCreationForm):
    """A new account, with the same rule for its name."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        check_joinable(self.actor, None, data.get("username", ""), None)
        return data


@admin.register(User)
class AccountAdmin(KeptWhileUsed, Autocompletes, UserAdmin):
    """Accounts. Staff manage those with no more rights than their own; only superusers give rights."""

    form, add_form = AccountForm, NewAccountForm
    used_by = {
        "logentry_set": "they stand in the log of what staff did, and history is kept. Switch off “active” instead."
    }
    list_display = ["username", "person", "is_active", "is_staff", "is_superuser", "last_login"]
    list_select_related = ["person"]
    autocomplete_fields = ["person"]
    filter_horizontal = ()  # Django's two boxes are no fit for a screen reader
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Launchpad", {"fields": ("person",)}))
    actions = ["revoke_tokens"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_change(request) and (obj is None or may_manage(_staff(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or may_manage(_staff(request), obj))

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.actor = request.user
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the button that sets the password, and with the reason, for staff who may only look."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        words = "This account may more than you: only a superuser edits it." if self._may_change(request) else ""
        return [(None, {"fields": ["username"], "description": words}), *(self.fieldsets or ())[1:]]

    def _may_change(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        more: tuple[str, ...] = ("last_login", "date_joined")
        if not _staff(request).is_superuser:
            more += ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*fields, *more)

    @admin.action(description="Revoke API tokens", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        revoked, skipped = 0, Counter[str]()
        for user in queryset.filter(tokens__isnull=False).distinct():
            if not may_manage(_staff(request), user):
                skipped["the account may more than you."] += 1
                continue
            count, _ = user.tokens.all().delete()
            self.log_change(request, user, "API tokens revoked")
            revoked += count
        report(request, f"{counted(revoked, 'token')} revoked", skipped)


def _staff(request: HttpRequest) -> User:
    """Who uses the admin; it lets in nobody without an account."""
    assert isinstance(request.user, User)
    return request.user


class AdminTokenForm(StaffForm, TokenForm):
    """A new token of an account with no more rights than the member of staff."""

    class Meta(TokenForm.Meta):
        fields = ["user", "name"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if (user := data.get("user")) and not may_manage(self.actor, user):
            self.add_error("user", "This account may more than you: ask a superuser.")
        return data


@admin.register(ApiToken)
class ApiTokenAdmin(Autocompletes, QueueModelAdmin):
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

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or may_manage(_staff(request), obj.user))

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.actor = request.user
        return form

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        made, text = form.make(obj.user)
        obj.pk = made.pk
        messages.warning(request, f"The token “{made}”, shown this once: {text}")


@admin.register(LogEntry)
class LogAdmin(ReadOnly, QueueModelAdmin):
    """What staff did in the admin. Reviews have a history of their own."""

    list_display = ["action_time", "user", "content_type", "object_repr", "__str__"]
    list_filter = ["action_flag"]
    search_fields = ["object_repr", "user__username"]
    list_select_related = ["user", "content_type"]
    ordering = ["-action_time"]


# Of social-auth's tables only the logins are shown, by an admin of ours: an association holds a shared secret.
for model in (Association, Nonce, UserSocialAuth, Group):
    admin.site.unregister(model)


@admin.register(UserSocialAuth)
class LoginAdmin(ReadOnly, QueueModelAdmin):
    """Which identity of the login services logs in to which account. Deleting one disconnects the account."""

    list_display = ["user", "provider", "uid", "created", "modified"]
    list_filter = ["provider"]
    search_fields = ["user__username", "uid"]
    list_select_related = ["user"]
    fields = ["user", "provider", "uid", "created", "modified"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = request.user.has_perm("social_django.delete_usersocialauth")
        return allowed and (obj is None or may_manage(_staff(request), obj.user))


@admin.register(Group)
class SuperuserGroupAdmin(GroupAdmin):
    """Groups. Only superusers edit them: anybody else could give rights to themselves."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _staff(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _staff(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _staff(request).is_superuser
