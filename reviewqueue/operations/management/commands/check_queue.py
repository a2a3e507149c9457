"""``manage.py check_queue``: says what is wrong and how to mend it (docs/specification.md, section 9)."""

import os
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox import setup as sandbox_setup
from reviewqueue.operations.health import check_all


class Command(BaseCommand):
    help = "Check everything that the queue needs, and say how to mend what is wrong (exit status 1)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sandbox",
            action=BooleanOptionalAction,
            default=None,
            help="the sandbox that runqueue shows (by itself while it runs and nothing else is configured)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        in_sandbox = sandbox_setup.FLAG in os.environ
        wanted = options["sandbox"]
        if wanted is None:
            wanted = settings.DEBUG and sandbox_setup.is_wanted() and sandbox_setup.is_running(settings.VAR_DIR)
        if wanted and not in_sandbox:  # settings are read once: begin again with those of the sandbox
            environment = sandbox_setup.environment(settings.VAR_DIR, settings.BASE_URL)
            os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606
        what = "the sandbox that runqueue shows" if in_sandbox else "the queue that the settings describe"
        self.stdout.write(f"Checking {what}, with its files in {settings.VAR_DIR}.")
        # Each request is bounded by itself; this is for a name server that never answers.
        timeout = 3 * settings.LAUNCHPAD_TIMEOUT + settings.JENKINS_TIMEOUT + 10
        wrong = 0
        for finding in check_all(timeout, fresh=True):
            if finding.ok:
                self.stdout.write(f"{finding.name}: OK" + (f" ({finding.facts})" if finding.facts else ""))
            if not finding.known:
                wrong += 1
                self.stderr.write(f"{finding.name}: No answer within {timeout:g} seconds. Check the network.")
            for problem in finding.problems:
                wrong += 1
                self.stderr.write(f"{finding.name}: {problem}")
        if wrong:
            raise CommandError("1 thing is wrong." if wrong == 1 else f"{wrong} things are wrong.")
