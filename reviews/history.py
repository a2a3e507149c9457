"""The one place that writes a review's history."""

from reviews.models import Event, Person, Review


def record(
    review: Review,
    kind: str,
    *,
    old: str = "",
    new: str = "",
    actor: Person | None = None,
    note: str = "",
    run_id: int | None = None,
) -> Event:
    """Write one line of history: what, from, to, who (None: the queue itself). Call it in the change's transaction."""
    return Event.objects.create(
        review=review, kind=kind, old=old[:255], new=new[:255], actor=actor, note=note, run_id=run_id
    )
