"""Texts and times as pages and the admin show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from string import hexdigits

SECOND = timedelta(seconds=1)

# The least number of seconds that is said in a unit, the unit's length in seconds, its name. Long units are used from
# two or three on: "5 weeks" says more than "1 month".
_UNITS = (
    (2 * 365 * 86400, 365 * 86400, "year"),
    (2 * 30 * 86400, 30 * 86400, "month"),
    (3 * 7 * 86400, 7 * 86400, "week"),
    (86400, 86400, "day"),
    (3600, 3600, "hour"),
    (60, 60, "min"),
)


def shorten(text: str, length: int) -> str:
    """The text in at most so many characters; an ellipsis says that there are more."""
    return text if len(text) <= length else text[: length - 1] + "…"


def short_revision(revision: str) -> str:
    """A revision as one recognises it: the first 12 digits of a Git commit; the end of a long Bazaar id, which is what
    tells it from others."""
    if len(revision) >= 20 and all(digit in hexdigits for digit in revision):
        return revision[:12]
    return revision if len(revision) <= 30 else f"…{revision[-29:]}"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def join_words(words: Sequence[str]) -> str:
    """``lxc``, ``lxc and aws``, ``lxc, aws and azure``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def age(then: datetime, now: datetime) -> str:
    """How long ago: ``5 min``, ``3 days``, ``4 months``; ``now`` for less than a minute or a time to come."""
    return _in_words((now - then) // SECOND) or "now"


def ago(then: datetime, now: datetime) -> str:
    """The same as part of a sentence: ``3 days ago``, ``just now``."""
    words = _in_words((now - then) // SECOND)
    return f"{words} ago" if words else "just now"


def time_passed(then: datetime, now: datetime) -> str:
    """How long it has lasted: ``5 min``, ``3 days``; empty for less than a minute."""
    return _in_words((now - then) // SECOND)


def since_day(then: datetime, now: datetime) -> str:
    """A day as one calls it in UTC: ``today``, ``yesterday``, ``Tuesday``, before that ``12 November``, with the year
    when it is another one."""
    day, today = then.astimezone(UTC).date(), now.astimezone(UTC).date()
    days = (today - day).days
    if days <= 1:
        return "today" if days <= 0 else "yesterday"
    if days < 7:
        return f"{day:%A}"
    return f"{day:%-d %B}" if day.year == today.year else f"{day:%-d %B %Y}"


def until(then: datetime, now: datetime) -> str:
    """How far ahead: ``in 3 days``, ``within a minute``."""
    words = _in_words((then - now) // SECOND)
    return f"in {words}" if words else "within a minute"


def _in_words(seconds: int) -> str:
    for least, size, unit in _UNITS:
        if seconds >= least:
            count = seconds // size
            return f"{count} {unit}" if count == 1 or unit == "min" else f"{count} {unit}s"
    return ""


def utc(moment: datetime) -> str:
    """A time in UTC, to the minute: ``2026-01-31 09:05 UTC``."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def duration(seconds: float | None) -> str:
    """Seconds in a reader's words: ``12.5 s``, ``3 min 20 s``, ``2 h 5 min``; empty for none."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
