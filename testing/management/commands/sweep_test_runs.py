"""``manage.py sweep_test_runs``: bring every due test run on now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.text import counted
from testing.models import TestRun
from testing.sweep import sweep
from testing.sweep.claims import SweepReport


class Command(BaseCommand):
    help = "Bring every due test run on now, as the periodic task does: send, follow, recover, collect single tests."

    def handle(self, *args: Any, **options: Any) -> None:
        report = sweep()
        self.stdout.write(describe(report))
        if remaining := TestRun.objects.due().count():
            self.stdout.write(f"Still due, for the next sweep: {counted(remaining, 'run')}.")
        problems = [(problem, count) for problem, count in report.problems.most_common() if count]
        for problem, count in problems:
            self.stderr.write(f"{counted(count, 'run')}: {problem}")
        if problems:
            raise CommandError("Not everything could be brought on; see above.")


def describe(report: SweepReport) -> str:
    """What a sweep did, in a sentence."""
    done = [
        (report.canceled, "{} cancelled"),
        (report.sent, "{} sent"),
        (report.refused, "{} not accepted"),
        (report.recovered, "{} recovered"),
        (report.lost, "{} without an outcome so far"),
        (report.collected, "single tests of {} collected"),
    ]
    parts = [words.format(counted(count, "run")) for count, words in done if count]
    return f"{', '.join(parts)}." if parts else "No test run was brought on."
