"""For monitors: ``/healthz`` (the process lives) and ``/readyz`` (it can work).

They answer before anything else: without session, host name or TLS, because a monitor asks by address, from inside.
They say which part fails and nothing more; ``manage.py check_queue`` and the admin's Health page say what to do.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from reviewqueue.operations.health import Finding, broker_found, database_found
from reviewqueue.operations.metrics import exposition

PATIENCE = 4.0  # seconds; monitors give up after five or ten
MIGRATED_FOR = 60.0  # seconds that tables which were found up to date are taken for it

Answerer = Callable[[HttpRequest], HttpResponse]


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. No database."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


class Readiness:
    """The parts without which nothing works, each looked at from one thread at a time, bounded in time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._asked: dict[str, Future[Finding]] = {}
        self._migrated_until = 0.0

    def look(self) -> dict[str, str]:
        """``ok`` or, in words, what is wrong, for each part."""
        deadline = time.monotonic() + PATIENCE
        asked = {name: self._ask(name, find) for name, find in self._parts().items()}
        answers = {}
        for name, future in asked.items():
            try:
                finding = future.result(max(0.0, deadline - time.monotonic()))
                answers[name] = "ok" if finding.ok else " ".join(problem.words for problem in finding.problems)
            except Late:
                answers[name] = f"No answer within {PATIENCE:g} seconds."
        return answers

    def _parts(self) -> dict[str, Callable[[], Finding]]:
        return {"database": self._database, "broker": broker_found}

    def _ask(self, name: str, find: Callable[[], Finding]) -> Future[Finding]:
        with self._lock:
            running = self._asked.get(name)
            if running and not running.done():
                return running
            self._pool = self._pool or ThreadPoolExecutor(max_workers=2, thread_name_prefix="ready")
            self._asked[name] = self._pool.submit(find)
            return self._asked[name]

    def _database(self) -> Finding:
        try:
            if time.monotonic() < self._migrated_until:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                return Finding("database")
            finding = database_found()
            self._migrated_until = time.monotonic() + MIGRATED_FOR if finding.ok else 0.0
            return finding
        except Exception:
            self._migrated_until = 0.0
            return database_found()
        finally:
            connection.close()  # this thread's own; nothing stays open for a monitor


readiness = Readiness()


def readyz(request: HttpRequest) -> HttpResponse:
    """Database, its tables and the broker: 200 when all answer, 503 with what does not."""
    answers = readiness.look()
    ready = all(answer == "ok" for answer in answers.values())
    return JsonResponse({"ready": ready, **answers}, status=200 if ready else 503)


def bearer_is_right(request: HttpRequest) -> bool:
    """Whether the request brings METRICS_TOKEN, compared in constant time."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = str(settings.METRICS_TOKEN)
    given = token.strip().encode("utf-8", "replace")
    return bool(expected) and kind.lower() == "bearer" and hmac.compare_digest(given, expected.encode())


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, for whoever brings METRICS_TOKEN, and for staff who are logged in."""
    user = getattr(request, "user", None)
    if not (bearer_is_right(request) or (user and user.is_active and user.is_staff)):
        how = (
            "send METRICS_TOKEN as bearer token"
            if settings.METRICS_TOKEN
            else "set METRICS_TOKEN and send it as bearer token"
        )
        words = f"Metrics are not for everybody: {how}, or log in as staff.\n"
        return HttpResponse(words, status=403, content_type="text/plain; charset=utf-8")
    body, kind = exposition()
    return HttpResponse(body, content_type=kind)


class ProbesMiddleware:
    """Stands first, and answers monitors before hosts, TLS and sessions are looked at."""

    def __init__(self, get_response: Answerer) -> None:
        self.get_response = get_response
        self.probes: dict[str, Answerer] = {"/healthz": healthz, "/readyz": readyz}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info.rstrip("/")
        probe = self.probes.get(path)
        if path == "/metrics" and bearer_is_right(request):
            probe = metrics
        if probe is None:
            return self.get_response(request)
        answer = probe(request) if request.method in ("GET", "HEAD") else HttpResponseNotAllowed(["GET", "HEAD"])
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        return answer
