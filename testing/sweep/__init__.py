"""The sweep: sends what is due, finds what was lost, collects single tests (docs/specification.md, section 5).

Each step claims due rows by moving their due time forward in a transaction of its own, then asks the engine outside of
any transaction, then writes down what came of it. A process that dies in between leaves rows that are due again.
Threads only ask the engine; every row is read and written by the thread that sweeps.
"""

from __future__ import annotations

import time
from collections import defaultdict

from django.db.models import Exists
from django.utils import timezone

from testing.engines import Engines
from testing.models import Attempt, Substrate, TestRun
from testing.runs import cancel_pointless
from testing.sweep.claims import SweepReport, put_off
from testing.sweep.due_times import misdated_attempts, misdated_runs, set_back
from testing.sweep.following import Following
from testing.sweep.lanes import Place, run_step
from testing.sweep.lookups import look_up_due
from testing.sweep.results import Collecting
from testing.sweep.sending import Sending
from testing.sweep.stopping import Stopping

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
    engines = Engines()
    places = open_places(engines, report)
    if due["send"]:
        run_step(Sending(engines, report), places, started + TIME_LIMIT_SECONDS * SENDING_UNTIL)
    if due["follow"]:
        run_step(Following(engines, report), places, started + TIME_LIMIT_SECONDS * FOLLOWING_UNTIL)
    if due["look_up"]:
        look_up_due(engines, places, started + TIME_LIMIT_SECONDS * FOLLOWING_UNTIL)
    # What was just cancelled, given up or finished is due as well.
    run_step(Stopping(engines), places, started + TIME_LIMIT_SECONDS)
    run_step(Collecting(engines, report), places, started + TIME_LIMIT_SECONDS)
    return report


def open_places(engines: Engines, report: SweepReport) -> list[Place]:
    """The servers that can be asked now. What is due on the others waits, and says why."""
    places = []
    if reason := engines.current(None).unconfigured():
        report.problems[reason] += put_off(Place(None).of(TestRun.objects.due()), reason, UNCONFIGURED_PAUSE)
    else:
        places.append(Place(None))
    for server in engines.servers.values():
        reasons = {job.pk: engines.current(job.pk).unconfigured() for job in engines.jobs_of(server)}
        for reason in set(reasons.values()) - {""}:
            broken = Place(server, tuple(pk for pk, words in reasons.items() if words == reason))
            report.problems[reason] += put_off(broken.of(TestRun.objects.due()), reason, UNCONFIGURED_PAUSE)
        place = Place(server, tuple(pk for pk, words in reasons.items() if not words))
        waiting = place.of(TestRun.objects.to_send().due())
        if not server.active:
            reason = f"The server {server.name} is switched off: nothing is sent to it."
            report.problems[reason] += put_off(waiting, reason, UNCONFIGURED_PAUSE)
        elif place.is_paused and server.paused_until:
            seconds = (server.paused_until - timezone.now()).total_seconds()
            report.problems[server.problem] += put_off(waiting, server.problem, max(0.0, seconds))
        places.append(place)
    return places


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
