"""Hot statements: compiled once, then given to the driver without SQLAlchemy for each row.

For a few rows SQLAlchemy spends more time on parameters and results than the database does on the
statement; for many rows it spends more than the database does on storing them. A prepared query
serves the first case; multi-row INSERT (SQLite) and COPY (PostgreSQL) serve the second. All other
statements are an ordinary `connection.execute`.
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

from app.db.drivers import run_on_driver, to_json
from app.db.tables import LEDGER, Base
from app.db.tables.base import Instant


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


class JsonStatement(NamedTuple):
    """A statement that takes all its values as one JSON array, with its text for each database.

    It may insert any number of rows, and its text never changes, so the database keeps it
    prepared. The parameter is `?` on SQLite and `%s` on PostgreSQL.
    """

    sqlite: str
    postgresql: str

    def fetch(
        self, connection: Connection, rows: Iterable[tuple[object, ...]]
    ) -> list[tuple[Any, ...]]:
        """Run the statement; return the rows of its RETURNING clause.

        Raises:
            DBAPIError: the database refused the statement or is away.
        """
        text = self.sqlite if connection.dialect.name == "sqlite" else self.postgresql
        values = (to_json([*map(tuple, rows)]),)  # JSON knows no named tuples
        return run_on_driver(
            connection, text, lambda driver: list(driver.execute(text, values).fetchall())
        )


def insert_in_dialect(
    connection: Connection, table: type[Base]
) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT in the dialect of the connection, which supports ON CONFLICT."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


HIGH_CARDINALITY_TYPES = (JSON, LargeBinary, Uuid)


class _BulkInsert(NamedTuple):
    """A prepared bulk insert: its statement, and the conversion of each column."""

    statement: str
    get_values: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    converters: tuple[Callable[[Collection[Any]], Iterable[Any]] | None, ...]


def insert_many(
    connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows that all name the same columns; other columns get their defaults.

    The stored rows equal those of an INSERT by SQLAlchemy.

    Raises:
        DBAPIError: a constraint is violated, with the same error as an INSERT.
    """
    if not rows:
        return
    loading = _prepare_bulk_insert(connection.dialect, table, tuple(rows[0]))
    columns = zip(*map(loading.get_values, rows), strict=True)
    converted = [
        column if convert is None else convert(column)
        for column, convert in zip(columns, loading.converters, strict=True)
    ]
    tuples = list(zip(*converted, strict=True))
    if connection.dialect.name == "sqlite":
        run_on_driver(
            connection,
            loading.statement,
            lambda driver: driver.executemany(loading.statement, tuples),
        )
    else:
        run_on_driver(
            connection,
            loading.statement,
            lambda driver: _copy_rows(driver, loading.statement, tuples),
        )


@lru_cache(maxsize=64)
def _prepare_bulk_insert(
    dialect: Dialect, table: type[Base], names: tuple[str, ...]
) -> _BulkInsert:
    # In the order of the table, as in the compiled INSERT.
    columns = [column for column in table.__table__.columns if column.name in names]
    if dialect.name == "sqlite":
        # On SQLite each schema is a file of its own.
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
    return _BulkInsert(
        statement,
        itemgetter(*(column.name for column in columns)),
        tuple(_find_converter(column, dialect) for column in columns),
    )


def _find_converter(
    column: ColumnElement[Any], dialect: Dialect
) -> Callable[[Collection[Any]], Iterable[Any]] | None:
    """Return the conversion of a column's values for the driver; None if they need none."""
    kind = column.type
    convert: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    if dialect.name != "sqlite":
        convert = _find_text_converter(kind) or convert
    if convert is None:
        return None
    if isinstance(kind, HIGH_CARDINALITY_TYPES):
        return lambda values: map(convert, values)
    return lambda values: _convert_distinct(convert, values)


def _find_text_converter(kind: TypeEngine[Any]) -> Callable[[Any], str | None] | None:
    """Return the conversion to text for COPY, which costs less here than in the driver."""
    if isinstance(kind, JSON):
        return to_json
    if isinstance(kind, Uuid):
        return lambda value: value and value.hex
    if isinstance(kind, Date | Instant):
        return lambda value: value and value.isoformat()
    return None


def _convert_distinct(convert: Callable[[Any], Any], values: Collection[Any]) -> Iterable[Any]:
    # Days, instants and flags repeat from row to row: convert each distinct value once.
    converted = {value: convert(value) for value in set(values)}
    return map(converted.__getitem__, values)


def _copy_rows(driver: Any, statement: str, rows: Iterable[Sequence[Any]]) -> None:  # noqa: ANN401
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
