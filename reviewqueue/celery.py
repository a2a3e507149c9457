"""The Celery application: ``celery -A reviewqueue worker`` and ``celery -A reviewqueue beat``."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

app = Celery("reviewqueue")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect(dispatch_uid="reviewqueue.logs")
def log_as_the_web_does(**_: Any) -> None:
    """Workers and beat log in LOG_FORMAT, at LOG_LEVEL, without secrets; Celery would set up its own otherwise."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
