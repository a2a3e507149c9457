"""The Celery application: ``celery -A reviewqueue worker`` and ``celery -A reviewqueue beat``."""

import logging.config
import os
import signal
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

app = Celery("reviewqueue")
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect(dispatch_uid="core.logging")
def log_as_the_web_does(**_: Any) -> None:
    """Workers and beat log in LOG_FORMAT, at LOG_LEVEL, without secrets, instead of in Celery's own form."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@beat_init.connect(dispatch_uid="reviewqueue.beat")
def stop_on_signals(sender: Any, **_: Any) -> None:
    """Beat ends on SIGTERM whatever it is doing.

    Celery's own handler only raises SystemExit. Python drops an exception that is raised while it destroys an object,
    as after each message, and beat would go on; so the flag that its loop reads is set as well.
    """

    def stop(*_: Any) -> None:
        sender.stop()
        raise SystemExit

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
