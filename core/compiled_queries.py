"""Statements that are the same at every request, turned into SQL once for each process instead of each time.

Building and compiling a query costs the ORM more than reading a hundred rows. What differs from call to call stands in
the statement as ``Given``; whatever else is in it stays in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import InsertQuery, UpdateQuery

Row = TypeVar("Row")

_kept = threading.local()  # connections are of one thread, and so is what was compiled for them


class Given(Expression):
    """A place in a statement for a value of that field of the model; each call gives it by the field's name."""

    def __init__(self, model: type[Model], name: str) -> None:
        super().__init__(output_field=cast("Field[Any, Any]", model._meta.get_field(name)))
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)


class _Statement(NamedTuple):
    connection: Any
    sql: str
    parameters: tuple[Any, ...]
    read: Callable[[Any], list[Any]] | None

    def filled(self, given: dict[str, Any]) -> list[Any]:
        return [
            part.output_field.get_db_prep_save(given[part.name], self.connection) if isinstance(part, Given) else part
            for part in self.parameters
        ]

    def execute(self, given: dict[str, Any]) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql, self.filled(given))
            return int(cursor.rowcount)


def prepared(name: str, build: Callable[[], QuerySet[Any, Row]], **given: Any) -> list[Row]:
    """The rows of a query, as the query itself would give them. ``build`` is called the first time only. One query."""
    statement = _statement(name, lambda connection: _reading(build(), connection))
    assert statement.read
    return statement.read((statement.sql, statement.filled(given)))


def change(name: str, build: Callable[[], tuple[QuerySet[Any, Any], dict[str, Any]]], **given: Any) -> int:
    """Update the rows of a query with these values; both may hold what is given. How many it were. One query."""
    return _statement(name, lambda connection: _updating(*build(), connection)).execute(given)


def insert(row: Model) -> None:
    """Write a new row. Its id stays unknown, and no signal is sent. One query."""
    model = type(row)
    statement = _statement(f"insert {row._meta.label}", lambda connection: _inserting(model, connection))
    statement.execute(row.__dict__)


def update(row: Model, *names: str) -> None:
    """Write these fields of a row that is there, as ``save(update_fields=…)`` does; no signal is sent. One query."""

    def build() -> tuple[QuerySet[Any, Any], dict[str, Any]]:
        model = type(row)
        return model._default_manager.filter(id=Given(model, "id")), {name: Given(model, name) for name in names}

    change(f"update {row._meta.label} {names}", build, id=row.pk, **{name: getattr(row, name) for name in names})


def _statement(name: str, make: Callable[[Any], _Statement]) -> _Statement:
    connection = connections[DEFAULT_DB_ALIAS]
    statement: _Statement | None = _kept.__dict__.get(name)
    if statement is None or statement.connection is not connection:
        statement = _kept.__dict__[name] = make(connection)
    return statement


def _reading(rows: QuerySet[Any, Any], connection: Any) -> _Statement:
    compiler: Any = rows.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    converters = compiler.get_converters([column[0] for column in compiler.select[: compiler.col_count]])
    compiler.get_converters = lambda _: converters
    rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]

    def read(filled: tuple[str, list[Any]]) -> list[Any]:
        compiler.as_sql = lambda: filled
        return list(cast("Iterable[Any]", rows._iterable_class(rows)))

    return _Statement(connection, sql, parameters, read)


def _updating(rows: QuerySet[Any, Any], values: dict[str, Any], connection: Any) -> _Statement:
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values(values)
    sql, parameters = query.get_compiler(connection=connection).as_sql()
    return _Statement(connection, sql, parameters, None)


def _inserting(model: type[Model], connection: Any) -> _Statement:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    query = InsertQuery(model)
    query.insert_values(fields, [model(**{field.attname: Given(model, field.attname) for field in fields})], raw=True)
    ((sql, parameters),) = query.get_compiler(connection=connection).as_sql()
    return _Statement(connection, sql, parameters, None)
