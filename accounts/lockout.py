"""What somebody is told who failed to log in too often."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.error_views import error_response
from core.middleware import client_address

MAX_NAME = 255  # characters; what the tables of failed logins hold


def name_tried(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """The name that somebody tries to log in with, as long as can be written down."""
    given = (credentials or {}).get("username") or (request.POST.get("username") if request else "")
    return str(given or "")[:MAX_NAME]


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """429 of the login throttle, with the minutes that are left of the rest."""
    name = name_tried(request)
    failed = AccessAttempt.objects.filter(ip_address=client_address(request), username=name)
    last = failed.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    left = last + timedelta(hours=settings.AXES_COOLOFF_TIME) - timezone.now()
    minutes = max(1, ceil(left.total_seconds() / 60))
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    return error_response(
        request, 429, f"Too many failed logins as this user. Wait {wait} and try again, or ask staff."
    )
