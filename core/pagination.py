"""The paginator of every list: pages, admin."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property


class BoundedPaginator(Paginator):
    """Counts to ``limit`` rows and no further: nobody pages beyond, and counting a million rows takes seconds.

    ``known_count`` is the count, if it is known already.
    """

    limit = 10_000  # rows

    def __init__(self, *args: Any, known_count: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known_count = known_count

    @cached_property
    def _counted(self) -> int:
        """The true count, or one more than ``limit``."""
        if self.known_count is not None:
            return self.known_count
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[: self.limit + 1].count()
        return len(rows)

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.limit)

    @property
    def has_more(self) -> bool:
        """Whether there are more rows than can be paged through."""
        return self._counted > self.limit
