"""Commands say in words what is wrong, and end with a status that scripts read (docs/specification.md, section 9)."""

import os
import socket
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from reviews.models import Source


def manage(tmp_path, *arguments, **more):
    environment = {"PATH": os.environ["PATH"], "DEBUG": "true", "VAR_DIR": str(tmp_path), **more}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_a_database_without_tables_is_said_in_words(tmp_path):
    done = manage(tmp_path, "import_reviews")
    assert (done.returncode, done.stdout) == (1, "")
    assert "manage.py check_queue says more" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("TESTING_TIMEOUT", "has a value of the wrong form"), ("DEBUG", "is neither true nor")]
)
def test_a_setting_that_is_not_valid_is_named(tmp_path, name, said):
    done = manage(tmp_path, "import_reviews", **{name: "maybe"})
    assert done.returncode == 1
    assert f"{name} {said}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
def test_numbers_of_no_review_are_wrong_usage():
    with pytest.raises(CommandError, match=r"No such review: 10+\.") as wrong:
        call_command("refresh_reviews", str(10**21))
    assert wrong.value.returncode == 2


@pytest.mark.django_db
def test_an_import_of_nothing_is_no_success():
    Source.objects.update(active=False)
    with pytest.raises(CommandError, match="No source is active"):
        call_command("import_reviews")


def check_queue(folder, port, *options):
    """The doctor's first line, in a folder whose sandbox listens, or would, at this port."""
    (folder / "sandbox").mkdir(exist_ok=True)
    (folder / "sandbox" / "ports.json").write_text(f"[{port}, 1, 1]")
    return manage(folder, "check_queue", *options, ENV_FILE=os.devnull).stdout.split("\n")[0]


def test_the_doctor_checks_the_sandbox_while_it_runs(tmp_path, busy_port):
    said = check_queue(tmp_path, busy_port)
    assert said == f"Checking the sandbox that runqueue shows, with its files in {tmp_path / 'sandbox'}."


@pytest.mark.parametrize("options", [[], ["--no-sandbox"]], ids=["not running", "not wanted"])
def test_the_doctor_checks_the_settings_queue_otherwise(tmp_path, busy_port, options):
    said = check_queue(tmp_path, busy_port if options else 1, *options)
    assert said == f"Checking the queue that the settings describe, with its files in {tmp_path}."


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_the_pages_are_served_where_the_settings_of_the_web_say(monkeypatch, busy_port):
    monkeypatch.setenv("WEB_BIND", f"127.0.0.1:{busy_port}")
    with pytest.raises(CommandError, match=f"Port {busy_port} is in use"):
        call_command("runqueue")


def test_the_port_of_the_command_line_goes_before_that_of_the_settings(monkeypatch, busy_port):
    monkeypatch.setenv("WEB_BIND", "127.0.0.1:1")
    with pytest.raises(CommandError, match=f"Port {busy_port} is in use"):
        call_command("runqueue", "--port", str(busy_port))


@pytest.mark.parametrize(
    "bind", ["unix:/run/queue.sock", "127.0.0.1:8000,127.0.0.1:8001", "127.0.0.1:http", "[::1:8000"]
)
def test_pages_that_can_not_be_served_there_are_refused_in_words(monkeypatch, bind):
    monkeypatch.setenv("WEB_BIND", bind)
    with pytest.raises(CommandError, match="runqueue listens at one host and port") as refusal:
        call_command("runqueue")
    assert bind in str(refusal.value)


def test_a_host_that_is_not_of_this_machine_is_said_in_words(monkeypatch):
    monkeypatch.setenv("WEB_BIND", "192.0.2.1:8000")
    with pytest.raises(CommandError, match=r"can't be served at 192\.0\.2\.1, port 8000: .+\. Check WEB_BIND\."):
        call_command("runqueue")
