"""While the database restarts, whoever asks is told to ask again."""

import gzip
import json
import os
import re
import subprocess
import sys

import psycopg2
import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from core.error_views import is_database_away


def lost(error, cause):
    try:
        raise error from cause
    except type(error) as raised:
        return raised


class Refused(psycopg2.OperationalError):
    pgcode = None


class Starting(psycopg2.OperationalError):
    pgcode = "57P03"


class Cancelled(psycopg2.OperationalError):
    pgcode = "57014"


ASK = """
import json, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, SERVER_NAME="localhost")
client.cookies["sessionid"] = "x" * 32
answers = {path: client.get(path) for path in ("/", "/search/", "/api/reviews/", "/about/")}
answers["callback"] = client.post("/api/test-runs/1/callback/?token=x", {"status": "PASS"})
print(json.dumps({
    name: [answer.status_code, answer.headers.get("Retry-After"), answer.headers["Content-Type"].split(";")[0],
           answer.content.decode()]
    for name, answer in answers.items()
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What a web process answers whose PostgreSQL can't be reached."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "reviewqueue.settings_test", "DATABASE_URL": "postgres://q@127.0.0.1:1/q",
        "VAR_DIR": str(tmp_path_factory.mktemp("var")), "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=600, cwd=settings.BASE_DIR, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["/", "/search/", "/api/reviews/", "/about/", "callback"])
def test_a_database_that_is_away_is_a_503_that_says_when_to_try_again(answers, name):
    status, retry_after, _, _ = answers[name]
    assert (status, retry_after) == (503, "5")


def test_a_callback_gets_a_503_in_json_while_the_database_is_away(answers):
    _, _, content_type, body = answers["callback"]
    assert content_type == "application/json"
    assert "try again" in json.loads(body)["detail"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a PostgreSQL server (DATABASE_URL)")
def test_a_connection_that_the_server_ended_is_renewed(client):
    """As when PostgreSQL restarts: one request may fail, the next one has a new connection."""
    client.raise_request_exception = False
    assert client.get("/").status_code == 200
    with psycopg2.connect(**connection.get_connection_params()) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s",
            [other.info.backend_pid],
        )
    other.close()
    assert client.get("/").status_code == 503
    close_old_connections()  # as Django does at the end of each request, but for those of the test's client
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("error", "cause", "is_away"),
    [
        (OperationalError("refused"), Refused(), True),
        (InterfaceError("connection already closed"), Refused(), True),
        (OperationalError("starting up"), Starting(), True),
        (OperationalError("statement timeout"), Cancelled(), False),
        (ValueError("no error of a database"), None, False),
    ],
)
def test_only_the_connection_counts_not_a_query(error, cause, is_away):
    assert is_database_away(lost(error, cause)) == is_away


def compressed(client, path):
    """The answer to a browser."""
    return client.get(path, headers={"accept-encoding": "gzip, deflate, br"})


@pytest.mark.django_db
def test_a_page_is_compressed(client):
    answer = compressed(client, "/about/")
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    page = gzip.decompress(answer.content)
    assert page.startswith(b"<!doctype html>")
    assert len(answer.content) < len(page) / 2


@pytest.mark.django_db
def test_a_page_is_left_as_it_is_for_who_can_not_unpack_it(client):
    assert client.get("/about/").content.startswith(b"<!doctype html>")


@pytest.mark.django_db
def test_the_length_of_a_compressed_page_says_nothing_exact(client):
    assert len({len(compressed(client, "/about/").content) for _ in range(8)}) > 1


def test_the_csrf_token_of_a_compressed_page_is_masked_anew_each_time(admin_client):
    pages = [gzip.decompress(compressed(admin_client, "/about/").content).decode() for _ in range(2)]
    first, second = (re.findall('name="csrfmiddlewaretoken" value="(.+?)"', page)[0] for page in pages)
    assert first != second


@pytest.mark.parametrize("path", ["/admin/", "/admin/reviews/source/add/", "/admin/health/", "/me/token/"])
def test_what_may_show_a_secret_is_not_compressed(admin_client, path):
    answer = compressed(admin_client, path)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "Content-Encoding" not in answer


@pytest.mark.django_db
def test_a_compressed_page_that_has_not_changed_is_not_sent_again(client):
    etag = compressed(client, "/")["ETag"]
    answer = client.get("/", headers={"accept-encoding": "gzip", "if-none-match": etag})
    assert answer.status_code == 304
