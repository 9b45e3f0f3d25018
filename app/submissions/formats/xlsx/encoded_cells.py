"""Cells as JSON, between child and parent."""

from datetime import date, datetime, time, timedelta

from app.rules.text import ZERO_WIDTH_CHARACTERS
from app.submissions.formats.cells import Cell, CellError

BLANK_CHARACTERS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + ZERO_WIDTH_CHARACTERS
DIGITS_LOST_FROM = 10**15

JsonCell = str | int | float | bool | dict[str, str] | None
"""A cell as JSON: types that JSON lacks are objects with one key."""


def encode_cell(value: object) -> JsonCell:  # noqa: PLR0911 - one return for each type of value
    """Encode a value of the parser as JSON; `decode_cell` is the inverse."""
    match value:
        case str():
            return value.strip(BLANK_CHARACTERS) or None
        case bool():
            return value
        case float() | int():
            return _encode_number(value)
        case datetime() if value.time() != time.min:
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()[:10]}
        case timedelta():
            seconds = round(abs(value.total_seconds()))
            sign = "-" if value < timedelta(0) else ""
            return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case time():
            return f"{value:%H:%M:%S}"
        case _:
            return None


def _encode_number(value: float) -> JsonCell:
    # From 10^15 on, a whole number has more digits than a spreadsheet keeps. Extra digits of a
    # fraction are rounding errors (0.30000000000000004): it is shown, and read, as 0.3.
    if not abs(value) < DIGITS_LOST_FROM:
        return {"error": CellError.lost_digits}
    return int(value) if value == int(value) else value


def decode_cell(encoded: dict[str, str]) -> Cell:
    """Decode a cell that JSON has no type for."""
    ((kind, value),) = encoded.items()
    if kind == "date":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value) if kind == "datetime" else CellError(value)
