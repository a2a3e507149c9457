"""The project: settings, URLs, Celery, the admin site, stats and about, operations."""

from reviewqueue.celery import app as celery_app

__all__ = ["celery_app"]
