"""The bytes of a file, with the position that the reader has reached."""

import codecs
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_ROW_SIZE = 1_000_000
"""Bytes of one JSON row, or characters of one CSV record, which may span several lines."""

ChunkReader = Callable[[], Iterable[bytes]]
"""Read the file from its beginning, chunk by chunk; it may be called more than once."""


@dataclass(slots=True)
class ByteSource:
    """The chunks of one file.

    The first chunk is read once: each reading decrypts it.
    """

    read_chunks: ChunkReader
    bytes_read: int = 0
    """Number of bytes that the reader of rows has consumed."""
    _first_chunk: bytes | None = field(init=False, default=None)

    @property
    def first_chunk(self) -> bytes:
        """The first chunk; empty if the file is empty."""
        if self._first_chunk is None:
            self._first_chunk = next(iter(self.read_chunks()), b"")
        return self._first_chunk

    @property
    def text_start(self) -> bytes:
        """The first chunk without its byte order mark and leading white space."""
        return self.first_chunk.removeprefix(codecs.BOM_UTF8).lstrip()

    def open_stream(self, on_read: Callable[[int], None] = lambda _: None) -> io.BufferedReader:
        """Open the file as a binary stream; `on_read` receives the size of each read."""
        return io.BufferedReader(ChunkStream(self.read_chunks(), on_read))

    def add_bytes_read(self, size: int) -> None:
        """Advance the position."""
        self.bytes_read += size


class ChunkStream(io.RawIOBase):
    """Chunks as a raw stream that is read once, from front to back."""

    def __init__(self, chunks: Iterable[bytes], on_read: Callable[[int], None]) -> None:
        self._chunks = iter(chunks)
        self._remaining = memoryview(b"")
        self._on_read = on_read

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        """Copy bytes of the current chunk into the buffer; return how many."""
        if not self._remaining:
            self._remaining = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._remaining))
        buffer[:size], self._remaining = self._remaining[:size], self._remaining[size:]
        self._on_read(size)
        return size
