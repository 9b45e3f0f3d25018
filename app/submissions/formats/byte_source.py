"""The bytes of a file: its chunks, the position of the reader, its format and text encoding.

No format or encoding is guessed: the format follows from the first bytes, and a text must be valid
UTF-8, UTF-16 with a byte order mark, or GB 18030, from its first byte to its last.
"""

import codecs
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.errors import ProblemCode
from app.submissions.formats.own_export import is_export_document
from app.submissions.formats.refusals import (
    DAMAGED_TEXT,
    EMPTY,
    UNKNOWN_ENCODING,
    UnreadableFile,
)
from app.submissions.schemas import FileFormat

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


# --- detection -----------------------------------------------------------

ZIP_SIGNATURE, OLE_SIGNATURE = b"PK", b"\xd0\xcf\x11\xe0"
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)  # one of them begins as a UTF-16 mark does
CHINESE_CHARACTER = re.compile("[\u3000-\u9fff\uff00-\uffef]")
FOUR_CHINESE_CHARACTERS = re.compile(CHINESE_CHARACTER.pattern + "{4}")
MIN_CHINESE_FOR_UTF8 = 2
"""Chinese characters before the first invalid byte; a single one may be chance."""


def detect_format(start: bytes) -> FileFormat:
    """Detect the format of a file by its first bytes.

    Raises:
        InvalidPayload: the file is empty, a picture or a document.
    """
    content = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if not content:
        raise UnreadableFile(*EMPTY)
    if start.startswith((ZIP_SIGNATURE, OLE_SIGNATURE)):
        return FileFormat.xlsx  # the reader of workbooks tells the kinds apart
    if start.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        raise UnreadableFile(
            ProblemCode.not_a_table,
            "This is a document or a picture; send a table (XLSX, CSV) or JSON",
            "这是文档或图片，请提交表格（XLSX、CSV）或 JSON 文件",
        )
    if content.startswith(b"["):
        return FileFormat.json
    if content.startswith(b"{"):
        # An export in JSON is one object with a known beginning; any other object is a line.
        return FileFormat.json if is_export_document(content) else FileFormat.ndjson
    return FileFormat.csv


def detect_encoding(source: ByteSource) -> str:
    """Detect the encoding of a text in one reading of the file.

    Raises:
        UnreadableFile: the text is damaged, or neither UTF-8, UTF-16 nor GB 18030.
    """
    start = source.first_chunk
    if start.startswith(UTF32_BOMS):
        raise UnreadableFile(*UNKNOWN_ENCODING)
    if start.startswith(UTF16_BOMS):
        decoder = _StrictDecoder("utf-16")
        if all(map(decoder.feed, source.read_chunks())) and decoder.finish():
            return "utf-16"
        raise UnreadableFile(*UNKNOWN_ENCODING)
    return _detect_8_bit_encoding(source)


def _detect_8_bit_encoding(source: ByteSource) -> str:
    has_utf8_mark = source.first_chunk.startswith(codecs.BOM_UTF8)
    utf8, gb18030, damage = _StrictDecoder("utf-8"), _StrictDecoder("gb18030"), _DamageDetector()
    for chunk in source.read_chunks():
        utf8.feed(chunk)
        if not damage.is_certain:  # else the text is UTF-8 or damaged, and never GB 18030
            gb18030.feed(chunk)
            damage.feed(chunk)
        if not utf8.is_valid and (has_utf8_mark or damage.is_certain):
            raise UnreadableFile(*DAMAGED_TEXT)
    if utf8.finish():
        return "utf-8-sig"
    if has_utf8_mark or damage.is_likely:
        raise UnreadableFile(*DAMAGED_TEXT)
    if gb18030.finish():
        return "gb18030"
    raise UnreadableFile(*UNKNOWN_ENCODING)


class _StrictDecoder:
    """Validity of a text in one encoding, chunk by chunk."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self.is_valid = True

    def feed(self, chunk: bytes, *, final: bool = False) -> bool:
        """Decode a chunk; return whether the text is valid so far."""
        if self.is_valid:
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self.is_valid = False
        return self.is_valid

    def finish(self) -> bool:
        """Return whether the whole text is valid."""
        return self.feed(b"", final=True)


class _DamageDetector:
    """Evidence that a text that is not valid UTF-8 was UTF-8 before it was damaged.

    GB 18030 mostly fails as UTF-8 at its first Chinese character, and hardly ever decodes to
    Chinese: one such character needs two or three rare ones that rarely meet (璐 before 报), and
    four in a row do not occur. A failure at the very end is half a character.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._found_before_damage = self._found = self._damaged = 0
        self.is_certain = False

    def feed(self, chunk: bytes) -> None:
        """Count Chinese characters and invalid bytes of a chunk."""
        text = self._decoder.decode(chunk)
        if text.isascii():
            return
        if not self._damaged:
            before_damage = text.partition("\ufffd")[0]
            self._found_before_damage += len(CHINESE_CHARACTER.findall(before_damage))
        if (
            self._found_before_damage >= MIN_CHINESE_FOR_UTF8
            or FOUR_CHINESE_CHARACTERS.search(text) is not None
        ):
            self.is_certain = True
        self._found += len(CHINESE_CHARACTER.findall(text))
        self._damaged += text.count("\ufffd")

    @property
    def is_likely(self) -> bool:
        """True if the evidence suffices, once the text was read to its end."""
        return self.is_certain or self._damaged == 0 or self._found > self._damaged
