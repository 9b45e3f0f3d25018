"""A copy of all that a key may see, kept by the change feed: the reference for consumers.

Nothing of the registry's own code is used here, so that whoever reads it can write their own:

1. `GET /v1/changes/snapshot` sends one entry a line, in the order of their ids, and at last
   `{"trailer": {"count", "epoch", "seq", "on", "sha256"}}` with the hash over all bytes before that
   line. Without its trailer, or with another hash, nothing of it may be used.
2. `GET /v1/changes?after=SEQ&epoch=E` sends what came after: `upsert` puts an entry in the place of
   the one with its id, `remove` takes it away. There is more while `next_after` < `head_seq`. An
   empty page counts as well: days turn without a change.
3. What a page says, and the position that it leads to (`epoch`, `next_after`, `as_of_day`), are
   written in one transaction, so that a death at any moment leaves a mirror that goes on.
4. 410: the feed does not lead on from this position. A snapshot replaces everything.
5. The proof: a snapshot of the same epoch, seq and day has the hash of the mirror's own lines.
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

PAGE_CHANGES = 500
BATCH_LINES = 1_000
TIMEOUTS = httpx.Timeout(60, connect=10)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
TRIES = 5
"""Proofs under which the registry moved, or snapshots that led nowhere, before it gives up."""

APPLICATION_ID = 0x52424D31  # "RBM1": tells a mirror from any other SQLite file
ENTRIES = "(id TEXT PRIMARY KEY, body BLOB NOT NULL)"
POSITION = """(
    one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL,
    epoch INTEGER, after INTEGER, as_of_day TEXT,
    proved_seq INTEGER, proved_on TEXT, proved_sha256 TEXT, proved_at TEXT
)"""

T = TypeVar("T")


class MirrorError(Exception):
    """The mirror cannot go on; the sentence says why, `code` is what the process ends with."""

    code: ClassVar[int] = 1


class RegistryMoves(MirrorError):
    """It changed during every try: nothing was found wrong, and nothing was proved."""

    code = 3


class _Gone(MirrorError):
    """The feed does not lead on from here."""


class _Later(Exception):
    """A new attempt is worth making, after so many seconds at the earliest."""

    def __init__(self, said: str, seconds: float = 0) -> None:
        super().__init__(said)
        self.seconds = seconds


class Position(NamedTuple):
    """What a mirror, a page or a snapshot is the state of."""

    epoch: int
    seq: int
    day: str

    @property
    def described(self) -> str:
        """For people."""
        return f"epoch {self.epoch}, seq {self.seq}, day {self.day}"


class Page(NamedTuple):
    """Changes in their order, (id, body) with no body where an entry goes, and where they lead."""

    changes: list[tuple[str, bytes | None]]
    position: Position
    head_seq: int


class Proof(NamedTuple):
    """How many lines there are at a position, and their SHA-256."""

    position: Position
    lines: int
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


def keep(
    url: str,
    file: Path,
    key: str,
    *,
    follow: float | None = None,
    prove: bool = True,
    patience: float = 300,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[str]:
    """Bring the mirror up to date and prove it; gives a line to print whenever it has moved.

    With `follow` it looks again after so many seconds, for ever, and is proved at the start and
    after every turn of the day. `patience` bounds the seconds of waiting for one answer.

    Raises:
        MirrorError: it cannot go on, or the mirror is not what the registry says.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MirrorError("the address of a registry begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise MirrorError("the address is host and path alone; the key goes another way")
    address = url.rstrip("/")
    headers = {"Authorization": f"Bearer {key}"}
    with (
        _opened(file, address) as database,
        httpx.Client(
            base_url=address, headers=headers, timeout=TIMEOUTS, transport=transport
        ) as client,
    ):
        mirror = Mirror(database, Source(client, patience))
        told = None
        while True:
            mirror.catch_up()
            if prove and (follow is None or not mirror.proved_today):
                try:
                    mirror.prove()
                except RegistryMoves as moving:
                    if follow is None:
                        raise
                    _say(str(moving))  # it is tried again with the next look
            if told != (told := mirror.described()):
                yield told
            if follow is None:
                return
            sleep(follow)


class Source:
    """The registry's side: asks, and asks again while that may help."""

    def __init__(self, client: httpx.Client, patience: float) -> None:
        self._client = client
        self._patience = patience

    def page(self, at: Position) -> Page:
        """What came after a position."""
        asked = {"after": at.seq, "epoch": at.epoch, "limit": PAGE_CHANGES}

        def attempt() -> Page:
            answer = self._client.get("/v1/changes", params=asked)
            _require_ok(answer)
            return _read_page(answer.content, at)

        return self._insist(attempt)

    def snapshot(self, take: Callable[[Iterator[bytes]], None]) -> Proof:
        """Stream a snapshot's lines through `take`, with every attempt from the first one."""

        def attempt() -> Proof:
            with self._client.stream("GET", "/v1/changes/snapshot") as answer:
                _require_ok(answer)
                lines = _Lines(answer.iter_bytes())
                take(iter(lines))
                return lines.proof()

        return self._insist(attempt)

    def _insist(self, attempt: Callable[[], T]) -> T:
        waited, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                return attempt()
            except (httpx.RequestError, _Later) as trouble:
                seconds = max(pause, getattr(trouble, "seconds", 0))
                waited += seconds
                said = str(trouble) or type(trouble).__name__
                if waited > self._patience:
                    raise MirrorError(f"the registry does not answer: {said}") from trouble
            _say(f"{said}; again in {seconds:g} s")
            sleep(seconds)
            pause = min(2 * pause, LONGEST_PAUSE)


class _Lines:
    """The lines of a snapshot as they arrive; the last is held back, for it must be the trailer."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._count = 0
        self._held = b""

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks:
            # By this byte alone: a name may hold what other readers of lines take for an end.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if self._held:
                    self._digest.update(self._held + b"\n")
                    self._count += 1
                    yield self._held
                self._held = line
        if rest:
            raise _Later("the snapshot broke off within a line")

    def proof(self) -> Proof:
        """What the trailer says; known when the lines have ended."""
        try:
            told = orjson.loads(self._held)["trailer"]
            position = Position(told["epoch"], told["seq"], told["on"])
            said = Proof(position, told["count"], told["sha256"])
        except (KeyError, TypeError, ValueError) as missing:
            raise _Later("the snapshot broke off before its trailer") from missing
        if said != Proof(position, self._count, self._digest.hexdigest()):
            raise MirrorError("the snapshot does not match its own hash; nothing of it was used")
        return said


class Mirror:
    """The file's side: every step is one transaction that takes the position with it."""

    def __init__(self, database: sqlite3.Connection, source: Source) -> None:
        self._database = database
        self._source = source
        row = database.execute("SELECT epoch, after, as_of_day FROM position").fetchone()
        self._position = None if row[0] is None else Position(*row)
        self._proved: Position | None = None  # by this process

    def catch_up(self) -> None:
        """Fold the feed up to its head; where it does not lead on, begin anew with a snapshot."""
        renewals = 0
        while True:
            try:
                page = self._source.page(self._position or self._load())
            except _Gone as gone:
                renewals += 1
                if renewals > TRIES:
                    raise MirrorError(f"no snapshot leads on: {gone}") from gone
                _say(f"beginning anew: {gone}")
                self._load()
                continue
            self._fold(page)
            if page.position.seq >= page.head_seq:
                return

    def prove(self) -> None:
        """Compare with a snapshot of the same position, which is read and not kept."""
        tries = 0
        while self._position is None or self._proved != self._position:
            tries += 1
            if tries > TRIES:
                raise RegistryMoves("could not prove: the registry does not stand still")
            said = self._source.snapshot(_only_read)
            if said.position != self._position:
                self.catch_up()
                continue
            own = self._count_own(self._position)
            with self._transaction():
                self._mark_proved(said if own == said else None)
            if own != said:
                raise MirrorError(
                    f"THE MIRROR IS NOT WHAT THE REGISTRY SAYS at {said.position.described}:"
                    f" {own.lines} entries, sha256 {own.sha256} here; {said.lines}, {said.sha256}"
                    " there. It is marked unproved; do not rely on it, and begin with a new file"
                )
            self._proved = said.position

    @property
    def proved_today(self) -> bool:
        """True where this process has proved it on the day that it stands on."""
        return bool(self._proved and self._position and self._proved.day == self._position.day)

    def described(self) -> str:
        """What it holds, and how far that is proved."""
        [count] = self._database.execute("SELECT count(*) FROM entries").fetchone()
        *position, proved_seq, proved_on, sha256 = self._database.execute(
            "SELECT epoch, after, as_of_day, proved_seq, proved_on, proved_sha256 FROM position"
        ).fetchone()
        if self._proved == tuple(position):
            proof = f"proved sha256 {sha256}"
        elif proved_seq is None:
            proof = "not proved"
        else:
            proof = f"last proved at seq {proved_seq}, day {proved_on}"
        return f"{count} entries, seq {position[1]}, day {position[2]}, {proof}"

    def _load(self) -> Position:
        said = self._source.snapshot(self._stage)
        with self._transaction():
            self._database.execute("DROP TABLE entries")
            self._database.execute("ALTER TABLE staging RENAME TO entries")
            if self._count_own(said.position) != said:
                raise MirrorError("the snapshot is not in the order of its ids; it was not used")
            self._move(said.position)
            self._mark_proved(said)
        self._position = self._proved = said.position
        return said.position

    def _stage(self, lines: Iterator[bytes]) -> None:
        self._database.execute("DROP TABLE IF EXISTS staging")
        self._database.execute(f"CREATE TABLE staging {ENTRIES}")
        count = 0
        while batch := list(islice(lines, BATCH_LINES)):
            try:
                rows = [(orjson.loads(line)["id"], line) for line in batch]
            except (KeyError, TypeError, ValueError) as wrong:
                raise MirrorError("what the registry answers is no snapshot") from wrong
            with self._transaction():
                self._database.executemany("INSERT INTO staging VALUES (?, ?)", rows)
            count += len(batch)
            _show(f"snapshot: {count:,} entries")

    def _fold(self, page: Page) -> None:
        if not page.changes and page.position == self._position:
            return
        with self._transaction():
            for entry_id, body in page.changes:
                if body is None:
                    self._database.execute("DELETE FROM entries WHERE id = ?", (entry_id,))
                else:
                    self._database.execute("REPLACE INTO entries VALUES (?, ?)", (entry_id, body))
            self._move(page.position)
        self._position = page.position
        _show(f"seq {page.position.seq:,} of {page.head_seq:,}")

    def _move(self, position: Position) -> None:
        self._database.execute("UPDATE position SET epoch = ?, after = ?, as_of_day = ?", position)

    def _mark_proved(self, proof: Proof | None) -> None:
        said = (proof.position.seq, proof.position.day, proof.sha256) if proof else (None,) * 3
        self._database.execute(
            "UPDATE position SET proved_seq = ?, proved_on = ?, proved_sha256 = ?, proved_at ="
            " CASE WHEN ? THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') END",
            (*said, proof is not None),
        )

    def _count_own(self, position: Position) -> Proof:
        """Its own lines, counted and hashed as a snapshot of the position would send them."""
        digest, count = hashlib.sha256(), 0
        for (body,) in self._database.execute("SELECT body FROM entries ORDER BY id"):
            digest.update(body + b"\n")
            count += 1
        return Proof(position, count, digest.hexdigest())

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
def _opened(file: Path, address: str) -> Iterator[sqlite3.Connection]:
    """Open or begin a mirror file; others may read it meanwhile, nobody else keeps it."""
    # A lock beside the file: one of SQLite's own ends with a transaction, or keeps readers out too.
    lock = os.open(f"{file}-lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MirrorError(f"another process keeps {file} at this moment") from None
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # what SQLite adds has its mode
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
            _prepare(database, file, address)
            yield database
    except sqlite3.Error as failed:
        raise MirrorError(f"{file}: {failed}") from failed
    finally:
        os.close(lock)


def _prepare(database: sqlite3.Connection, file: Path, address: str) -> None:
    [application] = database.execute("PRAGMA application_id").fetchone()
    [tables] = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise MirrorError(f"{file} is a database of something else; name another file")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"CREATE TABLE IF NOT EXISTS entries {ENTRIES}")
    database.execute(f"CREATE TABLE IF NOT EXISTS position {POSITION}")
    database.execute("INSERT OR IGNORE INTO position (one, url) VALUES (1, ?)", (address,))
    database.execute("UPDATE position SET url = ? WHERE epoch IS NULL", (address,))
    [mirrored] = database.execute("SELECT url FROM position").fetchone()
    if mirrored != address:
        raise MirrorError(f"{file} is a mirror of {mirrored}; name another file")


def _require_ok(answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.OK:
        return
    answer.read()
    try:
        problem = orjson.loads(answer.content)
        said = f"{answer.status_code} {problem['code']}: {problem['detail']}"
    except (KeyError, TypeError, ValueError):  # whoever stands before the registry said it
        said = f"{answer.status_code} {answer.reason_phrase}"
    match answer.status_code:
        case 410:
            raise _Gone(said)
        case 429 | 502 | 503 | 504:
            asked = answer.headers.get("Retry-After", "")
            raise _Later(said, int(asked) if asked.isdecimal() else 0)
        case _:
            raise MirrorError(f"the registry says {said}")


def _read_page(content: bytes, at: Position) -> Page:
    try:
        told = orjson.loads(content)
        position = Position(told["epoch"], told["next_after"], told["as_of_day"])
        page = Page([_read_change(item) for item in told["changes"]], position, told["head_seq"])
        seqs = [item["seq"] for item in told["changes"]]
        in_order = sorted([at.seq, *seqs, position.seq]) == [at.seq, *seqs, position.seq]
        stuck = at.seq == position.seq < page.head_seq
    except (KeyError, TypeError, ValueError) as wrong:
        raise MirrorError("what the registry answers is no page of the feed") from wrong
    if position.epoch != at.epoch or not in_order or at.seq in seqs or stuck:
        raise MirrorError(f"the page after seq {at.seq} does not follow on; it was not used")
    return page


def _read_change(change: dict[str, Any]) -> tuple[str, bytes | None]:
    op, entry_id, entry = change["op"], str(change["entry_id"]), change["entry"]
    if op == "remove":
        return entry_id, None
    if op != "upsert" or entry["id"] != entry_id:
        raise ValueError(op)
    return entry_id, orjson.dumps(entry)


def _only_read(lines: Iterator[bytes]) -> None:
    for _ in lines:
        pass


def _say(text: str) -> None:
    sys.stderr.write(f"redblack mirror: {text}\n")


def _show(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
