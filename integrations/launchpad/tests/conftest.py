"""What holds for every test of Launchpad."""

import pytest


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Nobody waits before a 502 or 503 is asked for once more."""
    monkeypatch.setattr("integrations.launchpad.client.PAUSE_SECONDS", 0.0)
