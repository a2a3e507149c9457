"""For monitors: ``/healthz`` (the process lives) and ``/readyz`` (it can work).

They answer before anything else: without session, host name or TLS, because a monitor asks by address, from inside.
They say which part fails and nothing more; ``manage.py check_queue`` and the admin's Health page say what to do.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from reviewqueue.operations.health import BackgroundChecks, Finding
from reviewqueue.operations.health.services import check_broker, check_database
from reviewqueue.operations.metrics import exposition

TIMEOUT_SECONDS = 4.0  # monitors give up after five or ten
MIGRATED_SECONDS = 60.0  # that tables which were found up to date count as such

View = Callable[[HttpRequest], HttpResponse]


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. No database."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


class DatabaseProbe:
    """Whether the database answers; whether its tables are those of this version is looked at once a minute."""

    def __init__(self) -> None:
        self._migrated_until = 0.0  # on the monotonic clock

    def __call__(self) -> Finding:
        try:
            if time.monotonic() < self._migrated_until:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                return Finding("database")
            return self.check_tables()
        except DatabaseError:
            return self.check_tables()
        finally:
            connection.close()  # this thread's own; nothing stays open for a monitor

    def check_tables(self) -> Finding:
        finding = check_database()
        self._migrated_until = time.monotonic() + MIGRATED_SECONDS if finding.ok else 0.0
        return finding


database_probe = DatabaseProbe()
readiness = BackgroundChecks({"database": database_probe, "broker": check_broker}, kept_seconds=0.0)


def readyz(request: HttpRequest) -> HttpResponse:
    """Database, its tables and the broker: 200 when all answer, 503 with what does not."""
    answers = {finding.name: _words(finding) for finding in readiness.run(TIMEOUT_SECONDS)}
    ready = all(answer == "ok" for answer in answers.values())
    return JsonResponse({"ready": ready, **answers}, status=200 if ready else 503)


def _words(finding: Finding) -> str:
    if not finding.known:
        return f"No answer within {TIMEOUT_SECONDS:g} seconds."
    return "ok" if finding.ok else " ".join(problem.words for problem in finding.problems)


def has_metrics_token(request: HttpRequest) -> bool:
    """Whether the request brings METRICS_TOKEN, compared in constant time."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = str(settings.METRICS_TOKEN)
    given = token.strip().encode("utf-8", "replace")
    return bool(expected) and kind.lower() == "bearer" and hmac.compare_digest(given, expected.encode())


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, for requests with METRICS_TOKEN and for staff who are logged in."""
    user = getattr(request, "user", None)
    if not (has_metrics_token(request) or (user and user.is_active and user.is_staff)):
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

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response
        self.probes: dict[str, View] = {
            "/healthz": healthz, "/healthz/": healthz, "/readyz": readyz, "/readyz/": readyz,
        }  # fmt: skip

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self.probes.get(request.path_info)
        if request.path_info == "/metrics" and has_metrics_token(request):
            probe = metrics
        if probe is None:
            return self.get_response(request)
        answer = probe(request) if request.method in ("GET", "HEAD") else HttpResponseNotAllowed(["GET", "HEAD"])
        answer["Cache-Control"] = "no-store"
        answer["X-Content-Type-Options"] = "nosniff"
        return answer
