"""Times in the reader's words, to the minute; what is nearer than that is not "0 minutes" away."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

register = template.Library()
NEAR = timedelta(minutes=1)


@register.filter
def ago(then: datetime) -> str:
    """``3 days, 2 hours ago``."""
    now = timezone.now()
    return "just now" if now - then < NEAR else f"{timesince(then, now)} ago"


@register.filter
def ahead(then: datetime) -> str:
    """``in 3 days, 2 hours``."""
    now = timezone.now()
    return "within a minute" if then - now < NEAR else f"in {timeuntil(then, now)}"
