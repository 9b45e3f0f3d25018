"""The child process that reads a workbook; `reader` describes the protocol."""

import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from app.submissions.formats.cells import HEADER_SEARCH_ROWS, CellError
from app.submissions.formats.xlsx.archive import (
    WorkbookRefused,
    find_sheet_part,
    open_archive,
)
from app.submissions.formats.xlsx.cell_errors import CellErrorIndex, CellRange, RangeCursor
from app.submissions.formats.xlsx.encoded_cells import JsonCell, encode_cell
from app.submissions.formats.xlsx.limits import (
    MAX_PREVIEW_CHARACTERS,
    MAX_PREVIEW_COLUMNS,
    WorkbookLimits,
    set_resource_limits,
)

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook


def _run_child(limits: WorkbookLimits) -> None:
    """Read a workbook from standard input and write its rows to standard output."""
    # Imported in the child only.
    from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _write_message(sink, ["ready"])
    sink.flush()
    try:
        file = BytesIO()
        while frame := _read_frame(source):
            file.write(frame)
        archive = open_archive(file, limits)
        file.seek(0)
        sheets = SheetCache(CalamineWorkbook.from_filelike(file))
        for sheet, metadata in enumerate(sheets.book.sheets_metadata):
            visible = metadata.visible == SheetVisibleEnum.Visible
            _write_message(
                sink, ["preview", sheet, metadata.name, visible, _build_preview(sheets, sheet)]
            )
        _write_message(sink, ["previews"])
        sink.flush()
        if chosen := _read_frame(source):
            for row in _iterate_data_rows(sheets, archive, *json.loads(chosen)):
                _write_message(sink, row)
            _write_message(sink, ["end"])
    except WorkbookRefused as refused:
        _write_message(sink, ["refused", str(refused)])
    except MemoryError:
        _write_message(sink, ["refused", "too_large_inside"])
    sink.flush()


def _read_frame(source: IO[bytes]) -> bytes:
    """Read the next frame; b"" also if the parent has ended."""
    length = source.read(4)
    return source.read(*struct.unpack(">I", length)) if length else b""


def _write_message(sink: IO[bytes], message: object) -> None:
    sink.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


class SheetCache:
    """The sheets of a workbook; the longest is cached, because it is most likely the data sheet.

    A sheet is parsed as a whole: this saves a second parsing without two large sheets in memory.
    """

    def __init__(self, book: "CalamineWorkbook") -> None:
        self.book = book
        self._cached: tuple[int, CalamineSheet] | None = None

    def get(self, index: int) -> "CalamineSheet":
        """Return the sheet at that index of the workbook."""
        if self._cached is not None and self._cached[0] == index:
            return self._cached[1]
        sheet = self.book.get_sheet_by_index(index)
        if self._cached is None or sheet.height > self._cached[1].height:
            self._cached = index, sheet
        return sheet


def _build_preview(sheets: SheetCache, index: int) -> list[tuple[int, list[JsonCell]]]:
    sheet = sheets.get(index)
    rows: list[tuple[int, list[JsonCell]]] = []
    for number, values in _iterate_filled_rows(sheet):
        cells = map(encode_cell, values[:MAX_PREVIEW_COLUMNS])
        rows.append((number, [_truncate_cell(cell) for cell in cells]))
        if len(rows) > HEADER_SEARCH_ROWS:
            break
    return rows


def _truncate_cell(cell: JsonCell) -> JsonCell:
    return cell[:MAX_PREVIEW_CHARACTERS] if isinstance(cell, str) else cell


def _iterate_filled_rows(sheet: "CalamineSheet") -> Iterator[tuple[int, list[Any]]]:
    """Iterate over the rows that are not blank, from column A."""
    leading_cells = [""] * sheet.start[1] if sheet.start is not None else []
    for number, values in enumerate(sheet.iter_rows(), 1):
        if any(value != "" and encode_cell(value) is not None for value in values):
            yield number, leading_cells + values


def _iterate_data_rows(
    sheets: SheetCache, archive: zipfile.ZipFile, index: int, header_row: int
) -> Iterator[tuple[int, list[JsonCell]]]:
    """Iterate over the header row and the rows below it."""
    sheet = sheets.get(index)
    cell_errors = CellErrorIndex(archive, find_sheet_part(archive, index))
    merged_ranges = RangeCursor(
        CellRange(top + 1, left + 1, bottom + 1, right + 1)
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
    )
    for number, values in _iterate_filled_rows(sheet):
        if number < header_row:
            continue
        cells = list(map(encode_cell, values))
        if number > header_row:
            cell_errors.mark_cells(number, cells)
            for left, right in merged_ranges.find_columns(number):
                for column in range(left, min(right, len(cells)) + 1):
                    cells[column - 1] = {"error": CellError.merged}
        while cells[-1] is None:
            cells.pop()
        yield number, cells


if __name__ == "__main__":
    _limits = WorkbookLimits(**json.loads(sys.argv[1]))
    set_resource_limits(_limits)
    _run_child(_limits)
