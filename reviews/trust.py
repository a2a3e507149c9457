"""What reviewers say about whose code runs: this revision once, or a person (docs/specification.md, section 5)."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import Person, Trust
from core.text import shorten
from reviews.models import AllowedRevision, Review
from reviews.starting import update_starting


class NotPossible(Exception):
    """What was asked for makes no difference or can't be done; ``str()`` says why, for a person."""


def allow_tests(review_id: int, revision: str | None, *, actor: Person) -> bool:
    """Allow the tests of a review's current revision: they start, unless conflicts hold them back.

    ``revision`` is the one that the reviewer looked at, None for whatever is current. False when it was allowed
    already. Raises NotPossible, or Review.DoesNotExist.
    """
    with transaction.atomic():
        review = Review.objects.select_related("source").select_for_update(of=("self",)).get(pk=review_id)
        if not review.is_open:
            raise NotPossible(f"This item is {review.get_state_display()}: nothing is tested any more.")
        if reason := review.why_untracked:
            raise NotPossible(f"{reason} Nothing is tested of it.")
        if revision is not None and revision != review.revision:
            raise NotPossible(
                f"Not allowed: a newer revision, {shorten(review.revision, 40)}, was pushed since you looked. "
                "Look at it first."
            )
        if not review.revision:
            raise NotPossible("Its revision is not known, so none can be allowed. New test tests it as it is then.")
        if review.allowed_revisions.filter(revision=review.revision).exists():
            return False
        if review.trusted:
            raise NotPossible("Its tests start by themselves: nobody has to allow them.")
        AllowedRevision.objects.create(review=review, revision=review.revision, allowed_by=actor)
        words = f"Revision {review.revision} may be tested."
        update_starting(Review.objects.filter(pk=review.pk), actor=actor, note=words, requested_by=actor)
    return True


def trust(person: Person, *, actor: Person) -> bool:
    """Trust a person: their code is tested without asking, and what waits of it starts.

    False when somebody trusts them already. Raises NotPossible.
    """
    check_trustable(person)
    with transaction.atomic():
        _, is_new = Trust.objects.get_or_create(person=person, revoked_at=None, defaults={"granted_by": actor})
        if is_new:
            _update_items(person, actor, f"{person} is trusted from now on.")
    return is_new


def check_trustable(person: Person) -> None:
    """Raises NotPossible, saying why, for who can't be trusted."""
    if person.is_team:
        raise NotPossible("Only a person can be trusted. A team is trusted by a source: staff add it in the admin.")
    if person.is_hidden:
        raise NotPossible("Nobody knows who this is.")


def revoke(person: Person, *, actor: Person | None) -> bool:
    """Trust a person no more; what runs of theirs by itself is cancelled. False when nobody trusted them."""
    with transaction.atomic():
        trusts = Trust.objects.in_force().filter(person=person)
        is_revoked = bool(trusts.update(revoked_at=timezone.now(), revoked_by=actor))
        if is_revoked:
            _update_items(person, actor, f"{person} is trusted no more.")
    return is_revoked


def _update_items(person: Person, actor: Person | None, note: str) -> None:
    update_starting(Review.objects.with_code_of([person.pk]), actor=actor, note=note)
