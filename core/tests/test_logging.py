"""Logs: a line an event, in either form, and never a secret in it."""

import gzip
import io
import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
import structlog
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from core.logging import Formatter
from core.redaction import redact, redact_value

SECRET = "s3cr3t-Value-4711"


@contextmanager
def written(style, name):
    """The lines that handlers with our formatter write of a logger, in this form."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(style))
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield stream.getvalue
    finally:
        logger.removeHandler(handler)


def logged(style, event, *, name="testing.sweep", exc_info=None, **fields):
    """What our own modules' logger writes."""
    with written(style, name) as text:
        structlog.get_logger(name).warning(event, exc_info=exc_info, **fields)
        return text().rstrip("\n")


def logged_by_a_library(style, *message, exc_info=None):
    """What a logger of the standard library writes."""
    with written(style, "library") as text:
        logging.getLogger("library").warning(*message, exc_info=exc_info)
        return text().rstrip("\n")


def test_fields_of_an_event_are_fields_of_json():
    line = json.loads(logged("json", "run sent", run=7, attempt=2))
    assert (line["event"], line["run"], line["attempt"]) == ("run sent", 7, 2)
    assert (line["level"], line["logger"]) == ("warning", "testing.sweep")
    assert line["timestamp"].endswith("Z")


def test_the_console_writes_one_line_an_event():
    line = logged("console", "run sent", run=7, note="two\nlines")
    assert line.endswith("WARNING testing.sweep run sent run=7 note='two\\nlines'")
    assert len(line.splitlines()) == 1


def test_messages_of_libraries_stay_as_they_are():
    assert json.loads(logged_by_a_library("json", "%s of %s done", 1, 2))["event"] == "1 of 2 done"
    assert json.loads(logged_by_a_library("json", "100% sure"))["event"] == "100% sure"


LEAKS = [
    f"GET /api/test-runs/7/callback/?token={SECRET} HTTP/1.1",
    f"https://q.example/api/test-runs/7/callback/?x=1&token={SECRET}&y=2",
    f"Authorization: Basic {SECRET}",
    f"{{'Authorization': 'Token {SECRET}'}}",
    f'OAuth oauth_consumer_key="k", oauth_token="{SECRET}", oauth_signature="%26{SECRET}"',
    f"postgres://queue:{SECRET}@db.example/queue",
    f"redis://:{SECRET}@cache.example:6379/0",
    f"Cookie: sessionid={SECRET}; csrftoken={SECRET}",
    f"JENKINS_API_TOKEN={SECRET}",
    f'{{"password": "{SECRET}"}}',
    f"BuildRequest(callback_url='https://q/?token={SECRET}')",
    f'"{{\\"token\\": \\"{SECRET}\\"}}"',
    "X-Hub-Signature: sha1=de75f136c37d89f5eb24834468c1ecd602fa95dd",
]


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_passes(style, leak):
    try:
        raise ValueError(leak)
    except ValueError:
        trace = sys.exc_info()
    for line in (
        logged(style, leak),
        logged(style, "asked", url=leak),
        logged(style, "failed", error=ValueError(leak)),
        logged(style, "failed", exc_info=trace),
        logged(style, "asked", facts={"headers": [leak]}),
        logged_by_a_library(style, "asked url=%s", leak),
        logged_by_a_library(style, "failed", exc_info=trace),
    ):
        assert SECRET not in line
        assert "de75f136c37d" not in line
        if style == "json":
            json.loads(line)


def test_configured_secrets_are_hidden_whatever_stands_around_them(settings):
    settings.JENKINS_TOKEN = SECRET
    assert SECRET not in logged("console", f"the thing is {SECRET} in the end")


@given(
    st.text(alphabet="abcdefghijABCDEFGHIJ0123456789-_.~", min_size=8, max_size=60), st.sampled_from(["&", " ", '"'])
)
def test_any_token_in_any_query_is_hidden(token, after):
    secret = f"Zq{token}"
    assert secret not in redact(f"https://q.example/x/?a=b&token={secret}{after}rest")


def test_harmless_words_stay():
    for text in ("GET /reviews/7/ 200", "The token does not belong to this test run.", "tokens: none", "a=b&page=2"):
        assert redact(text) == text
    assert redact_value({"status": "PASS", "n": 3, "deep": [{"token": SECRET}]})["deep"] == [{"token": "[hidden]"}]


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=600, cwd=django_settings.BASE_DIR,
        env={**os.environ, "DEBUG": "true", "PYTHONWARNINGS": "ignore", **environment},
    )  # fmt: skip


@pytest.mark.parametrize("style", ["console", "json"])
def test_django_celery_and_gunicorn_log_alike(style, tmp_path):
    code = """
import logging, structlog, reviewqueue.celery, django
django.setup()
reviewqueue.celery.app.log.setup(loglevel="INFO")
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
import sys; sys.argv = ["gunicorn", "reviewqueue.wsgi"]
log = Logger(WSGIApplication().cfg)
log.access_log.info(log.cfg.access_log_format, {"m": "POST", "U": "/x/", "q": "token=abcdefgh", "s": "200", "B": 5,
    "M": 3, "h": "10.0.0.1", "{x-request-id}o": "r1"})
log.error_log.info("booted")
for name in ("django.request", "celery.app.trace"):
    logging.getLogger(name).info("said by %s", name)
structlog.get_logger("reviews.ingest").info("said", by="reviews.ingest")
"""
    done = run_python(code, LOG_FORMAT=style, VAR_DIR=str(tmp_path))
    lines = done.stderr.splitlines()
    assert len(lines) == 5, done.stderr
    if style == "json":
        facts = [json.loads(line) for line in lines]
        assert (facts[0]["method"], facts[0]["path"], facts[0]["request_id"]) == ("POST", "/x/", "r1")
        assert [fact["logger"] for fact in facts[2:]] == ["django.request", "celery.app.trace", "reviews.ingest"]
        assert facts[4]["by"] == "reviews.ingest"
    else:
        assert "INFO gunicorn.access request method=POST path=/x/ status=200" in lines[0]
    assert "abcdefgh" not in done.stderr


def test_a_request_has_an_id(client, db):
    made = client.get("/")["X-Request-ID"]
    assert made.isalnum()
    assert client.get("/", headers={"x-request-id": "from-the-proxy-1"})["X-Request-ID"] == "from-the-proxy-1"
    assert client.get("/", headers={"x-request-id": "<b>\n"})["X-Request-ID"] != "<b>\n"


class Sentry(BaseHTTPRequestHandler):
    """A stand-in for Sentry that keeps what it is sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.server.kept.append(gzip.decompress(body) if packed else body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


REPORT = f"""
import structlog, django
django.setup()
from django.test import Client
from django.urls import path
from reviewqueue import urls
def breaks(request):
    password = "{SECRET}"
    structlog.get_logger("x").warning("asked", url="https://q/?token={SECRET}")
    raise RuntimeError("callback_url=https://q/?token={SECRET}")
urls.urlpatterns.insert(0, path("breaks/", breaks))
client = Client(raise_request_exception=False)
client.cookies["sessionid"] = "{SECRET}"
headers = {{"authorization": "Token {SECRET}"}}
answer = client.post("/breaks/?token={SECRET}", {{"password": "{SECRET}"}}, headers=headers)
assert answer.status_code == 500, answer.status_code
import sentry_sdk
sentry_sdk.flush(120)
"""


def test_events_to_sentry_hold_no_secrets_and_no_people(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sentry)
    server.kept = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dsn = f"http://public@127.0.0.1:{server.server_port}/1"
    done = run_python(
        REPORT, DEBUG="false", SECRET_KEY=secrets.token_urlsafe(50), ALLOWED_HOSTS="testserver", SENTRY_DSN=dsn,
        VAR_DIR=str(tmp_path), DJANGO_SETTINGS_MODULE="reviewqueue.settings",
    )  # fmt: skip
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    text = b"".join(server.kept).decode()
    assert "RuntimeError" in text
    assert SECRET not in text
    assert '"user"' not in text
    assert SECRET not in done.stderr


def test_sentry_is_off_by_default():
    assert not django_settings.SENTRY_DSN
    assert not sentry_sdk.is_initialized()
