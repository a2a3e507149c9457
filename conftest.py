"""Fixtures for every app's tests."""

import importlib.util

import pytest
from django.core.cache import cache
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

if importlib.util.find_spec("integrations.sandbox"):
    pytest_plugins = ["integrations.sandbox.fixtures", "integrations.tests.fixtures"]


# The same examples each time, and a slow machine is no failure.
hypothesis_settings.register_profile(
    "any machine", deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
hypothesis_settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test with real transactions puts back what the migrations made (sources, schedules, groups).

    All of them or none: one that only empties the tables leaves rows of Django's own that collide with what the next
    one puts back.
    """
    for item in items:
        marker = item.get_closest_marker("django_db")
        names: list[str] = getattr(item, "fixturenames", [])
        if (marker and marker.kwargs.get("transaction")) or {"transactional_db", "live_server"} & set(names):
            names.append("django_db_serialized_rollback")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """What the migrations made is known to every connection, not to the first alone.

    Django keeps it on the connection object. While Playwright's event loop runs in the thread of a test, the test has
    another connection object: without this the rows are not restored, and what Django makes instead collides later.
    """
    connection = connections["default"]
    if hasattr(connection, "_test_serialized_contents"):  # not when no test of the run needs it
        type(connection)._test_serialized_contents = connection._test_serialized_contents


@pytest.fixture(autouse=True)
def nothing_kept_from_the_test_before() -> None:
    """The API's throttle counts in the cache, and pages are kept there: on a fast machine they would meet."""
    cache.clear()
