"""Bounding what the database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

QUERY_TIMEOUT_SECONDS = 8  # that PostgreSQL may take for one query of a search
QUERY_CANCELED = "57014"  # PostgreSQL's code


class QueryTooSlow(Exception):
    """The database gave up on the query; a narrower one helps."""


@contextmanager
def query_timeout() -> Iterator[None]:
    """Bound the time of each query within. Raises QueryTooSlow (PostgreSQL only; a queue on SQLite is small)."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [QUERY_TIMEOUT_SECONDS * 1000])
            yield
            with connection.cursor() as cursor:  # an outer transaction goes on after this one
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") == QUERY_CANCELED:
            raise QueryTooSlow from None
        raise
