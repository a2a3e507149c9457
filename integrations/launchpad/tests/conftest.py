"""Sources that a test fills."""

import pytest

from reviews.models import Source


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Nobody waits before a 502 or 503 is asked for once more."""
    monkeypatch.setattr("integrations.launchpad.client.PAUSE_SECONDS", 0.0)


@pytest.fixture
def project(launchpad):
    """A source of kind ``project``, and a way to say what it holds."""
    source = Source.objects.create(name="mysql", kind="project", target="mysql")

    def holds(*entries):
        launchpad.collection("mysql", list(entries))
        return source

    return holds


@pytest.fixture
def bugs(launchpad):
    def hold(*entries):
        launchpad.collection("charms", list(entries))
        return Source.objects.get(name="charms")

    return hold
