"""The sweep: sends what is due, finds what was lost, collects single tests (docs/specification.md, section 5).

Each step claims due rows by moving their due time forward in a transaction of its own, then asks the engine outside of
any transaction, then writes down what came of it. A process that dies in between leaves rows that are due again.
Threads only ask the engine; every row is read and written by the thread that sweeps.
"""

from __future__ import annotations

import time
from collections import defaultdict

from django.db.models import Exists

from testing.ci import get_ci
from testing.models import Attempt, Substrate, TestRun
from testing.runs import cancel_pointless
from testing.sweep.claims import SweepReport, put_off
from testing.sweep.due_times import misdated_attempts, misdated_runs, set_back
from testing.sweep.following import follow_due
from testing.sweep.lookups import look_up_due
from testing.sweep.results import collect_due
from testing.sweep.sending import send_due
from testing.sweep.stopping import stop_due

TIME_LIMIT_SECONDS = 45.0  # after which a sweep leaves the rest to the next one
# Shares of that time after which a step leaves the rest to the next step.
SENDING_UNTIL, FOLLOWING_UNTIL = 0.6, 0.85
UNCONFIGURED_PAUSE = 60  # seconds
MAX_CANCELED = 200  # runs that one sweep cancels


def sweep() -> SweepReport:
    """Bring every due run on. One query when nothing is due; any number of processes may sweep at once."""
    report, started = SweepReport(), time.monotonic()
    due = steps_due()
    if due["set_back"]:
        set_back()
        due = steps_due()
    if not any(due.values()):
        return report
    if due["cancel"]:
        report.canceled = cancel_pointless(TestRun.objects.all(), MAX_CANCELED)
    ci = get_ci()
    if reason := ci.unconfigured():
        report.problems[reason] += put_off(TestRun.objects.due(), reason, UNCONFIGURED_PAUSE)
        return report
    if due["send"]:
        send_due(ci, report, started + TIME_LIMIT_SECONDS * SENDING_UNTIL)
    if due["follow"]:
        follow_due(ci, report, started + TIME_LIMIT_SECONDS * FOLLOWING_UNTIL)
    if due["look_up"]:
        look_up_due(ci, started + TIME_LIMIT_SECONDS * FOLLOWING_UNTIL)
    # What was just cancelled, given up or finished is due as well.
    stop_due(ci, started + TIME_LIMIT_SECONDS)
    collect_due(ci, report, started + TIME_LIMIT_SECONDS)
    return report


def steps_due() -> dict[str, bool]:
    """Which steps of the sweep have something to do. One query."""
    found = Substrate.objects.order_by().values(
        set_back=Exists(misdated_runs()) | Exists(misdated_attempts()),
        cancel=Exists(TestRun.objects.pointless()),
        send=Exists(TestRun.objects.to_send().due()),
        follow=Exists(TestRun.objects.on_engine().due()),
        look_up=Exists(Attempt.objects.to_look_up()),
        stop=Exists(Attempt.objects.to_stop()),
        collect=Exists(TestRun.objects.with_results_due()),
    )[:1]
    # Without a substrate there can be no run.
    steps = defaultdict[str, bool](bool)
    for row in found:
        steps.update({step: bool(is_due) for step, is_due in row.items()})
    return steps
