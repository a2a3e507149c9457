"""Celery tasks of operations. Each loads, calls one function, and may run twice without harm."""

from celery import shared_task

from reviewqueue.operations import pruning


@shared_task(name="integrations.tasks.prune_queue")
def prune_queue() -> None:
    """Delete old rows that nobody needs any more."""
    pruning.prune_nightly()
