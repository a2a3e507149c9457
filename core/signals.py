"""Signals by which lower rooms ask or tell upper ones something, without importing them."""

from django.dispatch import Signal

# Sent for everything that is counted. Arguments: name (what is counted), label (which kind of it); both str.
counted = Signal()

# Asks whether a worker is running. Receivers return a bool.
worker_wanted = Signal()


def is_worker_alive() -> bool:
    """Whether any worker gave a sign of life lately: without one, what is enqueued waits."""
    return any(alive for _, alive in worker_wanted.send(None))
