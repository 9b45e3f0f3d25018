"""Engines of the two databases, and access to the connection of the driver.

`app.db.engines` uses them; it alone begins and commits.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import Pool, QueuePool

from app.db.failures import DatabaseError
from app.db.files import DatabaseFiles
from app.db.tables import LEDGER
from app.settings import Settings

Result = TypeVar("Result")

BUSY_SECONDS = 10.0
# KiB of pages in the cache of a SQLite connection; the operating system caches the rest.
# A larger cache made an import a few percent faster, and its processes much larger.
READER_CACHE, WRITER_CACHE, LEDGER_CACHE, ANSWER_CACHE = 2_000, 8_000, 16_000, 32_000
# Pages in the write-ahead log before a checkpoint: the ledger is written all day, and each
# checkpoint waits for the disk.
CHECKPOINT_PAGES, LEDGER_CHECKPOINT_PAGES = 1_000, 8_000
POSTGRES_OPTIONS = "-c timezone=UTC -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"


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
        if isinstance(error, sqlite3.Error):
            safe.__dict__["sqlite_errorcode"] = getattr(error, "sqlite_errorcode", None)
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


def create_sqlite_engine(
    files: DatabaseFiles,
    *,
    begin: str,
    pool_size: int = 1,
    pool_class: type[Pool] = QueuePool,
    synchronous: str = "full",
    cache_kibibytes: int = READER_CACHE,
    busy_seconds: float = BUSY_SECONDS,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    attach: Path | None = None,
) -> Engine:
    """Create an engine of a SQLite file; `begin` is the statement that begins a transaction."""
    pooling: dict[str, Any] = {}
    if pool_class is QueuePool:
        # Last in, first out: the connection used last has the fullest cache.
        pooling = {"pool_size": pool_size, "max_overflow": 0, "pool_use_lifo": True}
    files.make_private()
    engine = create_engine(
        f"sqlite:///{files.path}",
        poolclass=pool_class,
        **pooling,
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # they may be personal, and errors are logged
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "do_connect")
    def require_files(*_: object) -> None:
        # A connection to a new log beside an old one damages the database.
        if not files.is_in_place():
            raise sqlite3.OperationalError("the database files were removed")

    @event.listens_for(engine, "close")
    def forget(*_: object) -> None:
        files.note_closed()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            "foreign_keys = ON",
            f"busy_timeout = {round(busy_seconds * 1000)}",
            f"cache_size = -{cache_kibibytes}",
            f"wal_autocheckpoint = {checkpoint_pages}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if attach is not None:
            connection.execute(f"ATTACH DATABASE ? AS {LEDGER}", (str(attach),))
            connection.execute(f"PRAGMA {LEDGER}.journal_mode = WAL")
        files.note_opened()

    # Transactions of the driver break savepoints and take the lock too late: begin explicitly.
    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        run_on_driver(connection, begin, lambda driver: driver.execute(begin))

    return engine


def checkpoint(engine: Engine) -> bool:
    """Copy the log into the database file; False if no connection that has it is free."""
    try:
        [(is_busy, *_)] = run_pragma(engine, "wal_checkpoint(TRUNCATE)")
    except DatabaseError:
        return False
    return not is_busy


def run_pragma(engine: Engine, pragma: str) -> list[tuple[Any, ...]]:
    """Run a PRAGMA of SQLite outside a transaction."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        try:
            found: list[tuple[Any, ...]] = driver.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                pragma, None, error, sqlite3.Error, hide_parameters=True, dialect=engine.dialect
            ) from None
    return found


def create_postgres_engine(settings: Settings, pool_size: int) -> Engine:
    """Create an engine of PostgreSQL."""
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
