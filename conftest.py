"""Fixtures for every app's tests."""

import importlib.util

if importlib.util.find_spec("integrations.sandbox"):
    pytest_plugins = ["integrations.sandbox.fixtures"]
