"""Sources that a test fills."""

import pytest

from reviews.models import Source


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
