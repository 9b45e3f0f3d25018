"""The workbooks that the registry gives out: the template to fill in, and refused rows marked.

Both are made in memory, for what is written to a disk on the way may hold personal numbers. Both
can be sent in again: rows of examples stand on a sheet that `workbooks.read` passes over, and the
two columns that tell of a refusal have names that intake leaves out (`RETURN_COLUMNS`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import Literal, NamedTuple, Protocol

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_rowcol_to_cell  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from app.errors import Sentence
from app.submissions.formats.cells import Cell, Spoilt
from app.submissions.formats.xlsx import EXAMPLES

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

DATA, NOTES, OPTIONS = "数据", "说明", "选项"
ROW_COLUMN, REASON_COLUMN = "原文件行号", "退回原因"
RETURN_COLUMNS = (ROW_COLUMN, REASON_COLUMN)
"""Headings that `marked` adds: intake leaves these columns out."""

LIST_TYPE_KEY = "list_type"
"""The key of the column whose choices are the list types."""

MOST_MARKED_ROWS = 10_000
"""Refused rows in one workbook, some 100 MB while it is made; nobody mends more of them by hand."""
MOST_COMMENTS = 10_000
"""A spreadsheet program grows slow with more; the last column names the reasons all the same."""

LAST_ROW = (1 << 20) - 1  # from 0
LONGEST_CELL = 32_767
LONGEST_TITLE, LONGEST_MESSAGE = 32, 255
MOST_COLUMNS = (1 << 14) - len(RETURN_COLUMNS)
EARLIEST = date(1949, 10, 1)

TEXT = 49
"""The number of the built-in format `@`: a spreadsheet keeps every digit of what is typed there."""
DAY = "yyyy-mm-dd"

GUIDE = f"""填写说明
1. 只在“{DATA}”工作表中填写；“{EXAMPLES}”“{OPTIONS}”和本页仅供参考，不会被读取为数据。
2. 每行填写一份决定；同一主体有多份决定的，分行填写。请勿合并单元格，请勿使用公式。
3. 深色表头为必填列。各列顺序可以调整，但请勿改名；不需要的选填列可以留空或删除。
4. 自作出决定之日起 7 个工作日内须完成公示，请及时报送；逾期报送会被记录。
5. 证件号码、文号等一律以文本填写（本表已设为文本格式）。从其他表格复制时请“选择性粘贴—数值”，\
否则超过 15 位的号码末几位会变成 0，该行将被退回。
6. 日期按 2026-11-20 的样式填写。
7. 个人身份号码只能填写在证件号码列，不得出现在事由、备注等文字中。
8. 提交后逐行校验：无误的行予以登记，有问题的行退回。请下载退回的表格，按“{REASON_COLUMN}”列更正后\
直接重新提交，“{ROW_COLUMN}”“{REASON_COLUMN}”两列不必删除；已登记的行重复提交不会重复登记。

Notes
Fill in the sheet {DATA} only; the others are for reference and are not read.
One decision per row; no merged cells, no formulas. Columns with a dark heading are required.
Decisions are published within 7 working days from the day they are made: send them in time.
Identifiers and document numbers are texts; a spreadsheet drops digits of long numbers.
Personal identity numbers belong in the columns of identifiers, never in reasons or remarks.
Valid rows are recorded. The others come back marked, to be corrected and sent again as they are.\
""".split("\n")


CUT_SHORT = f"""\
本文件只列出前 {MOST_MARKED_ROWS} 行被退回的数据；其余各行请见该次提交的逐行结果。
Only the first {MOST_MARKED_ROWS} refused rows are given here; the results of the submission name \
every one.\
""".split("\n")


_ALIKE = {
    "kind": "法人",
    "decision_kind": "列入决定",
    "decided_on": "2026-11-20",
    "reason": "拖欠农民工工资，经责令限期支付逾期未支付",
    "legal_basis": "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条",
    "conduct_ended_on": "2026-10-31",
    "effective_from": "2026-11-20",
    "effective_until": "2029-11-20",
}
EXAMPLE_ROWS: tuple[Mapping[str, str], ...] = (
    {
        **_ALIKE,
        "source_ref": "HR-2026-000123",
        "name": "枣庄某某建筑有限公司",
        "uscc": "91370403MB000CT75T",
        "decision_number": "枣人社列〔2026〕12号",
        "disclosure_class": "公开",
        "legal_representative": "张某",
    },
    {
        **_ALIKE,
        "source_ref": "HR-2026-000124",
        "kind": "自然人",
        "name": "李某",
        "resident_id": "370402198506120013",
        "decision_number": "枣人社列〔2026〕13号",
    },
)
"""An organisation and a person, by the keys of columns; both are invented."""


class Column(Protocol):
    """A column of the template."""

    @property
    def key(self) -> str:
        """Its heading in English."""

    @property
    def heading(self) -> str:
        """Its heading in Chinese."""

    @property
    def required(self) -> bool:
        """Whether every row needs it."""

    @property
    def about(self) -> Sentence:
        """What it is filled in with."""

    @property
    def choices(self) -> Sequence[str]:
        """The Chinese labels of a coded column; none where it is free."""

    @property
    def form(self) -> Literal["text", "date", "number", "code"]:
        """How its cells are written."""

    @property
    def example(self) -> str:
        """A value that would be taken."""


class NamedListType(Protocol):
    """A list type, as far as the template shows it."""

    @property
    def code(self) -> str:
        """Its stable code."""

    @property
    def name(self) -> str:
        """Its name in Chinese."""


class MarkedRow(NamedTuple):
    """A refused row.

    Attributes:
        row: its number in the file that was sent.
        cells: what stood in it, by column.
        faults: what is wrong, by the index of the column; None for the row as a whole.
    """

    row: int
    cells: Sequence[Cell]
    faults: Mapping[int | None, Sentence]


# --- the template --------------------------------------------------------


def template(
    list_types: Sequence[NamedListType],
    columns: Sequence[Column],
    examples: Sequence[Mapping[str, str]] = EXAMPLE_ROWS,
) -> bytes:
    """The workbook that a clerk fills in.

    Args:
        list_types: the choices of the list type column.
        columns: in the order that they are to have.
        examples: rows that would be taken, by the keys of the columns; the list type is put in.
    """
    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    names = _names(list_types)
    choices = [tuple(names if each.key == LIST_TYPE_KEY else each.choices) for each in columns]

    data = book.add_worksheet(DATA)
    _head(book, data, columns)
    _write_notes(book, book.add_worksheet(NOTES), GUIDE)
    shown = book.add_worksheet(EXAMPLES)
    _head(book, shown, columns)
    with_list_type = [{LIST_TYPE_KEY: next(iter(names), ""), **each} for each in examples]
    _write_examples(book, shown, columns, with_list_type)
    ranges = _write_options(book.add_worksheet(OPTIONS), columns, choices, names)
    for at, column in enumerate(columns):
        data.data_validation(1, at, LAST_ROW, at, _validation(column, ranges.get(choices[at])))
    book.close()
    return made.getvalue()


def _names(list_types: Sequence[NamedListType]) -> dict[str, str]:
    """The codes by what a clerk chooses: the name, or the code where the name says too little."""
    met = Counter(each.name for each in list_types)
    return {each.name if met[each.name] == 1 else each.code: each.code for each in list_types}


def _head(book: xlsxwriter.Workbook, sheet: Worksheet, columns: Sequence[Column]) -> None:
    """Headings, each with what it means, and under them the format that keeps digits whole."""
    required, optional = _heading(book, "#1F4E79", "#FFFFFF"), _heading(book, "#DDEBF7", "#000000")
    formats = {form: book.add_format({"num_format": form}) for form in (TEXT, DAY)}
    for at, column in enumerate(columns):
        width = max(14, min(32, 2 * len(column.heading) + 4))
        sheet.set_column(at, at, width, formats[DAY if column.form == "date" else TEXT])
        sheet.write_string(0, at, column.heading, required if column.required else optional)
        _comment(sheet, 0, at, _explained(column))
    sheet.set_row(0, 24)
    sheet.freeze_panes(1, 0)


def _heading(book: xlsxwriter.Workbook, fill: str, ink: str) -> Format:
    return book.add_format(
        {"bold": True, "bg_color": fill, "font_color": ink, "border": 1, "valign": "vcenter"}
    )


def _explained(column: Column) -> str:
    need = Sentence("Required.", "必填。") if column.required else Sentence("Optional.", "选填。")
    example = f"示例：{column.example}" if column.example else ""
    chinese, english = need.zh + column.about.zh, f"{need.en} {column.about.en} ({column.key})"
    return "\n".join(filter(None, (chinese, example, english)))


def _comment(sheet: Worksheet, row: int, column: int, text: str) -> None:
    lines = sum(1 + len(line) // 20 for line in text.split("\n"))
    size = {"x_scale": 2.2, "y_scale": max(1, min(6, lines / 4))}
    sheet.write_comment(row, column, text[:LONGEST_CELL], size)


def _validation(column: Column, options: str | None) -> dict[str, object]:
    """A drop-down where the choices are given; what to write, in any case."""
    shown: dict[str, object] = {
        "input_title": column.heading[:LONGEST_TITLE],
        "input_message": _explained(column).partition("\n")[0][:LONGEST_MESSAGE],
    }
    if options is not None:
        return shown | {
            "validate": "list",
            "source": options,
            "error_title": "请从下拉列表中选择",
            "error_message": f"该列只能填写列表中的选项，全部选项见“{OPTIONS}”工作表。",
        }
    if column.form == "date":
        return shown | {
            "validate": "date",
            "criteria": ">=",
            "value": EARLIEST,
            # Only a warning: some days may also be left open, in words.
            "error_type": "warning",
            "error_title": "请核对日期",
            "error_message": "请按 2026-11-20 的样式填写日期。",
        }
    return shown | {"validate": "any"}


def _write_options(
    sheet: Worksheet,
    columns: Sequence[Column],
    choices: Sequence[tuple[str, ...]],
    codes: Mapping[str, str],
) -> dict[tuple[str, ...], str]:
    """Every list of choices, and where it stands.

    One stands below the other, for three of them side by side may make a row of headings: the
    schemes of identifiers are columns too.
    """
    headings: dict[tuple[str, ...], list[str]] = {}
    for column, listed in zip(columns, choices, strict=True):
        if listed:
            headings.setdefault(listed, []).append(column.heading)
    ranges: dict[tuple[str, ...], str] = {}
    row = 0
    sheet.set_column(0, 1, 48)
    for listed, named in headings.items():
        sheet.write_string(row, 0, f"选项：{'、'.join(named)}")
        first, last = row + 1, row + len(listed)
        for at, value in enumerate(listed, first):
            sheet.write_string(at, 0, value)
            if listed == tuple(codes):
                sheet.write_string(at, 1, codes[value])
        ends = (xl_rowcol_to_cell(at, 0, row_abs=True, col_abs=True) for at in (first, last))
        ranges[listed] = f"='{OPTIONS}'!{':'.join(ends)}"
        row = last + 2
    return ranges


def _write_examples(
    book: xlsxwriter.Workbook,
    sheet: Worksheet,
    columns: Sequence[Column],
    examples: Sequence[Mapping[str, str]],
) -> None:
    """Rows that are plainly no data."""
    grey = {"italic": True, "font_color": "#7F7F7F"}
    text, day = (book.add_format({**grey, "num_format": form}) for form in (TEXT, DAY))
    for row, example in enumerate(examples, 1):
        for at, column in enumerate(columns):
            value = example.get(column.key, "")
            found = _day(value) if column.form == "date" else None
            if found is not None:
                sheet.write_datetime(row, at, found, day)
            elif value:
                sheet.write_string(row, at, value, text)
    note = f"以上各行为示例，不会被读取；请在“{DATA}”工作表中填写。"
    sheet.write_string(len(examples) + 2, 0, note, text)
    sheet.set_tab_color("#A6A6A6")


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time.min)
    except ValueError:
        return None


def _write_notes(book: xlsxwriter.Workbook, sheet: Worksheet, lines: Iterable[str]) -> None:
    wrapped, bold = book.add_format({"text_wrap": True}), book.add_format({"bold": True})
    sheet.set_column(0, 0, 100)
    for row, line in enumerate(lines):
        sheet.write_string(row, 0, line, bold if row == 0 else wrapped)


# --- refused rows ---------------------------------------------------------


def marked(header: Sequence[str], rows: Iterable[MarkedRow]) -> bytes:
    """The refused rows under their own headings, with what is wrong marked and said.

    Every cell is text, so a text that begins like a formula stays one. A cell that could not be
    read is left empty. Of more than `MOST_MARKED_ROWS` rows the first are given, and a note says
    so.
    """
    made = BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = book.add_worksheet(DATA)
    # Those of an earlier return are not returned twice.
    kept = [at for at, heading in enumerate(header) if heading.strip() not in RETURN_COLUMNS]
    kept = kept[:MOST_COLUMNS]
    writer = _MarkedSheet(book, sheet, header, kept)
    coming = iter(rows)
    for place, row in enumerate(islice(coming, MOST_MARKED_ROWS), 1):
        writer.write(place, row)
    if next(coming, None) is not None:
        _write_notes(book, book.add_worksheet(NOTES), CUT_SHORT)
    book.close()
    return made.getvalue()


class _MarkedSheet:
    """The one sheet of a workbook of refused rows."""

    def __init__(
        self,
        book: xlsxwriter.Workbook,
        sheet: Worksheet,
        header: Sequence[str],
        kept: Sequence[int],
    ) -> None:
        self._sheet, self._header, self._kept = sheet, header, kept
        self._comments = 0
        self._text = book.add_format({"num_format": TEXT})
        self._faulty = book.add_format({"num_format": TEXT, "bg_color": "#FFC7CE"})
        self._reason = book.add_format(
            {"num_format": TEXT, "font_color": "#9C0006", "text_wrap": True, "valign": "top"}
        )
        given = _heading(book, "#DDEBF7", "#000000")
        added = _heading(book, "#7F7F7F", "#FFFFFF")
        for place, at in enumerate(kept):
            self._write(0, place, header[at], given)
        for place, heading in enumerate(RETURN_COLUMNS, len(kept)):
            self._write(0, place, heading, added)
        sheet.set_column(0, max(len(kept) - 1, 0), 18, self._text)
        sheet.set_column(len(kept), len(kept), 12, self._text)
        sheet.set_column(len(kept) + 1, len(kept) + 1, 60, self._text)
        sheet.freeze_panes(1, 0)

    def write(self, place: int, row: MarkedRow) -> None:
        """Put a row at that place under the headings."""
        for column, at in enumerate(self._kept):
            text = _as_text(row.cells[at]) if at < len(row.cells) else ""
            fault = row.faults.get(at)
            if text or fault is not None:
                self._write(place, column, text, self._text if fault is None else self._faulty)
            if fault is not None and self._comments < MOST_COMMENTS:
                self._comments += 1
                _comment(self._sheet, place, column, f"{fault.zh}\n{fault.en}")
        self._write(place, len(self._kept), str(row.row), self._text)
        self._write(place, len(self._kept) + 1, self._reasons(row), self._reason)

    def _reasons(self, row: MarkedRow) -> str:
        return "；".join(
            f"{self._header[at].strip()}：{sentence.zh}"
            if at is not None and at < len(self._header)
            else sentence.zh
            for at, sentence in row.faults.items()
        )

    def _write(self, row: int, column: int, text: str, form: Format) -> None:
        if text:
            self._sheet.write_string(row, column, text[:LONGEST_CELL], form)
        else:
            self._sheet.write_blank(row, column, None, form)


def _as_text(cell: Cell) -> str:
    """The cell as it can be read again from a text."""
    match cell:
        case None | Spoilt():
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
