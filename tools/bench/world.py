"""A database to measure on: N open reviews, ten times as many closed, 5 comments and 4 runs each, 300 people.

``python -m tools.bench.world N`` fills the migrated database of DATABASE_URL and prints what is measured as JSON.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from accounts.models import Person, User  # noqa: E402
from integrations.sandbox.data import CHANGES, CHARMS, REMARKS  # noqa: E402
from reviews.models import CLOSED_STATES, OPEN_STATES, Comment, Event, Review, Series, Source  # noqa: E402
from testing.callbacks import callback_url_of  # noqa: E402
from testing.models import Attempt, Substrate, TestRun  # noqa: E402

PEOPLE, COMMENTS, RUNS, CLOSED_FOR_ONE = 300, 5, 4, 10
BLOCK = 20_000  # rows
WEIGHTS = {"new": 40, "pending": 30, "reviewed": 10, "in-progress": 5, "follow-up": 10, "ready": 5}
NULL = "\\N"
# By the Square that a review has: black, green, red, green.
MARKS = [
    json.dumps([[name, status, True] for name, status in zip(("lxc", "aws", "azure"), statuses, strict=True)])
    for statuses in (("running",) * 3, ("pass",) * 3, ("fail", "fail", "error"), ("pass",) * 3)
]


def write(model: type[models.Model], count: int, values_of: Callable[[int], dict[str, Any]]) -> None:
    """``count`` rows, their ids counted from 1 and whatever is not given as the model's defaults say."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.GeneratedField)]
    blank = model()
    defaults = [default_of(field, blank) for field in fields]
    columns = [field.column for field in fields]
    places = {column: place for place, column in enumerate(columns)}

    def rows(begin: int, end: int) -> Iterator[list[Any]]:
        for number in range(begin, end):
            row = defaults.copy()
            row[places[model._meta.pk.column]] = number + 1
            for name, value in values_of(number).items():
                row[places[name]] = value
            yield row

    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    for begin in range(0, count, BLOCK):
        block = rows(begin, min(begin + BLOCK, count))
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                text = io.StringIO()
                csv.writer(text).writerows([NULL if value is None else value for value in row] for row in block)
                text.seek(0)
                cursor.cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT csv, NULL '{NULL}')", text)
            else:
                marks = ", ".join(["%s"] * len(columns))
                adapt = connection.ops.adapt_datetimefield_value
                cursor.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})",
                    [[adapt(value) if isinstance(value, datetime) else value for value in row] for row in block],
                )


def default_of(field: models.Field[Any, Any], blank: models.Model) -> Any:
    """What a row of which nothing is said has in this field, as both ways of writing take it."""
    value = field.pre_save(blank, True)
    return json.dumps(value) if isinstance(field, models.JSONField) else field.get_db_prep_save(value, connection)


def fill(count: int, now: datetime) -> dict[str, Any]:
    chance = random.Random(1)
    total = count * (1 + CLOSED_FOR_ONE)
    states = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    states += chance.choices(CLOSED_STATES, k=total - count)
    assert set(states[:count]) <= set(OPEN_STATES)
    ages = [timedelta(seconds=chance.randrange(60, 90 * 86400 if n < count else 900 * 86400)) for n in range(total)]
    Source.objects.update(active=True)  # a fresh install has them switched off, and their items out of the queue
    source = Source.objects.order_by("pk").first()
    series = Series.objects.create(name="trusty", target="charms", api_url="http://bench/charms/trusty")
    substrates = list(Substrate.objects.values_list("pk", flat=True)[:RUNS])
    while len(substrates) < RUNS:
        substrates.append(Substrate.objects.create(name=f"bench-{len(substrates)}").pk)

    def person(n: int) -> dict[str, Any]:
        return {"username": f"person-{n}", "display_name": f"Person Number {n}", "fetched_at": now}

    def review(n: int) -> dict[str, Any]:
        path = f"~person-{n % PEOPLE}/charms/trusty/{CHARMS[n % len(CHARMS)]}/topic-{n}/+merge/{n}"
        at, is_open = now - ages[n], n < count
        return {
            "source_id": source.pk, "kind": "update" if n % 4 else "new", "state": states[n],
            "title": f"{CHARMS[n % len(CHARMS)]}: {CHANGES[n // 7 % len(CHANGES)].title} ({n})",
            "launchpad_status": "Needs review", "url": f"https://code.launchpad.net/{path}",
            "api_url": f"https://api.launchpad.net/devel/{path}", "test_url": f"lp:{path}", "revision": f"tip-{n}",
            "diff_marker": f"https://api.launchpad.net/devel/{path}/+preview-diff/{n}", "series_id": series.pk,
            "owner_id": n % PEOPLE + 1, "created_at": at - timedelta(days=3), "updated_at": at, "imported_at": at,
            "synced_at": now, "due_at": now + timedelta(hours=1 + n % 9), "positive_votes": n % 3,
            "negative_votes": n % 2, "square": ("black", "green", "red", "green")[n % 4],
            "first_reviewed_at": at if n % 3 else None, "closed_at": None if is_open else at,
            "locked_by_id": n % 6 + 1 if is_open and n % 20 == 0 else None,
            "locked_at": now if is_open and n % 20 == 0 else None,
            "turn_since": at, "number": n + 1, "target": f"lp:~charmers/charms/trusty/{CHARMS[n % len(CHARMS)]}/trunk",
            "lines_added": n % 400, "lines_removed": n % 90, "trusted": True,
            "verdict": ("", "pass", "fail", "pass")[n % 4], "marks": MARKS[n % 4],
        }  # fmt: skip

    def comment(n: int) -> dict[str, Any]:
        text, vote = REMARKS[n % len(REMARKS)]
        return {
            "review_id": n // COMMENTS + 1, "author_id": (n * 7) % PEOPLE + 1, "api_url": f"http://bench/comments/{n}",
            "content": text, "vote": vote or "", "created_at": now - ages[n // COMMENTS],
            "sentiment": ("positive", "negative", "neutral")[n % 3],
        }  # fmt: skip

    def run(n: int) -> dict[str, Any]:
        of, turn = divmod(n, RUNS)
        waits = of < count and turn == 0
        at = now - ages[of]
        return {
            "review_id": of + 1, "substrate_id": substrates[turn], "revision": f"tip-{of}", "created_at": at,
            "status": "pending" if waits else ("pass", "fail", "error", "pass")[(of + turn) % 4],
            "next_attempt_at": now + timedelta(days=1) if waits else None, "finished_at": None if waits else at,
            "posted_at": None if waits else at, "build_url": "" if waits else f"http://127.0.0.1:1/job/x/{n}/",
        }  # fmt: skip

    def attempt(n: int) -> dict[str, Any]:
        return {"run_id": n * RUNS + 1, "number": 1, "created_at": now, "accepted_at": now, "outcome": "accepted"}

    def event(n: int) -> dict[str, Any]:
        of, turn = divmod(n, 3)
        kind, new = (("imported", "PENDING"), ("run", "pending on lxc"), ("run", "pass on lxc"))[turn]
        return {"review_id": of + 1, "at": now - ages[of], "kind": kind, "new": new}

    write(Person, PEOPLE, person)
    write(Review, total, review)
    write(Comment, total * COMMENTS, comment)
    write(TestRun, total * RUNS, run)
    write(Attempt, count, attempt)
    write(Event, total * 3, event)
    written = [Person, Review, Comment, TestRun, Attempt, Event]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), written):
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    return {"reviews": total}


def facts() -> dict[str, Any]:
    """Ids, paths, tokens and a session: what the measuring asks for."""
    staff = User.objects.create_superuser("bench", "bench@example.com", "bench")
    client = Client()
    client.force_login(staff, backend=settings.AUTHENTICATION_BACKENDS[1])
    open_ids = list(Review.objects.open().order_by("pk").values_list("pk", flat=True)[:200])
    waiting = TestRun.objects.unfinished().order_by("pk")[:4000]
    return {
        "session": client.cookies["sessionid"].value,
        "reviews": open_ids,
        "callbacks": [callback_url_of(run).split("8000", 1)[1] for run in waiting],
        "runs": [run.pk for run in waiting],
    }


if __name__ == "__main__":
    fill(int(sys.argv[1]), datetime.now(UTC))
    print(json.dumps(facts()))
