"""The one place that writes a review's history."""

from collections.abc import Iterable

from accounts.models import Person
from core.compiled_queries import insert
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
    """Write one line of history: what, from, to, who (None: the queue itself). Call it in the change's transaction."""
    insert(line(review, kind, old=old, new=new, actor=actor, note=note, run_id=run_id))


def record_all(lines: Iterable[Event]) -> None:
    """Write many lines, made by ``line``, at once."""
    Event.objects.bulk_create(lines)


def line(
    review: Review,
    kind: str,
    *,
    old: str = "",
    new: str = "",
    actor: Person | None = None,
    note: str = "",
    run_id: int | None = None,
) -> Event:
    """A line of history that is still to be written, by ``record_all``."""
    return Event(review=review, kind=kind, old=old[:255], new=new[:255], actor=actor, note=note, run_id=run_id)
