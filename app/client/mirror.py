"""A mirror: a copy of everything that a key may read, kept by the change feed.

It is the reference for consumers and uses no code of the registry, so that a reader can write one:

1. `GET /v1/changes/snapshot` sends one entry per line, in the order of their ids, and then
   `{"trailer": {"count", "epoch", "seq", "on", "sha256"}}` with the hash of all bytes before that
   line. Without the trailer, or with another hash, no line of it may be used.
2. `GET /v1/changes?after=SEQ&epoch=E` sends later changes: `upsert` replaces the entry with its
   id, `remove` deletes it. More follow while `next_after` < `head_seq`. An empty page counts too:
   days change without an entry.
3. The changes of a page and its position (`epoch`, `next_after`, `as_of_day`) are written in one
   transaction, so that a killed mirror continues where it was.
4. 410: the feed does not continue from this position. A snapshot replaces everything.
5. The proof: a snapshot of the same epoch, seq and day has the hash of the lines of the mirror.
"""

import fcntl
import hashlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from time import sleep
from typing import Any, ClassVar, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
import orjson

MAX_PAGE_CHANGES = 500
BATCH_LINES = 1_000
TIMEOUTS = httpx.Timeout(60, connect=10)
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
MAX_ATTEMPTS = 5
"""Proofs under which the registry moved, or snapshots that led nowhere, before it gives up."""

APPLICATION_ID = 0x52424D31  # "RBM1" identifies a mirror among SQLite files
ENTRIES_COLUMNS = "(id TEXT PRIMARY KEY, body BLOB NOT NULL)"
POSITION_COLUMNS = """(
    one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL,
    epoch INTEGER, after INTEGER, as_of_day TEXT,
    proved_seq INTEGER, proved_on TEXT, proved_sha256 TEXT, proved_at TEXT
)"""

T = TypeVar("T")


class MirrorError(Exception):
    """The mirror cannot continue; the message has the reason, `code` is the exit code."""

    exit_code: ClassVar[int] = 1


class MirrorNotProved(MirrorError):
    """It changed during every try: nothing was found wrong, and nothing was proved."""

    exit_code = 3


class _FeedGone(MirrorError):
    """The feed does not lead on from here."""


class _RetryableMirrorError(Exception):
    """A new attempt is worth making, after so many seconds at the earliest."""

    def __init__(self, message: str, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class FeedPosition(NamedTuple):
    """The position of a mirror, a page or a snapshot."""

    epoch: int
    seq: int
    day: str

    @property
    def description(self) -> str:
        """For people."""
        return f"epoch {self.epoch}, seq {self.seq}, day {self.day}"


class FeedPage(NamedTuple):
    """Changes in their order, (id, body) with no body where an entry goes, and where they lead."""

    changes: list[tuple[str, bytes | None]]
    position: FeedPosition
    head_seq: int


class SnapshotDigest(NamedTuple):
    """The number of lines at a position, and their SHA-256."""

    position: FeedPosition
    line_count: int
    sha256: str


def read_key(file: Path | None) -> str:
    """The key from a file that is private, else from REDBLACK_KEY; never from an argument."""
    if file is None:
        key = os.environ.get("REDBLACK_KEY", "").strip()
    elif file.stat().st_mode & 0o077:
        raise MirrorError(f"{file} can be read by others; set its mode to 0600")
    else:
        key = file.read_text("utf-8").strip()
    if not (key.isascii() and key.isprintable() and len(key.split()) == 1):
        raise MirrorError("no key: name its file with --key-file, or set REDBLACK_KEY")
    return key


def run_mirror(
    url: str,
    file: Path,
    key: str,
    *,
    poll_seconds: float | None = None,
    prove: bool = True,
    max_wait_seconds: float = 300,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[str]:
    """Update the mirror and prove it; yield a line to print for each new position.

    With `poll_seconds` it polls again after that time, without end, and proves itself at the start
    and after each day change. `max_wait_seconds` limits the wait for one answer.

    Raises:
        MirrorError: the mirror cannot continue, or differs from the registry.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MirrorError("the address of a registry begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise MirrorError("the address is host and path alone; the key goes another way")
    address = url.rstrip("/")
    headers = {"Authorization": f"Bearer {key}"}
    with (
        _open_database(file, address) as database,
        httpx.Client(
            base_url=address, headers=headers, timeout=TIMEOUTS, transport=transport
        ) as client,
    ):
        mirror = Mirror(database, MirrorClient(client, max_wait_seconds))
        description = None
        while True:
            mirror.catch_up()
            if prove and (poll_seconds is None or not mirror.is_proved_today):
                try:
                    mirror.prove()
                except MirrorNotProved as error:
                    if poll_seconds is None:
                        raise
                    _print_line(str(error))  # it is tried again with the next look
            if description != (description := mirror.describe()):
                yield description
            if poll_seconds is None:
                return
            sleep(poll_seconds)


class MirrorClient:
    """The registry's side: asks, and asks again while that may help."""

    def __init__(self, client: httpx.Client, max_wait_seconds: float) -> None:
        self._client = client
        self._max_wait_seconds = max_wait_seconds

    def read_page(self, position: FeedPosition) -> FeedPage:
        """Read the page of changes after a position."""
        query = {"after": position.seq, "epoch": position.epoch, "limit": MAX_PAGE_CHANGES}

        def attempt() -> FeedPage:
            answer = self._client.get("/v1/changes", params=query)
            _raise_for_status(answer)
            return _parse_page(answer.content, position)

        return self._retry(attempt)

    def read_snapshot(self, consume: Callable[[Iterator[bytes]], None]) -> SnapshotDigest:
        """Stream a snapshot's lines through `take`, with every attempt from the first one."""

        def attempt() -> SnapshotDigest:
            with self._client.stream("GET", "/v1/changes/snapshot") as answer:
                _raise_for_status(answer)
                lines = _SnapshotLines(answer.iter_bytes())
                consume(iter(lines))
                return lines.read_trailer()

        return self._retry(attempt)

    def _retry(self, attempt: Callable[[], T]) -> T:
        waited, pause = 0.0, MIN_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except (httpx.RequestError, _RetryableMirrorError) as error:
                seconds = max(pause, getattr(error, "seconds", 0))
                waited += seconds
                reason = str(error) or type(error).__name__
                if waited > self._max_wait_seconds:
                    raise MirrorError(f"the registry does not answer: {reason}") from error
            _print_line(f"{reason}; again in {seconds:g} s")
            sleep(seconds)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


class _SnapshotLines:
    """The lines of a snapshot as they arrive; the last is held back, for it must be the trailer."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._count = 0
        self._last_line = b""

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks:
            # By this byte alone: a name may hold what other readers of lines take for an end.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if self._last_line:
                    self._digest.update(self._last_line + b"\n")
                    self._count += 1
                    yield self._last_line
                self._last_line = line
        if rest:
            raise _RetryableMirrorError("the snapshot broke off within a line")

    def read_trailer(self) -> SnapshotDigest:
        """The position and hash of the trailer; known when all lines were read."""
        try:
            trailer = orjson.loads(self._last_line)["trailer"]
            position = FeedPosition(trailer["epoch"], trailer["seq"], trailer["on"])
            digest = SnapshotDigest(position, trailer["count"], trailer["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise _RetryableMirrorError("the snapshot broke off before its trailer") from error
        if digest != SnapshotDigest(position, self._count, self._digest.hexdigest()):
            raise MirrorError("the snapshot does not match its own hash; nothing of it was used")
        return digest


class Mirror:
    """The file's side: every step is one transaction that takes the position with it."""

    def __init__(self, database: sqlite3.Connection, client: MirrorClient) -> None:
        self._database = database
        self._client = client
        row = database.execute("SELECT epoch, after, as_of_day FROM position").fetchone()
        self._position = None if row[0] is None else FeedPosition(*row)
        self._proved_position: FeedPosition | None = None  # by this process

    def catch_up(self) -> None:
        """Apply the feed up to its head; load a snapshot if the feed does not continue."""
        renewals = 0
        while True:
            try:
                page = self._client.read_page(self._position or self._load_snapshot())
            except _FeedGone as error:
                renewals += 1
                if renewals > MAX_ATTEMPTS:
                    raise MirrorError(f"no snapshot leads on: {error}") from error
                _print_line(f"beginning anew: {error}")
                self._load_snapshot()
                continue
            self._apply_page(page)
            if page.position.seq >= page.head_seq:
                return

    def prove(self) -> None:
        """Compare with a snapshot of the same position, which is read and not kept."""
        attempts = 0
        while self._position is None or self._proved_position != self._position:
            attempts += 1
            if attempts > MAX_ATTEMPTS:
                raise MirrorNotProved("could not prove: the registry does not stand still")
            expected = self._client.read_snapshot(_discard_lines)
            if expected.position != self._position:
                self.catch_up()
                continue
            actual = self._compute_own_digest(self._position)
            with self._transaction():
                self._record_proof(expected if actual == expected else None)
            if actual != expected:
                raise MirrorError(
                    f"THE MIRROR IS NOT WHAT THE REGISTRY SAYS at {expected.position.description}:"
                    f" {actual.line_count} entries, sha256 {actual.sha256} here;"
                    f" {expected.line_count}, {expected.sha256}"
                    " there. It is marked unproved; do not rely on it, and begin with a new file"
                )
            self._proved_position = expected.position

    @property
    def is_proved_today(self) -> bool:
        """True if this process proved the mirror on its present day."""
        return bool(
            self._proved_position
            and self._position
            and self._proved_position.day == self._position.day
        )

    def describe(self) -> str:
        """Describe the content of the mirror and its last proof."""
        [count] = self._database.execute("SELECT count(*) FROM entries").fetchone()
        *position, proved_seq, proved_on, sha256 = self._database.execute(
            "SELECT epoch, after, as_of_day, proved_seq, proved_on, proved_sha256 FROM position"
        ).fetchone()
        if self._proved_position == tuple(position):
            proof_text = f"proved sha256 {sha256}"
        elif proved_seq is None:
            proof_text = "not proved"
        else:
            proof_text = f"last proved at seq {proved_seq}, day {proved_on}"
        return f"{count} entries, seq {position[1]}, day {position[2]}, {proof_text}"

    def _load_snapshot(self) -> FeedPosition:
        digest = self._client.read_snapshot(self._stage_snapshot)
        with self._transaction():
            self._database.execute("DROP TABLE entries")
            self._database.execute("ALTER TABLE staging RENAME TO entries")
            if self._compute_own_digest(digest.position) != digest:
                raise MirrorError("the snapshot is not in the order of its ids; it was not used")
            self._update_position(digest.position)
            self._record_proof(digest)
        self._position = self._proved_position = digest.position
        return digest.position

    def _stage_snapshot(self, lines: Iterator[bytes]) -> None:
        self._database.execute("DROP TABLE IF EXISTS staging")
        self._database.execute(f"CREATE TABLE staging {ENTRIES_COLUMNS}")
        count = 0
        while batch := list(islice(lines, BATCH_LINES)):
            try:
                rows = [(orjson.loads(line)["id"], line) for line in batch]
            except (KeyError, TypeError, ValueError) as error:
                raise MirrorError("what the registry answers is no snapshot") from error
            with self._transaction():
                self._database.executemany("INSERT INTO staging VALUES (?, ?)", rows)
            count += len(batch)
            _show_progress(f"snapshot: {count:,} entries")

    def _apply_page(self, page: FeedPage) -> None:
        if not page.changes and page.position == self._position:
            return
        with self._transaction():
            for entry_id, body in page.changes:
                if body is None:
                    self._database.execute("DELETE FROM entries WHERE id = ?", (entry_id,))
                else:
                    self._database.execute("REPLACE INTO entries VALUES (?, ?)", (entry_id, body))
            self._update_position(page.position)
        self._position = page.position
        _show_progress(f"seq {page.position.seq:,} of {page.head_seq:,}")

    def _update_position(self, position: FeedPosition) -> None:
        self._database.execute("UPDATE position SET epoch = ?, after = ?, as_of_day = ?", position)

    def _record_proof(self, digest: SnapshotDigest | None) -> None:
        values = (
            (digest.position.seq, digest.position.day, digest.sha256) if digest else (None,) * 3
        )
        self._database.execute(
            "UPDATE position SET proved_seq = ?, proved_on = ?, proved_sha256 = ?, proved_at ="
            " CASE WHEN ? THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') END",
            (*values, digest is not None),
        )

    def _compute_own_digest(self, position: FeedPosition) -> SnapshotDigest:
        """Its own lines, counted and hashed as a snapshot of the position would send them."""
        digest, count = hashlib.sha256(), 0
        for (body,) in self._database.execute("SELECT body FROM entries ORDER BY id"):
            digest.update(body + b"\n")
            count += 1
        return SnapshotDigest(position, count, digest.hexdigest())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


@contextmanager
def _open_database(file: Path, address: str) -> Iterator[sqlite3.Connection]:
    """Open or create a mirror file; other processes may read it but not write it."""
    # A separate lock file: a lock of SQLite ends with its transaction, or blocks readers.
    lock = os.open(f"{file}-lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MirrorError(f"another process keeps {file} at this moment") from None
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # what SQLite adds has its mode
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
            _prepare_database(database, file, address)
            yield database
    except sqlite3.Error as error:
        raise MirrorError(f"{file}: {error}") from error
    finally:
        os.close(lock)


def _prepare_database(database: sqlite3.Connection, file: Path, address: str) -> None:
    [application_id] = database.execute("PRAGMA application_id").fetchone()
    [tables] = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application_id != APPLICATION_ID:
        raise MirrorError(f"{file} is a database of something else; name another file")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"CREATE TABLE IF NOT EXISTS entries {ENTRIES_COLUMNS}")
    database.execute(f"CREATE TABLE IF NOT EXISTS position {POSITION_COLUMNS}")
    database.execute("INSERT OR IGNORE INTO position (one, url) VALUES (1, ?)", (address,))
    database.execute("UPDATE position SET url = ? WHERE epoch IS NULL", (address,))
    [mirrored_address] = database.execute("SELECT url FROM position").fetchone()
    if mirrored_address != address:
        raise MirrorError(f"{file} is a mirror of {mirrored_address}; name another file")


def _raise_for_status(answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.OK:
        return
    answer.read()
    try:
        problem = orjson.loads(answer.content)
        message = f"{answer.status_code} {problem['code']}: {problem['detail']}"
    except (KeyError, TypeError, ValueError):  # the answer of a proxy in front of the registry
        message = f"{answer.status_code} {answer.reason_phrase}"
    match answer.status_code:
        case 410:
            raise _FeedGone(message)
        case 429 | 502 | 503 | 504:
            retry_after = answer.headers.get("Retry-After", "")
            raise _RetryableMirrorError(message, int(retry_after) if retry_after.isdecimal() else 0)
        case _:
            raise MirrorError(f"the registry says {message}")


def _parse_page(content: bytes, requested: FeedPosition) -> FeedPage:
    try:
        body = orjson.loads(content)
        position = FeedPosition(body["epoch"], body["next_after"], body["as_of_day"])
        page = FeedPage(
            [_parse_change(item) for item in body["changes"]], position, body["head_seq"]
        )
        seqs = [item["seq"] for item in body["changes"]]
        is_ordered = sorted([requested.seq, *seqs, position.seq]) == [
            requested.seq,
            *seqs,
            position.seq,
        ]
        is_stuck = requested.seq == position.seq < page.head_seq
    except (KeyError, TypeError, ValueError) as error:
        raise MirrorError("what the registry answers is no page of the feed") from error
    if position.epoch != requested.epoch or not is_ordered or requested.seq in seqs or is_stuck:
        raise MirrorError(f"the page after seq {requested.seq} does not follow on; it was not used")
    return page


def _parse_change(change: dict[str, Any]) -> tuple[str, bytes | None]:
    op, entry_id, entry = change["op"], str(change["entry_id"]), change["entry"]
    if op == "remove":
        return entry_id, None
    if op != "upsert" or entry["id"] != entry_id:
        raise ValueError(op)
    return entry_id, orjson.dumps(entry)


def _discard_lines(lines: Iterator[bytes]) -> None:
    for _ in lines:
        pass


def _print_line(text: str) -> None:
    sys.stderr.write(f"redblack mirror: {text}\n")


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
