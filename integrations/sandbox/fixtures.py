"""pytest fixtures: a sandbox that the settings point at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox import Sandbox


def _pointed_at(sandbox: Sandbox, settings: Any, tmp_path: Path) -> Sandbox:
    settings.LAUNCHPAD_SERVICE_ROOT = sandbox.launchpad.url
    settings.LAUNCHPAD_CREDENTIALS_FILE = tmp_path / "lp-creds"
    settings.LAUNCHPAD_TIMEOUT = settings.JENKINS_TIMEOUT = 60.0  # on a busy machine an answer takes its time
    settings.JENKINS_JOB_URL = sandbox.jenkins.job_url
    settings.JENKINS_TOKEN = sandbox.jenkins.token
    settings.VAR_DIR = tmp_path
    return sandbox


@pytest.fixture
def sandbox(settings: Any, tmp_path: Path) -> Iterator[Sandbox]:
    """An empty Launchpad, and a Jenkins whose builds move when the test says so."""
    made = Sandbox(auto=False).start(believable=False)
    yield _pointed_at(made, settings, tmp_path)
    made.stop()


@pytest.fixture
def believable(settings: Any, tmp_path: Path) -> Iterator[Sandbox]:
    """The believable queue, and a Jenkins whose builds move when the test says so."""
    made = Sandbox(auto=False).start()
    yield _pointed_at(made, settings, tmp_path)
    made.stop()
