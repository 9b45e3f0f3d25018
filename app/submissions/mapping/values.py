"""Values of cells: texts, numbers, days, amounts, coded values.

A cell without a reliable value raises `UnreadableCell`, with a code and a sentence that tells the
clerk how to correct it. Nothing is guessed, and no sentence repeats the content of the cell.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any

import orjson

from app.errors import ProblemCode, Sentence
from app.rules.text import (
    SOFT_HYPHEN,
    ZERO_WIDTH_CHARACTERS,
    fold_text,
    normalize_width,
    strip_invisible,
)
from app.submissions.formats.cells import Cell, CellError

EMPTY_TEXTS = frozenset({"", "/", "\\", "-", "--", "—", "——", "无"})
"""Texts that clerks write to mean an empty cell."""

MAX_EMPTY_TEXT_LENGTH = 4
INVISIBLE_EDGE_CHARACTERS = ZERO_WIDTH_CHARACTERS + SOFT_HYPHEN
MAX_DIGITS = 15
"""Digits of a number that a spreadsheet keeps; it replaces the rest by zeros."""
SCIENTIFIC_NOTATION = re.compile(
    r"[0-9]+(?:\.[0-9]+)?[Ee]\+[0-9]{1,3}|[0-9]+\.[0-9]+[Ee][0-9]{1,3}"
)
ERROR_VALUES = frozenset(
    {"#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
)
COLUMN_TOO_NARROW = re.compile("##+")  # shown by a spreadsheet
QUOTED_NUMBER = re.compile('="([^"]*)"|[\'‘’`](.*)')
"""Notations that keep a spreadsheet from converting a number: ="…", or a leading quote."""

DAY_PATTERN = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-|/([0-9]{1,2})/|\.([0-9]{1,2})\.|年([0-9]{1,2})月)"
    r"([0-9]{1,2})日?(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
)
EIGHT_DIGITS = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})")
SERIAL_DAY_NUMBER = re.compile(
    r"(?:[2-7][0-9]{4}|80000)(?:\.[0-9]+)?"
)  # 1954 to 2119, as spreadsheets count
OPEN_DAYS = frozenset({"2099-12-31", "9999-12-31"})  # 双公示: 长期 is written 2099/12/31
OPEN_WORDS = frozenset({"长期", "长期有效", "永久", "永久有效", "无期限", "无固定期限"})

AMOUNT_PATTERN = re.compile(
    r"[¥￥]?(-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,20})(?:\.[0-9]{1,20})?)(万元|万|元)?"
)
OTHER_CATEGORY = re.compile("其他[-—－:：]")
EXACT_CONTEXT = Context(prec=60)
WAN, YUAN = "万元", "元"
BOOLEAN_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("是", "true", "1", "y", "yes", "真"), True),
    **dict.fromkeys(("否", "false", "0", "n", "no", "假"), False),
}


class UnreadableCell(ValueError):
    """The cell has no reliable value; the sentence never repeats its content."""

    def __init__(self, code: ProblemCode, sentence: Sentence) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence


NUMBER_DAMAGED = Sentence(
    "A spreadsheet has taken the number apart (more than 15 digits, or 3.7E+17): make the cell"
    " text and write the number again",
    "号码被表格软件当作数值处理，末几位已丢失：请把单元格设为文本格式后重新填写",
)
CELL_ERROR_FAULTS: Mapping[CellError, tuple[ProblemCode, Sentence]] = {
    CellError.formula: (
        ProblemCode.formula_cell,
        Sentence(
            "The cell holds a formula: paste its value instead",
            "单元格中是公式：请复制后以“数值”方式粘贴",
        ),
    ),
    CellError.merged: (
        ProblemCode.merged_cell,
        Sentence(
            "The cell is merged with others: unmerge them and write the value into each row",
            "单元格已合并：请取消合并，并在每一行分别填写",
        ),
    ),
    CellError.error: (
        ProblemCode.error_cell,
        Sentence(
            "The cell shows a spreadsheet error: write the value itself",
            "单元格显示为错误值：请改填实际内容",
        ),
    ),
    CellError.lost_digits: (ProblemCode.number_damaged, NUMBER_DAMAGED),
}
INVALID_DAY = Sentence(
    "A day is written with the year in four digits, then month and day: 2026-11-20",
    "日期须按四位年份、月、日的顺序填写，例如 2026-11-20",
)
DAY_AS_SERIAL_NUMBER = Sentence(
    "This number may be a day as spreadsheets count them: format the cell as a date, or write"
    " 2026-11-20",
    "该数值可能是表格软件的日期序号：请把单元格设为日期格式，或按 2026-11-20 的样式填写",
)
INVALID_AMOUNT = Sentence("An amount is written as a number: 0.2", "金额请填写数字，例如 0.2")


def read_text(cell: Cell) -> str | None:
    """Read a cell as a text; None if it is blank.

    Raises:
        UnreadableCell: a cell error, or a number or day that a spreadsheet may have altered.
    """
    if isinstance(cell, CellError):
        raise UnreadableCell(*CELL_ERROR_FAULTS[cell])
    if isinstance(cell, date):
        raise UnreadableCell(
            ProblemCode.date_not_text,
            Sentence(
                "A spreadsheet has made a day of this: make the cell text and write it again",
                "该单元格被表格软件转换成了日期：请设为文本格式后重新填写",
            ),
        )
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "是" if cell else "否"
    return _drop_empty(cell) if isinstance(cell, str) else _format_number(cell)


def _drop_empty(text: str) -> str | None:
    stripped = strip_invisible(text, INVISIBLE_EDGE_CHARACTERS)
    if stripped in EMPTY_TEXTS or (
        len(stripped) <= MAX_EMPTY_TEXT_LENGTH and fold_text(stripped) in EMPTY_TEXTS
    ):
        return None
    if stripped.upper() in ERROR_VALUES or COLUMN_TOO_NARROW.fullmatch(stripped):
        raise UnreadableCell(*CELL_ERROR_FAULTS[CellError.error])
    if SCIENTIFIC_NOTATION.fullmatch(stripped):
        raise UnreadableCell(ProblemCode.number_damaged, NUMBER_DAMAGED)
    return stripped


def _format_number(number: float) -> str:
    """Format a number as a spreadsheet shows it; raise if digits may be lost."""
    if isinstance(number, float) and not math.isfinite(number):
        raise UnreadableCell(*CELL_ERROR_FAULTS[CellError.error])
    if abs(number) >= 10**MAX_DIGITS:
        raise UnreadableCell(ProblemCode.number_damaged, NUMBER_DAMAGED)
    whole = int(number)
    return str(whole) if whole == number else f"{number:.{MAX_DIGITS}g}"


def read_number(cell: Cell) -> str | None:
    """Read an identity number; the validation of its scheme detects lost leading zeros.

    Raises:
        UnreadableCell: as `read_text`, and if the cell has a fraction or a truth value.
    """
    if isinstance(cell, bool) or (isinstance(cell, float) and not cell.is_integer()):
        raise UnreadableCell(ProblemCode.number_damaged, NUMBER_DAMAGED)
    text = read_text(cell)
    quoted = QUOTED_NUMBER.fullmatch(text) if text else None
    return read_text(quoted[1] or quoted[2]) if quoted else text


def read_day(cell: Cell) -> str | None:
    """Read a day in any common notation as `YYYY-MM-DD`; a time of day is dropped.

    Raises:
        UnreadableCell: no valid day, or a number that may be a serial day of a spreadsheet.
    """
    if isinstance(cell, date):
        return f"{cell.year:04}-{cell.month:02}-{cell.day:02}"
    text = read_text(cell) if not isinstance(cell, bool) else "?"
    if text is None:
        return None
    normalized = normalize_width(text).strip()
    if SERIAL_DAY_NUMBER.fullmatch(normalized):
        raise UnreadableCell(ProblemCode.date_as_number, DAY_AS_SERIAL_NUMBER)
    match = DAY_PATTERN.fullmatch(normalized) or EIGHT_DIGITS.fullmatch(normalized)
    if match is None:
        raise UnreadableCell(ProblemCode.invalid_date, INVALID_DAY)
    year, month, day_of_month = (int(part) for part in match.groups() if part is not None)
    try:
        return date(year, month, day_of_month).isoformat()
    except ValueError:
        raise UnreadableCell(
            ProblemCode.invalid_date, Sentence("There is no such day", "日期不存在")
        ) from None


class OpenEnded:
    """An open last day: 长期, or 2099/12/31 in the standard."""


OPEN_ENDED = OpenEnded()


def read_last_day(cell: Cell) -> str | OpenEnded | None:
    """Read the last day of a term, or `OPEN_ENDED`.

    Raises:
        UnreadableCell: as `read_day`.
    """
    if isinstance(cell, str) and fold_text(cell) in OPEN_WORDS:
        return OPEN_ENDED
    last_day = read_day(cell)
    return OPEN_ENDED if last_day in OPEN_DAYS else last_day


def read_amount(cell: Cell, unit: str = WAN) -> str | None:
    """Read an amount in 万元 as an exact decimal text; `unit` is the unit of the column.

    A unit in the cell takes precedence. The validation of the body limits decimals and sign.

    Raises:
        UnreadableCell: no number.
    """
    if isinstance(cell, bool | date):
        raise UnreadableCell(ProblemCode.invalid_amount, INVALID_AMOUNT)
    text = read_text(cell)
    if text is None:
        return None
    if not isinstance(cell, str):
        text = f"{Decimal(text):f}"
    match = AMOUNT_PATTERN.fullmatch(fold_text(text))
    if match is None:
        raise UnreadableCell(ProblemCode.invalid_amount, INVALID_AMOUNT)
    value = Decimal(match[1].replace(",", ""))
    if (match[2] or unit) == YUAN:
        value = value.scaleb(-4, EXACT_CONTEXT)
    formatted = f"{value:f}"
    return formatted.rstrip("0").rstrip(".") if "." in formatted else formatted


def read_boolean(cell: Cell) -> bool | None:
    """Read 是 or 否.

    Raises:
        UnreadableCell: neither of them.
    """
    if isinstance(cell, bool):
        return cell
    text = read_text(cell)
    if text is None:
        return None
    if fold_text(text) not in BOOLEAN_WORDS:
        raise UnreadableCell(
            ProblemCode.unknown_value, Sentence("Write 是 or 否", "请填写“是”或“否”")
        )
    return BOOLEAN_WORDS[fold_text(text)]


def build_choice_reader(values: Mapping[str, Sequence[str]]) -> Callable[[Cell], str | None]:
    """Build a reader of coded values, by code or label; sentences show the first label."""
    value_by_text = {
        fold_text(written): value
        for value, labels in values.items()
        for written in (value, *labels)
    }
    shown_labels = "、".join(labels[0] for labels in values.values())
    unknown = Sentence(f"One of: {', '.join(values)}", f"只能填写：{shown_labels}")

    def read_choice(cell: Cell) -> str | None:
        text = read_text(cell)
        if text is None:
            return None
        if fold_text(text) not in value_by_text:
            raise UnreadableCell(ProblemCode.unknown_value, unknown)
        return value_by_text[fold_text(text)]

    return read_choice


def read_categories(cell: Cell) -> list[str] | None:
    """Read several categories, separated by ； or 、; a text after 其他- is not split.

    Raises:
        UnreadableCell: as `read_text`.
    """
    text = read_text(cell)
    return None if text is None else list(dict.fromkeys(_split_categories(text)))


def _split_categories(text: str) -> Sequence[str]:
    parts: list[str] = []
    for part in re.split("[;；]", text):
        other = OTHER_CATEGORY.search(part)
        enumerated = part[: other.start()] if other else part
        parts += enumerated.split("、")
        parts += [part[other.start() :]] if other else []
    return [part.strip() for part in parts if part.strip()]


def read_nested_json(cell: Cell) -> Any:  # noqa: ANN401 - any JSON value
    """Read a part of the body that an export writes as JSON into one cell.

    Raises:
        UnreadableCell: no JSON text.
    """
    text = read_text(cell)
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        raise UnreadableCell(
            ProblemCode.malformed_cell,
            Sentence(
                "This column is one of an export, and the cell is not as the export wrote it",
                "该列为导出文件的列，单元格内容与导出格式不符",
            ),
        ) from None


def read_remark(cell: Cell) -> str | None:
    """Read a text or a day for the remark.

    Raises:
        UnreadableCell: as `read_text`.
    """
    return read_day(cell) if isinstance(cell, date) else read_text(cell)


@dataclass(slots=True)
class ParsedRow:
    """The values of the cells of one row, before the body is built.

    Attributes:
        values: values by the key of the column.
        columns: columns (from 0) by key, of values and of unreadable cells.
        unreadable: errors of unreadable cells by key.
        notes: label, text and column of values that go into the remark.
        row_faults: JSON pointer, column and error of faults of the row as a whole.
        editions: editions of the exchange standard that the row uses.
    """

    values: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, UnreadableCell] = field(default_factory=dict)
    notes: list[tuple[str, str, int]] = field(default_factory=list)
    row_faults: list[tuple[str, int, UnreadableCell]] = field(default_factory=list)
    editions: set[str] = field(default_factory=set)

    def pop(self, key: str) -> Any:  # noqa: ANN401 - depends on the column
        """Remove a value and return it; None if there is none."""
        return self.values.pop(key, None)

    def add(self, key: str, value: Any, column_index: int) -> None:  # noqa: ANN401 - as `pop`
        """Add a value; a contradiction with another column of the same meaning is a fault."""
        if key in self.values and self.values[key] != value:
            if isinstance(value, list):  # CF_CFLB1 and CF_CFLB2
                self.values[key] += [each for each in value if each not in self.values[key]]
                return
            self.mark_unreadable(
                key, column_index, ProblemCode.columns_differ, CONTRADICTING_COLUMNS
            )
            return
        if key not in self.unreadable:
            self.values[key] = value
            self.columns[key] = column_index

    def mark_unreadable(
        self, key: str, column_index: int, code: ProblemCode, sentence: Sentence
    ) -> None:
        """Replace a value by the reason why it cannot be read."""
        self.values.pop(key, None)
        self.unreadable[key] = UnreadableCell(code, sentence)
        self.columns[key] = column_index


CONTRADICTING_COLUMNS = Sentence(
    "Two columns that mean the same hold different values: leave one of them empty",
    "含义相同的两列内容不一致：请只保留一列的内容",
)
