"""The sweep (SPEC section 5): sends what is due, recovers what was lost, collects single tests.

Each step claims its rows by moving their due time forward in a transaction of its own, then talks to the engine
outside of any transaction, then records what came of it. A process that dies in between leaves rows that are due again.
Threads only talk to the engine; every row is read and written by the thread that sweeps.
"""

from __future__ import annotations

import logging
import time

from django.db.models import Exists, OuterRef
from django.utils import timezone

from reviews.models import CLOSED_STATES, Review
from testing.ci import get_ci
from testing.models import ON_ENGINE, UNFINISHED, Status, TestRun
from testing.runs import cancel_run
from testing.sweep.claims import (
    MOST_CANCELED,
    SweepReport,
    _put_off,
)
from testing.sweep.following import _follow_due
from testing.sweep.results import _collect_due
from testing.sweep.sending import _send_due
from testing.sweep.stopping import _stop_due, stop_build

logger = logging.getLogger(__name__)

BUDGET = 45.0  # seconds after which a sweep leaves the rest to the next one
SENDING, FOLLOWING = 0.6, 0.85  # of the budget: each step leaves something to the next
UNCONFIGURED_PAUSE = 60  # seconds


def sweep() -> SweepReport:
    """Bring every due run on. Three queries when nothing is due; any number may run at once."""
    report, start = SweepReport(), time.monotonic()
    _cancel_pointless(report, start + BUDGET * SENDING)
    now = timezone.now()
    due = TestRun.objects.filter(status__in=UNFINISHED, next_attempt_at__lte=now).order_by()
    waiting = set(due.values_list("status", flat=True).distinct())
    if waiting:
        ci = get_ci()
        if reason := ci.unconfigured():
            _put_off(UNFINISHED, reason, UNCONFIGURED_PAUSE)
        else:
            if Status.RETRY in waiting:
                _send_due(ci, report, start + BUDGET * SENDING)
            if waiting & set(ON_ENGINE):
                _follow_due(ci, report, start + BUDGET * FOLLOWING)
    if TestRun.objects.filter(results_due_at__lte=now).exists():
        _stop_due(get_ci(), start + BUDGET)
        _collect_due(get_ci(), report, start + BUDGET)
    return report


def _cancel_pointless(report: SweepReport, until: float) -> None:
    """Cancel the runs of closed items and old revisions; stop their builds while there is time."""
    # Asked the other way round, so that only open reviews are looked at, however many closed ones there are.
    wanted = Review.objects.open().filter(pk=OuterRef("review"), revision=OuterRef("revision"))
    pointless = TestRun.objects.filter(~Exists(wanted), status__in=UNFINISHED).order_by()
    found = list(pointless.values_list("pk", flat=True)[:MOST_CANCELED])
    for run in TestRun.objects.filter(pk__in=found).select_related("review") if found else ():
        closed = run.review.state in CLOSED_STATES
        note = f"The item is {run.review.get_state_display()}." if closed else "A newer revision is proposed."
        if cancel_run(run, actor=None, note=note):
            report.canceled += 1
            if time.monotonic() < until:
                stop_build(run.pk)
