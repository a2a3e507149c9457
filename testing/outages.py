"""When a substrate fails for most items, it is probably not theirs: an outage is said once, for all of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import CharField, QuerySet, Value
from django.utils import timezone

from reviews.notices import NOTICE
from testing.models import Status, Substrate, TestRun

WINDOW = timedelta(hours=6)  # whose outcomes are looked at
LEAST_ITEMS, MOST_ITEMS = 5, 16  # of those that finished last in it: fewer prove nothing, more are old news
SHARE = 2 / 3  # of them that fail or end in error


class Outage(NamedTuple):
    """A substrate that fails for most items, that in a sentence, and since when it is seen."""

    substrate: str
    words: str
    since: datetime


def keep_outages() -> None:
    """Write down which substrates fail for most items, and since when that is seen. Two queries and one a change."""
    now = timezone.now()
    runs = TestRun.objects.visible_to(None).with_outcome().filter(finished_at__gte=now - WINDOW)
    newest: dict[int, dict[int | None, str]] = defaultdict(dict)  # by substrate and item
    rows = runs.order_by("-finished_at", "-pk").values_list("substrate_id", "review_id", "status")
    for substrate_id, review_id, status in rows:
        if len(newest[substrate_id]) < MOST_ITEMS:
            newest[substrate_id].setdefault(review_id, status)
    for substrate in Substrate.objects.all():
        statuses = newest[substrate.pk].values()
        total, bad = len(statuses), sum(status != Status.PASS for status in statuses)
        words = ""
        if total >= LEAST_ITEMS and bad >= SHARE * total:
            words = f"{substrate.name} fails for {bad} of the last {total} items: probably not yours."
        if words != substrate.outage:
            since = (substrate.outage_since or now) if words else None
            Substrate.objects.filter(pk=substrate.pk).update(outage=words, outage_since=since)


def get_outages() -> list[Outage]:
    """The substrates that fail for most items now. One query."""
    rows = Substrate.objects.filter(outage_since__isnull=False)
    return [Outage(row.name, row.outage, row.outage_since) for row in rows if row.outage_since]


def outage_rows() -> QuerySet[Any, Any]:
    """The outages as the list of open items reads them, together with what it asks anyway."""
    rows = Substrate.objects.filter(outage_since__isnull=False).order_by()
    return rows.values_list(Value(NOTICE, output_field=CharField()), "name", "outage", "outage_since")
