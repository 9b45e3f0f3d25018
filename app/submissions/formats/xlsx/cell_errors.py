"""Cells without a reliable value: formulas and error values, which the parser does not report."""

import re
import zipfile
from collections.abc import Iterable
from typing import NamedTuple

from app.submissions.formats.cells import CellError
from app.submissions.formats.xlsx.archive import WorkbookRefused, strip_prefix, walk_elements
from app.submissions.formats.xlsx.encoded_cells import JsonCell
from app.submissions.formats.xlsx.limits import MAX_COLUMNS, MAX_ROWS, MEBIBYTE

FORMULA_AND_ERROR_MARKUP = (b"<f>", b"<f ", b"<f/", b"<f\n", b"<f\r", b"<f\t", b'"e"', b"'e'")
CELL_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class CellRange(NamedTuple):
    """A rectangle of cells; numbers begin at 1, its last row and column are included."""

    top: int
    left: int
    bottom: int
    right: int


class RangeCursor:
    """Ranges of cells, read row by row from the top."""

    def __init__(self, ranges: Iterable[CellRange]) -> None:
        self._pending = sorted(ranges, reverse=True)
        self._current: list[CellRange] = []

    def find_columns(self, row: int) -> list[tuple[int, int]]:
        """Find the first and last columns of the ranges that include the row."""
        while self._pending and self._pending[-1].top <= row:
            self._current.append(self._pending.pop())
        self._current = [area for area in self._current if area.bottom >= row]
        return [(area.left, area.right) for area in self._current]


class CellErrorIndex:
    """Formulas and error values of one sheet, found by parsing its XML."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        self._formulas: dict[int, list[int]] = {}
        self._errors: dict[int, list[int]] = {}
        self._multi_cell_formulas: list[CellRange] = []  # a formula that fills further cells
        self._row = self._column = 0
        self._cells_without_reference = 0  # since the last cell with one
        self._reference: str | None = None
        if _may_hold_cell_errors(archive, part):
            walk_elements(archive, part, self._handle_element)
        self._formula_ranges = RangeCursor(self._multi_cell_formulas)

    def mark_cells(self, row: int, cells: list[JsonCell]) -> None:
        """Replace each of these cells in a row by its error."""
        for columns_by_row, error in (
            (self._errors, CellError.error),
            (self._formulas, CellError.formula),
        ):
            for column in columns_by_row.get(row, ()):
                cells.extend([None] * (column - len(cells)))
                cells[column - 1] = {"error": error}
        for left, right in self._formula_ranges.find_columns(row):
            for column in range(left, min(right, len(cells)) + 1):
                cells[column - 1] = {"error": CellError.formula}

    def _handle_element(self, name: str, attributes: dict[str, str]) -> None:
        name = name if ":" not in name else strip_prefix(name)
        if name == "c":
            reference = attributes.get("r")
            if reference is None:
                self._cells_without_reference += 1
            else:
                self._reference, self._cells_without_reference = reference, 0
            if attributes.get("t") == "e":
                self._add_cell(self._errors)
        elif name == "row":
            number = attributes.get("r", "")
            self._row = int(number) if number.isdecimal() else self._row + 1
            self._reference, self._cells_without_reference = None, 0
        elif name == "f":
            self._add_cell(self._formulas)
            if attributes.get("t") in {"array", "dataTable"} and "ref" in attributes:
                self._multi_cell_formulas.append(_parse_range(attributes["ref"]))

    def _add_cell(self, columns_by_row: dict[int, list[int]]) -> None:
        row, column = self._row, 0
        if self._reference is not None:
            row, column = _parse_reference(self._reference)
        columns_by_row.setdefault(row, []).append(
            min(column + self._cells_without_reference, MAX_COLUMNS)
        )


def _may_hold_cell_errors(archive: zipfile.ZipFile, part: str) -> bool:
    """Return whether the sheet may have such cells; parsing takes two seconds a million cells."""
    with archive.open(part) as opened:
        chunk = opened.read(MEBIBYTE)
        if b"<worksheet" not in chunk:  # prefixed names, or UTF-16
            return True
        previous_end = b""
        while chunk:
            text = previous_end + chunk
            if any(sign in text for sign in FORMULA_AND_ERROR_MARKUP):
                return True
            previous_end = chunk[-2:]
            chunk = opened.read(MEBIBYTE)
    return False


def _parse_reference(reference: str) -> tuple[int, int]:
    """Parse the row and the column of a reference like AB12."""
    match = CELL_REFERENCE.fullmatch(reference.replace("$", ""))
    if match is None:
        raise WorkbookRefused("unreadable_workbook")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return min(int(match[2]), MAX_ROWS), min(column, MAX_COLUMNS)


def _parse_range(reference: str) -> CellRange:
    first, _, last = reference.partition(":")
    return CellRange(*_parse_reference(first), *_parse_reference(last or first))
