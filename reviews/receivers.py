"""What the queue does when people or sources change."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Person
from accounts.signals import bot_mark_changed
from reviews.models import Review, Source
from reviews.refresh import make_due
from reviews.withdrawal import settle_withdrawn


@receiver(post_save, sender=Source, dispatch_uid="reviews.source_saved")
def on_source_saved(raw: bool, **_: Any) -> None:
    """A source that was switched off, or on, takes its items along."""
    if not raw:
        settle_withdrawn()


@receiver(bot_mark_changed, dispatch_uid="reviews.bot_mark_changed")
def on_bot_mark_changed(person: Person, **_: Any) -> None:
    """Votes and last words are counted anew where they spoke."""
    spoke_on = Review.objects.open().filter(comments__author=person).distinct().values_list("pk", flat=True)
    with transaction.atomic():
        make_due(list(spoke_on))
