"""WSGI entry point: ``gunicorn reviewqueue.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

from core.middleware import BoundedChunks

application = BoundedChunks(get_wsgi_application())
