"""Fixtures for every app's tests."""

import importlib.util

import pytest

if importlib.util.find_spec("integrations.sandbox"):
    pytest_plugins = ["integrations.sandbox.fixtures"]


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
