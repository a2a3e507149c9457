"""The one place that writes a review's history."""

from collections.abc import Iterable

from accounts.models import Person
from reviews.models import Event, Review


def record(
    review: Review,
    kind: str,
    *,
    old: str = "",
    new: str = "",
    actor: Person | None = None,
    note: str = "",
    run_id: int | None = None,
) -> None:
    """Write one event: what, from, to, who (None: the queue itself). Call it in the change's transaction."""
    build_event(review, kind, old=old, new=new, actor=actor, note=note, run_id=run_id).save(force_insert=True)


def record_all(events: Iterable[Event]) -> None:
    """Write many events, made by ``build_event``, at once; no query for none."""
    Event.objects.bulk_create(events)


def build_event(
    review: Review,
    kind: str,
    *,
    old: str = "",
    new: str = "",
    actor: Person | None = None,
    note: str = "",
    run_id: int | None = None,
) -> Event:
    """An event that is still to be written, by ``record_all``."""
    return Event(review=review, kind=kind, old=old[:255], new=new[:255], actor=actor, note=note, run_id=run_id)
