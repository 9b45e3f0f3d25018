"""Connections and transactions on both databases; the only module that begins or commits.

Each method is a context manager that commits on exit and rolls back on an error:

- `reading()`: a consistent snapshot of the registry.
- `writing()`: one change. On SQLite the writer holds the database from its first statement (BEGIN
  IMMEDIATE); the queue before it (`app.db.gates`) is first come, first served.
- `ledger()`: checks and the audit of reads. A second file on SQLite, so that no check waits for an
  import; a schema of the one database on PostgreSQL.

A transaction begins and ends inside one call on one thread, never across a dependency's exit: the
holder of a lock must not wait for a pool thread that waiting writers occupy.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection as Connection  # noqa: PLC0414 - re-exported: services pass it on, stores use it
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from app.db.drivers import (
    ANSWER_CACHE,
    BUSY_SECONDS,
    LEDGER_CACHE,
    LEDGER_CHECKPOINT_PAGES,
    WRITER_CACHE,
    checkpoint,
    create_postgres_engine,
    create_sqlite_engine,
    run_pragma,
)
from app.db.failures import DatabaseError as DatabaseError  # noqa: PLC0414 - re-exported
from app.db.failures import FailureMemory, is_lock_timeout
from app.db.failures import is_connection_error as is_connection_error  # noqa: PLC0414 - re-exported
from app.db.failures import is_database_away as is_database_away  # noqa: PLC0414 - re-exported
from app.db.files import DatabaseFiles
from app.db.gates import WriterGate
from app.db.tables import LEDGER, RegistryState
from app.errors import NotReady, Sentence, Unavailable
from app.settings import Settings

POSITION = "position"
"""The key under which a change leaves its epoch and last sequence number (`Connection.info`)."""
PROBE_SECONDS = 1.0
FILES_MOVED = Sentence(
    "The database files were moved, removed or replaced; put them back, or restart all processes",
    "数据库文件已被移动、删除或替换，请恢复原文件或重新启动全部进程",
)


class Database:
    """The engines of one process."""

    def __init__(self, settings: Settings) -> None:
        tuning = settings.tuning
        self.embedded = settings.embedded
        self.failures = FailureMemory()
        self.highest = (0, 0)
        """The highest epoch and sequence number that this process committed or read."""
        self.is_lock_held = False
        """True if a writer waited in vain; the last probe of the locks decides."""
        self.files: list[DatabaseFiles] = []
        self._gates: list[WriterGate] = []
        if self.embedded:
            main = Path(str(settings.url.database))
            self.files = [DatabaseFiles(main), DatabaseFiles(settings.ledger_path)]
            main_files, ledger_files = self.files
            self._reads: Engine = create_sqlite_engine(
                main_files, begin="BEGIN", pool_size=tuning.read_pool
            )
            self._answers = create_sqlite_engine(
                main_files,
                begin="BEGIN",
                pool_size=tuning.read_pool,
                cache_kibibytes=ANSWER_CACHE,
            )
            self._writes = create_sqlite_engine(
                main_files,
                begin="BEGIN IMMEDIATE",
                busy_seconds=min(BUSY_SECONDS, tuning.lock_wait_seconds),
                cache_kibibytes=WRITER_CACHE,
            )
            # One connection for all writes: a commit of another connection would empty its cache.
            self._ledger: Engine = create_sqlite_engine(
                ledger_files,
                begin="BEGIN IMMEDIATE",
                busy_seconds=min(BUSY_SECONDS, tuning.lock_wait_seconds),
                synchronous=settings.ledger_synchronous,
                cache_kibibytes=LEDGER_CACHE,
                checkpoint_pages=LEDGER_CHECKPOINT_PAGES,
            ).execution_options(schema_translate_map={LEDGER: None})
            self._ledger_reads: Engine = create_sqlite_engine(
                ledger_files, begin="BEGIN", pool_size=tuning.read_pool
            ).execution_options(schema_translate_map={LEDGER: None})
            # New connections each time: they see the files, not a cache.
            self._inspections: Engine = create_sqlite_engine(
                main_files, begin="BEGIN", pool_class=NullPool
            )
            self._ledger_inspections: Engine = create_sqlite_engine(
                ledger_files, begin="BEGIN", pool_class=NullPool
            ).execution_options(schema_translate_map={LEDGER: None})
            self._gates = [WriterGate(files.path, tuning.lock_wait_seconds) for files in self.files]
        else:
            # As on SQLite, a read sees one snapshot.
            self._reads = self._answers = create_postgres_engine(
                settings, tuning.read_pool
            ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writes = create_postgres_engine(settings, tuning.write_slots)
            self._ledger = self._ledger_reads = create_postgres_engine(settings, tuning.write_slots)
            # Connections of its own: an inspection must not wait for the readers of exports.
            self._inspections = self._ledger_inspections = create_postgres_engine(settings, 2)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read one snapshot of the registry."""
        try:
            with self._reads.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def reading_for_checks(self) -> Iterator[Connection]:
        """Read one snapshot of the registry, through connections with a large cache, for checks."""
        try:
            with self._answers.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Change the registry in one transaction.

        Raises:
            Unavailable: the write lock did not become free in time.
            NotReady: the files were removed; nothing is acknowledged.
        """
        try:
            with self._hold_gate(0):
                self._require_files(0)
                with self._writes.begin() as connection:
                    connection.info.pop(POSITION, None)
                    yield connection
                    position = connection.info.pop(POSITION, None)
                self._note_commit(position)
                self._require_files(0)
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """Write to the ledger, or read what was just written.

        Raises:
            Unavailable: the write lock did not become free in time.
            NotReady: the files were removed; nothing is acknowledged.
        """
        try:
            with self._hold_gate(1):
                self._require_files(1)
                with self._ledger.begin() as connection:
                    yield connection
                self._require_files(1)
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def reading_ledger(self) -> Iterator[Connection]:
        """Read the ledger without waiting for its writers."""
        try:
            with self._ledger_reads.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def inspecting(self) -> Iterator[Connection]:
        """Read the registry beside the pools of requests, on SQLite without a cache."""
        try:
            with self._inspections.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            self.failures.note(error)
            raise

    @contextmanager
    def inspecting_ledger(self) -> Iterator[Connection]:
        """Read the ledger beside the pools of requests, on SQLite without a cache."""
        try:
            with self._ledger_inspections.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            self.failures.note(error)
            raise

    def has_files_in_place(self) -> bool:
        """Return True if the files are the same that were opened (PostgreSQL has none)."""
        return all(files.is_in_place() for files in self.files)

    def save_removed_logs(self) -> bool:
        """Write commits of a removed write-ahead log into its database file; False if it failed.

        The log lives as long as a connection of this process, and holds every commit since the last
        checkpoint: without this they would end with the process.
        """
        saved = True
        writers = ((self._writes, self._reads, self._answers), (self._ledger, self._ledger_reads))
        for files, engines in zip(self.files, writers, strict=False):
            if files.has_main_file() and not files.has_log():
                saved = any(map(checkpoint, engines)) and saved
        return saved

    def try_to_write(self) -> bool:
        """Write nothing of value to each file, to the disk; return False if that failed.

        PostgreSQL has no such write; a failure there counts for some seconds.
        """
        if not self.embedded:
            return not self.failures.is_write_failure_recent
        try:
            for number, engine in enumerate((self._writes, self._ledger)):
                with self._hold_gate(number, PROBE_SECONDS):
                    run_pragma(engine, "user_version = 0")  # always writes the first page
        except (DatabaseError, Unavailable):
            return False
        return True

    def probe_write_locks(self, seconds: float) -> None:
        """Take each write lock as a writer does; keep in `is_lock_held` if one stays held."""
        self.is_lock_held = not self._can_take_locks(seconds)

    def _can_take_locks(self, seconds: float) -> bool:
        try:
            if not self.embedded:
                with self._inspections.connect() as connection:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")
                    connection.execute(select(RegistryState.id).with_for_update())
                    connection.rollback()
                return True
            for number, engine in enumerate((self._writes, self._ledger)):
                with self._hold_gate(number, seconds), engine.connect() as connection:
                    connection.begin().rollback()
        except DBAPIError as error:
            return not is_lock_timeout(error)
        except Unavailable:
            return False
        return True

    def find_damage(self) -> bool:
        """Read the whole structure of both files; True if it is malformed (SQLite)."""
        if not self.embedded:
            return self.failures.is_damaged
        for engine in (self._inspections, self._ledger_inspections):
            try:
                [(result,)] = run_pragma(engine, "quick_check(1)")
            except DBAPIError as error:
                self.failures.note(error)
            else:
                self.failures.is_damaged = self.failures.is_damaged or result != "ok"
        return self.failures.is_damaged

    def read_highest(self) -> tuple[int, int]:
        """Return the highest epoch and sequence number that is known to be committed."""
        return max([self.highest, *(gate.read_highest() for gate in self._gates[:1])])

    def note_position(self, epoch: int, seq: int) -> None:
        """Remember a position that was read or committed."""
        self.highest = max(self.highest, (epoch, seq))

    def close(self) -> None:
        """Close every connection."""
        engines = (
            self._reads,
            self._answers,
            self._writes,
            self._ledger,
            self._ledger_reads,
            self._inspections,
            self._ledger_inspections,
        )
        for engine in engines:
            engine.dispose()
        for gate in self._gates:
            gate.close()

    def _hold_gate(
        self, number: int, wait_seconds: float | None = None
    ) -> AbstractContextManager[None]:
        return self._gates[number](wait_seconds) if self.embedded else nullcontext()

    def _require_files(self, number: int) -> None:
        if self.embedded and not self.files[number].is_in_place():
            raise NotReady(FILES_MOVED)

    def _note_commit(self, position: tuple[int, int] | None) -> None:
        if position is not None:
            self.note_position(*position)
            if self.embedded:
                self._gates[0].record_highest(position)


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
    gate = WriterGate(main, settings.tuning.lock_wait_seconds)
    DatabaseFiles(settings.ledger_path).make_private()
    engine = create_sqlite_engine(
        DatabaseFiles(main), begin="BEGIN IMMEDIATE", attach=settings.ledger_path
    )
    with gate(), engine.connect() as connection:
        yield connection
    engine.dispose()
    gate.close()
