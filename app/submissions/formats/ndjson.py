"""Files with one JSON value a line."""

import codecs
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from app.errors import Fault, ProblemCode, Sentence
from app.submissions.formats.byte_source import MAX_ROW_SIZE, ByteSource
from app.submissions.formats.own_export import TrailerVerifier
from app.submissions.formats.refusals import OBJECT_OVER_MANY_LINES, ROW_TOO_LONG, UnreadableFile

CONTINUED_LINE_ENDS = (b"{", b"[", b",", b":")
"""Ends of a line whose object continues on the next line."""


class JsonItem(NamedTuple):
    """One item of a JSON file: its number, and its value or why it has none."""

    number: int
    value: Any
    fault: Fault | None = None


def read_ndjson_items(source: ByteSource) -> Iterator[JsonItem]:
    """Read the items of the file; blank lines and the trailer of an export are none.

    Raises:
        UnreadableFile: an object is written over many lines, or a line is too long.
        InvalidPayload: the trailer of an export does not match its lines.
    """
    _require_object_per_line(source)
    trailer = TrailerVerifier()
    for number, line in enumerate(_split_lines(source), start=1):
        if not line or line.isspace():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            yield JsonItem(number, None, LINE_NOT_JSON)
            continue
        if trailer.is_trailer(value):
            trailer.require_complete(value)
            continue
        trailer.add_line(line)
        yield JsonItem(number, value)


def _require_object_per_line(source: ByteSource) -> None:
    # Without this check, each line of a pretty-printed object would be a refused row.
    lines = (line for line in _split_lines(source) if line and not line.isspace())
    first = next(lines, b"")
    if first.rstrip().endswith(CONTINUED_LINE_ENDS):
        second = next(lines, None)  # if it is a row, only the first line is damaged
        if second is not None and not _is_object(second):
            raise UnreadableFile(*OBJECT_OVER_MANY_LINES)
    source.bytes_read = 0


def _split_lines(source: ByteSource) -> Iterator[bytes]:
    remainder = b""
    for number, chunk in enumerate(source.read_chunks()):
        content = chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk
        *lines, remainder = (remainder + content).split(b"\n")
        for line in lines:
            source.add_bytes_read(len(line) + 1)
            yield line
        if len(remainder) > MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
    if remainder:
        source.add_bytes_read(len(remainder))
        yield remainder


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


LINE_NOT_JSON = Fault(
    "",
    ProblemCode.malformed_json,
    Sentence("The line is no JSON in UTF-8", "该行不是有效的 JSON（须为 UTF-8 编码）"),
)
