"""Files with one JSON document: an array of rows, or an export of ours."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import ijson

from app.errors import ProblemCode
from app.submissions.formats import own_export
from app.submissions.formats.byte_source import MAX_ROW_SIZE, ByteSource
from app.submissions.formats.ndjson import JsonItem
from app.submissions.formats.refusals import ROW_TOO_LONG, TOO_DEEP, UnreadableFile

MAX_DEPTH = 100
"""Arrays and objects within each other; a row needs six."""
ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json_items(source: ByteSource) -> Iterator[JsonItem]:
    """Read the items of the array.

    Raises:
        UnreadableFile: the JSON is damaged or too deep, or an item is too long.
        InvalidPayload: the trailer of an export does not match its items.
    """
    stream = _BoundedRowReader(source)
    is_export = source.text_start[:1] == b"{"
    number = 0
    try:
        events = _choose_parser(source.read_chunks()).basic_parse(stream, use_float=True)
        items = ijson.items(ijson.parse(_limit_depth(events)), own_export.ITEM_PATHS[is_export])
        for number, item in enumerate(items, start=1):
            source.bytes_read = stream.begin_row()
            yield JsonItem(number, item)
    except (ijson.JSONError, ValueError):  # invalid characters raise ValueError
        raise UnreadableFile(
            ProblemCode.malformed_json,
            f"The JSON breaks off or is damaged behind item {number}",
            f"第 {number} 项之后的 JSON 不完整或已损坏",
        ) from None
    if is_export:
        for trailer in ijson.items(source.open_stream(), "trailer"):
            own_export.require_count((trailer, own_export.read_row_count(trailer)), number)


def _limit_depth(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    # ijson keeps the path to each event: that of 100,000 brackets would fill the memory.
    depth = 0
    for event in events:
        if event[0] in {"start_map", "start_array"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise UnreadableFile(*TOO_DEEP)
        elif event[0] in {"end_map", "end_array"}:
            depth -= 1
        yield event


def _choose_parser(chunks: Iterable[bytes]) -> Any:  # noqa: ANN401 - a module of ijson's
    """Choose the fast parser, unless the text has escaped surrogates.

    The fast parser replaces a single surrogate by a ?; the slow one keeps it, and the row is
    refused.
    """
    previous_end = b""
    for chunk in chunks:
        if ESCAPED_SURROGATE.search(previous_end + chunk):
            return ijson.get_backend("python")
        previous_end = chunk[-4:]
    return ijson


class _BoundedRowReader:
    """A stream for ijson that refuses to read further into one row than a row may be long."""

    def __init__(self, source: ByteSource) -> None:
        self._file = source.open_stream(self._add_bytes_read)
        self._bytes_read = 0
        self._row_start = 0

    def read(self, size: int) -> bytes:
        """Read the next bytes."""
        if self._bytes_read - self._row_start > 2 * MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        return self._file.read(size)

    def begin_row(self) -> int:
        """Start the limit again for the next row; return the bytes read since the beginning."""
        self._row_start = self._bytes_read
        return self._bytes_read

    def _add_bytes_read(self, size: int) -> None:
        self._bytes_read += size
