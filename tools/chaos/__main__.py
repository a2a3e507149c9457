"""``python -m tools.chaos``: a production in which processes die, messages vanish and servers fail."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from tools.chaos.processes import TOP, Killer, Process, celery, python
from tools.chaos.servers import CantRun, free_port, servers
from tools.chaos.world import PROJECT

SUBSTRATES = ("lxc", "aws", "azure")
SCHEDULES = {"import_from_launchpad": 10, "refresh_active": 10, "sweep_test_runs": 2, "publish_results": 3}  # seconds
WEB_LIMIT, WORKER_LIMIT = 120, 150  # MiB of one process
# Together a fifth of all requests. A results file that is a log-in page or cut off proves nothing, and the run ends in
# error: right, and not what Jenkins says of the build; so these two spare the results.
NO_RESULTS = r"^(?!.*results\.json)"
JENKINS_FAULTS: list[dict[str, Any]] = [
    {"status": 503, "rate": 0.1}, {"status": 502, "rate": 0.03}, {"kind": "hang up", "rate": 0.03},
    {"kind": "lost", "rate": 0.02}, {"kind": "cut", "rate": 0.01, "path": NO_RESULTS},
    {"kind": "html", "rate": 0.01, "path": NO_RESULTS}, {"kind": "slow", "seconds": 4, "rate": 0.01},
]  # fmt: skip
LAUNCHPAD_FAULTS: list[dict[str, Any]] = [
    {"status": 503, "rate": 0.1}, {"status": 500, "rate": 0.03}, {"kind": "hang up", "rate": 0.03},
    {"kind": "lost", "rate": 0.02}, {"kind": "cut", "rate": 0.01}, {"kind": "html", "rate": 0.01},
    {"kind": "slow", "seconds": 5, "rate": 0.01},
    # Wrong answers: items that are there are said not to be. The hours that this lasts are made by moving times.
    {"status": 404, "rate": 0.9, "path": r"merge/[0-9]+$"},
]  # fmt: skip
PART_LOOKED_AT = 2  # one of so many reviews is looked at again and again while Launchpad answers wrongly
MISSING_FOR = timedelta(hours=3)
ROUNDS, ROUND_SECONDS = 4, 2.0  # of looks


@dataclass
class Plan:
    """How much, and for how long (seconds)."""

    reviews: int
    seed: int
    chaos: float
    limit: float
    every: float  # between two kills
    load: float
    timeout: int  # until a build without an outcome counts as lost
    claim: int
    longest_build: float


def main() -> int:
    """Run it; 0 when everything is as it must be, 1 when not, 2 when it can't run."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another seed, other faults, kills and builds")
    parser.add_argument("--small", action="store_true", help="40 reviews, under 30 seconds")
    parser.add_argument("--reviews", type=int, help="1000")
    parser.add_argument("--limit", type=float, help="seconds until everything must have come to rest (180)")
    parser.add_argument("--load", type=float, default=0, help="seconds of load on the web afterwards (none)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    options = parser.parse_args()
    small = Plan(40, options.seed, 9, 29, 3, options.load, timeout=6, claim=2, longest_build=1.5)
    whole = Plan(1000, options.seed, 105, 178, 6, options.load, timeout=20, claim=6, longest_build=8)
    plan = small if options.small else whole
    plan.reviews = options.reviews or plan.reviews
    plan.limit = options.limit or plan.limit
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    failed = True
    try:
        with servers(folder) as (database, broker, flush), ExitStack() as stack:
            failed = not Chaos(plan, folder, database, broker, flush, stack).run()
    except CantRun as reason:
        print(f"The chaos test can't run: {reason}", file=sys.stderr)
        return 2
    finally:
        if failed or options.keep:
            print(f"Logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


class Chaos:
    """One run of the test: a world, a production, a killer, and the report."""

    def __init__(
        self, plan: Plan, folder: Path, database: str, broker: str, flush: Callable[[], object], stack: ExitStack
    ) -> None:
        self.plan, self.folder, self.flush, self.stack = plan, folder, flush, stack
        self.port, self.launchpad_port, self.jenkins_port = free_port(), free_port(), free_port()
        credentials = folder / "lp-creds"
        credentials.write_text(
            "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3\n"
        )
        credentials.chmod(0o600)
        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}
        self.environment = keep | {
            "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(50), "ALLOWED_HOSTS": "127.0.0.1",
            "BASE_URL": f"http://127.0.0.1:{self.port}", "DATABASE_URL": database, "CELERY_BROKER_URL": broker,
            "VAR_DIR": str(folder / "var"), "LAUNCHPAD_SERVICE_ROOT": f"http://127.0.0.1:{self.launchpad_port}/",
            "LAUNCHPAD_CREDENTIALS_FILE": str(credentials), "REVIEWER_TEAMS": "charmers",
            "JENKINS_JOB_URL": f"http://127.0.0.1:{self.jenkins_port}/job/charm-test",
            "JENKINS_TOKEN": "sandbox-job-token", "TESTING_COMMENTS": "true", "WEB_BIND": f"127.0.0.1:{self.port}",
            "WEB_ACCESS_LOG": "false", "LOG_LEVEL": "WARNING",
            # What takes hours in production takes seconds here.
            "TESTING_TIMEOUT": str(plan.timeout), "TESTING_MAX_ATTEMPTS": "20", "TESTING_FIRST_PAUSE": "1",
            "MISSING_LOOKS": "1", "CLAIM_SECONDS": str(plan.claim), "JENKINS_TIMEOUT": "3", "LAUNCHPAD_TIMEOUT": "4",
            # All builds and clients share one address here.
            "API_THROTTLE_CALLBACK": "1000000/min", "API_THROTTLE_ANON": "1000000/min",
        }  # fmt: skip
        (folder / "var").mkdir()
        os.environ.update(self.environment)
        world = python("tools.chaos.world", "--launchpad-port", str(self.launchpad_port), "--jenkins-port",
                       str(self.jenkins_port), "--reviews", str(plan.reviews), "--seed", str(plan.seed),
                       "--longest-build", str(plan.longest_build))  # fmt: skip
        worker = celery("worker", "--loglevel", "WARNING", "--concurrency", "2", "-n")
        self.world = self._process("sandbox", world)
        self.web = self._process("web", python("gunicorn", "reviewqueue.wsgi"))
        self.workers = [self._process(f"worker{n}", [*worker, f"worker{n}@chaos"]) for n in (1, 2)]
        self.beat = self._process("beat", celery("beat", "--loglevel", "WARNING"))
        self.second_beat = self._process("beat2", celery("beat", "--loglevel", "WARNING"))
        self.processes = [self.world, self.web, *self.workers, self.beat, self.second_beat]
        self.kills: Counter[str] = Counter()
        self.flushes = 0
        self.most_missing = 0  # items at a time
        self.asked = [0, 0]  # of Jenkins and of Launchpad, while they failed

    def _process(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, self.environment, self.folder)
        self.stack.callback(process.kill)
        return process

    def run(self) -> bool:
        """Everything, the report included. True when nothing is off."""
        self._prepare()
        began = time.monotonic()
        self._begin(began + self.plan.limit / 2)
        self._break_things(time.monotonic() + self.plan.chaos)
        broke = time.monotonic() - began
        rest = self._settle(began + self.plan.limit)
        took = time.monotonic() - began
        return self._report(broke, took, rest)

    def _prepare(self) -> None:
        """Tables, sources, substrates and schedules; the world and the web are up."""
        self.world.start()
        for command in (["migrate", "--verbosity", "0"], ["collectstatic", "--noinput", "--verbosity", "0"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=TOP, env=self.environment, check=True)
        import django  # the environment is complete only now

        django.setup()
        from django_celery_beat.models import IntervalSchedule, PeriodicTask

        from reviews.models import Source
        from testing.models import Substrate

        Source.objects.all().delete()
        Source.objects.create(name=PROJECT, kind=Source.Kind.PROJECT, target=PROJECT, starts_tests="everybody")
        for name in SUBSTRATES:
            Substrate.objects.update_or_create(name=name, defaults={"active": True, "default": True})
        Substrate.objects.exclude(name__in=SUBSTRATES).update(default=False)
        for task, seconds in SCHEDULES.items():
            every, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
            row = PeriodicTask.objects.get(task__endswith=f".{task}")
            row.interval, row.crontab = every, None
            row.save()
        self.web.start()
        self._wait_for(f"http://127.0.0.1:{self.port}/")
        self._wait_for(self._control(self.launchpad_port))
        self._wait_for(self._control(self.jenkins_port))

    def _begin(self, until: float) -> None:
        """Workers and beat; Jenkins and Launchpad fail from the first request. Until the first import is under way."""
        from core.enqueue import enqueue_on_commit
        from integrations.tasks import import_from_launchpad
        from reviews.models import Review

        self._faults(JENKINS_FAULTS, LAUNCHPAD_FAULTS)
        for process in (*self.workers, self.beat):
            process.start()
        enqueue_on_commit(import_from_launchpad.name)  # beat's first import would come after its first ten seconds
        while not Review.objects.exists() and time.monotonic() < until:
            time.sleep(0.2)

    def _break_things(self, until: float) -> None:
        """Work goes on while processes are killed, the broker is emptied and servers fail."""
        began = time.monotonic()
        flushes = [began + (until - began) * part for part in (0.4, 0.75)]
        two_beats = began + (until - began) * 0.5
        killer = Killer([*self.workers, self.beat], self.plan.every, self.plan.seed)
        while time.monotonic() < until:
            killer.tick()
            if flushes and time.monotonic() > flushes[0]:
                flushes.pop(0)
                self.flush()
                self.flushes += 1
            if time.monotonic() > two_beats and not self.second_beat.child:
                self.second_beat.start()
            time.sleep(0.1)
        self._answer_wrongly(time.monotonic() + self.plan.limit / 3)
        self.kills = killer.kills
        self.asked = [self._facts(port)["requests"] for port in (self.jenkins_port, self.launchpad_port)]

    def _answer_wrongly(self, until: float) -> None:
        """Items are looked at again and again, and not shown. Nobody is killed meanwhile: the looks have to happen."""
        from django.utils import timezone

        from reviews.models import Review

        for _ in range(ROUNDS):
            began, earliest, looks = timezone.now(), time.monotonic() + ROUND_SECONDS, self._look_at_items()
            looked_at = Review.objects.exclude(missing_since=None).filter(looked_at__gte=began)
            while time.monotonic() < until and (time.monotonic() < earliest or looked_at.count() < looks / 2):
                for process in (*self.workers, self.beat):
                    if not process.alive:
                        process.start()
                time.sleep(0.2)

    def _look_at_items(self) -> int:
        """Have some items looked at now, and let those that Launchpad does not show be missing for hours already.

        Returns how many are looked at.
        """
        from django.utils import timezone

        from core.enqueue import enqueue_each_on_commit
        from integrations.tasks import refresh_review
        from reviews.missing import BRAKE_LEAST
        from reviews.models import Review

        now = timezone.now()
        chosen = Review.objects.order_by("pk")[: self.plan.reviews // PART_LOOKED_AT].values_list("pk", flat=True)
        missing = Review.objects.exclude(missing_since=None)
        count = missing.count()
        self.most_missing = max(self.most_missing, count)
        if count >= max(BRAKE_LEAST, self.plan.reviews // 8):  # fewer are believed to be gone, and rightly so
            missing.update(missing_since=now - MISSING_FOR)
        enqueue_each_on_commit(refresh_review.name, list(chosen))
        return len(chosen)

    def _settle(self, until: float) -> dict[str, int]:
        """Nobody breaks anything any more; wait until all has come to rest. Returns what has not."""
        from tools.chaos.checks import unsettled

        self._faults([], [])
        self.second_beat.kill()
        rest = unsettled(self.plan.reviews * len(SUBSTRATES))
        next_look = time.monotonic()
        while rest and time.monotonic() < until:
            if rest.get("out of reach") and time.monotonic() > next_look:
                next_look = time.monotonic() + self.plan.every
                self._look_at_items()
            for process in (*self.workers, self.beat):
                if not process.alive:
                    process.start()
            time.sleep(0.5)
            rest = unsettled(self.plan.reviews * len(SUBSTRATES))
        return rest

    def _let_builds_end(self) -> None:
        """Builds of attempts that were given up on may still run, and their callbacks may be late."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if all(build["state"] in ("ended", "cancelled") for build in self._facts(self.jenkins_port)["builds"]):
                break
            time.sleep(0.5)
        time.sleep(2)  # the last delayed callbacks

    def _report(self, broke: float, took: float, rest: dict[str, int]) -> bool:
        from django.db.models import Count, Q

        from integrations.models import VerdictPost
        from reviews.models import Review
        from testing.models import Attempt, TestRun
        from tools.chaos.checks import check, read_logs

        self._let_builds_end()
        cpu = {process.name: round(process.seconds()) for process in self.processes}
        for process in (*self.workers, self.beat):
            process.stop()
        jenkins, launchpad = self._facts(self.jenkins_port), self._facts(self.launchpad_port)
        found = check(self.plan.reviews, len(SUBSTRATES), jenkins, launchpad)
        for what, count in rest.items():
            found.add("not come to rest in time", f"{count} {what}")
        logged = read_logs(found, [process.log for process in self.processes] + [self.folder / "postgresql.log"])
        outcomes = dict(TestRun.objects.order_by().values_list("status").annotate(Count("pk")))
        attempts = Attempt.objects.aggregate(count=Count("pk"), later=Count("pk", filter=Q(number__gt=1)))
        builds = Counter(build["state"] for build in jenkins["builds"])
        total, first = sum(builds.values()), len({(build["job_id"], build["attempt"]) for build in jenkins["builds"]})
        lines = [
            f"seed {self.plan.seed}: {Review.objects.count()} reviews, {sum(outcomes.values())} runs",
            f"runs by outcome     {_counts(outcomes)}",
            f"attempts            {attempts['count']}, of them {attempts['later'] or 0} after a lost build",
            f"builds started      {total} ({_counts(builds)}), of them {total - first} for an attempt that had one",
            f"killed              {sum(self.kills.values())} ({_counts(self.kills)})",
            f"broker emptied      {self.flushes} times",
            f"faults of Jenkins   {sum(jenkins['faulted'].values())} of {self.asked[0]} requests "
            f"({_counts(jenkins['faulted'])})",
            f"faults of Launchpad {sum(launchpad['faulted'].values())} of {self.asked[1]} requests "
            f"({_counts(launchpad['faulted'])})",
            f"items not shown     {self.most_missing} at a time, {found.count('items abandoned')} abandoned",
            f"callbacks           {_counts(jenkins['callbacks'])}",
            f"posts               {len(launchpad['posts'])} comments, "
            f"{VerdictPost.objects.filter(state=VerdictPost.State.POSTED).count()} verdicts written down as posted",
            f"in the logs         {_counts(logged) or 'nothing that may not be there'}",
            f"CPU seconds         {_counts(cpu)}",
            f"time                {broke:.0f} s broken, {took - broke:.0f} s to come to rest",
        ]
        print("\n".join(lines), flush=True)
        if self.plan.load:
            self._load(found)
        print("\n".join(["", "OFFENCES", *found.lines()]) if found.rows else "\nNothing is off.", flush=True)
        return not found.rows

    def _load(self, found: Any) -> None:
        from testing.callbacks import callback_url_of
        from testing.models import TestRun
        from tools.chaos.load import load

        for process in (*self.workers, self.beat):
            process.start()
        base = self.environment["BASE_URL"]
        callbacks = [callback_url_of(run).removeprefix(base) for run in TestRun.objects.order_by("pk")[:2000]]
        measured = load(self.port, callbacks, self.plan.load, self.plan.seed)
        print(f"\nload for {self.plan.load:.0f} s, {len(callbacks)} runs called back")
        for name, seen in measured.items():
            print(seen.line(name, self.plan.load))
            for problem, count in Counter(seen.errors).most_common(5):
                found.add("errors under load", f"{count} times {problem}")
        for process in (self.web, *self.workers, self.beat):
            sizes = process.memory()
            print(
                f"memory     {process.name:8} {', '.join(f'{size:.0f}' for size in sizes)} MiB (itself, its children)"
            )
            limit = WEB_LIMIT if process is self.web else WORKER_LIMIT
            for size in sizes:
                if size > limit:
                    found.add(f"processes of more than {limit} MiB", f"{process.name} {size:.0f} MiB")

    # --- the sandbox ---------------------------------------------------------------------------------------

    def _control(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/+control"

    def _facts(self, port: int) -> dict[str, Any]:
        facts: dict[str, Any] = requests.get(self._control(port), timeout=30).json()
        return facts

    def _faults(self, jenkins: list[dict[str, Any]], launchpad: list[dict[str, Any]]) -> None:
        for port, faults in ((self.jenkins_port, jenkins), (self.launchpad_port, launchpad)):
            requests.post(self._control(port), json={"faults": faults}, timeout=30).raise_for_status()

    def _wait_for(self, url: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if requests.get(url, timeout=30).status_code < 500:
                    return
            except requests.ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise CantRun(f"{url} does not answer. Look at the logs in {self.folder}.")
            time.sleep(0.2)


def _counts(counted: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(dict(counted).items()) if count)


if __name__ == "__main__":
    sys.exit(main())
