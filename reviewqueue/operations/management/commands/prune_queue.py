"""``manage.py prune_queue``: delete old rows that nobody needs any more."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from reviewqueue.operations.pruning import prune


def number_of_days(text: str) -> int:
    """At least one: a review that closed today may be opened again tomorrow."""
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise ArgumentTypeError("a number of days, from 1")
    return int(text)


class Command(BaseCommand):
    help = "Prune old history, results and texts of long closed reviews, reports and sessions. Open reviews stay whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = settings.PRUNE_DAYS
        parser.add_argument(
            "--days", type=number_of_days, default=default, help=f"older than so many days ({default}; PRUNE_DAYS)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be pruned, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        verb = "would be pruned" if options["dry_run"] else "pruned"
        pruned = prune(days=options["days"], dry_run=options["dry_run"], report=self.report)
        self.stdout.write(f"{sum(pruned.values()):>9}  rows {verb}, older than {options['days']} days")

    def report(self, words: str, count: int) -> None:
        """One line of what was pruned."""
        self.stdout.write(f"{count:>9}  {words}")
