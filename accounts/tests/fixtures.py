"""What several of the project's tests need."""

import pytest

from accounts.tests.openid_provider import Provider


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A login service of our own, over HTTPS."""
    provider = Provider(tmp_path_factory.mktemp("openid"))
    yield provider
    provider.stop()
