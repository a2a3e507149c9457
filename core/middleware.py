"""What every request gets: an id for the logs, a bound on its body, headers that narrow what a browser may do."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from core.error_views import database_away, error_response, is_database_away

logger = structlog.get_logger(__name__)

Next = Callable[[HttpRequest], HttpResponse]

_ID = re.compile(r"^[A-Za-z0-9_-]{6,64}$")
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
        "payment", "publickey-credentials-get", "screen-wake-lock", "usb", "xr-spatial-tracking",
    )
)  # fmt: skip


class RequestId:
    """Gives the request an id, or keeps the proxy's; it stands in each log line and in ``X-Request-ID``."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ID.match(given) else secrets.token_hex(6)
        request.META["REQUEST_ID"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class PrivateAnswers:
    """Keeps answers out of shared caches: what a page shows depends on who reads it. A view may say otherwise."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private")
        return response


class CompressedPages(GZipMiddleware):
    """Compresses pages, but for those that say ``no-store``: the admin, API tokens, whatever may show a secret.

    A secret that is compressed beside text out of the address can be guessed from the lengths of answers (BREACH). What
    every page holds of that kind, the CSRF token, Django masks anew in each answer; each is padded by up to 100 bytes.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.get("Content-Type", "").startswith("text/html")
        if not is_page or "no-store" in response.get("Cache-Control", ""):
            return response
        return super().process_response(request, response)


class BodyLimit:
    """Refuses a body that is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE`` before any of it is read."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return error_response(request, 400, "Content-Length is not a number.")
        if length > limit:
            return error_response(request, 413, f"The body is too large: at most {limit} bytes are read.")
        return self.get_response(request)


class AdminFilterCheck:
    """Refuses admin addresses with a filter that no database can evaluate; also for models of libraries."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        filters = ((name, value) for name, values in request.GET.lists() for value in values)
        if request.path.startswith("/admin/") and not all(_is_valid_filter(*pair) for pair in filters):
            return error_response(request, 400, "This filter is not valid. Open the list again and filter there.")
        return self.get_response(request)


def _is_valid_filter(name: str, value: str) -> bool:
    """PostgreSQL stores no NUL, and dates have years from 1 to 9999."""
    return "\0" not in name + value and not (name.endswith("__year") and not re.fullmatch("0*[1-9][0-9]{0,3}", value))


class DatabaseAway:
    """Answers 503 instead of 500 while the database restarts or can't be reached."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not is_database_away(exception):
            return None
        logger.warning("database is away", path=request.path, reason=type(exception).__name__)
        return database_away(request)


class BoundedChunks:
    """WSGI: reads a chunked body, up to the limit, and sets its Content-Length: Django sees no body without one."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked and not environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read((settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) + 1)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self.application(environ, start_response)


def client_address(request: HttpRequest) -> str:
    """Who asks: the peer, or behind ``NUM_PROXIES`` proxies what the outermost of ours saw. The REST API's rule too."""
    proxies = settings.REST_FRAMEWORK["NUM_PROXIES"]
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    if not proxies or not forwarded:
        return str(request.META.get("REMOTE_ADDR", ""))
    return _address(forwarded[-min(proxies, len(forwarded))]) or str(request.META.get("REMOTE_ADDR", ""))


def _address(entry: str) -> str:
    """The IP address in an entry of X-Forwarded-For, without its port; empty when it is not one (``unknown``)."""
    found = re.fullmatch(r"\[(.*)\](?::[0-9]+)?|([0-9.]+):[0-9]+", entry)
    try:
        return str(ip_address((found[1] or found[2]) if found else entry))
    except ValueError:
        return ""
