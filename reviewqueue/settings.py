"""Settings, all read from the environment and from a ``.env`` file beside ``manage.py``.

docs/settings.md names them all (docs/specification.md, section 10).

One file, in the order a reader needs it: where things are, what outside systems are used, Django, security.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

from core import logging as logs

BASE_DIR = Path(__file__).resolve().parent.parent


YES, NO = ("true", "on", "ok", "y", "yes", "1", "t"), ("false", "off", "n", "no", "0", "f", "")


class Env(environ.Env):
    """Names the setting whose value can't be read."""

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        given = self.ENVIRON.get(var)
        if cast is bool and given is not None and given.strip().lower() not in YES + NO:
            raise ImproperlyConfigured(f"{var} is neither true nor false.")
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except (ValueError, TypeError):
            raise ImproperlyConfigured(f"{var} has a value of the wrong form. docs/settings.md shows it.") from None


env = Env()
environ.Env.read_env(os.environ.get("ENV_FILE", BASE_DIR / ".env"))

VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))

# --- Who and where -----------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
# As it is: to env.str a key that begins with $ is another variable's name.
SECRET_KEY = os.environ.get("SECRET_KEY", "")
DEVELOPMENT_KEY = "development-only-key-never-used-when-DEBUG-is-false"
MIN_KEY_LENGTH, MIN_KEY_CHARACTERS = 50, 5  # as Django's deploy check has them
HOW_TO_MAKE_A_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
if DEBUG:
    SECRET_KEY = SECRET_KEY or DEVELOPMENT_KEY
elif not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it to a long random text in the environment or in .env "
        f"({HOW_TO_MAKE_A_KEY}), or set DEBUG=true on your own machine."
    )
elif "token_urlsafe" in SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is the command that makes a key. Run it in a shell, and set SECRET_KEY to what it prints: "
        f"{HOW_TO_MAKE_A_KEY}"
    )
# Old keys, comma separated: sessions and the callback tokens of builds in flight stay valid while a key is rotated.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
SALT_KEY = "review-queue"  # secrets of servers and jobs are encrypted with SECRET_KEY and this; it is no secret itself


def _can_be_guessed(key: str) -> bool:
    """Whether a key is one that Django's deploy check warns of, or this project's own for development."""
    known = key == DEVELOPMENT_KEY or key.startswith("django-insecure-")
    short = len(key) < MIN_KEY_LENGTH or len(set(key)) < MIN_KEY_CHARACTERS
    return known or short


if not DEBUG:
    for _name, _keys in {"SECRET_KEY": [SECRET_KEY], "SECRET_KEY_FALLBACKS": SECRET_KEY_FALLBACKS}.items():
        if any(_can_be_guessed(key) for key in _keys):
            raise ImproperlyConfigured(
                f"{_name} can be guessed: a key needs {MIN_KEY_LENGTH} or more random characters. Whoever guesses it "
                f"can log in as anybody and report test outcomes. Make one with: {HOW_TO_MAKE_A_KEY}"
            )
BASE_URL = env.str("BASE_URL", default="http://localhost:8000").rstrip("/")
# A queue whose pages are on this machine is opened by any of its names; any other needs its name set.
_is_local = DEBUG or re.fullmatch(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", BASE_URL)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if _is_local else [])
BASE_URL_IS_HTTPS = BASE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[BASE_URL] if BASE_URL_IS_HTTPS else [])

# --- Database ----------------------------------------------------------------------------------------------

try:
    DATABASES: dict[str, dict[str, Any]] = {
        "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
    }
except ValueError:  # a port that is no number, a bracket without its other
    DATABASES = {"default": {}}
if not DATABASES["default"].get("ENGINE"):
    raise ImproperlyConfigured("DATABASE_URL is not the URL of a database, such as postgres://user:password@host/name.")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    # Web, worker and beat write at once: WAL lets readers go on, IMMEDIATE takes the write lock at BEGIN, so that a
    # transaction waits (up to `timeout` seconds) instead of failing halfway with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=30000;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Launchpad and Jenkins ---------------------------------------------------------------------------------

LAUNCHPAD_SERVICE_ROOT = env.str("LAUNCHPAD_SERVICE_ROOT", default="production")
LAUNCHPAD_CREDENTIALS_FILE = Path(env.str("LAUNCHPAD_CREDENTIALS_FILE", default="lp-creds"))
if not LAUNCHPAD_CREDENTIALS_FILE.is_absolute():
    LAUNCHPAD_CREDENTIALS_FILE = BASE_DIR / LAUNCHPAD_CREDENTIALS_FILE
LAUNCHPAD_TIMEOUT = env.float("LAUNCHPAD_TIMEOUT", default=30.0)  # seconds for one request
# Members of these Launchpad teams are reviewers (docs/specification.md, section 6).
REVIEWER_TEAMS: list[str] = env.list("REVIEWER_TEAMS", default=["charmers"])
# Launchpad usernames of bots, beside the people that are marked as such in the admin.
BOT_ACCOUNTS: list[str] = env.list("BOT_ACCOUNTS", default=[])

JENKINS_JOB_URL = env.str("JENKINS_JOB_URL", default="")
JENKINS_TOKEN = env.str("JENKINS_TOKEN", default="")
JENKINS_USER = env.str("JENKINS_USER", default="")
JENKINS_API_TOKEN = env.str("JENKINS_API_TOKEN", default="")
JENKINS_TIMEOUT = env.float("JENKINS_TIMEOUT", default=15.0)  # seconds for one request, connect and read together
JENKINS_AT_ONCE = env.int("JENKINS_AT_ONCE", default=32)  # requests to one Jenkins at a time, of each process

TESTING_TIMEOUT = env.int("TESTING_TIMEOUT", default=86400)  # seconds without an outcome before a build counts as lost
TESTING_MAX_ATTEMPTS = env.int("TESTING_MAX_ATTEMPTS", default=5)
TESTING_FIRST_PAUSE = env.int("TESTING_FIRST_PAUSE", default=30)  # seconds after a refusal; doubles with each
# Seconds after which work that a process claimed is free again, should that process have died. Longer than a sweep's
# slowest requests; posting to Launchpad holds its claims five times as long.
CLAIM_SECONDS = env.int("CLAIM_SECONDS", default=180)
TESTING_COMMENTS = env.bool("TESTING_COMMENTS", default=False)
# The CI engine: the dotted path of a subclass of testing.ci.CIBackend.
TESTING_CI_BACKEND = env.str("TESTING_CI_BACKEND", default="integrations.jenkins.Jenkins")

# Minutes after its last sync at which a review is due again, by state (docs/specification.md, section 4).
REFRESH_MINUTES: dict[str, int] = {
    "reviewed": env.int("REFRESH_REVIEWED_MINUTES", default=60),
    "in-progress": env.int("REFRESH_IN_PROGRESS_MINUTES", default=60),
    "merged": env.int("REFRESH_MERGED_MINUTES", default=12 * 60),
    "closed": env.int("REFRESH_CLOSED_MINUTES", default=12 * 60),
    "abandoned": env.int("REFRESH_ABANDONED_MINUTES", default=15 * 60),
}
REFRESH_DEFAULT_MINUTES = env.int("REFRESH_DEFAULT_MINUTES", default=10)
# An item that Launchpad does not show is ABANDONED after so many looks in a row, over at least so many hours; not while
# more than this share of what was looked at within an hour is missing.
MISSING_LOOKS = env.int("MISSING_LOOKS", default=3)
MISSING_HOURS = env.float("MISSING_HOURS", default=2)
MISSING_BRAKE = env.float("MISSING_BRAKE", default=0.1)
if MISSING_LOOKS < 1 or MISSING_HOURS < 0 or not 0 <= MISSING_BRAKE <= 1:
    raise ImproperlyConfigured("MISSING_LOOKS is at least 1, MISSING_HOURS at least 0, MISSING_BRAKE from 0 to 1.")
PRUNE_DAYS = env.int("PRUNE_DAYS", default=365)  # how long a closed review keeps texts, results and fine history

# --- Celery ------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_URL = "filesystem://localhost/"  # kombu warns without a host, and needs none
    CELERY_BROKER_TRANSPORT = "core.broker:Transport"
    _queue_dir = VAR_DIR / "broker"
    (_queue_dir / "messages").mkdir(parents=True, exist_ok=True)
    (_queue_dir / "control").mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        # One folder for both directions: what one process puts there, another takes.
        "data_folder_in": str(_queue_dir / "messages"),
        "data_folder_out": str(_queue_dir / "messages"),
        "control_folder": str(_queue_dir / "control"),
        "polling_interval": 0.1,  # seconds
    }
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Unacknowledged messages of a killed worker come back after this many seconds; longer than any task may take.
        "visibility_timeout": env.int("CELERY_VISIBILITY_TIMEOUT", default=900),
        "unacked_restore_throttle": 1,  # looked for every 10 seconds rather than every 100
        "socket_connect_timeout": 5,  # seconds
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
# Hundreds of refreshes at once have a queue of their own: a worker takes from both in turn, so that no sweep, import or
# item of a webhook stands behind all of them. Workers read every queue named here unless ``-Q`` names others.
CELERY_TASK_QUEUES = {name: {"exchange": name, "routing_key": name} for name in ("celery", "refreshes")}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker however long it is away
CELERY_BROKER_CONNECTION_TIMEOUT = 5  # seconds
CELERY_BROKER_POOL_LIMIT = 8  # connections of one process, one for each thread of the web at most
CELERY_TASK_IGNORE_RESULT = True  # the database is the truth; nobody waits for a result
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# SIGQUIT: tasks under way have this many seconds; then they go back to the broker. SIGTERM waits for them.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.int("CELERY_SOFT_SHUTDOWN_TIMEOUT", default=20)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_TASK_SOFT_TIME_LIMIT = 540  # seconds
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_BEAT_SCHEDULER = "reviewqueue.operations.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # keep each sending in its row at once: health and check_queue read it there
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # seconds until an edited schedule is noticed
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 140_000  # KiB; a process that grew beyond is replaced after its task

# --- Django ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "reviewqueue",
    "reviewqueue.operations",
    "integrations",
    "integrations.notifications",
    "testing",
    "reviews",
    "accounts",
    "core",
    "reviewqueue.apps.QueueAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "social_django",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "reviewqueue.operations.probes.ProbesMiddleware",
    "core.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.CompressedPages",
    "csp.middleware.CSPMiddleware",
    "core.middleware.PrivateAnswers",
    "core.middleware.BodyLimit",
    "core.middleware.AdminFilterCheck",
    "core.middleware.DatabaseAway",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "reviewqueue.urls"
WSGI_APPLICATION = "reviewqueue.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.notices.notices",
            ],
        },
    },
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "accounts.backends.AccountBackend"]
LAUNCHPAD_LOGIN = env.bool("LAUNCHPAD_LOGIN", default=False)  # Launchpad / Ubuntu SSO (OpenID)
if LAUNCHPAD_LOGIN:
    AUTHENTICATION_BACKENDS += ["accounts.sso.LaunchpadLogin", "accounts.sso.UbuntuLogin"]
LOGIN_SERVICES = {"launchpad": "https://login.launchpad.net", "ubuntu": "https://login.ubuntu.com"}
SOCIAL_AUTH_PIPELINE = [
    "social_core.pipeline.social_auth.social_details",
    "accounts.sso.identify",
    "accounts.sso.join",
]
SOCIAL_AUTH_REDIRECT_IS_HTTPS = BASE_URL_IS_HTTPS
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False  # nothing is translated, and looking for translations took a tenth of a page
DATE_FORMAT, TIME_FORMAT, DATETIME_FORMAT = "Y-m-d", "H:i", "Y-m-d H:i"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if env.str("CACHE_URL", default=""):
    try:
        CACHES["default"] = env.cache_url("CACHE_URL")
    except ImproperlyConfigured:
        raise ImproperlyConfigured("CACHE_URL is not the URL of a cache, such as redis://host:6379/1.") from None
    if CACHES["default"]["BACKEND"].endswith("RedisCache"):
        CACHES["default"]["BACKEND"] = "core.cache.OptionalRedisCache"

# --- Notifications -----------------------------------------------------------------------------------------

try:
    EMAIL = env.email_url("EMAIL_URL", default=f"filemail:///{quote(str(VAR_DIR / 'mails'))}")
except (ImproperlyConfigured, KeyError, ValueError):
    raise ImproperlyConfigured("EMAIL_URL is not the URL of a mail server, such as smtp+tls://host:587.") from None
EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
EMAIL_FILE_PATH = EMAIL.get("EMAIL_FILE_PATH", "")
EMAIL_HOST, EMAIL_PORT = EMAIL.get("EMAIL_HOST") or "localhost", EMAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.get("EMAIL_HOST_USER") or "", EMAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_TLS", False), EMAIL.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=20.0)  # seconds that the mail server may be silent
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Review Queue <review-queue@localhost>")
NOTIFY_PRIVATE_NETWORKS = env.bool("NOTIFY_PRIVATE_NETWORKS", default=False)  # whether channels may be there
NOTIFY_AFTER_SECONDS = env.int("NOTIFY_AFTER_SECONDS", default=300)  # what happens meanwhile is in one message

# --- REST API ----------------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "accounts.backends.ApiTokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.ReadOnlyForVisitors"],
    "DEFAULT_PARSER_CLASSES": [
        "core.api.parsers.BoundedJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "ALLOWED_VERSIONS": ["1.0.0"],  # else the schema puts whatever ``?version=`` says into a header
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("API_THROTTLE_ANON", default="600/min"),
        "user": env.str("API_THROTTLE_USER", default="3000/min"),
        "callback": env.str("API_THROTTLE_CALLBACK", default="6000/min"),
        "webhook": env.str("API_THROTTLE_WEBHOOK", default="1200/min"),
    },
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
}
# Its own table is not made: nothing would be in it, and a flush would not know that it refers to the accounts.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105  (a model's name)
SPECTACULAR_SETTINGS = {
    "TITLE": "Review Queue",
    "DESCRIPTION": (
        "What waits for review on Launchpad, and the results of its tests on Jenkins. Reading needs no account. To "
        "launch tests, be a reviewer and send `Authorization: Token <yours>`; [make or revoke it on your token page]"
        "(/me/token/). Pages that you are logged in to may use their session instead, with the CSRF token in "
        "`X-CSRFToken`. Lists hold `count`, `next`, `previous`, `results`; `page_size` goes up to 500. Times are UTC. "
        "Errors are JSON, with `detail` or a message per field."
    ),
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "reviewqueue.api_schema.describe_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ReviewStateEnum": "reviews.models.State",
        "TestRunStatusEnum": "testing.models.Status",
        "ReviewKindEnum": "reviews.models.Review.Kind",
        "SquareEnum": "reviews.models.Square",
        "ActorEnum": "reviews.models.Actor",
    },
}

# --- Security ----------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; the largest body any of our endpoints has a use for
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # lets Prometheus read /metrics; without it only staff may
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL_IS_HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
if BASE_URL_IS_HTTPS:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=True)
    if env.bool("BEHIND_TLS_PROXY", default=True):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        # Browsers ask this of the address that a form's answer leads to as well.
        "form-action": ["'self'", *(LOGIN_SERVICES.values() if LAUNCHPAD_LOGIN else [])],
        "frame-ancestors": ["'none'"],
    },
}
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", default=10)
# Many names from one address. Names that have logged in from there before are not held up by it.
LOGIN_FAILURE_LIMIT_PER_ADDRESS = env.int("LOGIN_FAILURE_LIMIT_PER_ADDRESS", default=50)
AXES_HANDLER = "accounts.lockout.LoginHandler"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # trying on does not make the rest longer
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "accounts.lockout.name_tried"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.counted_address"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
CSRF_FAILURE_VIEW = "core.error_views.csrf_failed"
AXES_VERBOSE = False

# --- Logs --------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logs.LEVELS:
    raise ImproperlyConfigured(f"LOG_LEVEL is not one of {', '.join(logs.LEVELS)}.")
LOG_FORMAT = env.str("LOG_FORMAT", default="console")  # console or json
logs.configure_structlog()
LOGGING = logs.configuration(LOG_FORMAT, LOG_LEVEL, with_requests=env.bool("WEB_ACCESS_LOG", default=True))
DEFAULT_EXCEPTION_REPORTER = "core.error_views.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "core.error_views.ReporterFilter"
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
if SENTRY_DSN:
    from core import sentry  # only then: it costs memory

    try:
        sentry.start(SENTRY_DSN, SENTRY_ENVIRONMENT)
    except ValueError:
        raise ImproperlyConfigured("SENTRY_DSN is not the DSN of a Sentry project.") from None
