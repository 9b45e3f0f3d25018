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
from app.submissions.formats.cells import Cell, CellError
from app.submissions.formats.xlsx.refusals import EXAMPLE_SHEET

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

DATA_SHEET, NOTES_SHEET, OPTIONS_SHEET = "数据", "说明", "选项"
ROW_COLUMN, REASON_COLUMN = "原文件行号", "退回原因"
RETURN_COLUMNS = (ROW_COLUMN, REASON_COLUMN)
"""Headings that `marked` adds: intake leaves these columns out."""

LIST_TYPE_KEY = "list_type"
"""The key of the column whose choices are the list types."""

MAX_REFUSED_ROWS = 10_000
"""Refused rows in one workbook, some 100 MB while it is made; nobody mends more of them by hand."""
MAX_COMMENTS = 10_000
"""A spreadsheet program grows slow with more; the last column names the reasons all the same."""

LAST_ROW = (1 << 20) - 1  # from 0
MAX_CELL_LENGTH = 32_767
MAX_TITLE_LENGTH, MAX_MESSAGE_LENGTH = 32, 255
MAX_SOURCE_COLUMNS = (1 << 14) - len(RETURN_COLUMNS)
EARLIEST_DAY = date(1949, 10, 1)

TEXT_FORMAT = 49
"""The number of the built-in format `@`: a spreadsheet keeps every digit of what is typed there."""
DAY_FORMAT = "yyyy-mm-dd"

GUIDE_LINES = f"""填写说明
1. 只在“{DATA_SHEET}”工作表中填写；“{EXAMPLE_SHEET}”“{OPTIONS_SHEET}”和本页仅供参考，\
不会被读取为数据。
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
Fill in the sheet {DATA_SHEET} only; the others are for reference and are not read.
One decision per row; no merged cells, no formulas. Columns with a dark heading are required.
Decisions are published within 7 working days from the day they are made: send them in time.
Identifiers and document numbers are texts; a spreadsheet drops digits of long numbers.
Personal identity numbers belong in the columns of identifiers, never in reasons or remarks.
Valid rows are recorded. The others come back marked, to be corrected and sent again as they are.\
""".split("\n")


TRUNCATION_NOTE = f"""\
本文件只列出前 {MAX_REFUSED_ROWS} 行被退回的数据；其余各行请见该次提交的逐行结果。
Only the first {MAX_REFUSED_ROWS} refused rows are given here; the results of the submission name \
every one.\
""".split("\n")


_SHARED_EXAMPLE_VALUES = {
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
        **_SHARED_EXAMPLE_VALUES,
        "source_ref": "HR-2026-000123",
        "name": "枣庄某某建筑有限公司",
        "uscc": "91370403MB000CT75T",
        "decision_number": "枣人社列〔2026〕12号",
        "disclosure_class": "公开",
        "legal_representative": "张某",
    },
    {
        **_SHARED_EXAMPLE_VALUES,
        "source_ref": "HR-2026-000124",
        "kind": "自然人",
        "name": "李某",
        "resident_id": "370402198506120013",
        "decision_number": "枣人社列〔2026〕13号",
    },
)
"""An organisation and a person, by the keys of columns; both are invented."""


class TemplateColumn(Protocol):
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
    def description(self) -> Sentence:
        """What it is filled in with."""

    @property
    def choices(self) -> Sequence[str]:
        """The Chinese labels of a coded column; none where it is free."""

    @property
    def cell_format(self) -> Literal["text", "date", "number", "code"]:
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


class RefusedRow(NamedTuple):
    """A refused row.

    Attributes:
        row: its number in the file that was sent.
        cells: what stood in it, by column.
        faults: what is wrong, by the index of the column; None for the row as a whole.
    """

    number: int
    cells: Sequence[Cell]
    faults: Mapping[int | None, Sentence]


# --- the template --------------------------------------------------------


def build_template(
    list_types: Sequence[NamedListType],
    columns: Sequence[TemplateColumn],
    examples: Sequence[Mapping[str, str]] = EXAMPLE_ROWS,
) -> bytes:
    """The workbook that a clerk fills in.

    Args:
        list_types: the choices of the list type column.
        columns: in the order that they are to have.
        examples: rows that would be taken, by the keys of the columns; the list type is put in.
    """
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    names = _build_code_by_choice(list_types)
    choices = [tuple(names if each.key == LIST_TYPE_KEY else each.choices) for each in columns]

    data_sheet = book.add_worksheet(DATA_SHEET)
    _write_header(book, data_sheet, columns)
    _write_notes(book, book.add_worksheet(NOTES_SHEET), GUIDE_LINES)
    example_sheet = book.add_worksheet(EXAMPLE_SHEET)
    _write_header(book, example_sheet, columns)
    with_list_type = [{LIST_TYPE_KEY: next(iter(names), ""), **each} for each in examples]
    _write_examples(book, example_sheet, columns, with_list_type)
    ranges = _write_options(book.add_worksheet(OPTIONS_SHEET), columns, choices, names)
    for index, column in enumerate(columns):
        data_sheet.data_validation(
            1, index, LAST_ROW, index, _build_validation(column, ranges.get(choices[index]))
        )
    book.close()
    return buffer.getvalue()


def _build_code_by_choice(list_types: Sequence[NamedListType]) -> dict[str, str]:
    """The codes by what a clerk chooses: the name, or the code where the name says too little."""
    name_counts = Counter(each.name for each in list_types)
    return {
        each.name if name_counts[each.name] == 1 else each.code: each.code for each in list_types
    }


def _write_header(
    book: xlsxwriter.Workbook, sheet: Worksheet, columns: Sequence[TemplateColumn]
) -> None:
    """Headings, each with what it means, and under them the format that keeps digits whole."""
    required, optional = (
        _build_heading_format(book, "#1F4E79", "#FFFFFF"),
        _build_heading_format(book, "#DDEBF7", "#000000"),
    )
    formats = {form: book.add_format({"num_format": form}) for form in (TEXT_FORMAT, DAY_FORMAT)}
    for index, column in enumerate(columns):
        width = max(14, min(32, 2 * len(column.heading) + 4))
        sheet.set_column(
            index,
            index,
            width,
            formats[DAY_FORMAT if column.cell_format == "date" else TEXT_FORMAT],
        )
        sheet.write_string(0, index, column.heading, required if column.required else optional)
        _write_comment(sheet, 0, index, _build_explanation(column))
    sheet.set_row(0, 24)
    sheet.freeze_panes(1, 0)


def _build_heading_format(book: xlsxwriter.Workbook, fill_color: str, font_color: str) -> Format:
    return book.add_format(
        {
            "bold": True,
            "bg_color": fill_color,
            "font_color": font_color,
            "border": 1,
            "valign": "vcenter",
        }
    )


def _build_explanation(column: TemplateColumn) -> str:
    necessity = (
        Sentence("Required.", "必填。") if column.required else Sentence("Optional.", "选填。")
    )
    example = f"示例：{column.example}" if column.example else ""
    chinese, english = (
        necessity.zh + column.description.zh,
        f"{necessity.en} {column.description.en} ({column.key})",
    )
    return "\n".join(filter(None, (chinese, example, english)))


def _write_comment(sheet: Worksheet, row: int, column: int, text: str) -> None:
    lines = sum(1 + len(line) // 20 for line in text.split("\n"))
    size = {"x_scale": 2.2, "y_scale": max(1, min(6, lines / 4))}
    sheet.write_comment(row, column, text[:MAX_CELL_LENGTH], size)


def _build_validation(column: TemplateColumn, options: str | None) -> dict[str, object]:
    """A drop-down where the choices are given; what to write, in any case."""
    input_hint: dict[str, object] = {
        "input_title": column.heading[:MAX_TITLE_LENGTH],
        "input_message": _build_explanation(column).partition("\n")[0][:MAX_MESSAGE_LENGTH],
    }
    if options is not None:
        return input_hint | {
            "validate": "list",
            "source": options,
            "error_title": "请从下拉列表中选择",
            "error_message": f"该列只能填写列表中的选项，全部选项见“{OPTIONS_SHEET}”工作表。",
        }
    if column.cell_format == "date":
        return input_hint | {
            "validate": "date",
            "criteria": ">=",
            "value": EARLIEST_DAY,
            # Only a warning: some days may also be left open, in words.
            "error_type": "warning",
            "error_title": "请核对日期",
            "error_message": "请按 2026-11-20 的样式填写日期。",
        }
    return input_hint | {"validate": "any"}


def _write_options(
    sheet: Worksheet,
    columns: Sequence[TemplateColumn],
    choices: Sequence[tuple[str, ...]],
    code_by_choice: Mapping[str, str],
) -> dict[tuple[str, ...], str]:
    """Every list of choices, and where it stands.

    One stands below the other, for three of them side by side may make a row of headings: the
    schemes of identifiers are columns too.
    """
    headings: dict[tuple[str, ...], list[str]] = {}
    for column, options in zip(columns, choices, strict=True):
        if options:
            headings.setdefault(options, []).append(column.heading)
    ranges: dict[tuple[str, ...], str] = {}
    row = 0
    sheet.set_column(0, 1, 48)
    for options, column_headings in headings.items():
        sheet.write_string(row, 0, f"选项：{'、'.join(column_headings)}")
        first, last = row + 1, row + len(options)
        for option_row, value in enumerate(options, first):
            sheet.write_string(option_row, 0, value)
            if options == tuple(code_by_choice):
                sheet.write_string(option_row, 1, code_by_choice[value])
        ends = (xl_rowcol_to_cell(at, 0, row_abs=True, col_abs=True) for at in (first, last))
        ranges[options] = f"='{OPTIONS_SHEET}'!{':'.join(ends)}"
        row = last + 2
    return ranges


def _write_examples(
    book: xlsxwriter.Workbook,
    sheet: Worksheet,
    columns: Sequence[TemplateColumn],
    examples: Sequence[Mapping[str, str]],
) -> None:
    """Rows that are plainly no data."""
    grey = {"italic": True, "font_color": "#7F7F7F"}
    text, day = (
        book.add_format({**grey, "num_format": form}) for form in (TEXT_FORMAT, DAY_FORMAT)
    )
    for row, example in enumerate(examples, 1):
        for index, column in enumerate(columns):
            value = example.get(column.key, "")
            day_value = _parse_day(value) if column.cell_format == "date" else None
            if day_value is not None:
                sheet.write_datetime(row, index, day_value, day)
            elif value:
                sheet.write_string(row, index, value, text)
    note = f"以上各行为示例，不会被读取；请在“{DATA_SHEET}”工作表中填写。"
    sheet.write_string(len(examples) + 2, 0, note, text)
    sheet.set_tab_color("#A6A6A6")


def _parse_day(text: str) -> datetime | None:
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


def build_refused_rows_workbook(header: Sequence[str], rows: Iterable[RefusedRow]) -> bytes:
    """The refused rows under their own headings, with what is wrong marked and said.

    Every cell is text, so a text that begins like a formula stays one. A cell that could not be
    read is left empty. Of more than `MOST_MARKED_ROWS` rows the first are given, and a note says
    so.
    """
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet(DATA_SHEET)
    # Those of an earlier return are not returned twice.
    kept_columns = [
        at for at, heading in enumerate(header) if heading.strip() not in RETURN_COLUMNS
    ]
    kept_columns = kept_columns[:MAX_SOURCE_COLUMNS]
    writer = _RefusedRowsSheet(book, sheet, header, kept_columns)
    remaining_rows = iter(rows)
    for position, row in enumerate(islice(remaining_rows, MAX_REFUSED_ROWS), 1):
        writer.write_row(position, row)
    if next(remaining_rows, None) is not None:
        _write_notes(book, book.add_worksheet(NOTES_SHEET), TRUNCATION_NOTE)
    book.close()
    return buffer.getvalue()


class _RefusedRowsSheet:
    """The one sheet of a workbook of refused rows."""

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
        source_heading_format = _build_heading_format(book, "#DDEBF7", "#000000")
        added_heading_format = _build_heading_format(book, "#7F7F7F", "#FFFFFF")
        for place, at in enumerate(kept_columns):
            self._write_cell(0, place, header[at], source_heading_format)
        for place, heading in enumerate(RETURN_COLUMNS, len(kept_columns)):
            self._write_cell(0, place, heading, added_heading_format)
        sheet.set_column(0, max(len(kept_columns) - 1, 0), 18, self._text_format)
        sheet.set_column(len(kept_columns), len(kept_columns), 12, self._text_format)
        sheet.set_column(len(kept_columns) + 1, len(kept_columns) + 1, 60, self._text_format)
        sheet.freeze_panes(1, 0)

    def write_row(self, position: int, row: RefusedRow) -> None:
        """Put a row at that place under the headings."""
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
                _write_comment(self._sheet, position, column, f"{fault.zh}\n{fault.en}")
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
    """The cell as it can be read again from a text."""
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
