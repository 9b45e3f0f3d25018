"""Connections and transactions on both databases; the only module that begins or commits.

Each method is a context manager that commits on exit and rolls back on an error:

- `reading()`: a consistent snapshot of the registry.
- `writing()`: one change. On SQLite the writer holds the database from its first statement (BEGIN
  IMMEDIATE); the queue before it is first come, first served, within the process by `FairLock` and
  across processes by a file lock, because SQLite's own busy timeout lets writers starve.
- `ledger()`: checks and the audit of reads. A second file on SQLite, so that no check waits for an
  import; a schema of the one database on PostgreSQL.

A transaction begins and ends inside one call on one thread, never across a dependency's exit: the
holder of a lock must not wait for a pool thread that waiting writers occupy.
"""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - re-exported: services pass it on, stores use it
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from app.db.tables import LEDGER
from app.settings import Settings


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
            granted = threading.Event()
            self._waiting.append(granted)
        granted.wait()

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
        """Wait for the gate, and hold it while the block runs."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock file."""
        os.close(self._file)


Result = TypeVar("Result")

DatabaseError = SQLAlchemyError
"""Any failure of the database, as opposed to a fault of a request."""

BUSY_MILLISECONDS = 10_000
# KiB of pages in the cache of a SQLite connection; the operating system caches the rest.
# A larger cache made an import a few percent faster, and its processes much larger.
READER_CACHE, WRITER_CACHE, LEDGER_CACHE, ANSWER_CACHE = 2_000, 8_000, 16_000, 32_000
# Pages in the write-ahead log before a checkpoint: the ledger is written all day, and each
# checkpoint waits for the disk.
CHECKPOINT_PAGES, LEDGER_CHECKPOINT_PAGES = 1_000, 8_000
POSTGRES_OPTIONS = "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"


class Database:
    """The engines of one process."""

    def __init__(self, settings: Settings) -> None:
        tuning = settings.tuning
        self.embedded = settings.embedded
        self._gates: list[WriterGate] = []
        self._files: list[str] = []
        self._opened: dict[str, tuple[int, int]] = {}
        if self.embedded:
            main = Path(str(settings.url.database))
            self._files = [str(main), str(settings.ledger_path)]
            self._reads: Engine = _create_sqlite_engine(
                main, begin="BEGIN", pool_size=tuning.read_pool
            )
            self._answers = _create_sqlite_engine(
                main,
                begin="BEGIN",
                pool_size=tuning.read_pool,
                cache_kibibytes=ANSWER_CACHE,
            )
            self._writes = _create_sqlite_engine(
                main, begin="BEGIN IMMEDIATE", pool_size=1, cache_kibibytes=WRITER_CACHE
            )
            # One connection for all writes: a commit of another connection would empty its cache.
            self._ledger: Engine = _create_sqlite_engine(
                settings.ledger_path,
                begin="BEGIN IMMEDIATE",
                pool_size=1,
                synchronous=settings.ledger_synchronous,
                cache_kibibytes=LEDGER_CACHE,
                checkpoint_pages=LEDGER_CHECKPOINT_PAGES,
            ).execution_options(schema_translate_map={LEDGER: None})
            self._ledger_reads: Engine = _create_sqlite_engine(
                settings.ledger_path, begin="BEGIN", pool_size=tuning.read_pool
            ).execution_options(schema_translate_map={LEDGER: None})
            self._gates = [WriterGate(main), WriterGate(settings.ledger_path)]
        else:
            # As on SQLite, a read sees one snapshot.
            self._reads = self._answers = _create_postgres_engine(
                settings, tuning.read_pool
            ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writes = _create_postgres_engine(settings, tuning.write_slots)
            self._ledger = self._ledger_reads = _create_postgres_engine(
                settings, tuning.write_slots
            )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read one snapshot of the registry."""
        with self._reads.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def reading_for_checks(self) -> Iterator[Connection]:
        """Read one snapshot of the registry, through connections with a large cache, for checks."""
        with self._answers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Change the registry in one transaction."""
        with self._hold_gate(0), self._writes.begin() as connection:
            yield connection

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """Write to the ledger, or read what was just written."""
        with self._hold_gate(1), self._ledger.begin() as connection:
            yield connection

    @contextmanager
    def reading_ledger(self) -> Iterator[Connection]:
        """Read the ledger without waiting for its writers."""
        with self._ledger_reads.connect() as connection, connection.begin():
            yield connection

    def has_files_in_place(self) -> bool:
        """Return True if the files are the same that were opened (PostgreSQL has none).

        SQLite continues with a file that was moved or replaced, and later writes are lost.
        """
        for path in self._files:
            try:
                found = os.stat(path)  # noqa: PTH116 - faster, and it runs for every request
            except OSError:
                return False
            file = (found.st_dev, found.st_ino)
            if self._opened.setdefault(path, file) != file:
                return False
        return True

    def close(self) -> None:
        """Close every connection."""
        engines = (self._reads, self._answers, self._writes, self._ledger, self._ledger_reads)
        for engine in engines:
            engine.dispose()
        for gate in self._gates:
            gate.close()

    def _hold_gate(self, number: int) -> AbstractContextManager[None]:
        return self._gates[number]() if self.embedded else nullcontext()


def run_on_driver(connection: Connection, statement: str, work: Callable[[Any], Result]) -> Result:
    """Run `work` on the connection of the driver, without SQLAlchemy.

    Raises:
        DBAPIError: the error of the driver, in the form in which SQLAlchemy raises it.
    """
    driver = connection.connection.driver_connection
    module = connection.dialect.loaded_dbapi
    try:
        return work(driver)
    except module.Error as error:
        safe = type(error)(_describe_without_values(error))
        raise DBAPIError.instance(
            statement, None, safe, module.Error, hide_parameters=True, dialect=connection.dialect
        ) from None


def _describe_without_values(error: Exception) -> str:
    """Return the message of the database without rows and parameters, which may be personal.

    PostgreSQL quotes the failing row next to its message, and in the message the value that it
    could not parse (SQLSTATE class 22, "data exception").
    """
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None:
        return str(error)
    state = diagnosis.sqlstate or ""
    message = None if state.startswith("22") else diagnosis.message_primary
    return message or f"{type(error).__name__} {state}".strip()


def is_connection_error(error: SQLAlchemyError) -> bool:
    """Return True if the database does not answer, as opposed to refusing a statement."""
    if not isinstance(error, DBAPIError):
        return True  # no connection of the pool became free in time
    return type(error).__name__ in {"OperationalError", "InterfaceError", "InternalError"}


def is_database_away(error: Exception) -> bool:
    """Return True for the error of a database that does not answer."""
    return isinstance(error, DatabaseError) and is_connection_error(error)


@contextmanager
def open_migration_connection(settings: Settings) -> Iterator[Connection]:
    """Open one connection to both files (SQLite) or both schemas, for Alembic.

    On SQLite Alembic begins the transaction, because attaching the ledger needs none to be open.
    """
    if not settings.embedded:
        engine = create_engine(settings.url, poolclass=NullPool)
        with engine.connect() as connection:
            yield connection
        return
    main = Path(str(settings.url.database))
    gate = WriterGate(main)
    engine = _create_sqlite_engine(main, begin="BEGIN IMMEDIATE", attach=settings.ledger_path)
    with gate(), engine.connect() as connection:
        yield connection
    engine.dispose()
    gate.close()


def _create_sqlite_engine(
    path: Path,
    *,
    begin: str,
    pool_size: int = 1,
    synchronous: str = "full",
    cache_kibibytes: int = READER_CACHE,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    attach: Path | None = None,
) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # the connection used last has the fullest cache
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # they may be personal, and errors are logged
        json_serializer=to_json,
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
            f"wal_autocheckpoint = {checkpoint_pages}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if attach is not None:
            connection.execute(f"ATTACH DATABASE ? AS {LEDGER}", (str(attach),))
            connection.execute(f"PRAGMA {LEDGER}.journal_mode = WAL")

    # Transactions of the driver break savepoints and take the lock too late: begin explicitly.
    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        run_on_driver(connection, begin, lambda driver: driver.execute(begin))

    return engine


def _create_postgres_engine(settings: Settings, pool_size: int) -> Engine:
    return create_engine(
        settings.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": POSTGRES_OPTIONS, "connect_timeout": 5},
        hide_parameters=True,  # they may be personal, and errors are logged
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )


def to_json(value: object) -> str:
    """Return a value as stored JSON."""
    return orjson.dumps(value).decode()
