"""Notices at the top of every page. A room registers what it has to say; ``base.html`` shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

NoticeProvider = Callable[[], str]  # the notice in words, empty for none; asked at every page, so it must be cheap

_providers: list[NoticeProvider] = []


def register_notice(provider: NoticeProvider) -> None:
    """Ask this provider at every page. Call it when the app is ready."""
    _providers.append(provider)


def get_notices() -> list[str]:
    """What there is to say now."""
    return [notice for provider in _providers if (notice := provider())]


def notices(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``site_notices``, asked for once a page, by the template that shows them."""
    return {"site_notices": SimpleLazyObject(get_notices)}
