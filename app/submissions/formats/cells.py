"""Cells of a table, for every file format."""

from datetime import date, datetime
from enum import StrEnum

HEADER_SEARCH_ROWS = 10
"""Number of first rows among which the header row is searched; a title or note may precede it."""


class CellError(StrEnum):
    """Reason why a cell has no reliable value."""

    formula = "formula"
    """A formula: its result was computed elsewhere and may be out of date."""
    merged = "merged"
    """Merged with other cells: the file does not record whether the value is meant for each."""
    error = "error"
    """An error value of a spreadsheet."""
    lost_digits = "lost_digits"
    """A number of more than 15 digits, whose last digits a spreadsheet has replaced by zeros."""


Cell = str | int | float | bool | date | datetime | CellError | None
"""A value as the file has it (always text in CSV); None for a blank cell."""
