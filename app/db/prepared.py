"""Statements that are compiled once and given straight to the driver.

SQLAlchemy builds them. For a few rows it spends more time on a statement's parameters and results
than the database does on the statement, so the hot ones (`Prepared`) and the large ones
(`insert_many`) go past it. Everything else is an ordinary `connection.execute`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Date,
    LargeBinary,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    insert,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType, TypeEngine

from app.db.engines import on_driver, to_json
from app.db.tables import LEDGER, Base
from app.db.tables.base import Instant


def insert_or(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do on a conflict, in the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


# --- asked over and over -------------------------------------------------


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


# --- many rows at once ---------------------------------------------------

SELDOM_THE_SAME = (JSON, LargeBinary, Uuid)


class _Loading(NamedTuple):
    """How rows of a table are brought into the form that the driver takes, and sent."""

    statement: str
    values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    converters: tuple[Callable[[Collection[Any]], Iterable[Any]] | None, ...]


def insert_many(
    connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Add rows, all of which name the same columns; what they leave out the database fills in.

    The same rows come of it as of an INSERT by SQLAlchemy, which spends more time on the parameters
    of a row than SQLite does on storing it; and COPY is how PostgreSQL takes many rows fast.

    Raises:
        DBAPIError: a constraint is broken, as an INSERT would tell it.
    """
    if not rows:
        return
    loading = _loading(connection.dialect, table, tuple(rows[0]))
    columns = zip(*map(loading.values_of, rows), strict=True)
    converted = [
        column if convert is None else convert(column)
        for column, convert in zip(columns, loading.converters, strict=True)
    ]
    tuples = list(zip(*converted, strict=True))
    if connection.dialect.name == "sqlite":
        on_driver(
            connection,
            loading.statement,
            lambda driver: driver.executemany(loading.statement, tuples),
        )
    else:
        on_driver(
            connection, loading.statement, lambda driver: _copy(driver, loading.statement, tuples)
        )


@lru_cache(maxsize=64)
def _loading(dialect: Dialect, table: type[Base], names: tuple[str, ...]) -> _Loading:
    # In the table's order, as the compiled INSERT has them.
    columns = [column for column in table.__table__.columns if column.name in names]
    if dialect.name == "sqlite":
        # Each schema is a file of its own there.
        statement = str(
            insert(table).compile(
                dialect=dialect,
                column_keys=names,
                schema_translate_map={LEDGER: None},
                render_schema_translate=True,
            )
        )
    else:
        quoted = dialect.identifier_preparer
        listed = ", ".join(map(quoted.format_column, columns))
        statement = f"COPY {quoted.format_table(table.__table__)} ({listed}) FROM STDIN"
    return _Loading(
        statement,
        itemgetter(*(column.name for column in columns)),
        tuple(_converter(column, dialect) for column in columns),
    )


def _converter(
    column: ColumnElement[Any], dialect: Dialect
) -> Callable[[Collection[Any]], Iterable[Any]] | None:
    """What turns the values of a column into those that the driver takes; None where they are."""
    kind = column.type
    convert: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    if dialect.name != "sqlite":
        convert = _as_text(kind) or convert
    if convert is None:
        return None
    if isinstance(kind, SELDOM_THE_SAME):
        return lambda values: map(convert, values)
    return lambda values: _each_once(convert, values)


def _as_text(kind: TypeEngine[Any]) -> Callable[[Any], str | None] | None:
    """COPY takes texts; to make them here costs less than to leave it to the driver."""
    if isinstance(kind, JSON):
        return to_json
    if isinstance(kind, Uuid):
        return lambda value: value and value.hex
    if isinstance(kind, Date | Instant):
        return lambda value: value and value.isoformat()
    return None


def _each_once(convert: Callable[[Any], Any], values: Collection[Any]) -> Iterable[Any]:
    # Days, instants and marks repeat from row to row.
    converted = {value: convert(value) for value in set(values)}
    return map(converted.__getitem__, values)


def _copy(driver: Any, statement: str, rows: Iterable[Sequence[Any]]) -> None:  # noqa: ANN401
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
