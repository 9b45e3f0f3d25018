"""The template: a workbook that a clerk fills in and submits.

Its example rows are on a sheet that is never read (`EXAMPLE_SHEET`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from io import BytesIO
from typing import Literal, Protocol

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_rowcol_to_cell  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from app.errors import Sentence
from app.submissions.formats.xlsx.refusals import EXAMPLE_SHEET
from app.submissions.workbooks.layout import (
    DATA_SHEET,
    NOTES_SHEET,
    OPTIONS_SHEET,
    REASON_COLUMN,
    ROW_COLUMN,
    TEXT_FORMAT,
    build_heading_format,
    write_comment,
    write_notes,
)

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LIST_TYPE_KEY = "list_type"
"""The key of the column whose choices are the list types."""


LAST_ROW = (1 << 20) - 1  # from 0
MAX_TITLE_LENGTH, MAX_MESSAGE_LENGTH = 32, 255
EARLIEST_DAY = date(1949, 10, 1)

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
        """The heading in English."""

    @property
    def heading(self) -> str:
        """The heading in Chinese."""

    @property
    def required(self) -> bool:
        """True if every row needs a value."""

    @property
    def description(self) -> Sentence:
        """The explanation of its values."""

    @property
    def choices(self) -> Sequence[str]:
        """The Chinese labels of a coded column; empty for free text."""

    @property
    def cell_format(self) -> Literal["text", "date", "number", "code"]:
        """The format of its cells."""

    @property
    def example(self) -> str:
        """A valid value."""


class NamedListType(Protocol):
    """The code and the name of a list type."""

    @property
    def code(self) -> str:
        """Its stable code."""

    @property
    def name(self) -> str:
        """Its name in Chinese."""


def build_template(
    list_types: Sequence[NamedListType],
    columns: Sequence[TemplateColumn],
    examples: Sequence[Mapping[str, str]] = EXAMPLE_ROWS,
) -> bytes:
    """Build the workbook that a clerk fills in.

    Args:
        list_types: the choices of the list type column.
        columns: in the order of the sheet.
        examples: valid rows, by the keys of the columns; the list type is added.
    """
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    names = _build_code_by_choice(list_types)
    choices = [tuple(names if each.key == LIST_TYPE_KEY else each.choices) for each in columns]

    data_sheet = book.add_worksheet(DATA_SHEET)
    _write_header(book, data_sheet, columns)
    write_notes(book, book.add_worksheet(NOTES_SHEET), GUIDE_LINES)
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
    """Map choices to codes: a choice is the name, or the code if several types have the name."""
    name_counts = Counter(each.name for each in list_types)
    return {
        each.name if name_counts[each.name] == 1 else each.code: each.code for each in list_types
    }


def _write_header(
    book: xlsxwriter.Workbook, sheet: Worksheet, columns: Sequence[TemplateColumn]
) -> None:
    """Write the headings with comments, and set the formats that keep digits whole."""
    required, optional = (
        build_heading_format(book, "#1F4E79", "#FFFFFF"),
        build_heading_format(book, "#DDEBF7", "#000000"),
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
        write_comment(sheet, 0, index, _build_explanation(column))
    sheet.set_row(0, 24)
    sheet.freeze_panes(1, 0)


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


def _build_validation(column: TemplateColumn, options: str | None) -> dict[str, object]:
    """Build the validation of a column: an input hint, and a drop-down if it has choices."""
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
            # Only a warning, because some days can be open-ended, in words.
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
    """Write every list of choices; return the range of each.

    The lists are written one below the other: side by side, three of them could look like a header
    row, because the schemes of identifiers are columns too.
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
    """Write the example rows in grey italics."""
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
