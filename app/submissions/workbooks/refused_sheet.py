"""The workbook of refused rows: a clerk corrects it and submits it again.

It is made in memory, because a temporary file would hold personal numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import NamedTuple

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from app.errors import Sentence
from app.submissions.formats.cells import Cell, CellError
from app.submissions.workbooks.layout import (
    DATA_SHEET,
    MAX_CELL_LENGTH,
    NOTES_SHEET,
    RETURN_COLUMNS,
    TEXT_FORMAT,
    build_heading_format,
    write_comment,
    write_notes,
)

MAX_REFUSED_ROWS = 10_000
"""Refused rows in one workbook: some 100 MB of memory, and more than a clerk corrects by hand."""
MAX_COMMENTS = 10_000
"""More make a spreadsheet program slow; the last column has the reasons in any case."""
MAX_SOURCE_COLUMNS = (1 << 14) - len(RETURN_COLUMNS)
TRUNCATION_NOTE = f"""\
本文件只列出前 {MAX_REFUSED_ROWS} 行被退回的数据；其余各行请见该次提交的逐行结果。
Only the first {MAX_REFUSED_ROWS} refused rows are given here; the results of the submission name \
every one.\
""".split("\n")


class RefusedRow(NamedTuple):
    """A refused row.

    Attributes:
        number: its number in the submitted file.
        cells: its cells, by column.
        faults: its faults by the index of the column; None for the row as a whole.
    """

    number: int
    cells: Sequence[Cell]
    faults: Mapping[int | None, Sentence]


def build_refused_rows_workbook(header: Sequence[str], rows: Iterable[RefusedRow]) -> bytes:
    """Build a workbook of the refused rows: the headings as sent, faulty cells marked.

    Every cell is text, so a text that begins like a formula stays text. A cell that could not be
    read is empty. More than `MAX_REFUSED_ROWS` rows are cut, and a note explains it.
    """
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet(DATA_SHEET)
    # Columns that an earlier workbook of refused rows added are dropped.
    kept_columns = [
        at for at, heading in enumerate(header) if heading.strip() not in RETURN_COLUMNS
    ]
    kept_columns = kept_columns[:MAX_SOURCE_COLUMNS]
    writer = _RefusedRowsSheet(book, sheet, header, kept_columns)
    remaining_rows = iter(rows)
    for position, row in enumerate(islice(remaining_rows, MAX_REFUSED_ROWS), 1):
        writer.write_row(position, row)
    if next(remaining_rows, None) is not None:
        write_notes(book, book.add_worksheet(NOTES_SHEET), TRUNCATION_NOTE)
    book.close()
    return buffer.getvalue()


class _RefusedRowsSheet:
    """The sheet of a workbook of refused rows."""

    def __init__(
        self,
        book: xlsxwriter.Workbook,
        sheet: Worksheet,
        header: Sequence[str],
        kept_columns: Sequence[int],
    ) -> None:
        self._sheet, self._header, self._kept_columns = sheet, header, kept_columns
        self._comment_count = 0
        self._text_format = book.add_format({"num_format": TEXT_FORMAT})
        self._fault_format = book.add_format({"num_format": TEXT_FORMAT, "bg_color": "#FFC7CE"})
        self._reason_format = book.add_format(
            {"num_format": TEXT_FORMAT, "font_color": "#9C0006", "text_wrap": True, "valign": "top"}
        )
        source_heading_format = build_heading_format(book, "#DDEBF7", "#000000")
        added_heading_format = build_heading_format(book, "#7F7F7F", "#FFFFFF")
        for place, at in enumerate(kept_columns):
            self._write_cell(0, place, header[at], source_heading_format)
        for place, heading in enumerate(RETURN_COLUMNS, len(kept_columns)):
            self._write_cell(0, place, heading, added_heading_format)
        sheet.set_column(0, max(len(kept_columns) - 1, 0), 18, self._text_format)
        sheet.set_column(len(kept_columns), len(kept_columns), 12, self._text_format)
        sheet.set_column(len(kept_columns) + 1, len(kept_columns) + 1, 60, self._text_format)
        sheet.freeze_panes(1, 0)

    def write_row(self, position: int, row: RefusedRow) -> None:
        """Write a row at that position below the headings."""
        for column, at in enumerate(self._kept_columns):
            text = _format_cell(row.cells[at]) if at < len(row.cells) else ""
            fault = row.faults.get(at)
            if text or fault is not None:
                self._write_cell(
                    position,
                    column,
                    text,
                    self._text_format if fault is None else self._fault_format,
                )
            if fault is not None and self._comment_count < MAX_COMMENTS:
                self._comment_count += 1
                write_comment(self._sheet, position, column, f"{fault.zh}\n{fault.en}")
        self._write_cell(position, len(self._kept_columns), str(row.number), self._text_format)
        self._write_cell(
            position, len(self._kept_columns) + 1, self._format_reasons(row), self._reason_format
        )

    def _format_reasons(self, row: RefusedRow) -> str:
        return "；".join(
            f"{self._header[at].strip()}：{sentence.zh}"
            if at is not None and at < len(self._header)
            else sentence.zh
            for at, sentence in row.faults.items()
        )

    def _write_cell(self, row: int, column: int, text: str, cell_format: Format) -> None:
        if text:
            self._sheet.write_string(row, column, text[:MAX_CELL_LENGTH], cell_format)
        else:
            self._sheet.write_blank(row, column, None, cell_format)


def _format_cell(cell: Cell) -> str:
    """Format a cell as a text that is read as the same value again."""
    match cell:
        case None | CellError():
            return ""
        case bool():
            return "是" if cell else "否"
        case str() | int():
            return str(cell)
        case float():
            return f"{Decimal(repr(cell)):f}"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}"
        case date():
            return cell.isoformat()
