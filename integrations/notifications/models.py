"""What people and channels are told: their choice, what happened, and the messages that say it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from core.secret_field import SecretField
from reviews.models import Review, Source

MAX_TRYING = timedelta(days=1)  # after which a message is given up


class NewsKind(models.TextChoices):
    """What there is to tell; the first ones to people, the others to channels."""

    TESTS_FAILED = "tests-failed", "tests failed"
    REVIEWED = "reviewed", "reviewed"
    MY_TURN = "my-turn", "your turn"
    LOCKED_CHANGED = "locked-changed", "what you locked changed"
    REVIEW_REQUESTED = "review-requested", "review requested"
    MY_RUNS = "my-runs", "your test ended"
    NEW_ITEM = "new-item", "new item"
    VERDICT = "verdict", "verdict"
    WAITS = "waits", "waits long"
    TROUBLE = "trouble", "trouble"
    TROUBLE_OVER = "trouble-over", "trouble is over"


def check_time_zone(name: str) -> None:
    """Raises ValidationError for a time zone that there is not."""
    if name not in available_timezones():
        raise ValidationError("There is no such time zone.")


class Preferences(models.Model):
    """What a person wants to be told by mail. Whoever has no row has the defaults."""

    class How(models.TextChoices):
        AT_ONCE = "at-once", "at once"
        DIGEST = "digest", "once a day"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notification_preferences")
    tests_failed = models.BooleanField("my item’s tests failed", default=False)
    reviewed = models.BooleanField("my item was reviewed", default=False)
    my_turn = models.BooleanField("it is my turn", default=False)
    locked_changed = models.BooleanField("what I locked changed", default=False)
    review_requested = models.BooleanField("I was asked to review", default=False)
    my_runs = models.BooleanField("a test that I started ended", default=True)
    how = models.CharField(max_length=8, choices=How.choices, default=How.AT_ONCE)
    digest_hour = models.PositiveSmallIntegerField(
        default=8, validators=[MaxValueValidator(23)], help_text="Hour of the daily message, in the zone below."
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    since = models.DateTimeField(default=timezone.now, editable=False, help_text="What happened before is not told.")
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When all mail was stopped.")
    last_digest_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"what {self.user} is told"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Channel(models.Model):
    """An address that staff entered, as apprise takes it: a chat room, a mailing list, a web hook."""

    name = models.CharField(max_length=100, unique=True, help_text="How pages and logs call it.")
    source = models.ForeignKey(
        Source,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="channels",
        help_text="Empty: every source.",
    )
    url = SecretField(
        "address", max_length=2000,
        help_text="As apprise takes it: mmosts://host/token, matrixs://…, jsons://host/path. It is kept secret.",
    )  # fmt: skip
    new_items = models.BooleanField("new item", default=False)
    verdicts = models.BooleanField("verdict changed", default=False)
    waits_days = models.PositiveIntegerField(
        "waits longer than (days)", null=True, blank=True, help_text="For a reviewer; empty: it is not told."
    )
    trouble = models.BooleanField("Launchpad or Jenkins trouble", default=False)
    active = models.BooleanField(
        default=True, help_text="Off: nothing is sent to it; what happens meanwhile is not told."
    )
    since = models.DateTimeField(default=timezone.now, editable=False, help_text="What happened before is not told.")
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """``Delivery.objects``."""

    def unsent(self) -> DeliveryQuerySet:
        """To be sent, or being sent."""
        return self.filter(state__in=Delivery.UNSENT)

    def due(self) -> DeliveryQuerySet:
        """Those that a process takes up now; also what one that died was about to send."""
        return self.unsent().filter(due_at__lte=timezone.now())


def new_message_id() -> str:
    """The Message-ID of a mail: the same however often it is sent, so that it is shown once."""
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    return f"<{uuid.uuid4().hex}@{host}>"


class Delivery(models.Model):
    """One message to one person or channel."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENDING = "sending", "being sent"
        SENT = "sent", "sent"
        MAYBE_SENT = "maybe-sent", "maybe sent"  # nobody knows; it is not sent again by itself
        GIVEN_UP = "given-up", "given up"
        DROPPED = "dropped", "not needed any more"

    UNSENT: ClassVar[tuple[str, ...]] = (State.WAITING, State.SENDING)

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    review = models.ForeignKey(Review, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    is_digest = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False, help_text="Somebody asked for a test message.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is sent, or sent again.")
    begun_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the process that took it began to send it."
    )
    tries = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="Why the last try failed, or why it was given up.")
    message_id = models.CharField(max_length=255, default=new_message_id, editable=False)
    subject = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, channel__isnull=True) | Q(user__isnull=True, channel__isnull=False),
                name="delivery_has_one_recipient",
            ),
            # While a server is away, news wait, and not one message for each of them.
            models.UniqueConstraint(
                fields=["user"], name="one_unsent_delivery_per_person",
                condition=Q(state__in=("waiting", "sending"), is_digest=False, is_test=False, user__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["user"], name="one_unsent_digest",
                condition=Q(state__in=("waiting", "sending"), is_digest=True),
            ),
            models.UniqueConstraint(
                fields=["channel"], name="one_unsent_delivery_per_channel",
                condition=Q(state__in=("waiting", "sending"), is_test=False, channel__isnull=False),
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(state__in=("waiting", "sending"))),
            models.Index(fields=["user", "-created_at"], name="delivery_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.subject or 'message'} to {self.recipient}"

    @property
    def recipient(self) -> str:
        """Whom it is to, for staff (reads the user or the channel)."""
        return str(self.channel or self.user)


class News(models.Model):
    """One thing that one person or channel is to be told. A row stays: it is why nothing is told twice."""

    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    channel = models.ForeignKey(
        Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    review = models.ForeignKey(Review, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=NewsKind.choices)
    key = models.CharField(max_length=100, help_text="What makes it the same thing: a comment, a run, a moment.")
    words = models.TextField(blank=True, help_text="What happened, where the item itself does not say it any more.")
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    over_at = models.DateTimeField(null=True, blank=True, help_text="Of trouble: when it ended.")
    delivery = models.ForeignKey(Delivery, null=True, blank=True, on_delete=models.CASCADE, related_name="news")
    dropped_at = models.DateTimeField(null=True, blank=True, help_text="When it was found not to be worth telling.")

    class Meta:
        verbose_name_plural = "news"
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, channel__isnull=True) | Q(user__isnull=True, channel__isnull=False),
                name="news_has_one_recipient",
            ),
            models.UniqueConstraint(
                fields=["user", "review", "kind", "key"], condition=Q(user__isnull=False), name="news_once_a_person"
            ),
            models.UniqueConstraint(
                fields=["channel", "review", "kind", "key"], condition=Q(channel__isnull=False, review__isnull=False),
                name="news_once_a_channel",
            ),
            models.UniqueConstraint(
                fields=["channel", "kind", "key"], condition=Q(channel__isnull=False, review__isnull=True),
                name="trouble_once_a_channel",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["created_at"], name="news_untold", condition=Q(delivery__isnull=True, dropped_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
