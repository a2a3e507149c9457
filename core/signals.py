"""Signals that a lower room sends and an upper room receives, so that the lower one does not import the upper one."""

from django.dispatch import Signal

# Sent for everything that is counted. Arguments: name (what is counted), label (which kind of it); both str.
counted = Signal()

# Asks whether a worker is running. Receivers return a bool.
worker_wanted = Signal()


def is_worker_alive() -> bool:
    """Whether any worker gave a sign of life lately: without one, what is enqueued waits."""
    return any(alive for _, alive in worker_wanted.send(None))
