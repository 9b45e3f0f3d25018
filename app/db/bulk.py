"""Many rows at once: multi-row INSERT on SQLite, COPY on PostgreSQL, without SQLAlchemy per row.

For many rows SQLAlchemy spends more time on parameters than the database does on storing them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import JSON, ColumnElement, Connection, Date, LargeBinary, Uuid, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from app.db.engines import run_on_driver, to_json
from app.db.tables import LEDGER, Base
from app.db.tables.base import Instant


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
