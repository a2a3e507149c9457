"""Error pages and JSON errors: words, never a traceback, and nothing secret."""

from __future__ import annotations

import re
import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.csrf import csrf_failure
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from core.redaction import HIDDEN, is_secret_name, redact, redact_value

RETRY_AFTER_SECONDS = 5
TITLES = {
    400: "The request is not valid",
    403: "Not allowed",
    404: "Not found",
    413: "Too large",
    429: "Too many tries",
    500: "Something broke",
    503: "Not available at the moment",
}


def error_response(request: HttpRequest, status: int, words: str) -> HttpResponse:
    """An error as JSON below ``/api/``, else as a page that needs no database, no session and no other template."""
    number = str(request.META.get("REQUEST_ID", ""))
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": words}, status=status)
    context = {"title": TITLES.get(status, "Not possible"), "words": words, "number": number if status >= 500 else ""}
    return render(None, "core/error.html", context, status=status)  # None: no context processors


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. What Django found stands in the log, not in the answer."""
    return error_response(
        request, 400, "Review Queue could not read what was sent. Go back, reload the page and try again."
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 with the reason that the view gave."""
    words = str(exception) or "You may not do this."
    if request.path.startswith("/api/"):
        return error_response(request, 403, words)
    return render(request, "core/403.html", {"exception": words}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if request.path.startswith("/api/"):
        return error_response(request, 404, "There is nothing at this address.")
    return render(request, "core/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 where the database was away. The request's number finds the traceback in the log."""
    if is_database_away(sys.exc_info()[1]):
        return database_away(request)
    return error_response(request, 500, "Review Queue made a mistake and has logged it. What was saved is not lost.")


def is_database_away(error: BaseException | None) -> bool:
    """Whether it is the connection to the database that failed (it restarts, or can't be reached), not a query."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    code = getattr(error.__cause__, "pgcode", "")
    if code is None:  # the driver itself: no connection, or the connection was lost
        return True
    return code[:2] == "08" or code[:3] == "57P" or code == "53300"  # connection; shut down, starting; too many clients


def database_away(request: HttpRequest) -> HttpResponse:
    """503. Whoever asks again after ``Retry-After`` loses nothing; ``curl --retry`` does."""
    words = "The queue's database can't be reached at the moment. Nothing was changed; try again in a few seconds."
    response = error_response(request, 503, words)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of the CSRF check; the cause is nearly always an old page or a blocked cookie."""
    if request.path.startswith("/api/"):
        return csrf_failure(request, reason)
    words = "This page was too old, or its cookie is blocked. Go back, reload the page and try again."
    return error_response(request, 403, words)


class ReporterFilter(SafeExceptionReporterFilter):
    """Which settings, request data and variables error reports hide: more than Django does, and with DEBUG too."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + "|DATABASE|BROKER|CACHE|DSN|COOKIE|AUTHORIZATION|CREDENTIAL|QUERY_STRING|REFERER|REQUEST_URI",
        flags=re.IGNORECASE,
    )

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return redact(cleansed) if isinstance(cleansed, str) else cleansed

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, HIDDEN if is_secret_name(name) else value) for name, value in variables]


class Reporter(ExceptionReporter):
    """Error pages with DEBUG and error mails to admins, without tokens in the address, the form or the variables."""

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        for name in ("request_GET_items", "filtered_POST_items", "request_COOKIES_items", "request_FILES_items"):
            items = data.get(name)
            if items is not None:
                data[name] = [(key, HIDDEN if is_secret_name(key) else redact_value(value)) for key, value in items]
        return data

    def get_traceback_html(self) -> SafeString:
        return SafeString(redact(super().get_traceback_html()))  # escaped already; redaction adds no markup

    def get_traceback_text(self) -> SafeString:
        return SafeString(redact(super().get_traceback_text()))
