"""Logs of web, worker and beat: one line an event, ``key=value`` or JSON, with the request or task it belongs to.

Modules log with the standard library, ``logger.info("run sent run=%s attempt=%s", …)``; the pairs become fields here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from celery import current_task

from core.redaction import redact_value

FORMATS = ("console", "json")
LEVELS: tuple[str, ...] = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_PAIR = re.compile(r"(?<!\S)([a-z_]+)=%[srd](?!\S)|%[-.0-9]*[a-z]")
# What gunicorn knows of a request; its query, referrer and user agent are left out: they may hold tokens.
ACCESS_FIELDS = {
    "method": "m", "path": "U", "status": "s", "bytes": "B", "ms": "M", "client": "h", "request_id": "{x-request-id}o",
}  # fmt: skip

Event = MutableMapping[str, Any]


def add_pairs(_: Any, __: str, event: Event) -> Event:
    """``run=%s`` in a message becomes the field ``run``; an access log's atoms become fields too."""
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args", ())
    if record.name == "gunicorn.access" and isinstance(arguments, Mapping):
        event["event"] = "request"
        event.update({name: arguments[atom] for name, atom in ACCESS_FIELDS.items()})
    elif isinstance(arguments, tuple) and isinstance(record.msg, str):
        found = list(_PAIR.finditer(record.msg))
        if arguments and len(found) == len(arguments) and all(match[1] for match in found):
            event["event"] = record.msg[: found[0].start()].strip() or event["event"]
            event.update({_free(match[1]): value for match, value in zip(found, arguments, strict=True)})
    return event


def _free(name: str) -> str:
    return f"{name}_" if name in ("event", "level", "logger", "timestamp") else name


def add_task(_: Any, __: str, event: Event) -> Event:
    """Which task was at work, and which message brought it."""
    if current_task and current_task.request.id:
        event.update(task=current_task.name, task_id=current_task.request.id)
    return event


def redact_event(_: Any, __: str, event: Event) -> Event:
    """The last processor before the line is written: no secret passes."""
    record, flag = event.pop("_record", None), event.pop("_from_structlog", None)
    clean: Event = redact_value(dict(event))
    return {**clean, "_record": record, "_from_structlog": flag}


class Formatter(structlog.stdlib.ProcessorFormatter):
    """``json``: an object a line. Anything else: time, level, logger, message and ``key=value``."""

    def __init__(self, style: str = "console") -> None:
        as_json = style == "json"
        renderer: Any = structlog.processors.JSONRenderer(default=str) if as_json else _plain
        super().__init__(
            processors=[
                structlog.processors.format_exc_info,
                redact_event,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                add_pairs,
                add_task,
            ],
            pass_foreign_args=True,
        )


def _plain(_: Any, __: str, event: Event) -> str:
    trace = event.pop("exception", "")
    head = f"{event.pop('timestamp')} {event.pop('level').upper()} {event.pop('logger')} {event.pop('event')}"
    pairs = " ".join(f"{name}={_quoted(value)}" for name, value in event.items())
    return head + (f" {pairs}" if pairs else "") + (f"\n{trace}" if trace else "")


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or any(char.isspace() or not char.isprintable() for char in text) else text


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
