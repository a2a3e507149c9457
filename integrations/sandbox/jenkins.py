"""The sandbox's Jenkins: one parameterised job that answers as Jenkins does, builds, and calls back (or loses it)."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from integrations.sandbox.serving import Answer, Request, SandboxServer, json_answer

JOB = "/job/charm-test"
TOKEN = "sandbox-job-token"  # noqa: S105 (the sandbox keeps no secrets)
USER, API_TOKEN = "sandbox", "sandbox-api-token"
PARAMETERS = ("url", "callback_url", "job_id", "envs", "revision", "branch")
WORDS = {"SUCCESS": "PASS", "UNSTABLE": "FAIL", "ABORTED": "ERROR"}
TESTS = ("make lint", "charm proof", "tests/00-setup", "tests/10-deploy", "tests/20-relations", "tests/30-upgrade")
TICK = 0.05  # seconds


@dataclass
class Build:
    """One build request: a queue item first, then a build of that number."""

    number: int
    parameters: dict[str, str]
    wanted: str  # the result that it will have
    queued_at: float
    starts_at: float
    ends_at: float
    loses_start: bool = False
    loses_end: bool = False
    state: str = "queued"  # queued, running, ended, cancelled
    result: str | None = None
    told: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """What ``GET /+control`` tells of it; no callback token."""
        return {
            "number": self.number, "job_id": self.parameters.get("job_id"), "state": self.state, "result": self.result,
            "envs": self.parameters.get("envs"), "told": list(self.told),
            "attempt": hashlib.sha256(self.parameters.get("callback_url", "").encode()).hexdigest()[:16],
        }  # fmt: skip


class SandboxJenkins(SandboxServer):
    """With ``auto`` builds run by themselves in a few seconds; without, tests move them by ``begin`` and ``end``.

    ``first`` is the number of its first build.
    """

    def __init__(self, port: int = 0, *, seed: int = 1, auto: bool = True, first: int = 1) -> None:
        super().__init__(port, seed=seed)
        self.first = first
        self.job_url = self.url + JOB.lstrip("/")
        self.auto = auto
        self.token = TOKEN
        self.builds: dict[int, Build] = {}
        self.unfinished: dict[int, Build] = {}
        self.queued: dict[frozenset[tuple[str, str]], Build] = {}  # by their parameters
        self.callbacks: Counter[str] = Counter()  # what became of them
        self.waiting_seconds, self.building_seconds = (0.5, 3.0), (2.0, 9.0)
        self.results = {"SUCCESS": 0.7, "UNSTABLE": 0.22, "ABORTED": 0.08}
        self.losing = 0.12  # of callbacks
        self.doubling = 0.1
        self.delaying = 0.05
        self.declared: tuple[str, ...] = PARAMETERS
        self.buildable = True
        self._stopped = threading.Event()
        self._local = threading.local()
        self._callers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="callback")

    def start(self) -> None:
        super().start()
        if self.auto:
            threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._callers.shutdown(wait=False, cancel_futures=True)
        super().stop()

    # --- builds --------------------------------------------------------------------------------------------

    def begin(self, number: int) -> Build:
        """The build leaves the queue and starts."""
        with self.lock:
            build = self.builds[number]
            build.state, build.starts_at = "running", time.time()
            self.queued.pop(frozenset(build.parameters.items()), None)
        return build

    def end(self, number: int, result: str = "SUCCESS") -> Build:
        """The build ends with one of Jenkins' results."""
        with self.lock:
            build = self.builds[number]
            build.state, build.result, build.ends_at = "ended", result, time.time()
            self._settle(build)
        return build

    def _settle(self, build: Build) -> None:
        self.unfinished.pop(build.number, None)
        self.queued.pop(frozenset(build.parameters.items()), None)

    def call_back(self, number: int, status: str) -> int:
        """What the build script does: tell the queue. Returns the HTTP status, 0 when nobody answered."""
        build = self.builds[number]
        with self.lock:
            build.told.append(status)
        body = {"status": status, "build_url": self.build_url(build)}
        for pause in (0.2, 1.0, 3.0, 0.0):
            try:
                answer = self._session().post(build.parameters.get("callback_url", ""), data=body, timeout=10)
                if answer.status_code < 500 and answer.status_code != 429:
                    self._count(_what_became_of(answer))
                    return answer.status_code
            except requests.RequestException:
                pass
            if self._stopped.wait(pause):
                break
        self._count("unheard")
        return 0

    def _session(self) -> requests.Session:
        """One for each thread that calls back: connections are kept."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session

    def _count(self, what: str) -> None:
        with self.lock:
            self.callbacks[what] += 1

    def build_url(self, build: Build) -> str:
        return f"{self.job_url}/{build.number}/"

    def _run(self) -> None:
        while not self._stopped.wait(TICK):
            now = time.time()
            with self.lock:
                due = list(self.unfinished.values())
            for build in due:
                with self.lock:  # it may have been cancelled or stopped in the meantime
                    starts = build.state == "queued" and build.starts_at <= now
                    ends = build.state == "running" and build.ends_at <= now
                    if starts:
                        self.begin(build.number)
                    if ends:
                        self.end(build.number, build.wanted)
                if starts:
                    self._tell(build, "RUNNING", build.loses_start)
                if ends:
                    self._tell(build, WORDS[build.wanted], build.loses_end)

    def _tell(self, build: Build, status: str, lost: bool) -> None:
        if lost:
            self._count("lost")
        if lost or self._stopped.is_set():
            return
        with self.lock:
            twice, late = self.random.random() < self.doubling, self.random.random() < self.delaying
            self.callbacks["doubled"] += twice
            self.callbacks["delayed"] += late

        def tell() -> None:
            if late and self._stopped.wait(2.0):
                return
            self.call_back(build.number, status)

        for _ in range(2 if twice else 1):
            self._callers.submit(tell)

    def _accept(self, request: Request) -> Answer:
        given = {name: request.parameter(name) for name in self.declared if request.parameter(name)}
        with self.lock:
            if waiting := self.queued.get(frozenset(given.items())):
                return Answer(303, headers={"Location": f"{self.url}queue/item/{waiting.number}/"})
            now, chance = time.time(), self.random
            starts = now + chance.uniform(*self.waiting_seconds)
            build = Build(
                number=self.first + len(self.builds),
                parameters=given,
                wanted=chance.choices(list(self.results), list(self.results.values()))[0],
                queued_at=now,
                starts_at=starts,
                ends_at=starts + chance.uniform(*self.building_seconds),
                loses_start=chance.random() < self.losing / 2,
                loses_end=chance.random() < self.losing,
            )
            self.builds[build.number] = self.unfinished[build.number] = build
            self.queued[frozenset(given.items())] = build
        return Answer(201, headers={"Location": f"{self.url}queue/item/{build.number}/"})

    # --- HTTP ----------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        with self.lock:
            builds = [build.facts() for build in self.builds.values()]
            return super().facts() | {"callbacks": dict(self.callbacks), "builds": builds}

    def respond(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        if path == JOB + "/buildWithParameters":
            return self._build_request(request)
        if path == JOB + "/api/json":
            definitions = [{"name": name} for name in self.declared]
            job = {"buildable": self.buildable, "property": [{"parameterDefinitions": definitions}]}
            return json_answer(
                job | ({"builds": self._latest(request)} if "builds" in request.parameter("tree") else {})
            )
        if path == "/queue/api/json":
            with self.lock:
                waiting = [{"id": build.number, **_actions(build)} for build in self.queued.values()]
            return json_answer({"items": waiting})
        if path == "/queue/cancelItem":
            return self._cancel(request)
        parts = path.strip("/").split("/")
        if parts[:2] == ["queue", "item"] and len(parts) > 2:
            return self._queue_item(self._build(parts[2]))
        if path.startswith(JOB + "/"):
            build = self._build(parts[2])
            if build and build.state not in ("queued", "cancelled"):
                return self._of_build(build, "/".join(parts[3:]), request)
        if not path or path == JOB:
            return self._page("Jenkins of the sandbox", f"{len(self.builds)} builds of charm-test so far.")
        return Answer(404, b"Not found", type="text/plain")

    def _latest(self, request: Request) -> list[dict[str, Any]]:
        """The newest builds first, as many as the tree's range asks for; Jenkins gives 100 without one."""
        wanted = re.search(r"\{0,(\d+)\}", request.parameter("tree"))
        with self.lock:
            started = [build for build in self.builds.values() if build.state in ("running", "ended")]
        started = started[: -(int(wanted.group(1)) if wanted else 100) - 1 : -1]
        return [{"number": build.number, "url": self.build_url(build), **_actions(build)} for build in started]

    def _build(self, number: str) -> Build | None:
        return self.builds.get(int(number)) if number.isdigit() else None

    def _build_request(self, request: Request) -> Answer:
        credentials = "Basic " + base64.b64encode(f"{USER}:{API_TOKEN}".encode()).decode()
        known = request.headers.get("Authorization") == credentials
        if request.method == "POST" and not known:
            return Answer(403, b"No valid crumb was included in the request", type="text/plain")
        if not known and request.parameter("token") != self.token:
            return Answer(403 if request.parameter("token") else 405, b"Nothing is submitted", type="text/plain")
        if not self.declared:
            return Answer(400, b"Nothing is submitted", type="text/plain")
        if not self.buildable:
            return Answer(409, b"charm-test is not buildable", type="text/plain")
        return self._accept(request)

    def _cancel(self, request: Request) -> Answer:
        build = self._build(request.parameter("id"))
        with self.lock:
            if build and build.state == "queued":
                build.state = "cancelled"
                self._settle(build)
        return Answer(204)

    def _queue_item(self, build: Build | None) -> Answer:
        if build is None:
            return Answer(404, b"Not found", type="text/plain")
        item: dict[str, Any] = {"id": build.number, "cancelled": build.state == "cancelled", "why": None}
        if build.state == "queued":
            item["why"] = "Waiting for next available executor"
        elif build.state != "cancelled":
            item["executable"] = {"number": build.number, "url": self.build_url(build)}
        return json_answer(item)

    def _of_build(self, build: Build, rest: str, request: Request) -> Answer:
        if rest == "api/json":
            return json_answer({
                "building": build.state == "running", "result": build.result, "number": build.number,
                "timestamp": int(build.starts_at * 1000), "url": self.build_url(build),
                "duration": int((build.ends_at - build.starts_at) * 1000) if build.result else 0,
            })  # fmt: skip
        if rest == "artifact/results.json":
            if build.result not in ("SUCCESS", "UNSTABLE"):
                return Answer(404, b"Not found", type="text/plain")
            return json_answer(self._results(build))
        if rest == "stop":
            if build.state == "running":
                self.end(build.number, "ABORTED")
            return Answer(302, headers={"Location": self.build_url(build)})
        if rest in ("", "console"):
            return self._page(f"charm-test #{build.number}", json.dumps(build.facts(), indent=1))
        return Answer(404, b"Not found", type="text/plain")

    def _results(self, build: Build) -> dict[str, Any]:
        bad = build.number % len(TESTS) if build.result == "UNSTABLE" else -1
        tests = [
            {
                "suite": "charm", "test": test, "returncode": 1 if position == bad else 0, "exit": test,
                "duration": round(0.4 + 7.3 * position + build.number % 5, 2),
                "output": f"$ {test}\n" + ("ERROR: unit is in error state\n" if position == bad else "OK\n"),
            }
            for position, test in enumerate(TESTS)
        ]  # fmt: skip
        finished = datetime.fromtimestamp(build.ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"tests": tests, "revision": build.parameters.get("revision", ""), "finished": finished}

    def _page(self, title: str, text: str) -> Answer:
        page = f"<!doctype html><meta charset=utf-8><title>Sandbox</title><h1>{html.escape(title)}</h1>"
        return Answer(200, f"{page}<pre>{html.escape(text)}</pre>".encode(), type="text/html; charset=utf-8")


def _actions(build: Build) -> dict[str, Any]:
    """A build's parameters, as Jenkins' API shows them."""
    return {"actions": [{"parameters": [{"name": n, "value": value} for n, value in build.parameters.items()]}, {}]}


def _what_became_of(answer: requests.Response) -> str:
    if answer.status_code != 200:
        return f"refused with {answer.status_code}"
    try:
        return "applied" if answer.json()["applied"] else "ignored"
    except (ValueError, KeyError, TypeError):
        return "answered oddly"
