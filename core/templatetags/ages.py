"""Times in words, and revisions, in templates."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

from core import text

register = template.Library()


@register.filter
def ago(then: datetime) -> str:
    """``3 days ago``."""
    return text.ago(then, timezone.now())


@register.filter
def until(then: datetime) -> str:
    """``in 3 days``."""
    return text.until(then, timezone.now())


register.filter("duration", text.duration)
register.filter("short_revision", text.short_revision)
