"""Errors to Sentry, where ``SENTRY_DSN`` is set; with the same redaction as the logs and without personal data."""

from __future__ import annotations

from typing import Any

import sentry_sdk

from core.redaction import redact_value


def scrub(event: Any, _: Any = None) -> Any:
    """The event without request bodies, cookies, queries, people and secrets."""
    request = event.get("request")
    if isinstance(request, dict):
        for name in ("data", "cookies", "query_string", "env"):
            request.pop(name, None)
    event.pop("user", None)
    return redact_value(event)


def start(dsn: str, environment: str, release: str = "", **options: Any) -> None:
    """Begin to report. Never called without a DSN: then nothing is sent anywhere."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release or None,
        include_local_variables=False,
        max_request_body_size="never",
        traces_sample_rate=0.0,
        before_send=scrub,
        before_breadcrumb=scrub,
        **options,
    )
