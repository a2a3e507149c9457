"""Times in the words of checks."""

from datetime import datetime


def utc(moment: datetime) -> str:
    """A time to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
