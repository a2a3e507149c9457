"""Receivers: a source was saved or deleted, a person was marked as a bot, an account joined or left the reviewers."""

from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from accounts.models import REVIEWERS_GROUP, Person, User
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


@receiver(post_delete, sender=Source, dispatch_uid="reviews.source_deleted")
def on_source_deleted(instance: Source, **_: Any) -> None:
    """Of an item without a source only the code of trusted people runs."""
    update_starting(Review.objects.filter(source=None), note=f"The source {instance} was deleted.")


@receiver(m2m_changed, sender=User.groups.through, dispatch_uid="reviews.groups_changed")
def on_groups_changed(instance: User | Group, action: str, pk_set: set[int] | None, **_: Any) -> None:
    """Who joins the group of reviewers is trusted, and who leaves it no more, unless for another reason."""
    if action not in ("post_add", "post_remove", "post_clear"):
        return
    if isinstance(instance, Group):
        if instance.name != REVIEWERS_GROUP:
            return
        accounts = User.objects.all() if pk_set is None else User.objects.filter(pk__in=pk_set)
    else:
        if pk_set is not None and not Group.objects.filter(pk__in=pk_set, name=REVIEWERS_GROUP).exists():
            return
        accounts = User.objects.filter(pk=instance.pk)
    if people := list(accounts.exclude(person=None).values_list("person_id", flat=True)):
        update_starting(Review.objects.with_code_of(people), note="The group of reviewers was changed.")


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
