"""What is measured inside a process of the program: queries of pages, imports, the sweep, plans. Prints JSON.

``python -m tools.bench.inside WHAT [ARGUMENTS as JSON]``; the database is DATABASE_URL's.
"""

from __future__ import annotations

import gc
import json
import math
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
django.setup()

import requests  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Person  # noqa: E402
from integrations.launchpad import refreshing  # noqa: E402
from integrations.launchpad.importing import import_source  # noqa: E402
from integrations.launchpad.reporting import publish_results  # noqa: E402
from reviews.models import Comment, Review, Source  # noqa: E402
from testing.models import TestRun  # noqa: E402
from testing.sweep import sweep  # noqa: E402

STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "(SELECT")


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(into: dict[str, Any]) -> Iterator[None]:
    gc.collect()
    begin, used = time.perf_counter(), cpu()
    yield
    into["seconds"], into["cpu"] = time.perf_counter() - begin, max(cpu() - used, 1e-6) * 1000


def queries_of(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return sum(query["sql"].lstrip().upper().startswith(STATEMENTS) for query in captured.captured_queries)


def prepare() -> None:
    """Tables in the database, static files in their folder."""
    call_command("migrate", verbosity=0)
    # Swagger is most of the bytes, and on no page that is measured.
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["drf_spectacular_sidecar"])


def pages(asks: dict[str, dict[str, Any]], session: str) -> dict[str, Any]:
    """Queries of each page, the second time that it is asked for."""
    found: dict[str, Any] = {}
    for name, ask in asks.items():
        client = Client(headers={"host": "127.0.0.1"})
        if ask.get("session"):
            client.cookies["sessionid"] = session
        headers: dict[str, str] = ask.get("headers", {})
        if "If-None-Match" in headers:  # ages are part of a page: the ETag of a minute ago may be another one
            headers = headers | {"If-None-Match": client.get(ask["paths"][0]).headers["ETag"]}

        def once(
            turn: int, client: Client = client, ask: dict[str, Any] = ask, headers: dict[str, str] = headers
        ) -> None:
            path = ask["paths"][turn % len(ask["paths"])]
            if ask.get("bodies"):
                body = ask["bodies"][turn % len(ask["bodies"])]
                answer = client.post(path, body, content_type="application/json", headers=headers)
            else:
                answer = client.get(path, headers=headers)
            assert answer.status_code == ask.get("expected", 200), (
                f"{path}: {answer.status_code} {answer.content[:300]!r}"
            )

        once(0)
        if ask.get("bodies"):
            once(1)
        counts = [queries_of(lambda turn=turn: once(turn)) for turn in (2, 3)]  # type: ignore[misc]
        found[name] = max(counts)
    return found


def plans(asks: dict[str, dict[str, Any]], session: str) -> dict[str, Any]:
    """PostgreSQL's plan of every query of every page and of the periodic work: what it reads by, and how long."""
    work: dict[str, Callable[[], Any]] = {}
    for name, ask in asks.items():
        client = Client(headers={"host": "127.0.0.1"} | ask.get("headers", {}))
        if ask.get("session"):
            client.cookies["sessionid"] = session
        body = ask["bodies"][0] if ask.get("bodies") else None

        def page(client: Client = client, path: str = ask["paths"][0], body: str | None = body) -> None:
            client.post(path, body, content_type="application/json") if body else client.get(path)

        work[name] = page
    known = list(Review.objects.open().values_list("api_url", flat=True)[:300])
    work |= {
        "import": lambda: list(Review.objects.filter(api_url__in=known).order_by().values_list("pk", "api_url")),
        "refresh_active": refreshing.claim_due, "sweep": sweep, "publish_results": publish_results,
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name, once in work.items():
        once()
        with CaptureQueriesContext(connection) as captured:
            once()
        seen = list(dict.fromkeys(query["sql"] for query in captured.captured_queries))
        found[name] = [plan for sql in seen if sql.lstrip().upper().startswith("SELECT") and (plan := plan_of(sql))]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indexrelname, idx_scan, pg_relation_size(indexrelid) FROM pg_stat_user_indexes "
            "WHERE relname LIKE 'reviews_%' OR relname LIKE 'testing_%' ORDER BY idx_scan, indexrelname"
        )
        return {"plans": found, "indexes": [list(row) for row in cursor.fetchall()]}


def plan_of(sql: str) -> dict[str, Any] | None:
    """A query's tables, what they are read by, and milliseconds."""
    if "pg_" in sql:
        return None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql.replace("%", "%%"), [])
        top = cursor.fetchone()[0]
        top = (json.loads(top) if isinstance(top, str) else top)[0]
    steps: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        if relation := node.get("Relation Name"):
            way = node.get("Index Name")
            rows = round(node["Actual Rows"] * node["Actual Loops"])
            steps.append(f"{relation} by {way or 'reading it whole'} ({rows} rows)")
        elif node.get("Index Name"):
            steps.append(f"bitmap of {node['Index Name']}")
        for child in node.get("Plans", []):
            walk(child)

    walk(top["Plan"])
    tables = re.findall(r'FROM "(\w+)"', sql)
    where = re.search(r" WHERE (.{0,110})", sql)
    return {
        "ms": top["Execution Time"], "steps": steps, "buffers": top["Plan"].get("Shared Hit Blocks", 0),
        "sql": f"{tables[0] if tables else ''}: {where.group(1) if where else 'all'}",
    }  # fmt: skip


def asked() -> int:
    return requests.get(settings.LAUNCHPAD_SERVICE_ROOT + "+control", timeout=60).json()["requests"]


def imports(count: int, repeats: int) -> dict[str, Any]:
    """The first import, the comments after it, and imports of unchanged items beside the plain fetch."""
    source = Source.objects.create(name="bench", kind="project", target="many", starts_tests="everybody")
    first: dict[str, Any] = {}
    before = asked()
    with measured(first):
        report = import_source(source)
    assert report.ok and report.added == count, (report.problems, report.added)
    first["requests"] = asked() - before
    first["memory"] = peak()

    comments: dict[str, Any] = {}
    before = asked()
    with measured(comments):
        if hasattr(refreshing, "claim_due"):
            while due := refreshing.claim_due():
                for claimed in due:
                    refreshing.refresh_by_id(*claimed)
        else:
            for review in Review.objects.select_related("source"):
                refreshing.refresh(review)
    assert Comment.objects.count() >= count / 2
    comments["requests"] = asked() - before

    unchanged, ratios, spent, least, seconds = {}, [], [], [], []
    for _ in range(repeats):
        once: dict[str, Any] = {}
        before = asked()
        source.refresh_from_db()
        with measured(once):
            report = import_source(source)
        assert (report.seen, report.changed, report.added) == (count, 0, 0), vars(report)
        unchanged["requests"] = asked() - before
        plain: dict[str, Any] = {}
        with measured(plain):
            fetched = plain_fetch()
        assert fetched == count
        spent.append(once["cpu"])
        least.append(plain["cpu"])
        seconds.append(once["seconds"])
        ratios.append(once["cpu"] / plain["cpu"])
    source.refresh_from_db()
    unchanged["queries"] = queries_of(lambda: import_source(source))
    unchanged |= {
        "cpu": statistics.median(spent), "floor_cpu": statistics.median(least), "ratio": statistics.median(ratios),
        "seconds": statistics.median(seconds), "batches": math.ceil(count / 300),
    }  # fmt: skip
    return {
        "count": count, "people": Person.objects.count(), "first": first, "comments": comments, "unchanged": unchanged,
        "memory": peak(),
    }  # fmt: skip


def plain_fetch() -> int:
    """The floor of an import: the same batches by requests and json, and nothing else."""
    statuses = json.dumps(["Work in progress", "Needs review", "Approved", "Code failed to merge", "Queued"])
    parameters = {"ws.op": "getMergeProposals", "ws.size": "300", "status": statuses}
    count = 0
    with requests.Session() as session:
        page = json.loads(session.get(settings.LAUNCHPAD_SERVICE_ROOT + "devel/many", params=parameters).content)
        while True:
            count += len(page["entries"])
            following = page.get("next_collection_link")
            if not following:
                return count
            page = json.loads(session.get(following).content)


def sweeps(rounds: int, turns: int) -> dict[str, Any]:
    """Over the waiting runs: none due, then 200 due at a time."""
    waiting = TestRun.objects.unfinished().count()
    sweep()
    idle: dict[str, Any] = {"queries": queries_of(sweep)}
    spent, seconds = [], []
    for _ in range(rounds):
        once: dict[str, Any] = {}
        with measured(once):
            sweep()
        spent.append(once["cpu"])
        seconds.append(once["seconds"])
    idle |= {"cpu": statistics.median(spent), "seconds": statistics.median(seconds)}
    TestRun.objects.unfinished().update(status="retry", next_attempt_at=timezone.now() - timedelta(seconds=1))
    due: dict[str, Any] = {"turns": turns, "sent": 0, "cpu": 0.0, "seconds": 0.0}
    for _ in range(turns):
        once = {}
        with measured(once):
            due["sent"] += sweep().sent
        due["cpu"] += once["cpu"]
        due["seconds"] += once["seconds"]
    before = TestRun.objects.filter(status="retry").count()
    due["queries"] = queries_of(sweep) / max(1, before - TestRun.objects.filter(status="retry").count())
    return {"waiting": waiting, "idle": idle, "due": due}


def send_import() -> dict[str, Any]:
    """Tell a running worker to import the source ``bench``, then to read the comments."""
    from integrations.tasks import import_from_launchpad, refresh_active

    source = Source.objects.create(name="bench", kind="project", target="many", starts_tests="everybody")
    import_from_launchpad.delay(source.pk)
    deadline = time.monotonic() + 120
    while not source.imports.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    refresh_active.delay()
    while Review.objects.filter(synced_at=None).count() > 500 and time.monotonic() < deadline:
        time.sleep(0.2)
    return {"reviews": Review.objects.count(), "synced": Review.objects.exclude(synced_at=None).count()}


if __name__ == "__main__":
    what, arguments = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    answer = globals()[what](**arguments)
    if answer is not None:
        print(json.dumps(answer))
