"""The project: settings, URLs, Celery, health. Everything below knows nothing of it."""

from reviewqueue.celery import app as celery_app

__all__ = ["celery_app"]
