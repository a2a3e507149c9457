"""``manage.py refresh_reviews``: bring reviews up to date now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.launchpad.refreshing import refresh
from reviews.models import Review


class Command(BaseCommand):
    help = "Bring reviews up to date from Launchpad now: every open one, or the ones named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="numbers of reviews")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["ids"]
        reviews = Review.objects.select_related("source")
        storable = [number for number in wanted if number < 2**63]
        found = list(reviews.filter(pk__in=storable) if wanted else reviews.open().order_by("due_at"))
        if missing := sorted(set(wanted) - {review.pk for review in found}):
            raise CommandError(f"No such review: {', '.join(map(str, missing))}.", returncode=2)
        problems = 0
        for number, review in enumerate(found, 1):
            if problem := refresh(review):
                problems += 1
                self.stderr.write(f"{review.pk} {review.title[:80]}: {problem}")
            if self.stderr.isatty():
                self.stderr.write(f"\r{number} of {len(found)} …", ending="")
        self.stdout.write(f"{len(found) - problems} of {len(found)} reviews are up to date.")
        if problems:
            raise CommandError(f"{problems} could not be brought up to date; see above.")
