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

import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import httpx

from app.client.feed import FeedClient, FeedInterrupted, FeedPage, FeedPosition
from app.client.http import ClientError, open_registry, validate_address
from app.client.mirror_database import MirrorDatabase, open_mirror_database

ANSWER_SECONDS = 60
MAX_ATTEMPTS = 5
"""Proofs during which the registry changed, or snapshots without a feed, before it gives up."""


class MirrorNotProved(ClientError):
    """The registry changed during every attempt: nothing wrong was found, nothing was proved."""

    exit_code = 3


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
        ClientError: the mirror cannot continue, or differs from the registry.
        MirrorNotProved: the registry changed during every attempt of a proof.
    """
    address = validate_address(url)
    with (
        open_mirror_database(file, address) as database,
        open_registry(
            address,
            key,
            answer_seconds=ANSWER_SECONDS,
            max_wait_seconds=max_wait_seconds,
            print_line=_print_line,
            transport=transport,
        ) as registry,
    ):
        mirror = Mirror(database, FeedClient(registry))
        description = None
        while True:
            mirror.catch_up()
            if prove and (poll_seconds is None or not mirror.is_proved_today):
                try:
                    mirror.prove()
                except MirrorNotProved as error:
                    if poll_seconds is None:
                        raise
                    _print_line(str(error))  # the next poll tries it again
            if description != (description := mirror.describe()):
                yield description
            if poll_seconds is None:
                return
            sleep(poll_seconds)


class Mirror:
    """A copy in a database that follows a feed."""

    def __init__(self, database: MirrorDatabase, feed: FeedClient) -> None:
        self._database = database
        self._feed = feed
        self._position = database.read_position()
        self._proved_position: FeedPosition | None = None  # by this process

    def catch_up(self) -> None:
        """Apply the feed up to its head; load a snapshot if the feed does not continue.

        Raises:
            ClientError: the registry refuses, or the feed continues from no snapshot.
        """
        renewals = 0
        while True:
            try:
                page = self._feed.read_page(self._position or self._load_snapshot())
            except FeedInterrupted as error:
                renewals += 1
                if renewals > MAX_ATTEMPTS:
                    raise ClientError(f"no snapshot leads on: {error}") from error
                _print_line(f"beginning again with a snapshot: {error}")
                self._load_snapshot()
                continue
            self._apply_page(page)
            if page.position.seq >= page.head_seq:
                return

    def prove(self) -> None:
        """Compare with a snapshot of the same position, which is read and not kept.

        Raises:
            MirrorNotProved: the registry changed during every attempt.
            ClientError: the mirror differs; it is marked as not proved.
        """
        attempts = 0
        while self._position is None or self._proved_position != self._position:
            attempts += 1
            if attempts > MAX_ATTEMPTS:
                raise MirrorNotProved("could not prove: the registry does not stand still")
            expected = self._feed.read_snapshot(_discard_lines)
            if expected.position != self._position:
                self.catch_up()
                continue
            actual = self._database.compute_digest(self._position)
            self._database.record_proof(expected if actual == expected else None)
            if actual != expected:
                raise ClientError(
                    f"THE MIRROR IS NOT WHAT THE REGISTRY SAYS at {expected.position}:"
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
        position = self._database.read_position()
        proof = self._database.read_last_proof()
        if self._proved_position == position:
            proof_text = f"proved sha256 {proof.sha256}"
        elif proof.seq is None:
            proof_text = "not proved"
        else:
            proof_text = f"last proved at seq {proof.seq}, day {proof.day}"
        seq, day = (position.seq, position.day) if position else (None, None)
        return f"{self._database.count_entries()} entries, seq {seq}, day {day}, {proof_text}"

    def _load_snapshot(self) -> FeedPosition:
        digest = self._feed.read_snapshot(self._stage_snapshot)
        self._database.replace_entries(digest)
        self._position = self._proved_position = digest.position
        return digest.position

    def _stage_snapshot(self, lines: Iterator[bytes]) -> None:
        self._database.stage_snapshot(
            lines, lambda count: _show_progress(f"snapshot: {count:,} entries")
        )

    def _apply_page(self, page: FeedPage) -> None:
        if not page.changes and page.position == self._position:
            return
        self._database.apply_page(page)
        self._position = page.position
        _show_progress(f"seq {page.position.seq:,} of {page.head_seq:,}")


def _discard_lines(lines: Iterator[bytes]) -> None:
    for _ in lines:
        pass


def _print_line(text: str) -> None:
    sys.stderr.write(f"redblack mirror: {text}\n")


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
