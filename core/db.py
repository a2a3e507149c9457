"""Bounding what the database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

PATIENCE = 8  # seconds that PostgreSQL may take for one query


class TooSlow(Exception):
    """The database gave up on the search; narrower words help."""


@contextmanager
def patience() -> Iterator[None]:
    """Bound the time of each query within. Raises TooSlow (PostgreSQL; SQLite queues are small)."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [PATIENCE * 1000])
            yield
            with connection.cursor() as cursor:  # a test's own transaction goes on after this one
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") == "57014":  # query_canceled
            raise TooSlow from None
        raise
