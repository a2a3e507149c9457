"""Fixtures for every app's tests."""

from pathlib import Path

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.management import call_command
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

pytest_plugins = [
    "accounts.tests.fixtures",
    "core.tests.admin_fixtures",
    "integrations.sandbox.fixtures",
    "integrations.tests.fixtures",
]


# The same examples each time, and a slow machine is no failure.
hypothesis_settings.register_profile(
    "any machine", deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
hypothesis_settings.load_profile("any machine")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests without a database come first: the processes that share the tests then end at the same time."""
    items.sort(key=lambda item: not item.get_closest_marker("slow") or bool(item.get_closest_marker("django_db")))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """All tests begin with the classic sources (charmers, charms) switched on, as in a queue in use.

    The migrations leave them off, as reviewqueue/operations/tests/test_fresh_install.py proves on another database.
    """
    with django_db_blocker.unblock():
        apps.get_model("reviews", "Source").objects.update(active=True)


@pytest.fixture(scope="session")
def migrated_rows(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A file with what the migrations made: sources, schedules, groups."""
    path = tmp_path_factory.mktemp("migrated") / "rows.json"
    with django_db_blocker.unblock():
        call_command(
            "dumpdata", output=path, natural_foreign=True, exclude=["contenttypes", "auth.permission"], verbosity=0
        )
    return path


@pytest.fixture(autouse=True)
def rows_for_real_transactions(request: pytest.FixtureRequest) -> None:
    """Every test with real transactions, which empty all tables at their end, begins with the migrations' rows."""
    marker = request.node.get_closest_marker("django_db")
    with_transactions = {"transactional_db", "live_server"} & set(request.fixturenames)
    if with_transactions or (marker and marker.kwargs.get("transaction")):
        path = request.getfixturevalue("migrated_rows")
        request.getfixturevalue("transactional_db")
        call_command("loaddata", path, verbosity=0)


@pytest.fixture(autouse=True)
def nothing_kept_from_the_test_before() -> None:
    """The API's throttle counts in the cache, and pages are kept there: on a fast machine they would meet."""
    cache.clear()
