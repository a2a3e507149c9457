"""A queue that has just been set up imports nothing and sends nothing before a person has switched a source on."""

import json
import os
import secrets
import socket
import subprocess
import sys

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
def fresh(tmp_path_factory):
    """What is there after the migrations of an empty database, and after one run of the import's schedule."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "VAR_DIR": str(tmp_path_factory.mktemp("var")),
        "LAUNCHPAD_SERVICE_ROOT": "http://127.0.0.1:1/", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    for arguments in (["migrate", "-v0"], ["shell", "-v0", "-c", FACTS]):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=settings.BASE_DIR, env=environment, capture_output=True,
            text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_its_sources_are_off(fresh):
    assert fresh["sources"] == {"charmers": False, "charms": False}


def test_nothing_is_imported(fresh):
    assert fresh["imports"] == 0


def test_health_calls_it_a_first_step_and_no_failure(fresh):
    assert fresh["ok"]
    assert "No source is switched on yet" in fresh["facts"]


@pytest.mark.django_db
def test_the_sandbox_switches_its_own_sources_on(tmp_path):
    from integrations.sandbox import setup
    from reviews.models import Source

    Source.objects.update(active=False)
    setup.prepare(tmp_path)
    assert not Source.objects.filter(active=False).exists()


@pytest.mark.django_db
def test_a_source_that_staff_switched_off_in_the_sandbox_stays_off(tmp_path):
    from django.utils import timezone

    from integrations.sandbox import setup
    from reviews.models import Source

    setup.prepare(tmp_path)
    Source.objects.filter(name="charms").update(active=False, last_import_at=timezone.now())
    setup.prepare(tmp_path)
    assert not Source.objects.get(name="charms").active


@pytest.mark.slow
def test_the_first_steps_of_the_readme_work_on_this_machine_and_harm_nobody(tmp_path):
    """A key, a Launchpad and a Jenkins in a file: pages without DNS, certificate or proxy, and no import."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = socket.create_server(("127.0.0.1", 0))  # stands for Launchpad and Jenkins; nobody may connect
    outside = f"http://127.0.0.1:{asked.getsockname()[1]}"
    (tmp_path / "env").write_text(
        f"SECRET_KEY={secrets.token_urlsafe(50)}\nLAUNCHPAD_SERVICE_ROOT={outside}/\n"
        f"JENKINS_JOB_URL={outside}/job/charm-test\nJENKINS_TOKEN=the-token-of-the-job\nREVIEWER_TEAMS=my-team\n"
    )
    unset = ("DEBUG", "SECRET_KEY", "BASE_URL", "DATABASE_URL", "CELERY_BROKER_URL")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {
        "DJANGO_SETTINGS_MODULE": "reviewqueue.settings", "ENV_FILE": str(tmp_path / "env"), "VAR_DIR": str(tmp_path),
        "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "manage.py", "runqueue", "--port", str(port)], cwd=settings.BASE_DIR, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = []
    try:
        for line in child.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in line:
                break
        assert "No source is switched on yet" in "".join(said), "".join(said)
        for line in child.stdout:  # until the pages are there
            said.append(line)
            if "listening at" in line.lower():
                break
        for host in ("localhost", "127.0.0.1"):
            assert requests.get(f"http://{host}:{port}/", timeout=120).status_code == 200
        feed = requests.get(f"http://localhost:{port}/search/?format=atom", timeout=120).text
        assert f"http://localhost:{port}/search/" in feed  # where builds call back, too
        asked.settimeout(0.5)
        with pytest.raises(TimeoutError):
            asked.accept()
    finally:
        child.terminate()
        child.communicate(timeout=120)
        asked.close()
