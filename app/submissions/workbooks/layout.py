"""Formats, names and notes that the workbooks of the registry share."""

from collections.abc import Iterable

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

DATA_SHEET, NOTES_SHEET, OPTIONS_SHEET = "数据", "说明", "选项"
ROW_COLUMN, REASON_COLUMN = "原文件行号", "退回原因"
RETURN_COLUMNS = (ROW_COLUMN, REASON_COLUMN)
"""Headings that the workbook of refused rows adds; they are ignored in a submission."""
MAX_CELL_LENGTH = 32_767
TEXT_FORMAT = 49
"""The number of the built-in format `@`: a spreadsheet keeps every digit typed in such a cell."""


def build_heading_format(book: xlsxwriter.Workbook, fill_color: str, font_color: str) -> Format:
    """Build the format of a heading."""
    return book.add_format(
        {
            "bold": True,
            "bg_color": fill_color,
            "font_color": font_color,
            "border": 1,
            "valign": "vcenter",
        }
    )


def write_comment(sheet: Worksheet, row: int, column: int, text: str) -> None:
    """Write a comment, sized for its text."""
    lines = sum(1 + len(line) // 20 for line in text.split("\n"))
    size = {"x_scale": 2.2, "y_scale": max(1, min(6, lines / 4))}
    sheet.write_comment(row, column, text[:MAX_CELL_LENGTH], size)


def write_notes(book: xlsxwriter.Workbook, sheet: Worksheet, lines: Iterable[str]) -> None:
    """Write a sheet of notes; the first line is bold."""
    wrapped, bold = book.add_format({"text_wrap": True}), book.add_format({"bold": True})
    sheet.set_column(0, 0, 100)
    for row, line in enumerate(lines):
        sheet.write_string(row, 0, line, bold if row == 0 else wrapped)
