"""The reviews layer in the admin: machine-owned rows are read-only, staff's deeds land in the history."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from reviews.locks import unlock
from reviews.models import Comment, Event, Person, Review, Series, Source, User


class ReadOnly:
    """Rows that the queue itself writes: to look at, not to edit."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EventInline(ReadOnly, admin.TabularInline):
    model = Event
    fields = ["at", "kind", "old", "new", "actor", "note"]
    extra = 0


class CommentInline(ReadOnly, admin.TabularInline):
    model = Comment
    fields = ["created_at", "author", "vote", "sentiment", "is_automated"]
    extra = 0


@admin.register(Review)
class ReviewAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["title", "state", "square", "owner", "source", "series", "locked_by", "updated_at", "synced_at"]
    list_filter = ["state", "kind", "square", "source", "series"]
    search_fields = ["title", "api_url", "owner__username"]
    date_hierarchy = "updated_at"
    list_select_related = ["owner", "source", "series", "locked_by"]
    show_full_result_count = False
    inlines = [EventInline, CommentInline]
    actions = ["release_lock"]

    @admin.action(description="Release lock")
    def release_lock(self, request: HttpRequest, queryset: QuerySet[Review]) -> None:
        if not isinstance(request.user, User) or not request.user.has_perm("reviews.change_review"):
            messages.error(request, "You need the permission to change reviews for this.")
            return
        locked = list(queryset.filter(locked_by__isnull=False))
        for review in locked:
            unlock(review.pk, request.user.as_person(), force=True)
        skipped = queryset.count() - len(locked)
        messages.success(request, f"{len(locked)} released, {skipped} skipped: nobody held them.")


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "target", "active", "comments", "last_success_at", "last_error"]
    list_filter = ["kind", "active"]
    search_fields = ["name", "target"]
    readonly_fields = ["last_import_at", "last_success_at", "last_error"]


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    list_display = ["username", "display_name", "is_reviewer", "is_team"]
    list_filter = ["is_reviewer", "is_team"]
    search_fields = ["username", "display_name"]
    readonly_fields = ["username", "is_reviewer", "is_team", "url", "fetched_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Series)
class SeriesAdmin(admin.ModelAdmin):
    list_display = ["name", "target", "active"]
    list_filter = ["active"]
    search_fields = ["name", "target"]
    readonly_fields = ["name", "target", "api_url"]


@admin.register(User)
class AccountAdmin(UserAdmin):
    autocomplete_fields = ["person"]
    fieldsets = (*(UserAdmin.fieldsets or ()), ("Launchpad", {"fields": ("person",)}))
