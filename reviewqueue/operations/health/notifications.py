"""Checks of what people and channels are told."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from core.text import counted, utc
from integrations.notifications.folder import folder_of_mails
from integrations.notifications.models import Channel, Delivery, Preferences
from reviewqueue.operations.health.findings import Finding, Problem, found

MAX_DELAY = timedelta(minutes=30)  # that a message may wait
LATELY = timedelta(days=1)


def check_notifications() -> Finding:
    """Mail that nobody gets, channels that fail, messages that wait or were given up."""
    problems, now = [], timezone.now()
    folder = folder_of_mails()
    if folder and not settings.DEBUG and Preferences.objects.exclude(user__email="").exists():
        words = f"Nobody gets mail: it lands in the folder {folder}."
        problems.append(Problem(words, "Set EMAIL_URL to a mail server, as docs/notifications.md says."))
    for channel in Channel.objects.filter(active=True, failing_since__isnull=False):
        words = f"The channel {channel.name} has failed since {utc(channel.failing_since or now)}: {channel.last_error}"
        problems.append(Problem(words, "Check its address in the admin, and send a test message."))
    late = Delivery.objects.unsent().filter(created_at__lt=now - MAX_DELAY, channel=None)
    if first := late.order_by("created_at").first():
        words = (
            f"{counted(late.count(), 'mail')} could not be sent for more than half an hour. The oldest: {first.error}"
        )
        problems.append(Problem(words, "Check EMAIL_URL, the mail server, and the schedule of notifications."))
    ended = Delivery.objects.filter(created_at__gte=now - LATELY)
    given_up = ended.filter(state=Delivery.State.GIVEN_UP).count()
    maybe = ended.filter(state=Delivery.State.MAYBE_SENT).count()
    if given_up or maybe:
        words = f"Of the last day, {counted(given_up, 'message')} given up and {maybe} maybe sent."
        problems.append(
            Problem(words, "The admin lists them under deliveries, with the reason and an action to send them again.")
        )
    return found("notifications", *problems, facts=f"mails land in {folder}" if folder else "mails are sent")
