"""What stands in a cell of a table, whichever file it came in."""

from datetime import date, datetime
from enum import StrEnum


class CellError(StrEnum):
    """Why nobody can say what a cell holds."""

    formula = "formula"
    """A formula: what it gave was computed elsewhere, and may be out of date."""
    merged = "merged"
    """Merged with others: whether its value is meant for each of them is not told."""
    error = "error"
    """A spreadsheet's error value."""
    lost_digits = "lost_digits"
    """A number of more than 15 digits, the last of which a spreadsheet has made zeros."""


Cell = str | int | float | bool | date | datetime | CellError | None
"""A value as the file gives it (a text from CSV); None where there is nothing but blanks."""
