"""Limits on failed logins: of a name from an address (axes), and of an address whatever the names."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.error_views import error_response
from core.middleware import client_address

MAX_NAME = 255  # characters; what the tables of failed logins hold
UNKNOWN = "0.0.0.0"  # noqa: S104  (nothing listens there: no request can come from this address)
IPV6_NETWORK = 64  # bits: so many addresses are one household's or server's, who can take any of them


def name_tried(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """The name that somebody tries to log in with, as long as can be written down."""
    given = (credentials or {}).get("username") or (request.POST.get("username") if request else "")
    return str(given or "")[:MAX_NAME]


def counted_address(request: HttpRequest) -> str:
    """The address that failed logins are counted by; of IPv6 the network. ``UNKNOWN`` when it is not known."""
    address = client_address(request)
    try:
        found = ip_address(address)
    except ValueError:  # a socket file of the same machine
        return UNKNOWN
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network((found, IPV6_NETWORK), strict=False).network_address)


class LoginHandler(AxesDatabaseHandler):
    """Axes, which counts by name and address, and a second count by address alone."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        return super().is_locked(request, credentials) or _is_spraying(request, name_tried(request, credentials))


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """429, with the minutes that are left to wait."""
    address, name, pause = counted_address(request), name_tried(request), timedelta(hours=settings.AXES_COOLOFF_TIME)
    own = _recent_failures(address).filter(username=name)
    found = own.aggregate(count=Sum("failures_since_start"), last=Max("attempt_time"))
    if (found["count"] or 0) >= settings.AXES_FAILURE_LIMIT:
        what, free_at = "as this user", found["last"] + pause
    else:
        what, free_at = "from your address", _free_at(address)
    minutes = max(1, ceil((free_at - timezone.now()).total_seconds() / 60))
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    return error_response(request, 429, f"Too many failed logins {what}. Wait {wait} and try again, or ask staff.")


def _recent_failures(address: str) -> QuerySet[Any]:
    since = timezone.now() - timedelta(hours=settings.AXES_COOLOFF_TIME)
    return AccessAttempt.objects.filter(ip_address=address, attempt_time__gt=since)


def _is_spraying(request: HttpRequest, name: str) -> bool:
    """Whether too many logins failed from the address; not for a name that has logged in from there before.

    So somebody who guesses in an office, or behind the same proxy, does not lock out those who work there.
    """
    address, limit = counted_address(request), settings.LOGIN_FAILURE_LIMIT_PER_ADDRESS
    if address == UNKNOWN or not limit:
        return False
    failed = _recent_failures(address).aggregate(count=Sum("failures_since_start"))["count"] or 0
    return failed >= limit and not AccessLog.objects.filter(username=name, ip_address=address).exists()


def _free_at(address: str) -> Any:
    """When so many failures of the address are old that fewer than the limit remain."""
    pause = timedelta(hours=settings.AXES_COOLOFF_TIME)
    failures = list(
        _recent_failures(address).order_by("attempt_time").values_list("attempt_time", "failures_since_start")
    )
    remaining = sum(count for _, count in failures)
    for at, count in failures:
        remaining -= count
        if remaining < settings.LOGIN_FAILURE_LIMIT_PER_ADDRESS:
            return at + pause
    return timezone.now()
