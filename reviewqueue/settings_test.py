"""Settings of a test run: those of production, but for what would make tests slow or depend on who runs them."""

import os

# A test run must not depend on what the person running it has configured for a queue of their own.
os.environ["ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "a-key-for-tests-that-is-long-enough-and-signs-nothing-real"  # noqa: S105

from reviewqueue.settings import *  # noqa: F403
from reviewqueue.settings import STORAGES

DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True
AXES_ENABLED = False
