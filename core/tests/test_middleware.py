"""While the database restarts, whoever asks is told to ask again."""

import json
import os
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
