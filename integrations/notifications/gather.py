"""Making messages of news: one for a person or channel, of all that happened within five minutes; or one a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import User
from integrations.notifications.models import Delivery, News, Preferences

AT_ONCE = 500  # messages that one call makes


def gather_news() -> None:
    """Make the messages that are due. Any number of processes may do it at once."""
    now = timezone.now()
    readers = User.objects.filter(notification_preferences__how=Preferences.How.DIGEST, is_active=True)
    for user in readers.select_related("notification_preferences"):
        make_digest(user, now)
    settled = News.objects.filter(
        delivery=None, dropped_at=None, created_at__lte=now - timedelta(seconds=settings.NOTIFY_AFTER_SECONDS)
    )
    unsent = Delivery.objects.unsent().filter(is_digest=False, is_test=False)
    waits = Q(Exists(unsent.filter(user=OuterRef("user")))) | Q(Exists(unsent.filter(channel=OuterRef("channel"))))
    at_once = settled.exclude(user__notification_preferences__how=Preferences.How.DIGEST).exclude(waits)
    recipients = at_once.order_by().values_list("user_id", "channel_id").distinct()[:AT_ONCE]
    for user_id, channel_id in list(recipients):
        make_delivery(user=user_id, channel=channel_id)


def make_delivery(*, user: int | None = None, channel: int | None = None, is_digest: bool = False) -> bool:
    """One message of all that this recipient has not been told; nothing while an earlier one is still to be sent.

    It names its item where it is of one alone, so that the mails on an item belong together.
    """
    try:
        with transaction.atomic():
            news = News.objects.filter(user=user, channel=channel, delivery=None, dropped_at=None)
            free = news.select_for_update(of=("self",), skip_locked=True).order_by("pk")
            rows = list(free.values_list("pk", "review_id"))
            if not rows:
                return False
            reviews = {review for _, review in rows}
            review = reviews.pop() if len(reviews) == 1 and user is not None else None
            delivery = Delivery.objects.create(user_id=user, channel_id=channel, review_id=review, is_digest=is_digest)
            News.objects.filter(pk__in=[pk for pk, _ in rows]).update(delivery=delivery)
    except IntegrityError:  # an earlier one waits: these news wait for it
        return False
    return True


def make_digest(user: User, now: datetime) -> None:
    """The daily message, once its hour has come in the zone of the person. None where nothing happened."""
    preferences = user.notification_preferences
    local = now.astimezone(preferences.zone)
    due = local.replace(hour=preferences.digest_hour, minute=0, second=0, microsecond=0)
    if due > local:
        due -= timedelta(days=1)
    if preferences.last_digest_at and preferences.last_digest_at >= due:
        return
    before = preferences.last_digest_at
    claimed = Preferences.objects.filter(pk=preferences.pk, last_digest_at=before).update(last_digest_at=now)
    if not claimed or preferences.since >= due or make_delivery(user=user.pk, is_digest=True):
        return
    if Delivery.objects.unsent().filter(user=user, is_digest=True).exists():  # yesterday's waits: today's follows it
        Preferences.objects.filter(pk=preferences.pk).update(last_digest_at=before)
