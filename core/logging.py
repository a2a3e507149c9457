"""Logs of web, worker and beat: one line an event, ``key=value`` or JSON, with the request or task it belongs to.

Our modules log by structlog: ``logger.info("run sent", run=7, attempt=2)``. What libraries log through the standard
library comes out in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from celery import current_task

from core.redaction import redact_value

FORMATS = ("console", "json")
LEVELS: tuple[str, ...] = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# What gunicorn knows of a request; its query, referrer and user agent are left out: they may hold tokens.
ACCESS_FIELDS = {
    "method": "m", "path": "U", "status": "s", "bytes": "B", "ms": "M", "client": "h", "request_id": "{x-request-id}o",
}  # fmt: skip

Event = MutableMapping[str, Any]


def add_access_fields(_: Any, __: str, event: Event) -> Event:
    """gunicorn gives the facts of a request as arguments of its log line."""
    arguments = event.pop("positional_args", None)
    if event["logger"] == "gunicorn.access" and isinstance(arguments, Mapping):
        event["event"] = "request"
        event.update({name: arguments[atom] for name, atom in ACCESS_FIELDS.items()})
    return event


def add_task(_: Any, __: str, event: Event) -> Event:
    """Which background task was at work, and which message brought it."""
    if current_task and current_task.request.id:
        event.update(task=current_task.name, task_id=current_task.request.id)
    return event


def redact_event(_: Any, __: str, event: Event) -> Event:
    """The last processor before the line is written: no secret passes."""
    clean: Event = redact_value(dict(event))
    return clean


# What every event gets, ours and those of libraries.
SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    add_task,
]


class Formatter(structlog.stdlib.ProcessorFormatter):
    """``json``: an object a line. Anything else: time, level, logger, message and ``key=value``."""

    def __init__(self, style: str = "console") -> None:
        as_json = style == "json"
        renderer: Any = structlog.processors.JSONRenderer(default=str) if as_json else render_plain
        super().__init__(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact_event,
                renderer,
            ],
            foreign_pre_chain=[*SHARED_PROCESSORS, add_access_fields],
            pass_foreign_args=True,
        )


def render_plain(_: Any, __: str, event: Event) -> str:
    """One line for people; a traceback follows on lines of its own."""
    trace = event.pop("exception", "")
    head = f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('logger')} {event.pop('event')}"
    pairs = " ".join(f"{name}={_quoted(value)}" for name, value in event.items())
    return head + (f" {pairs}" if pairs else "") + (f"\n{trace}" if trace else "")


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or any(char.isspace() or not char.isprintable() for char in text) else text


def configure_structlog() -> None:
    """Send structlog's events through the standard library's handlers, where ``Formatter`` writes them."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def configuration(style: str, level: str, *, with_requests: bool = True) -> dict[str, Any]:
    """The ``LOGGING`` setting; gunicorn and Celery use it too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "core.logging.Formatter", "style": style}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handlers would print a second line, in another form.
            "django": {"level": level, "handlers": [], "propagate": True},
            "django.server": {"level": level, "handlers": [], "propagate": True},
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # gunicorn has no switch of its own once it is given this configuration.
            "gunicorn.access": {
                "level": "INFO" if with_requests else "WARNING",
                "handlers": ["console"],
                "propagate": False,
            },
            # Their notes at INFO name URLs and arguments of every call.
            "urllib3": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": level},
        },
    }
