"""Prepared statements: compiled once by SQLAlchemy, then given straight to the driver.

For a few rows SQLAlchemy spends more time on parameters and results than the database does on the
statement, so hot statements go past it. All others are an ordinary `connection.execute`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    cast,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType

from app.db.engines import run_on_driver, to_json


class in_array(ColumnElement[bool]):  # noqa: N801 - reads like `in_`
    """A condition that a column is in a list; the list is one parameter of any length.

    The text of the statement never changes, so the database keeps it prepared.
    """

    # With a Boolean type SQLite would compare it with 1 and use no index.
    type = NullType()  # type: ignore[assignment]
    inherit_cache = False

    def __init__(self, column: Any, name: str) -> None:  # noqa: ANN401 - any column
        self.column = column
        self.name = name


@compiles(in_array, "sqlite")
def _in_array_on_sqlite(element: in_array, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column = compiler.process(element.column, **kw)
    values = compiler.process(bindparam(element.name, type_=Text()), **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - names, no values


@compiles(in_array, "postgresql")
def _in_array_on_postgresql(element: in_array, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column = compiler.process(element.column, **kw)
    values = bindparam(element.name, type_=ARRAY(element.column.type))
    return f"{column} = ANY({compiler.process(values, **kw)})"


def as_text(column: Any) -> ColumnElement[str]:  # noqa: ANN401 - any column
    """Return a column as the same text on both databases: days as ISO 8601, documents as JSON.

    Ids have the form of the database, with or without dashes; `UUID` parses both.
    """
    return cast(column, Text).label(column.key)


class PreparedQuery:
    """A SELECT that runs many times; its rows are plain tuples as the driver returns them.

    It selects only values that both drivers return alike: texts (`as_text`), numbers, and booleans,
    which SQLite returns as 0 and 1. Parameters are texts (also days), numbers, and lists for
    `in_array`.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._compiled = cache(self._compile)

    def fetch(self, connection: Connection, **parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """Return all rows.

        Raises:
            DBAPIError: the database refused the statement or is away.
        """
        ask = self._compiled(connection.dialect)
        return run_on_driver(connection, ask.text, lambda driver: ask.fetch(driver, parameters))

    def _compile(self, dialect: Dialect) -> "_CompiledQuery":
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        return _CompiledQuery(compiled.string, compiled.positiontup, compiled.params)


class _CompiledQuery(NamedTuple):
    """A statement compiled for one database."""

    text: str
    parameter_order: Sequence[str] | None
    """The parameter of each position; None if the driver takes parameters by name."""
    constants: Mapping[str, Any]

    def fetch(self, driver: Any, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:  # noqa: ANN401
        given = {**self.constants, **parameters}
        if self.parameter_order is None:
            return list(driver.execute(self.text, given).fetchall())
        values = [_to_sqlite_value(given[name]) for name in self.parameter_order]
        return list(driver.execute(self.text, values).fetchall())


def _to_sqlite_value(value: object) -> object:
    # SQLite has no lists: a list becomes JSON, with ids in their stored form.
    if not isinstance(value, list):
        return value
    return to_json([item.hex if isinstance(item, UUID) else item for item in value])
