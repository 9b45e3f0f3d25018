"""Errors of the database by their meaning, and the memory of those that make a process unready.

A database that does not answer is no fault of a request: 503. Damage stays until a person repaired
the database and restarted; a failed write stays until a write succeeded.
"""

import time

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

DatabaseError = SQLAlchemyError
"""Any failure of the database, as opposed to a fault of a request."""

# Primary result codes of SQLite (https://sqlite.org/rescode.html): CORRUPT and NOTADB; READONLY,
# IOERR and FULL.
SQLITE_DAMAGE = {11, 26}
SQLITE_WRITE_FAILURES = {8, 10, 13}
SQLITE_LOCKS = {5, 6}  # BUSY, LOCKED
POSTGRES_LOCKS = {"55P03"}  # lock_not_available
PRIMARY_CODE = 0xFF
# data_corrupted, index_corrupted; read_only_sql_transaction, disk_full, io_error.
POSTGRES_DAMAGE = {"XX001", "XX002"}
POSTGRES_WRITE_FAILURES = {"25006", "53100", "58030"}
# PostgreSQL has no write that proves room for every table: believe a failure for this time.
WRITE_FAILURE_SECONDS = 10.0


def is_connection_error(error: SQLAlchemyError) -> bool:
    """Return True if the database does not answer, as opposed to refusing a statement."""
    if not isinstance(error, DBAPIError):
        return True  # no connection of the pool became free in time
    if type(error).__name__ in {"OperationalError", "InterfaceError", "InternalError"}:
        return True
    return is_damage(error)


def is_database_away(error: Exception) -> bool:
    """Return True for the error of a database that does not answer."""
    return isinstance(error, DatabaseError) and is_connection_error(error)


def is_damage(error: DBAPIError) -> bool:
    """Return True if the database found its own files malformed."""
    return _read_sqlite_code(error) in SQLITE_DAMAGE or _read_state(error) in POSTGRES_DAMAGE


def is_write_failure(error: DBAPIError) -> bool:
    """Return True if the database cannot write: no room, a broken disk, a read-only file."""
    return (
        _read_sqlite_code(error) in SQLITE_WRITE_FAILURES
        or _read_state(error) in POSTGRES_WRITE_FAILURES
    )


def is_lock_timeout(error: DBAPIError) -> bool:
    """Return True if a lock did not become free in time."""
    return _read_sqlite_code(error) in SQLITE_LOCKS or _read_state(error) in POSTGRES_LOCKS


def _read_sqlite_code(error: DBAPIError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & PRIMARY_CODE


def _read_state(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


class FailureMemory:
    """Failures of one database that later requests must know."""

    def __init__(self) -> None:
        self.is_damaged = False
        self._write_failed_at: float | None = None

    def note(self, error: BaseException) -> None:
        """Keep an error if it makes the database unfit."""
        if isinstance(error, DBAPIError):
            self.is_damaged = self.is_damaged or is_damage(error)
            if is_write_failure(error):
                self._write_failed_at = time.monotonic()

    @property
    def has_failed_write(self) -> bool:
        """True if a write failed and none was seen to succeed since."""
        return self._write_failed_at is not None

    @property
    def is_write_failure_recent(self) -> bool:
        """True if a write failed a few seconds ago."""
        at = self._write_failed_at
        return at is not None and time.monotonic() - at < WRITE_FAILURE_SECONDS

    def forget_failed_write(self) -> None:
        """Forget failed writes, because a write succeeded."""
        self._write_failed_at = None
