"""``manage.py sandbox``: a local Launchpad and two Jenkins servers to look at the queue with."""

import random
import signal
import threading
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox import Sandbox
from integrations.sandbox.data import something_happens
from integrations.sandbox.serving import port_number

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


class Command(BaseCommand):
    help = "A local Launchpad and two Jenkins servers with a believable charm queue, for a first look, demos and tests."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--launchpad-port", type=port_number, default=8085, help="8085; 0 takes any free port")
        parser.add_argument("--jenkins-port", type=port_number, default=8086, help="8086; 0 takes any free port")
        parser.add_argument("--second-jenkins-port", type=port_number, default=8087, help="8087; 0 takes any free port")
        parser.add_argument("--seed", type=int, default=1, help="another seed, another world")
        parser.add_argument("--alive", action="store_true", help="let something happen on Launchpad every 20 seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sandbox = Sandbox(
                options["launchpad_port"],
                options["jenkins_port"],
                options["second_jenkins_port"],
                seed=options["seed"],
                # Never a number of the last time: a queue that remembers it would follow somebody else's build.
                first_build=int(time.time() - FIRST_DAY) // 60,
            )
        except OSError as error:
            raise CommandError(
                f"A port can't be used: {error}. "
                "Choose others with --launchpad-port, --jenkins-port and --second-jenkins-port."
            ) from None
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        sandbox.start()
        self.stdout.write("The sandbox runs until Ctrl-C. Point the queue at it with:")
        self.stdout.write(f"  LAUNCHPAD_SERVICE_ROOT={sandbox.launchpad.url}")
        self.stdout.write(f"  JENKINS_JOB_URL={sandbox.jenkins.job_url}")
        self.stdout.write(f"  JENKINS_TOKEN={sandbox.jenkins.token}")
        second = sandbox.second_jenkins
        self.stdout.write(f"A second Jenkins: {second.url}, job {second.job.path}, job token {second.token},")
        self.stdout.write(f"  user {second.user}, API token {second.api_token}")
        self.stdout.write('Make it fail: POST {"faults": [{"status": 503, "rate": 0.2}]} to /+control of each.')
        self.stdout.flush()
        chance = random.Random(options["seed"])  # noqa: S311 (no secret)
        while not stopping.wait(20):
            if options["alive"]:
                something_happens(sandbox.launchpad, chance)
        sandbox.stop()
