"""``manage.py publish_results [--dry-run]``: post verdicts to Launchpad now, or show what would be posted."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.text import counted
from integrations.launchpad.reporting import PlannedPost, plan_posts, publish_results
from integrations.launchpad.status_reports import send_reports


class Command(BaseCommand):
    help = "Post the verdicts and status reports that are not on Launchpad yet, as the periodic task does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Show what would be posted, and post nothing.")

    def handle(self, *args: Any, dry_run: bool = False, **options: Any) -> None:
        if dry_run:
            self._show(plan_posts())
            return
        report = publish_results()
        done = [f"{counted(report.posted, 'verdict')} posted"] if report.posted else []
        done += [f"{report.failed} not"] if report.failed else []
        self.stdout.write(f"{', '.join(done)}." if done else "No verdict waits to be posted.")
        reports = send_reports()
        if reports.written or reports.failed:
            steps = f"{counted(reports.written, 'step')} of status reports sent"
            self.stdout.write(f"{steps}, {reports.failed} not." if reports.failed else f"{steps}.")
        problems = [*report.problems, *reports.problems]
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError("Not everything could be posted; see above.")

    def _show(self, posts: list[PlannedPost]) -> None:
        for post in posts:
            head = f"{post.review.url}\nSubject: {post.subject}\nVote: {post.vote or 'none'}"
            self.stdout.write(f"{head}\n\n{post.text}\n\n")
        would_be = f"{counted(len(posts), 'verdict')} would be posted. Nothing was."
        self.stdout.write(would_be if posts else "No verdict would be posted.")
