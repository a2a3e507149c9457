"""``manage.py setup_launchpad_credentials``: log in to Launchpad, once."""

import sys
import webbrowser
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from integrations.launchpad.account import REMEDY, describe_harmful_teams, read_account
from integrations.launchpad.client import get_launchpad
from integrations.launchpad.credentials import obtain, save
from integrations.launchpad.errors import LaunchpadError


class Command(BaseCommand):
    help = "Log in to Launchpad and keep the credentials. The queue then acts there as that user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say as whom the queue acts")

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.LAUNCHPAD_CREDENTIALS_FILE
        try:
            if not options["check"]:
                save(obtain(self.show), path)
                self.stdout.write(f"The credentials are in {path.name}, readable by you alone.")
            account = read_account(get_launchpad())
        except LaunchpadError as problem:
            raise CommandError(str(problem)) from None
        except OSError as error:
            raise CommandError(f"{path.name} can't be written: {error.strerror}.") from None
        if account is None:
            raise CommandError("There are no credentials: the queue reads anonymously and can't post.")
        self.stdout.write(f"From now on, the queue acts on Launchpad as {account.name}.")
        try:
            words = describe_harmful_teams(account)
        except DatabaseError:
            self.stderr.write("Its teams were not checked: the database is not ready. Run: manage.py migrate")
            return
        if words:
            self.stderr.write(f"Warning: {words} {REMEDY}")

    def show(self, url: str) -> None:
        """Open the browser where there is one; the URL is always printed."""
        self.stdout.write(f"Grant access in a browser, logged in as the user that the queue is to act as:\n\n  {url}\n")
        self.stdout.write("Waiting …")
        if sys.stdin is not None and sys.stdin.isatty():
            webbrowser.open(url)
