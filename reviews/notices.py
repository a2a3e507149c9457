"""Notices over the list of open items. A room registers a query; it is asked with what the list asks anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

NOTICE = "notice"  # the first value of each row
_queries: list[Callable[[], QuerySet[Any, Any]]] = []


def register_notices(query: Callable[[], QuerySet[Any, Any]]) -> None:
    """Show what this query finds: rows of ``NOTICE``, a name, the sentence, a time. Call it when the app is ready."""
    _queries.append(query)


def notice_queries() -> list[QuerySet[Any, Any]]:
    """What is to be asked."""
    return [query() for query in _queries]
