"""Counts of what leaves no row of its own: callbacks and refusals, webhook answers, task failures."""

from core.signals import counted


def count(name: str, label: str) -> None:
    """Count one more of ``name`` (``callbacks``) with this ``label`` (``applied``). Never raises.

    Call it outside of a transaction: the row that is counted up stays locked until a transaction ends.
    """
    counted.send(None, name=name, label=label)
