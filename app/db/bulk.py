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

from app.db.engines import on_driver, to_json
from app.db.tables import LEDGER, Base
from app.db.tables.base import Instant


def insert_or(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do on a conflict, in the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


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
