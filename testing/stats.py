"""How test runs ended, for the stats page."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count

from testing.models import OUTCOMES, Status, TestRun


def outcomes(since: datetime) -> list[tuple[str, dict[str, int]]]:
    """How the runs that finished since then ended, by substrate, in the order of the substrates. One query."""
    rows = TestRun.objects.filter(finished_at__gte=since, status__in=OUTCOMES).order_by()
    grouped = rows.values_list("substrate__name", "status").annotate(Count("id"))
    found: dict[str, dict[str, int]] = {}
    for name, status, count in grouped.order_by("substrate__order", "substrate__name", "status"):
        found.setdefault(name, dict.fromkeys(OUTCOMES, 0))[status] = count
    return list(found.items())


def pass_rate(counts: dict[str, int]) -> int:
    """Percent of the outcomes that passed."""
    return round(100 * counts[Status.PASS] / sum(counts.values()))
