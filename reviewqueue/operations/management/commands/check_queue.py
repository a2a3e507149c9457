"""``manage.py check_queue``: says what is wrong and how to mend it (docs/specification.md, section 9)."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from reviewqueue.operations.health import check_all


class Command(BaseCommand):
    help = "Check everything that the queue needs, and say how to mend what is wrong (exit status 1)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
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
