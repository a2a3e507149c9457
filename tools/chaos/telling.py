"""``python -m tools.chaos.telling``: a day of a queue at speed, and what people were told of it.

Thirty people and two hundred items; comments, votes, requests for review, verdicts and tests started by hand; two
processes that send, killed without warning again and again. Then every message is compared with the history: nothing
was told twice, and nothing is missing. The database is that of ``DATABASE_URL``, else SQLite, and has to be empty.
"""

from __future__ import annotations

import email
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

PEOPLE, ITEMS = 30, 200
KINDS = ("my_runs", "tests_failed", "reviewed", "my_turn", "locked_changed", "review_requested")
SENDER = """
import django, time
django.setup()
from integrations.notifications.tasks import send_notifications
while True:
    send_notifications()
    time.sleep(0.2)
"""
SEPARATOR = "-" * 79  # between two mails of a file


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="that the day takes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "DEBUG": "true", "VAR_DIR": folder, "LOG_LEVEL": "ERROR",
            "NOTIFY_AFTER_SECONDS": "1", "CLAIM_SECONDS": "180",
        }  # fmt: skip
        os.environ.update({name: value for name, value in environment.items() if name not in os.environ})
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], check=True)
        import django

        django.setup()
        return Day(random.Random(options.seed), Path(folder) / "mails").run(options.seconds)


class Day:
    """The day, and what it should have told whom."""

    def __init__(self, chance: random.Random, mails: Path) -> None:
        from accounts.models import Person, User
        from integrations.notifications.models import Preferences
        from reviews.models import Review, Source
        from testing.models import Substrate

        self.chance, self.mails, self.kills = chance, mails, 0
        self.expected: set[tuple[int, int, str, str]] = set()  # account, item, kind, key
        now = self.now()
        self.people = [Person.objects.create(username=f"p{n}", is_reviewer=n % 2 == 0) for n in range(PEOPLE)]
        self.chosen: dict[int, set[str]] = {}
        self.accounts: dict[int, int] = {}
        for person in self.people:
            chosen = {kind for kind in KINDS if chance.random() < 0.6}
            user = User.objects.create(username=person.username, person=person, email=f"{person.username}@example.org")
            Preferences.objects.create(
                user=user, since=now - timedelta(minutes=1), **{kind: kind in chosen for kind in KINDS}
            )
            self.chosen[person.pk], self.accounts[person.pk] = chosen, user.pk
        source = Source.objects.create(name="day", kind="project", target="day")
        self.items = [
            Review.objects.create(
                source=source, kind="update", title=f"Item {n}", state="pending", number=n, url=f"https://x/{n}",
                api_url=f"https://x/{n}", owner=chance.choice(self.people), created_at=now, updated_at=now,
                revision="1", turn_since=now - timedelta(hours=1),
            )
            for n in range(ITEMS)
        ]  # fmt: skip
        self.substrate = Substrate.objects.get(name="lxc")
        self.number = 0

    def now(self) -> Any:
        from django.utils import timezone

        return timezone.now()

    def run(self, seconds: int) -> int:
        senders = [self.start_sender() for _ in range(2)]
        end, happened = time.monotonic() + seconds, Counter[str]()
        while time.monotonic() < end:
            happened[self.chance.choice([self.comment, self.request, self.test])()] += 1
            if self.chance.random() < 0.03:
                number = self.chance.randrange(len(senders))
                self.kill(senders[number])
                senders[number] = self.start_sender()
            time.sleep(0.03)
        self.settle()
        for sender in senders:
            self.kill(sender)
        return self.compare(happened)

    def start_sender(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SENDER], start_new_session=True)

    def kill(self, sender: subprocess.Popen[bytes]) -> None:
        os.killpg(sender.pid, signal.SIGKILL)
        sender.wait()
        self.kills += 1

    def expect(self, person: Any, review: Any, option: str, kind: str, key: str) -> None:
        if option in self.chosen[person.pk]:
            self.expected.add((self.accounts[person.pk], review.pk, kind, key))

    def comment(self) -> str:
        from reviews.models import Comment

        review, author = self.chance.choice(self.items), self.chance.choice(self.people)
        self.number += 1
        Comment.objects.create(
            review=review, author=author, number=self.number, content="Please mend it.", created_at=self.now(),
            api_url=f"https://x/c/{self.number}",
        )  # fmt: skip
        if author != review.owner:
            self.expect(review.owner, review, "reviewed", "reviewed", f"comment {self.number}")
        return "comments"

    def request(self) -> str:
        from reviews.models import ReviewRequest

        review, reviewer = self.chance.choice(self.items), self.chance.choice(self.people)
        if ReviewRequest.objects.filter(review=review, reviewer=reviewer).exists():
            return "requests that there were"
        request = ReviewRequest.objects.create(
            review=review, reviewer=reviewer, registrant=review.owner, requested_at=self.now()
        )
        if reviewer != review.owner:
            self.expect(reviewer, review, "review_requested", "review-requested", f"request {request.pk}")
        return "requests"

    def test(self) -> str:
        """Somebody starts a test, and it ends."""
        from django.db import transaction

        from testing.models import TestResult, TestRun
        from testing.transitions import lock_review
        from testing.verdicts import update_verdicts

        review, person = self.chance.choice(self.items), self.chance.choice(self.people)
        outcome = self.chance.choice(["pass", "fail"])
        with transaction.atomic():
            lock_review(review.pk)
            run = TestRun.objects.create(
                review=review, substrate=self.substrate, revision="1", status=outcome, requested_by=person,
                finished_at=self.now(), next_attempt_at=None,
            )  # fmt: skip
            TestResult.objects.create(run=run, position=0, test=f"deploy-{review.pk}", outcome=outcome)
            update_verdicts([review.pk])
        self.expect(person, review, "my_runs", "my-runs", f"run {run.pk}")
        return f"tests that {outcome}"

    def settle(self) -> None:
        """Wait until nothing is to be sent any more; what a killed process had taken is free at once."""
        from integrations.notifications.models import Delivery, News

        quiet, deadline = 0, time.monotonic() + 180
        while quiet < 15 and time.monotonic() < deadline:
            Delivery.objects.filter(state=Delivery.State.SENDING, due_at__gt=self.now() + timedelta(minutes=9)).exclude(
                due_at__gt=self.now() + timedelta(minutes=9, seconds=55)
            ).update(due_at=self.now())
            waiting = Delivery.objects.unsent().exists() or News.objects.filter(delivery=None, dropped_at=None).exists()
            quiet = 0 if waiting else quiet + 1
            time.sleep(0.2)

    def compare(self, happened: Counter[str]) -> int:
        """Say what was told, and return how much of it is wrong."""
        from integrations.notifications.models import Delivery, News

        copies = Counter(self.message_ids())
        sent = {row.message_id: row for row in Delivery.objects.filter(state=Delivery.State.SENT)}
        told = Counter(
            (user, review, kind, key)
            for user, review, kind, key in News.objects.filter(
                delivery__state=Delivery.State.SENT, dropped_at=None
            ).values_list("user_id", "review_id", "kind", "key")
        )
        faults = {
            "things told twice": sum(count - 1 for count in told.values()),
            "things that happened and were not told": len(self.expected - told.keys()),
            "comments, requests and tests told that did not happen": len(
                {thing for thing in told if thing[2] in ("reviewed", "review-requested", "my-runs")} - self.expected
            ),
            "mails noted as sent that are not there": len(sent.keys() - copies.keys()),
            "mails that are there and not noted": len(copies.keys() - sent.keys()),
        }
        per_person: dict[int, int] = defaultdict(int)
        for row in sent.values():
            per_person[row.user_id or 0] += 1
        counts = sorted(per_person.values())
        sys.stdout.write(
            f"{dict(happened)}; {self.kills} kills.\n"
            f"{len(told)} things in {len(sent)} mails to {len(per_person)} people, {counts[0]} to {counts[-1]} each; "
            f"{sum(copies.values()) - len(copies)} mails lie there a second time, with the same Message-ID.\n"
            + "".join(f"{words}: {count}\n" for words, count in faults.items())
        )
        return 1 if any(faults.values()) else 0

    def message_ids(self) -> list[str]:
        """The Message-ID of each mail in the folder."""
        found = []
        for file in self.mails.glob("*.log"):
            for part in file.read_text(errors="replace").split(f"\n{SEPARATOR}\n"):
                if part.strip():
                    found.append(str(email.message_from_string(part.lstrip("\n"))["Message-ID"]))
        return found


if __name__ == "__main__":
    sys.exit(main())
