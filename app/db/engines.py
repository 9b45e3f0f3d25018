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

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - re-exported: actions hold one, stores use it
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from app.db.locks import WriterGate
from app.db.tables import LEDGER
from app.settings import Settings

Result = TypeVar("Result")

DatabaseError = SQLAlchemyError
"""Whatever the database does not do; no fault of what was sent."""

BUSY_MILLISECONDS = 10_000
# KiB of pages that a connection of SQLite keeps; what it does not keep the operating system does.
# A larger cache made an import a few percent faster, and its processes much larger.
READER_CACHE, WRITER_CACHE, LEDGER_CACHE, ANSWER_CACHE = 2_000, 8_000, 16_000, 32_000
# Pages in the write-ahead log before they are copied back: the ledger's are written all day, and
# each copying waits for the disk.
CHECKPOINT_PAGES, LEDGER_CHECKPOINT_PAGES = 1_000, 8_000
POSTGRES_OPTIONS = "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"


class Database:
    """The engines of one process."""

    def __init__(self, settings: Settings) -> None:
        self.embedded = settings.embedded
        self._gates: list[WriterGate] = []
        self._files: list[str] = []
        self._opened: dict[str, tuple[int, int]] = {}
        if self.embedded:
            main = Path(str(settings.url.database))
            self._files = [str(main), str(settings.ledger_path)]
            self._reads: Engine = _sqlite(main, begin="BEGIN", pool_size=settings.read_pool)
            self._answers = _sqlite(
                main, begin="BEGIN", pool_size=settings.read_pool, cache_kibibytes=ANSWER_CACHE
            )
            self._writes = _sqlite(
                main, begin="BEGIN IMMEDIATE", pool_size=1, cache_kibibytes=WRITER_CACHE
            )
            # One connection for all that is written: another's commit would empty its cache.
            self._ledger: Engine = _sqlite(
                settings.ledger_path,
                begin="BEGIN IMMEDIATE",
                pool_size=1,
                synchronous=settings.ledger_synchronous,
                cache_kibibytes=LEDGER_CACHE,
                checkpoint_pages=LEDGER_CHECKPOINT_PAGES,
            ).execution_options(schema_translate_map={LEDGER: None})
            self._ledger_reads: Engine = _sqlite(
                settings.ledger_path, begin="BEGIN", pool_size=settings.read_pool
            ).execution_options(schema_translate_map={LEDGER: None})
            self._gates = [WriterGate(main), WriterGate(settings.ledger_path)]
        else:
            # One meaning on both: a read sees one snapshot, as it does on SQLite.
            self._reads = self._answers = _postgres(settings, settings.read_pool).execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._writes = _postgres(settings, settings.write_slots)
            self._ledger = self._ledger_reads = _postgres(settings, settings.write_slots)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read the registry as of one moment."""
        with self._reads.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def answering(self) -> Iterator[Connection]:
        """Read the registry as of one moment, for those who wait and ask the like all day."""
        with self._answers.connect() as connection, connection.begin():
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
        with self._ledger_reads.connect() as connection, connection.begin():
            yield connection

    def in_place(self) -> bool:
        """Tell whether the files are there and the same that were opened (PostgreSQL has none).

        SQLite goes on answering from a file that was moved or replaced under it, and what it then
        writes is lost.
        """
        for path in self._files:
            try:
                found = os.stat(path)  # noqa: PTH116 - asked for every request, and faster
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

    def _turn(self, number: int) -> AbstractContextManager[None]:
        return self._gates[number]() if self.embedded else nullcontext()


def on_driver(connection: Connection, statement: str, work: Callable[[Any], Result]) -> Result:
    """Do something on the driver's own connection, past SQLAlchemy.

    Raises:
        DBAPIError: what the driver raised, as SQLAlchemy tells it.
    """
    driver = connection.connection.driver_connection
    module = connection.dialect.loaded_dbapi
    try:
        return work(driver)
    except module.Error as error:
        told = type(error)(_without_values(error))
        raise DBAPIError.instance(
            statement, None, told, module.Error, hide_parameters=True, dialect=connection.dialect
        ) from None


def _without_values(error: Exception) -> str:
    """What PostgreSQL or SQLite says, without rows and parameters, which may be personal.

    PostgreSQL quotes the row at which it stopped beside its message, and in the message the value
    that it could not read (SQLSTATE class 22, "data exception").
    """
    diagnosis = getattr(error, "diag", None)
    if diagnosis is None:
        return str(error)
    state = diagnosis.sqlstate or ""
    message = None if state.startswith("22") else diagnosis.message_primary
    return message or f"{type(error).__name__} {state}".strip()


def is_away(error: SQLAlchemyError) -> bool:
    """Tell whether the database does not answer, rather than refuse a statement."""
    if not isinstance(error, DBAPIError):
        return True  # no connection of the pool became free in time
    return type(error).__name__ in {"OperationalError", "InterfaceError", "InternalError"}


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
    checkpoint_pages: int = CHECKPOINT_PAGES,
    attach: Path | None = None,
) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # the one that was used last remembers most
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # they may be personal, and errors end up in the log
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

    # The driver's own transactions break savepoints and take the lock too late; begin ourselves.
    @event.listens_for(engine, "begin")
    def begin_ourselves(connection: Connection) -> None:
        on_driver(connection, begin, lambda driver: driver.execute(begin))

    return engine


def _postgres(settings: Settings, pool_size: int) -> Engine:
    return create_engine(
        settings.url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": POSTGRES_OPTIONS, "connect_timeout": 5},
        hide_parameters=True,  # they may be personal, and errors end up in the log
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )


def to_json(value: object) -> str:
    """JSON as it is kept."""
    return orjson.dumps(value).decode()
