"""Counts of what leaves no row of its own: callbacks and refusals, webhook answers, task failures.

They are kept in the database, so that they survive a restart and every process adds to the same count. Counting is one
statement outside of any other transaction; each process has rows of its own, so that none waits for another.
"""

from __future__ import annotations

import logging
import os

from django.db import DatabaseError, connection
from django.db.models import Sum

from reviewqueue.operations.models import Tally

logger = logging.getLogger(__name__)

SHARDS = 16
# Both databases know this form; the ORM has none for it that is a single statement.
_ADD = (
    "INSERT INTO operations_tally (name, label, shard, count) VALUES (%s, %s, %s, 1) "
    "ON CONFLICT (name, label, shard) DO UPDATE SET count = operations_tally.count + 1"
)


def tally(name: str, label: str) -> None:
    """Count one. Never raises: what is counted matters more than the count."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [name[:32], label[:64], os.getpid() % SHARDS])
    except DatabaseError as error:
        logger.warning("not counted name=%s label=%s error=%s", name, label, type(error).__name__)


def tallies() -> dict[tuple[str, str], int]:
    """Every count by name and label. One query."""
    rows = Tally.objects.order_by().values_list("name", "label").annotate(total=Sum("count"))
    return {(name, label): int(total) for name, label, total in rows}
