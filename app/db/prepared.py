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

from app.db.engines import on_driver, to_json


class among(ColumnElement[bool]):  # noqa: N801 - reads like `in_`
    """A column is one of a list that is a single parameter, however long it is.

    So the statement is the same text every time, and the database keeps it prepared.
    """

    # As Boolean it would be compared with 1 on SQLite, and no index used.
    type = NullType()  # type: ignore[assignment]
    inherit_cache = False

    def __init__(self, column: Any, name: str) -> None:  # noqa: ANN401 - whatever a column is
        self.column = column
        self.name = name


@compiles(among, "sqlite")
def _among_on_sqlite(element: among, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column = compiler.process(element.column, **kw)
    values = compiler.process(bindparam(element.name, type_=Text()), **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - names, no values


@compiles(among, "postgresql")
def _among_on_postgresql(element: among, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column = compiler.process(element.column, **kw)
    values = bindparam(element.name, type_=ARRAY(element.column.type))
    return f"{column} = ANY({compiler.process(values, **kw)})"


def as_text(column: Any) -> ColumnElement[str]:  # noqa: ANN401 - whatever a column is
    """A column as the same text on both databases: days as ISO 8601, documents as JSON.

    Ids come in the database's own writing, with dashes or without; `UUID` reads both.
    """
    return cast(column, Text).label(column.key)


class Prepared:
    """A SELECT that is asked over and over; its rows are plain tuples, as the driver gives them.

    So it asks for what is the same from both drivers: texts (`as_text`), numbers, and truth values,
    which SQLite tells as 0 and 1. Parameters are texts (days, too), numbers, and lists for `among`.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._compiled = cache(self._compile)

    def rows(self, connection: Connection, **parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """Every row.

        Raises:
            DBAPIError: the database refused or is away.
        """
        ask = self._compiled(connection.dialect)
        return on_driver(connection, ask.text, lambda driver: ask.rows(driver, parameters))

    def _compile(self, dialect: Dialect) -> "_Asking":
        compiled = self._statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        return _Asking(compiled.string, compiled.positiontup, compiled.params)


class _Asking(NamedTuple):
    """A statement in the words of one database."""

    text: str
    places: Sequence[str] | None
    """Which parameter stands at which place; None where they go by their names."""
    constants: Mapping[str, Any]

    def rows(self, driver: Any, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:  # noqa: ANN401
        given = {**self.constants, **parameters}
        if self.places is None:
            return list(driver.execute(self.text, given).fetchall())
        values = [_as_one(given[name]) for name in self.places]
        return list(driver.execute(self.text, values).fetchall())


def _as_one(value: object) -> object:
    # SQLite has no lists; one arrives as JSON, with ids as they are stored there.
    if not isinstance(value, list):
        return value
    return to_json([item.hex if isinstance(item, UUID) else item for item in value])
