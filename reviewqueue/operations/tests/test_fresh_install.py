"""A queue that has just been set up imports nothing and sends nothing before a person has switched a source on."""

import json
import os
import secrets
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import requests
from django.conf import settings

FACTS = """
import json
from django_celery_beat.models import PeriodicTask
from integrations.tasks import import_from_launchpad
from integrations.models import ImportReport
from reviewqueue.operations.health.queue import check_sources
from reviews.models import Source
import_from_launchpad()
finding = check_sources()
print(json.dumps({
    "sources": dict(Source.objects.values_list("name", "active")),
    "imports": ImportReport.objects.count(),
    "ok": finding.ok,
    "facts": finding.facts,
}))
"""


@pytest.fixture(scope="module")
def first_steps(tmp_path_factory):
    """The README's first steps in an empty folder, until the pages are there: how they went, and the environment."""
    folder = tmp_path_factory.mktemp("var")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = socket.create_server(("127.0.0.1", 0))  # stands for Launchpad and Jenkins; nobody may connect
    outside = f"http://127.0.0.1:{asked.getsockname()[1]}"
    (folder / "env").write_text(
        f"SECRET_KEY={secrets.token_urlsafe(50)}\nLAUNCHPAD_SERVICE_ROOT={outside}/\n"
        f"WEB_BIND=127.0.0.1:{port}\n"
        f"JENKINS_JOB_URL={outside}/job/charm-test\nJENKINS_TOKEN=the-token-of-the-job\nREVIEWER_TEAMS=my-team\n"
    )
    unset = ("WEB_BIND", "DEBUG", "SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {
        "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "ENV_FILE": str(folder / "env"), "VAR_DIR": str(folder),
        "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "manage.py", "runqueue"], cwd=settings.BASE_DIR, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    try:
        for line in child.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in "".join(said) and "listening at" in "".join(said).lower():
                break  # all is said, and the pages are there
        statuses = [
            requests.get(f"http://{host}:{port}/", timeout=120).status_code for host in ("localhost", "127.0.0.1")
        ]
        yield SimpleNamespace(said="".join(said), statuses=statuses, asked=asked, environment=environment)
    finally:
        child.terminate()
        child.communicate(timeout=120)
        asked.close()


@pytest.fixture(scope="module")
def fresh(first_steps):
    """What is there after the first steps and one run of the import's schedule."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", FACTS], cwd=settings.BASE_DIR,
        env=first_steps.environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_its_pages_are_there_without_dns_certificate_or_proxy(first_steps):
    assert first_steps.statuses == [200, 200]


def test_the_first_steps_say_that_no_source_is_on(first_steps):
    assert "No source is switched on yet" in first_steps.said


def test_nobody_outside_is_asked(first_steps, fresh):
    """Neither by web, worker and beat nor by the import's schedule."""
    first_steps.asked.settimeout(0.5)
    with pytest.raises(TimeoutError):
        first_steps.asked.accept()


def test_its_sources_are_off(fresh):
    assert fresh["sources"] == {"charmers": False, "charms": False}


def test_nothing_is_imported(fresh):
    assert fresh["imports"] == 0


def test_health_calls_it_a_first_step_and_no_failure(fresh):
    assert fresh["ok"]
    assert "No source is switched on yet" in fresh["facts"]
