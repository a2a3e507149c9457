"""Receivers: a source was saved, a person was marked as a bot."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Person
from accounts.signals import bot_mark_changed
from reviews.models import Review, Source
from reviews.refresh import make_due
from reviews.starting import update_starting
from reviews.withdrawal import settle_withdrawn


@receiver(post_save, sender=Source, dispatch_uid="reviews.source_saved")
def on_source_saved(instance: Source, raw: bool, created: bool, **_: Any) -> None:
    """The items of a source that was switched off leave the queue; switched on, they come back. Whose code runs may
    have changed too."""
    if raw or created:
        return
    update_starting(Review.objects.filter(source=instance), note=f"The source {instance} was edited.")
    settle_withdrawn()


@receiver(bot_mark_changed, dispatch_uid="reviews.bot_mark_changed")
def on_bot_mark_changed(person: Person, **_: Any) -> None:
    """Refresh the open reviews that the person commented on: their votes and states may change. A bot is not trusted
    for the teams that it is in."""
    spoke_on = Review.objects.open().filter(comments__author=person).distinct().values_list("pk", flat=True)
    with transaction.atomic():
        make_due(list(spoke_on))
        update_starting(
            Review.objects.with_code_of([person.pk]), note=f"{person} was marked as a bot, or is none any more."
        )
