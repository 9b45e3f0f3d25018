"""The change feed and its snapshots, read and verified."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypedDict

import httpx
import orjson

from app.client.http import ClientError, RegistryClient, RequestRefused, RetryableError

MAX_PAGE_CHANGES = 500


class FeedInterrupted(ClientError):
    """The feed does not continue from this position; a snapshot is necessary."""


class FeedPosition(NamedTuple):
    """The position of a mirror, a page or a snapshot."""

    epoch: int
    seq: int
    day: str

    def __str__(self) -> str:
        return f"epoch {self.epoch}, seq {self.seq}, day {self.day}"


class FeedPage(NamedTuple):
    """Changes in their order, (id, body) without body if the entry is removed, and the position."""

    changes: list[tuple[str, bytes | None]]
    position: FeedPosition
    head_seq: int


class SnapshotDigest(NamedTuple):
    """The number of lines at a position, and their SHA-256."""

    position: FeedPosition
    line_count: int
    sha256: str


class ReceivedEntry(TypedDict):
    """An entry of the feed; a mirror keeps all its members and reads this one."""

    id: str


class ReceivedChange(TypedDict):
    """One change of a page."""

    seq: int
    op: Literal["upsert", "remove"]
    entry_id: str
    entry: ReceivedEntry | None


class ReceivedPage(TypedDict):
    """A page of the feed."""

    changes: list[ReceivedChange]
    next_after: int
    head_seq: int
    epoch: int
    as_of_day: str


class ReceivedTrailer(TypedDict):
    """The trailer of a snapshot."""

    count: int
    epoch: int
    seq: int
    on: str
    sha256: str


class FeedClient:
    """Requests of a mirror; each is repeated as long as that may help."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry

    def read_page(self, position: FeedPosition) -> FeedPage:
        """Read the page of changes after a position.

        Raises:
            FeedInterrupted: the feed does not continue from there.
            ClientError: refused, no answer, or a page that does not continue from the position.
        """
        query = {"after": position.seq, "epoch": position.epoch, "limit": MAX_PAGE_CHANGES}

        def attempt() -> FeedPage:
            answer = self._registry.get("/v1/changes", query)
            return _parse_page(answer.content, position)

        try:
            return self._registry.retry(attempt)
        except RequestRefused as refused:
            if refused.status != httpx.codes.GONE:
                raise
            raise FeedInterrupted(refused.problem) from refused

    def read_snapshot(self, consume: Callable[[Iterator[bytes]], None]) -> SnapshotDigest:
        """Pass the lines of a snapshot to `consume`; each attempt passes all of them again.

        Raises:
            ClientError: refused, no answer, or the lines differ from the hash of the trailer.
        """

        def attempt() -> SnapshotDigest:
            with self._registry.stream("/v1/changes/snapshot") as chunks:
                lines = _SnapshotLines(chunks)
                consume(iter(lines))
                return lines.read_trailer()

        return self._registry.retry(attempt)


class _SnapshotLines:
    """The lines of a snapshot as they arrive, without the last: it must be the trailer."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._count = 0
        self._last_line = b""

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._chunks:
            # Split at this byte alone: a name may contain other characters that end a line.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if self._last_line:
                    self._digest.update(self._last_line + b"\n")
                    self._count += 1
                    yield self._last_line
                self._last_line = line
        if rest:
            raise RetryableError("the snapshot broke off within a line")

    def read_trailer(self) -> SnapshotDigest:
        """Return the position and hash of the trailer; call it after the last line."""
        try:
            trailer: ReceivedTrailer = orjson.loads(self._last_line)["trailer"]
            position = FeedPosition(trailer["epoch"], trailer["seq"], trailer["on"])
            digest = SnapshotDigest(position, trailer["count"], trailer["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise RetryableError("the snapshot broke off before its trailer") from error
        if digest != SnapshotDigest(position, self._count, self._digest.hexdigest()):
            raise ClientError("the snapshot does not match its own hash; nothing of it was used")
        return digest


def _parse_page(content: bytes, requested: FeedPosition) -> FeedPage:
    try:
        body: ReceivedPage = orjson.loads(content)
        position = FeedPosition(body["epoch"], body["next_after"], body["as_of_day"])
        page = FeedPage(
            [_parse_change(item) for item in body["changes"]], position, body["head_seq"]
        )
        seqs = [item["seq"] for item in body["changes"]]
        all_seqs = [requested.seq, *seqs, position.seq]
        is_ordered = sorted(all_seqs) == all_seqs
        is_stuck = requested.seq == position.seq < page.head_seq
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError("what the registry answers is no page of the feed") from error
    if position.epoch != requested.epoch or not is_ordered or requested.seq in seqs or is_stuck:
        raise ClientError(f"the page after seq {requested.seq} does not follow on; it was not used")
    return page


def _parse_change(change: ReceivedChange) -> tuple[str, bytes | None]:
    op, entry_id, entry = change["op"], str(change["entry_id"]), change["entry"]
    if op == "remove":
        return entry_id, None
    if op != "upsert" or entry is None or entry["id"] != entry_id:
        raise ValueError(op)
    return entry_id, orjson.dumps(entry)
