"""Texts and ages as pages show them."""

from __future__ import annotations

from datetime import datetime, timedelta


def shortened(text: str, most: int) -> str:
    """At most so many characters; an ellipsis says that there are more."""
    return text if len(text) <= most else text[: most - 1] + "…"


SECOND = timedelta(seconds=1)


# From so many seconds on, the unit of so many says it; a smaller unit says 40 days or one year better.
_UNITS = (
    (2 * 365 * 86400, 365 * 86400, "year"),
    (2 * 30 * 86400, 30 * 86400, "month"),
    (3 * 7 * 86400, 7 * 86400, "week"),
    (86400, 86400, "day"),
    (3600, 3600, "hour"),
    (60, 60, "min"),
)


def age(then: datetime, now: datetime) -> str:
    """How long ago, in words a glance takes in: ``5 min``, ``3 days``, ``4 months``."""
    seconds = (now - then) // SECOND
    for least, size, unit in _UNITS:
        if seconds >= least:
            count = seconds // size
            return f"{count} {unit}" if count == 1 or unit == "min" else f"{count} {unit}s"
    return "now"
