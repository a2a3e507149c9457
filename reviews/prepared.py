"""Queries that are the same for everybody, turned into SQL once for each process instead of at each request.

Building and compiling a query costs the ORM more than reading a hundred rows. Only for queries that hold nothing of the
request: whatever is in them stays in them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

_kept = threading.local()  # connections are of one thread, and so is what was compiled for them


def prepared(name: str, build: Callable[[], QuerySet[Any, Any]]) -> list[tuple[Any, ...]]:
    """The rows of a ``values_list`` query. ``build`` is called the first time only. One query."""
    connection = connections[DEFAULT_DB_ALIAS]
    compiler = _kept.__dict__.get(name)
    if compiler is None or compiler.connection is not connection:
        compiler = build().query.get_compiler(connection=connection)
        compiled = compiler.as_sql()
        compiler.as_sql = lambda: compiled
        _kept.__dict__[name] = compiler
    return list(compiler.results_iter(tuple_expected=True))
