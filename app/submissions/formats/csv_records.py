"""Files with comma-separated values."""

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice

from app.errors import InvalidPayload, ProblemCode
from app.rules.text import is_blank, strip_invisible
from app.submissions.formats import own_export
from app.submissions.formats.byte_source import MAX_ROW_SIZE, ByteSource
from app.submissions.formats.cells import HEADER_SEARCH_ROWS, Cell, CellError
from app.submissions.formats.refusals import ROW_TOO_LONG, UnreadableFile

FORMULA_SIGNS = tuple("=+-@")


def read_csv_records(source: ByteSource, encoding: str) -> Iterator[tuple[int, list[Cell]]]:
    """Read the records of the file with their numbers, the header row too, the trailer not.

    Raises:
        UnreadableFile: a quote is not closed, or a record is too long.
        InvalidPayload: the trailer of an export does not match its records.
    """
    text = io.TextIOWrapper(
        source.open_stream(source.add_bytes_read), encoding=encoding, newline=""
    )
    bounded_lines = _read_bounded_lines(text)
    first_lines = list(islice(bounded_lines, HEADER_SEARCH_ROWS))
    lines = _BoundedRecordLines(chain(first_lines, bounded_lines))
    records = csv.reader(lines, delimiter=_detect_delimiter(first_lines), strict=True)
    number = 0
    try:
        for number, record in enumerate(records, start=1):
            lines.begin_record()
            cells = [_parse_csv_cell(cell) for cell in record]
            if own_export.is_trailer_record(cells):
                own_export.require_count(cells, number - 2)  # neither the header nor itself
                if any(_parse_csv_cell(cell) is not None for after in records for cell in after):
                    raise InvalidPayload(faults=[own_export.INCOMPLETE_EXPORT])
                return
            yield number, cells
    except csv.Error:
        raise UnreadableFile(
            ProblemCode.malformed_csv,
            f"The table cannot be read behind row {number}; look for an unpaired quote",
            f"第 {number} 行之后无法读取，请检查引号是否成对",
        ) from None


def _parse_csv_cell(cell: str) -> Cell:
    text = strip_invisible(cell)
    if is_blank(text):
        return None
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip() or None  # keeps a spreadsheet from converting the number
    if text.startswith("'") and (text[1:2] in FORMULA_SIGNS or text[1:2].isdecimal()):
        return text[1:]  # the same; our export writes it before a formula-like text
    return CellError.formula if text.startswith("=") else text


def _detect_delimiter(lines: list[str]) -> str:
    """Return the sign that splits one of the first lines, maybe the headings, into most cells."""
    return max((",", "\t", ";", "|"), key=lambda sign: max(line.count(sign) for line in lines))


def _read_bounded_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_ROW_SIZE):
        if len(line) >= MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        yield line


class _BoundedRecordLines:
    """Lines for the CSV reader, which joins them to records no longer than a row may be."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._size = 0

    def __iter__(self) -> "_BoundedRecordLines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += len(line)
        if self._size > MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        return line

    def begin_record(self) -> None:
        """Start the limit again for the next record."""
        self._size = 0
