"""The file of a mirror: a SQLite database with the entries and their position.

Each change of entries and position is one transaction. Others may read the file at any time.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from app.client.feed import FeedPage, FeedPosition, SnapshotDigest
from app.client.http import ClientError

BATCH_LINES = 1_000

APPLICATION_ID = 0x52424D31  # "RBM1" identifies a mirror among SQLite files
ENTRIES_COLUMNS = "(id TEXT PRIMARY KEY, body BLOB NOT NULL)"
POSITION_COLUMNS = """(
    one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL,
    epoch INTEGER, after INTEGER, as_of_day TEXT,
    proved_seq INTEGER, proved_on TEXT, proved_sha256 TEXT, proved_at TEXT
)"""


class MirrorProof(NamedTuple):
    """The last proof of a mirror; None in all places if there is none."""

    seq: int | None
    day: str | None
    sha256: str | None


class MirrorDatabase:
    """The open file of a mirror."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read_position(self) -> FeedPosition | None:
        """Return the position of the entries; None before the first snapshot."""
        row = self._connection.execute("SELECT epoch, after, as_of_day FROM position").fetchone()
        return None if row[0] is None else FeedPosition(*row)

    def read_last_proof(self) -> MirrorProof:
        """Return the last proof."""
        row = self._connection.execute(
            "SELECT proved_seq, proved_on, proved_sha256 FROM position"
        ).fetchone()
        return MirrorProof(*row)

    def count_entries(self) -> int:
        """Return the number of entries."""
        [count] = self._connection.execute("SELECT count(*) FROM entries").fetchone()
        return int(count)

    def stage_snapshot(self, lines: Iterator[bytes], show_count: Callable[[int], None]) -> None:
        """Write lines to a table that no reader uses; what was there before is lost."""
        self._connection.execute("DROP TABLE IF EXISTS staging")
        self._connection.execute(f"CREATE TABLE staging {ENTRIES_COLUMNS}")
        count = 0
        while batch := list(islice(lines, BATCH_LINES)):
            try:
                rows = [(orjson.loads(line)["id"], line) for line in batch]
            except (KeyError, TypeError, ValueError) as error:
                raise ClientError("what the registry answers is no snapshot") from error
            with self._transaction():
                self._connection.executemany("INSERT INTO staging VALUES (?, ?)", rows)
            count += len(batch)
            show_count(count)

    def replace_entries(self, digest: SnapshotDigest) -> None:
        """Replace all entries by the staged snapshot, with its position and proof.

        Raises:
            ClientError: the order of the lines is not that of their ids; nothing changed.
        """
        with self._transaction():
            self._connection.execute("DROP TABLE entries")
            self._connection.execute("ALTER TABLE staging RENAME TO entries")
            if self.compute_digest(digest.position) != digest:
                raise ClientError("the snapshot is not in the order of its ids; it was not used")
            self._update_position(digest.position)
            self._update_proof(digest)

    def apply_page(self, page: FeedPage) -> None:
        """Apply the changes of a page, with its position."""
        with self._transaction():
            for entry_id, body in page.changes:
                if body is None:
                    self._connection.execute("DELETE FROM entries WHERE id = ?", (entry_id,))
                else:
                    self._connection.execute("REPLACE INTO entries VALUES (?, ?)", (entry_id, body))
            self._update_position(page.position)

    def record_proof(self, digest: SnapshotDigest | None) -> None:
        """Record a proof, or with None that there is no proof."""
        with self._transaction():
            self._update_proof(digest)

    def compute_digest(self, position: FeedPosition) -> SnapshotDigest:
        """Count and hash the entries as a snapshot of the position would send them."""
        digest, count = hashlib.sha256(), 0
        for (body,) in self._connection.execute("SELECT body FROM entries ORDER BY id"):
            digest.update(body + b"\n")
            count += 1
        return SnapshotDigest(position, count, digest.hexdigest())

    def _update_position(self, position: FeedPosition) -> None:
        self._connection.execute(
            "UPDATE position SET epoch = ?, after = ?, as_of_day = ?", position
        )

    def _update_proof(self, digest: SnapshotDigest | None) -> None:
        values = (
            (digest.position.seq, digest.position.day, digest.sha256) if digest else (None,) * 3
        )
        self._connection.execute(
            "UPDATE position SET proved_seq = ?, proved_on = ?, proved_sha256 = ?, proved_at ="
            " CASE WHEN ? THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') END",
            (*values, digest is not None),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def open_mirror_database(file: Path, address: str) -> Iterator[MirrorDatabase]:
    """Open or create a mirror file; other processes may read it but not write it.

    Raises:
        ClientError: another process keeps the file, or it has other content.
    """
    # A separate lock file: a lock of SQLite ends with its transaction, or blocks readers.
    lock = os.open(f"{file}-lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClientError(f"another process keeps {file} at this moment") from None
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's other files copy the mode
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            _prepare(connection, file, address)
            yield MirrorDatabase(connection)
    except sqlite3.Error as error:
        raise ClientError(f"{file}: {error}") from error
    finally:
        os.close(lock)


def _prepare(connection: sqlite3.Connection, file: Path, address: str) -> None:
    [application_id] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise ClientError(f"{file} is a database of something else; name another file")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"CREATE TABLE IF NOT EXISTS entries {ENTRIES_COLUMNS}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS position {POSITION_COLUMNS}")
    connection.execute("INSERT OR IGNORE INTO position (one, url) VALUES (1, ?)", (address,))
    connection.execute("UPDATE position SET url = ? WHERE epoch IS NULL", (address,))
    [mirrored_address] = connection.execute("SELECT url FROM position").fetchone()
    if mirrored_address != address:
        raise ClientError(f"{file} is a mirror of {mirrored_address}; name another file")
