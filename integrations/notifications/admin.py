"""Channels, messages and the folder of mails in the admin."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from core.admin import QueueModelAdmin, ReadOnly, Section, age_cell, chosen, confirmation, report
from core.enqueue import enqueue_on_commit
from core.text import counted, shorten
from integrations.notifications.folder import folder_of_mails, read_mails
from integrations.notifications.forms import ChannelForm
from integrations.notifications.models import Channel, Delivery, Preferences
from reviews.managers import visibility

MAX_SHOWN = 20  # messages on a channel's page
SEND = "integrations.notifications.tasks.send_notifications"
CHANGE = "notifications.change_channel"


@admin.register(Channel)
class ChannelAdmin(QueueModelAdmin):
    """Where a source's news go besides mail. The address is secret: it goes in and never comes out."""

    form = ChannelForm
    secret_fields = ["url"]
    list_display = ["name", "source", "what", "active", "failing", "problem"]
    list_filter = ["source", "active"]
    list_select_related = ["source"]
    search_fields = ["name"]
    actions = ["send_test_message", "pause", "resume"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ["name", "source", "url", "new_items", "verdicts", "waits_days", "trouble", "active"]
        return fields if self.has_change_permission(request, obj) else [name for name in fields if name != "url"]

    @admin.display(description="what it is told")
    def what(self, channel: Channel) -> str:
        told = [
            "new items" if channel.new_items else "",
            "verdicts" if channel.verdicts else "",
            f"waits longer than {counted(channel.waits_days, 'day')}" if channel.waits_days is not None else "",
            "trouble" if channel.trouble else "",
        ]
        return ", ".join(filter(None, told)) or "nothing"

    @admin.display(description="failing since", ordering="failing_since")
    def failing(self, channel: Channel) -> Any:
        return age_cell(channel.failing_since)

    @admin.display(description="last error")
    def problem(self, channel: Channel) -> str:
        return shorten(channel.last_error, 80)

    def sections(self, row: Channel) -> list[Section]:
        rows = [
            (age_cell(each.created_at), each.subject, each.get_state_display(), each.tries, each.error)
            for each in row.deliveries.all()[:MAX_SHOWN]
        ]
        return [Section("Messages", ["When", "Subject", "State", "Tries", "Error"], list(rows))]

    @admin.action(description="Send a test message", permissions=["change"])
    def send_test_message(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """One try for each; its page says what became of it."""
        channels = chosen(request, queryset, limit=20)
        waiting = Delivery.objects.unsent().filter(channel__in=channels, is_test=True)
        busy = set(waiting.values_list("channel_id", flat=True))
        fresh = [channel for channel in channels if channel.pk not in busy]
        Delivery.objects.bulk_create(
            Delivery(channel=channel, is_test=True, subject="Test message") for channel in fresh
        )
        if fresh:
            enqueue_on_commit(SEND)
        skipped = Counter({"a test message is on its way already.": len(busy)}) if busy else Counter[str]()
        words = f"{counted(len(fresh), 'test message')} on the way: the channel’s page says what came of it"
        report(request, words, skipped)

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Send nothing to it; what happens meanwhile is not told."""
        for channel in chosen(request, queryset.filter(active=True)):
            Channel.objects.filter(pk=channel.pk).update(active=False)
            self.log_change(request, channel, "Paused.")
        report(request, "Paused: what happens meanwhile is not told")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Tell it what happens from now on."""
        for channel in chosen(request, queryset.filter(active=False)):
            Channel.objects.filter(pk=channel.pk).update(active=True, since=timezone.now())
            self.log_change(request, channel, "Resumed.")
        report(request, "Resumed: what happens from now on is told")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, QueueModelAdmin):
    """Every message with what became of it."""

    list_display = ["created_at", "recipient", "subject", "state", "tries", "next_try", "problem"]
    list_filter = ["state", "channel", "is_digest"]
    search_fields = ["subject", "=user__username", "=user__email"]
    search_help_text = "Subject, or name or address of the account."
    date_hierarchy = "created_at"
    list_select_related = ["user", "channel"]
    actions = ["send_again"]
    fields = [
        "user", "channel", "review", "state", "tries", "due_at", "error", "subject", "message_id", "is_digest",
        "is_test", "created_at", "sent_at",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without messages on private items of a source that does not let them in."""
        return super().get_queryset(request).filter(Q(review=None) | visibility(request.user, "review__"))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who may change channels may send messages again."""
        return request.user.has_perm(CHANGE)

    @admin.display(description="next try", ordering="due_at")
    def next_try(self, delivery: Delivery) -> Any:
        return age_cell(delivery.due_at if delivery.state in Delivery.UNSENT else None)

    @admin.display(description="error")
    def problem(self, delivery: Delivery) -> str:
        return shorten(delivery.error, 80)

    def sections(self, row: Delivery) -> list[Section]:
        news = row.news.exclude(review__private=True).select_related("review")[:100]
        rows = [(age_cell(each.happened_at), each.get_kind_display(), each.review or each.words, each.key,
                 "not told" if each.dropped_at else "told") for each in news]  # fmt: skip
        return [Section("What it tells", ["When", "What", "Item", "Key", ""], list(rows))]

    def get_urls(self) -> list[Any]:
        folder = path("mails/", self.admin_site.admin_view(self.mails), name="notifications_mails")
        return [folder, *super().get_urls()]

    def mails(self, request: HttpRequest) -> HttpResponse:
        """The mails that landed in a folder, as they do in the sandbox and in development."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Mails in the folder",
            "folder": folder_of_mails(),
            "mails": read_mails() if request.user.has_perm("notifications.view_delivery") else [],
        }
        return render(request, "admin/mails.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if folder_of_mails():
            words = format_html(
                '<a href="{}">Mails in the folder</a>: no mail server is configured.',
                reverse("admin:notifications_mails"),
            )
            extra_context = {**(extra_context or {}), "note": words}
        return super().changelist_view(request, extra_context)

    @admin.action(description="Send again", permissions=["operate"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        """What was given up, or may not have arrived, is sent once more."""
        if page := confirmation(
            self, request, queryset, question="Send {count} messages again?", button="Yes, send them again",
            consequence="What arrived already arrives twice. Only what was given up, or is maybe sent, is sent.",
            unless_single=True,
        ):  # fmt: skip
            return page
        ended = (Delivery.State.GIVEN_UP, Delivery.State.MAYBE_SENT)
        sent, skipped = 0, Counter[str]()
        for delivery in chosen(request, queryset):
            again = Delivery.objects.filter(pk=delivery.pk, state__in=ended)
            now = timezone.now()
            if is_another_unsent(delivery):
                skipped["a newer message to them is on its way."] += 1
            elif again.update(state=Delivery.State.WAITING, due_at=now, tries=0, created_at=now):
                sent += 1
                self.log_change(request, delivery, "Sent again.")
            else:
                skipped["it was neither given up nor maybe sent."] += 1
        if sent:
            enqueue_on_commit(SEND)
        report(request, f"{counted(sent, 'message')} on the way again", skipped)
        return None


def is_another_unsent(delivery: Delivery) -> bool:
    """Whether another message of the same kind waits: there is only one at a time."""
    others = Delivery.objects.unsent().filter(user=delivery.user_id, channel=delivery.channel_id, is_test=False)
    if delivery.channel_id is None:
        others = others.filter(is_digest=delivery.is_digest)
    return not delivery.is_test and others.exclude(pk=delivery.pk).exists()


@admin.register(Preferences)
class PreferencesAdmin(ReadOnly, QueueModelAdmin):
    """What people chose to be told."""

    list_display = ["user", "how", "my_runs", "tests_failed", "reviewed", "my_turn", "locked_changed",
                    "review_requested", "stopped_at"]  # fmt: skip
    list_filter = ["how"]
    search_fields = ["user__username"]
    list_select_related = ["user"]
