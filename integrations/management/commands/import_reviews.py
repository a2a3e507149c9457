"""``manage.py import_reviews``: import from Launchpad now."""

from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.launchpad.importing import import_source
from reviews.models import Source


class Command(BaseCommand):
    help = "Import from Launchpad now: every active source, or the ones named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sources", nargs="*", metavar="SOURCE", help="names of sources")
        parser.add_argument("--all", action="store_true", help="closed items too")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["sources"]
        sources = {source.name: source for source in Source.objects.all()}
        if unknown := [name for name in names if name not in sources]:
            raise CommandError(
                f"No such source: {', '.join(unknown)}. There are: {', '.join(sources) or 'none'}.", returncode=2
            )
        chosen = [sources[name] for name in names] or [source for source in sources.values() if source.active]
        if not chosen:
            raise CommandError("No source is active: nothing was imported. Activate one in the admin, or name one.")
        failed = False
        for source in chosen:
            report = import_source(
                source,
                include_closed=options["all"],
                dry_run=options["dry_run"],
                progress=partial(self.show_progress, source.name),
            )
            failed |= not report.ok or report.failed > 0
            # Whether an item is closed or private, its branch and series say too, which a dry run does not ask for.
            most, would = ("at most ", "would be ") if options["dry_run"] else ("", "")
            self.stdout.write(
                f"{source.name}: {report.seen} seen, {most}{report.added} {would}added, "
                f"{report.changed} {would}changed, {report.requests} requests"
            )
            for problem in report.problems:
                self.stderr.write(problem)
        if failed:
            raise CommandError("Not everything was imported; see above.")

    def show_progress(self, name: str, seen: int) -> None:
        """How many items were seen so far, on a terminal; nothing in a pipe."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{name}: {seen} …", ending="")
