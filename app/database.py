"""Connections and transactions on both databases; the only module that begins or commits.

Three ways in, each a context manager that commits on exit and rolls back on an error:

- `reading()`: a consistent snapshot of the registry.
- `writing()`: one change. On SQLite the writer holds the database from its first statement (BEGIN
  IMMEDIATE); the queue before it is first come, first served, within the process by `FairLock` and
  across processes by a file lock, because SQLite's own busy timeout lets writers starve.
- `ledger()`: checks and the audit of reads. A second file on SQLite, so an import never stands
  between a clerk and an answer; a schema of the one database on PostgreSQL.

A transaction begins and ends inside one call on one thread, never across a dependency's exit: the
holder of a lock must not wait for a pool thread that waiting writers occupy.
"""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    JSON,
    ColumnElement,
    Date,
    Engine,
    LargeBinary,
    Uuid,
    create_engine,
    event,
    insert,
)
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - re-exported: actions hold one, stores use it
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from app.settings import Settings
from app.tables import LEDGER, Base
from app.tables.base import Instant

DatabaseError = SQLAlchemyError
"""Whatever the database does not do; no fault of what was sent."""

BUSY_MILLISECONDS = 10_000
# KiB of pages that a connection of SQLite keeps; what it does not keep the operating system does.
# A larger cache made an import a few percent faster, and its processes much larger.
READER_CACHE, WRITER_CACHE = 2_000, 8_000
POSTGRES_OPTIONS = "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"


class FairLock:
    """A lock that serves its waiters in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # handed over, never released in between
            else:
                self._held = False


class WriterGate:
    """One writer of a SQLite file at a time, over all processes that use it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FairLock()
        self._file = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the lock file go."""
        os.close(self._file)


class Database:
    """The engines of one process."""

    def __init__(self, settings: Settings) -> None:
        self.embedded = settings.embedded
        self._gates: list[WriterGate] = []
        self._files: list[Path] = []
        self._opened: dict[Path, tuple[int, int]] = {}
        if self.embedded:
            main = Path(str(settings.url.database))
            self._files = [main, settings.ledger_path]
            self._reads: Engine = _sqlite(main, begin="BEGIN", pool_size=settings.read_pool)
            self._writes = _sqlite(
                main, begin="BEGIN IMMEDIATE", pool_size=1, cache_kibibytes=WRITER_CACHE
            )
            self._ledger: Engine = _sqlite(
                settings.ledger_path,
                begin="BEGIN",
                pool_size=settings.read_pool,
                synchronous=settings.ledger_synchronous,
            ).execution_options(schema_translate_map={LEDGER: None})
            self._gates = [WriterGate(main), WriterGate(settings.ledger_path)]
        else:
            # One meaning on both: a read sees one snapshot, as it does on SQLite.
            self._reads = _postgres(settings, settings.read_pool).execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._writes = _postgres(settings, settings.write_slots)
            self._ledger = _postgres(settings, settings.write_slots)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read the registry as of one moment."""
        with self._reads.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Change the registry; all of it or nothing."""
        with self._turn(0), self._writes.begin() as connection:
            yield connection

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """Write down, or read, what was asked and answered."""
        with self._turn(1), self._ledger.begin() as connection:
            yield connection

    @contextmanager
    def reading_ledger(self) -> Iterator[Connection]:
        """Read the ledger without waiting for its writers."""
        with self._ledger.connect() as connection, connection.begin():
            yield connection

    def in_place(self) -> bool:
        """Tell whether the files are there and the same that were opened (PostgreSQL has none).

        SQLite goes on answering from a file that was moved or replaced under it, and what it then
        writes is lost.
        """
        for path in self._files:
            try:
                found = path.stat()
            except OSError:
                return False
            file = (found.st_dev, found.st_ino)
            if self._opened.setdefault(path, file) != file:
                return False
        return True

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._reads, self._writes, self._ledger):
            engine.dispose()
        for gate in self._gates:
            gate.close()

    def _turn(self, number: int) -> AbstractContextManager[None]:
        return self._gates[number]() if self.embedded else nullcontext()


@contextmanager
def migrating(settings: Settings) -> Iterator[Connection]:
    """One connection that sees both files (SQLite) or both schemas, for Alembic.

    On SQLite the transaction is Alembic's to begin: the ledger is attached, which no transaction
    may be open for.
    """
    if not settings.embedded:
        engine = create_engine(settings.url, poolclass=NullPool)
        with engine.connect() as connection:
            yield connection
        return
    main = Path(str(settings.url.database))
    gate = WriterGate(main)
    engine = _sqlite(main, begin="BEGIN IMMEDIATE", attach=settings.ledger_path)
    with gate(), engine.connect() as connection:
        yield connection
    engine.dispose()
    gate.close()


def _sqlite(
    path: Path,
    *,
    begin: str,
    pool_size: int = 1,
    synchronous: str = "full",
    cache_kibibytes: int = READER_CACHE,
    attach: Path | None = None,
) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # they may be personal, and errors end up in the log
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            f"busy_timeout = {BUSY_MILLISECONDS}",
            f"cache_size = -{cache_kibibytes}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if attach is not None:
            connection.execute(f"ATTACH DATABASE ? AS {LEDGER}", (str(attach),))
            connection.execute(f"PRAGMA {LEDGER}.journal_mode = WAL")

    # The driver's own transactions break savepoints and take the lock too late; begin ourselves.
    @event.listens_for(engine, "begin")
    def begin_ourselves(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres(settings: Settings, pool_size: int) -> Engine:
    return create_engine(
        settings.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": POSTGRES_OPTIONS, "connect_timeout": 5},
        hide_parameters=True,  # they may be personal, and errors end up in the log
        json_serializer=_to_json,
        json_deserializer=orjson.loads,
    )


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def insert_or(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do on a conflict, in the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


# --- many rows at once ---------------------------------------------------

FEW_ROWS = 20
"""Up to so many rows an ordinary INSERT is as fast."""
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
    if len(rows) <= FEW_ROWS:
        if rows:
            connection.execute(insert(table), rows)
        return
    loading = _loading(connection.dialect, table, tuple(rows[0]))
    columns = zip(*map(loading.values_of, rows), strict=True)
    converted = [
        column if convert is None else convert(column)
        for column, convert in zip(columns, loading.converters, strict=True)
    ]
    tuples = list(zip(*converted, strict=True))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(loading.statement, tuples)
    else:
        _copy(connection, loading.statement, tuples)


@lru_cache(maxsize=64)
def _loading(dialect: Dialect, table: type[Base], names: tuple[str, ...]) -> _Loading:
    # In the table's order, as the compiled INSERT has them.
    columns = [column for column in table.__table__.columns if column.name in names]
    if dialect.name == "sqlite":
        statement = str(insert(table).compile(dialect=dialect, column_keys=names))
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
        return _to_json
    if isinstance(kind, Uuid):
        return lambda value: value and value.hex
    if isinstance(kind, Date | Instant):
        return lambda value: value and value.isoformat()
    return None


def _each_once(convert: Callable[[Any], Any], values: Collection[Any]) -> Iterable[Any]:
    # Days, instants and marks repeat from row to row.
    converted = {value: convert(value) for value in set(values)}
    return map(converted.__getitem__, values)


def _copy(connection: Connection, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    import psycopg  # noqa: PLC0415 - a registry on SQLite needs neither it nor its memory

    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # The server quotes the row at which it stopped, and rows may be personal: keep the rest.
        told = type(error)(error.diag.message_primary or type(error).__name__)
        raise DBAPIError.instance(
            statement, None, told, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from None
