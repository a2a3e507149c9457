"""``python -m tools.bench``: fill, serve, measure, compare with the floor, write docs/performance.md.

SQLite in a temporary folder, unless BENCH_DATABASE_URL names a PostgreSQL database: there, databases of its own are
made beside that one, and dropped again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tools.bench import report
from tools.bench.serving import Ask, Server, children_of, compare, memory_of, warm_up

ROOT = Path(__file__).resolve().parents[2]
JSON_BODY = {"Content-Type": "application/json"}
CALLBACKS_KEPT = 8  # for the counts of queries
PAGES = ("dashboard", "dashboard unchanged", "dashboard JSON", "review", "search", "person", "admin runs", "callback")


class Bench:
    """One run of the benchmark, on one sort of database."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.url = os.environ.get("BENCH_DATABASE_URL", "")
        self.engine = "postgresql" if self.url else "sqlite"
        self.log = folder / "log.txt"
        self.results: dict[str, Any] = {
            "engine": self.engine, "sizes": {}, "imports": {},
            "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "workers": options.workers, "machine": f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}",
        }  # fmt: skip

    # --- databases and processes ---------------------------------------------------------------------------

    def admin(self, statement: str) -> str:
        parts = urlsplit(self.url)
        where = urlunsplit((*("postgresql", parts.netloc, parts.path), "", ""))
        script = (
            "import psycopg2,sys; c=psycopg2.connect(sys.argv[1]); c.autocommit=True; k=c.cursor(); "
            "k.execute(sys.argv[2]); print(k.fetchone()[0] if k.description else '')"
        )
        return subprocess.run(
            [sys.executable, "-c", script, where, statement], check=True, capture_output=True, text=True
        ).stdout.strip()

    def prepare(self) -> None:
        """Migrate one database, which the others are copies of."""
        (self.folder / "static").mkdir()
        url = self.database("template", copied=False)
        self.inside("prepare", self.environment(url))

    def database(self, name: str, *, copied: bool = True) -> str:
        """The URL of a fresh database of that name, with all tables and no rows but the migrations'."""
        if not self.url:
            path = self.folder / f"{name}.sqlite3"
            if copied:
                shutil.copy(self.folder / "template.sqlite3", path)
            return f"sqlite:///{path}"
        parts = urlsplit(self.url)
        prefix = f"{parts.path.strip('/')}_bench_"
        self.admin(f'DROP DATABASE IF EXISTS "{prefix}{name}" WITH (FORCE)')
        self.admin(f'CREATE DATABASE "{prefix}{name}"' + (f' TEMPLATE "{prefix}template"' if copied else ""))
        return urlunsplit((parts.scheme, parts.netloc, f"/{prefix}{name}", "", ""))

    def drop(self, name: str) -> None:
        if self.url and not self.options.keep:
            self.admin(f'DROP DATABASE IF EXISTS "{urlsplit(self.url).path.strip("/")}_bench_{name}" WITH (FORCE)')

    def environment(self, database: str, **more: str) -> dict[str, str]:
        rates = {f"API_THROTTLE_{name}": "1000000/min" for name in ("ANON", "USER", "CALLBACK", "WEBHOOK")}
        own = {
            "DATABASE_URL": database, "SECRET_KEY": secrets.token_urlsafe(50), "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "false", "LOG_LEVEL": "WARNING", "VAR_DIR": str(self.folder),
            "STATIC_ROOT": str(self.folder / "static"),
            "JENKINS_JOB_URL": "http://127.0.0.1:1/job/bench", "JENKINS_TOKEN": "bench", "BASE_URL": "http://localhost:8000",
            "LAUNCHPAD_SERVICE_ROOT": "http://127.0.0.1:1/", "LAUNCHPAD_CREDENTIALS_FILE": str(self.folder / "none"),
            "CELERY_BROKER_URL": "filesystem://", "DJANGO_SETTINGS_MODULE": "reviewqueue.settings",
        }  # fmt: skip
        return os.environ | rates | own | more

    def run(self, *command: str, environment: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]} failed:\n{done.stderr[-3000:]}")
        return done.stdout

    def inside(self, what: str, environment: dict[str, str], **arguments: Any) -> Any:
        said = self.run("-m", "tools.bench.inside", what, json.dumps(arguments), environment=environment).splitlines()
        return json.loads(said[-1]) if said else None

    def serve(self, *what: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
        """A sandbox's server in a process of its own, until its stdin is closed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.sandbox", *what],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        line = process.stdout.readline() if process.stdout else ""
        return process, json.loads(line)

    def say(self, words: str) -> None:
        if sys.stderr.isatty() or self.options.verbose:
            print(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr, flush=True)

    # --- what is measured ----------------------------------------------------------------------------------

    def pages(self, count: int) -> None:
        """Every page, at N open reviews."""
        self.say(f"{count} open reviews: filling")
        database = self.database(str(count))
        environment = self.environment(database)
        begin = time.perf_counter()
        facts = json.loads(self.run("-m", "tools.bench.world", str(count), environment=environment).splitlines()[-1])
        self.say(f"filled in {time.perf_counter() - begin:.0f} s")
        ours = Server("reviewqueue.wsgi", environment, self.folder, self.log, self.options.workers)
        bare = environment | {"DJANGO_SETTINGS_MODULE": "tools.bench.floor"}
        floor = Server("tools.bench.floor:application", bare, self.folder, self.log, self.options.workers)
        try:
            self.results["sizes"][str(count)] = self.compare_pages(ours, floor, facts, environment)
        finally:
            ours.stop()
            floor.stop()
        if self.url:
            self.say(f"{count} open reviews: plans")
            asks = {
                name: ask
                for name, ask in self.asks(facts, "").items()
                if name in self.results["sizes"][str(count)]["pages"]
            }
            asks = {name: ask | {"paths": ask["paths"][:4]} for name, ask in asks.items()}
            planned = self.inside("plans", environment, asks=asks, session=facts["session"])
            self.results["sizes"][str(count)] |= planned
        self.say(f"{count} open reviews: the sweep")
        jenkins, where = self.serve("jenkins")
        environment |= {"JENKINS_JOB_URL": where["url"], "JENKINS_TOKEN": where["token"]}
        self.results["sizes"][str(count)]["sweep"] = self.inside(
            "sweeps", environment, rounds=self.options.rounds, turns=self.options.sweeps
        )
        jenkins.communicate()
        self.drop(str(count))

    def asks(self, facts: dict[str, Any], etag: str) -> dict[str, dict[str, Any]]:
        session = {"Cookie": f"sessionid={facts['session']}"}
        # Each run reports RUNNING, then PASS: two callbacks that change it.
        callbacks = [path for path in facts["callbacks"] for _ in range(2)]
        said = [{"status": word, "build_url": "http://127.0.0.1:1/job/bench/1/"} for word in ("RUNNING", "PASS")]
        found: dict[str, dict[str, Any]] = {
            "dashboard": {"paths": ["/"]},
            "dashboard JSON": {"paths": ["/api/reviews/?state=new&state=pending&state=follow-up&state=ready&sort=age"]},
            "review": {"paths": [f"/reviews/{pk}/" for pk in facts["reviews"]]},
            "search": {"paths": [f"/search/?q={word}" for word in ("mysql", "storage", "wordpress+tests")]},
            "person": {"paths": [f"/people/person-{n}/" for n in range(20)]},
            "admin runs": {"paths": ["/admin/testing/testrun/"], "headers": session, "session": True},
            "callback": {"paths": callbacks, "bodies": [json.dumps(body) for body in said], "headers": JSON_BODY},
        }
        if etag:
            found["dashboard unchanged"] = {"paths": ["/"], "headers": {"If-None-Match": etag}, "expected": 304}
        return {name: found[name] for name in PAGES if name in found}

    def compare_pages(
        self, ours: Server, floor: Server, facts: dict[str, Any], environment: dict[str, str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        _, headers, _ = ours.ask(Ask(["/"]))
        asks = self.asks(facts, headers.get("etag", ""))
        for name, facts_of_ask in asks.items():
            ask = Ask(
                facts_of_ask["paths"], bodies=[body.encode() for body in facts_of_ask.get("bodies", [""])],
                headers=facts_of_ask.get("headers", {}), expected=facts_of_ask.get("expected", 200),
                method="POST" if "bodies" in facts_of_ask else "GET",
            )  # fmt: skip
            if name == "callback":  # a repeat changes nothing and costs less: only first callbacks are measured
                ask = replace(ask, paths=ask.paths[:-CALLBACKS_KEPT], repeats=False, holds=b'"applied":true')
            try:
                content, _, _ = ours.ask(ask)
            except RuntimeError as error:
                if "answered 404" not in str(error):
                    raise
                self.say(f"{name}: not there")
                continue
            self.say(name)
            rows = rows_of(name, content)
            bare = self.bare(name, rows, facts)
            options = self.options
            if name == "dashboard unchanged":
                measured = compare(ours, ours, ask, Ask(["/"]), rounds=options.rounds, requests=options.requests)
            else:
                requests = options.requests
                if name == "callback":  # as many as there are runs for; a third of them is for the rate
                    most = (ask.left - warm_up(ours)) * 2 // 3 // options.rounds
                    requests = max(2, min(requests, most) // 2 * 2)
                measured = compare(ours, floor, ask, bare, rounds=options.rounds, requests=requests)
            measured |= {"rows": rows, "bytes": len(content)}
            measured["rate"] = ours.throughput(ask, options.seconds)
            measured["floor_rate"] = floor.throughput(bare, options.seconds)
            found[name] = measured
        inner = {name: one for name, one in asks.items() if name in found}
        if "callback" in inner:  # others than those that have called back already
            inner["callback"] = inner["callback"] | {"paths": inner["callback"]["paths"][::-1][:CALLBACKS_KEPT]}
            inner["callback"]["paths"] = [path for path in inner["callback"]["paths"][::2] for _ in range(2)]
        for name, count in self.inside("pages", environment, asks=inner, session=facts["session"]).items():
            found[name]["queries"] = count
        return {"pages": found, "memory": ours.memory(), "floor_memory": floor.memory()}

    def bare(self, name: str, rows: int, facts: dict[str, Any]) -> Ask:
        if name == "callback":
            body = json.dumps({"status": "RUNNING", "build_url": "http://127.0.0.1:1/job/bench/1/"}).encode()
            return Ask([f"/run/{pk}/" for pk in facts["runs"]], "POST", [body], JSON_BODY)
        view = {
            "review": "comments",
            "search": "newest",
            "person": "newest",
            "admin runs": "runs",
            "dashboard JSON": "json",
        }
        return Ask([f"/{view.get(name, 'rows')}?n={rows}"])

    def imports(self, count: int) -> None:
        self.say(f"import of {count} items")
        launchpad, where = self.serve("launchpad", str(count))
        name = f"import_{count}"
        environment = self.environment(self.database(name), LAUNCHPAD_SERVICE_ROOT=where["url"])
        try:
            self.results["imports"][str(count)] = self.inside(
                "imports", environment, count=count, repeats=self.options.rounds
            )
        finally:
            launchpad.communicate()
            self.drop(name)

    def worker(self, count: int = 1000) -> None:
        """The memory of a Celery worker that imports so many items and reads comments."""
        self.say("memory of a Celery worker")
        launchpad, where = self.serve("launchpad", str(count))
        environment = self.environment(self.database("worker"), LAUNCHPAD_SERVICE_ROOT=where["url"])
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "reviewqueue", "worker", "--concurrency", "1"], cwd=ROOT,
                env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                time.sleep(5)
                done = self.inside("send_import", environment)
                self.results["worker"] = done | {"memory": max(memory_of(pid) for pid in children_of(worker.pid))}
                self.results["worker"]["parent"] = memory_of(worker.pid)
            finally:
                worker.terminate()
                worker.wait(30)
                launchpad.communicate()
                self.drop("worker")


def rows_of(name: str, content: bytes) -> int:
    """How many rows an answer holds, for the floor to render as many."""
    if name == "dashboard JSON":
        return len(json.loads(content)["results"])
    text = content.decode("utf-8", "replace")
    if name == "review":
        return max(1, len(re.findall(r"<(?:li|tr)\b", text)))
    bodies = re.findall(r"<tbody.*?</tbody>", text, re.DOTALL)
    return max(1, sum(body.count("<tr") for body in bodies))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--sizes", default="", help="open reviews (100,1000; PostgreSQL: 10000 too)")
    parser.add_argument("--imports", default="", help="items (1000; PostgreSQL: 10000 too)")
    parser.add_argument("--only", choices=["pages", "imports", "worker"], action="append")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison; medians are taken")
    parser.add_argument("--requests", type=int, default=30, help="in each round")
    parser.add_argument("--seconds", type=float, default=1.0, help="for which requests per second are counted")
    parser.add_argument("--sweeps", type=int, default=3, help="over runs that are due")
    parser.add_argument("--workers", type=int, default=2, help="of gunicorn")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of performance.md")
    parser.add_argument("--before", type=Path, help="figures of an earlier state to compare with (from --json)")
    parser.add_argument("--no-docs", action="store_true", help="only print the tables")
    parser.add_argument("--keep", action="store_true", help="keep the PostgreSQL databases")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        bench = Bench(options, Path(name))
        sizes = options.sizes or ("100,1000" if bench.engine == "sqlite" else "100,1000,10000")
        counts = options.imports or ("1000" if bench.engine == "sqlite" else "1000,10000")
        wanted = options.only or ["pages", "imports", "worker"]
        bench.prepare()
        steps = [partial(bench.pages, int(size)) for size in sizes.split(",") if "pages" in wanted]
        steps += [partial(bench.imports, int(count)) for count in counts.split(",") if "imports" in wanted]
        steps += [bench.worker] if "worker" in wanted else []
        for step in steps:
            step()
            if options.json:  # step by step: whoever stops a long run keeps what it has measured
                options.json.write_text(json.dumps(bench.results, indent=1) + "\n")
        bench.drop("template")
        results = bench.results
    earlier = options.before or options.docs / "performance" / f"{results['engine']}-before.json"
    before = json.loads(earlier.read_text()) if earlier.exists() else None
    print(report.tables(results, before))
    if not options.no_docs:
        report.write(results, before, options.docs)


if __name__ == "__main__":
    main()
