"""The workbooks that the registry creates, read part by part and by the reader of uploads."""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Literal

import pytest
from python_calamine import CalamineWorkbook

from app.errors import Sentence
from app.submissions.formats.cells import Cell, CellError
from app.submissions.formats.xlsx.reader import read_workbook
from app.submissions.workbooks import refused_sheet
from app.submissions.workbooks.layout import RETURN_COLUMNS
from app.submissions.workbooks.refused_sheet import RefusedRow, build_refused_rows_workbook
from app.submissions.workbooks.templates import build_template


@dataclass(frozen=True)
class Made:
    key: str
    heading: str
    required: bool = False
    choices: tuple[str, ...] = ()
    cell_format: Literal["text", "date", "number", "code"] = "text"
    example: str = ""

    @property
    def description(self) -> Sentence:
        return Sentence(f"about {self.key}", f"关于{self.heading}")


@dataclass(frozen=True)
class Listed:
    code: str
    name: str


COLUMNS = (
    Made("list_type", "名单类型", required=True, cell_format="code", example="wage_arrears.black"),
    Made("name", "主体名称", required=True, example="枣庄某某建筑有限公司"),
    Made("kind", "主体类别", choices=("法人", "自然人"), cell_format="code", example="法人"),
    Made("uscc", "统一社会信用代码", cell_format="number", example="91370403MB000CT75T"),
    Made("person_kind", "责任人类别", choices=("法人", "自然人"), cell_format="code"),
    Made("decided_on", "决定日期", required=True, cell_format="date", example="2026-11-20"),
)
LIST_TYPES = (
    Listed("wage_arrears.black", "拖欠农民工工资失信联合惩戒对象名单"),
    Listed("tax.black", "重大税收违法失信主体"),
    Listed("tax.black_old", "重大税收违法失信主体"),
)
HEADER = [column.heading for column in COLUMNS]
WRONG = Sentence("The check digit is wrong", "校验位不正确，请核对号码")
ROW_WRONG = Sentence("The row is recorded already", "该行已登记")


def is_header(cells: Sequence[Cell]) -> bool:
    return "主体名称" in cells and "决定日期" in cells


def read_back(data: bytes) -> list[tuple[int, list[Cell]]]:
    return list(read_workbook([data], is_header=is_header))


def sheet(data: bytes, name: str) -> list[list[object]]:
    found = CalamineWorkbook.from_filelike(BytesIO(data)).get_sheet_by_name(name)
    return [list(row) for row in found.iter_rows()]


def part(data: bytes, name: str) -> str:
    return zipfile.ZipFile(BytesIO(data)).read(name).decode()


@pytest.fixture(scope="module")
def given() -> bytes:
    return build_template(LIST_TYPES, COLUMNS)


# --- the template ------------------------------------------------------------


def test_the_template_is_an_empty_table_to_intake(given: bytes) -> None:
    assert read_back(given) == [(1, HEADER)]


def test_the_data_sheet_comes_first_and_none_is_hidden(given: bytes) -> None:
    found = CalamineWorkbook.from_filelike(BytesIO(given)).sheets_metadata
    assert [each.name for each in found] == ["数据", "说明", "示例", "选项"]
    assert "state=" not in part(given, "xl/workbook.xml")


def test_coded_columns_are_chosen_from_lists(given: bytes) -> None:
    xml = part(given, "xl/worksheets/sheet1.xml")
    lists = dict(
        re.findall(r'type="list"[^>]*sqref="(\w)2:\w1048576"><formula1>([^<]+)</formula1>', xml)
    )
    kinds = "'选项'!$A$7:$A$8"
    assert lists == {"A": "'选项'!$A$2:$A$4", "C": kinds, "E": kinds}
    assert sheet(given, "选项") == [
        ["选项：名单类型", ""],
        ["拖欠农民工工资失信联合惩戒对象名单", "wage_arrears.black"],
        ["tax.black", "tax.black"],
        ["tax.black_old", "tax.black_old"],
        ["", ""],
        ["选项：主体类别、责任人类别", ""],
        ["法人", ""],
        ["自然人", ""],
    ]


def test_no_row_of_options_can_be_taken_for_headings() -> None:
    schemes = ("统一社会信用代码", "主体名称", "决定日期")
    alike = tuple(Made(f"c{n}", f"列{n}", choices=schemes[n:] + schemes[:n]) for n in range(3))
    assert read_back(build_template(LIST_TYPES, COLUMNS + alike))[1:] == []


def test_days_are_checked_and_every_column_says_what_it_is_for(given: bytes) -> None:
    xml = part(given, "xl/worksheets/sheet1.xml")
    day = re.search(r'<dataValidation type="date"[^>]*sqref="F2:F1048576"', xml)
    assert day is not None
    assert 'errorStyle="warning"' in day[0]
    assert xml.count("promptTitle=") == len(COLUMNS)
    notes = part(given, "xl/comments1.xml")
    for column in COLUMNS:
        chinese, english = notes.index(column.description.zh), notes.index(column.description.en)
        assert chinese < english
    assert notes.count("必填。") == 3
    assert notes.count("选填。") == 3


def test_columns_keep_their_digits(given: bytes) -> None:
    xml, styles = part(given, "xl/worksheets/sheet1.xml"), part(given, "xl/styles.xml")
    formats = re.findall(r'<xf numFmtId="(\d+)"', styles.partition("<cellXfs")[2])
    columns = re.findall(r'<col min="(\d+)" max="(\d+)" [^>]*style="(\d+)"', xml)
    of_column = {
        at: formats[int(style)]
        for first, last, style in columns
        for at in range(int(first), int(last) + 1)
    }
    day = re.search(r'numFmtId="(\d+)" formatCode="yyyy-mm-dd"', styles)
    assert day is not None
    assert of_column == {1: "49", 2: "49", 3: "49", 4: "49", 5: "49", 6: day[1]}  # 49 is text
    assert 'state="frozen"' in xml


def test_examples_are_shown_and_never_read(given: bytes) -> None:
    rows = sheet(given, "示例")
    assert rows[0] == HEADER
    assert rows[1] == [
        "拖欠农民工工资失信联合惩戒对象名单",
        "枣庄某某建筑有限公司",
        "法人",
        "91370403MB000CT75T",
        "",
        date(2026, 11, 20),
    ]
    assert rows[2][1:4] == ["李某", "自然人", ""]
    assert "示例" in str(rows[4][0])


def test_the_notes_say_what_matters(given: bytes) -> None:
    notes = "\n".join(str(row[0]) for row in sheet(given, "说明"))
    for phrase in ("7 个工作日", "每行填写一份决定", "以文本填写", "提交后", *RETURN_COLUMNS):
        assert phrase in notes


def test_columns_without_choices_or_words_are_taken(given: bytes) -> None:
    bare = build_template((), (Made("list_type", "名单类型"), Made("x", "备" * 200)))
    assert sheet(bare, "数据") == [["名单类型", "备" * 200]]
    assert "<dataValidation" in part(bare, "xl/worksheets/sheet1.xml")


# --- refused rows ---------------------------------------------------------------


def returned() -> bytes:
    return build_refused_rows_workbook(
        ["主体名称", "统一社会信用代码", "决定日期", "金额", "备注"],
        [
            RefusedRow(
                3,
                ["甲公司", "91370403MB000CT750", date(2026, 11, 20), 0.0000001, "=1+1"],
                {1: WRONG, None: ROW_WRONG},
            ),
            RefusedRow(
                7,
                ["@乙", CellError.formula, datetime(2026, 11, 20, 9), 12, None],  # noqa: DTZ001
                {1: WRONG},
            ),
            RefusedRow(9, ["+丙", None, "-", True], {4: WRONG, 99: WRONG}),
        ],
    )


def test_refused_rows_are_returned_as_texts_with_reasons() -> None:
    assert read_back(returned()) == [
        (1, ["主体名称", "统一社会信用代码", "决定日期", "金额", "备注", *RETURN_COLUMNS]),
        (
            2,
            [
                *("甲公司", "91370403MB000CT750", "2026-11-20", "0.0000001", "=1+1", "3"),
                "统一社会信用代码：校验位不正确，请核对号码；该行已登记",
            ],
        ),
        (
            3,
            [
                *("@乙", None, "2026-11-20 09:00:00", "12", None, "7"),
                "统一社会信用代码：校验位不正确，请核对号码",
            ],
        ),
        (
            4,
            [
                *("+丙", None, "-", "是", None, "9"),
                "备注：校验位不正确，请核对号码；校验位不正确，请核对号码",
            ],
        ),
    ]


def test_no_text_becomes_a_formula() -> None:
    xml = part(returned(), "xl/worksheets/sheet1.xml")
    assert "<f>" not in xml
    assert "<hyperlink" not in xml


def test_faulty_cells_are_filled_and_say_why() -> None:
    data = returned()
    notes = part(data, "xl/comments1.xml")
    assert re.findall(r'<comment ref="(\w+)"', notes) == ["B2", "B3", "E4"]
    assert notes.index(WRONG.zh) < notes.index(WRONG.en)
    styles = part(data, "xl/styles.xml")
    xml = part(data, "xl/worksheets/sheet1.xml")
    filled = {style for _, style in re.findall(r'<c r="(B2|B3|E4)" s="(\d+)"', xml)}
    assert len(filled) == 1
    assert "FFFFC7CE" in styles
    assert f'<c r="A2" s="{filled.pop()}"' not in xml


def test_a_corrected_return_that_is_refused_again_has_each_added_column_once() -> None:
    header, *rows = (cells for _, cells in read_back(returned()))
    again = build_refused_rows_workbook(
        [str(cell) for cell in header],
        [RefusedRow(number, cells, {1: WRONG}) for number, cells in enumerate(rows, 2)],
    )
    twice = read_back(again)
    assert twice[0][1] == header
    assert twice[1][1][-2:] == ["2", "统一社会信用代码：校验位不正确，请核对号码"]


def test_texts_of_any_length_and_kind_are_taken() -> None:
    data = build_refused_rows_workbook(
        ["主体名称", "决定日期"], [RefusedRow(2, ["长" * 40_000, "_x0041_\x01\v"], {})]
    )
    cells = sheet(data, "数据")[1]
    assert len(str(cells[0])) == 32_767
    assert "_x0041_" in str(cells[1])


def test_too_many_refused_rows_are_cut_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_sheet, "MAX_REFUSED_ROWS", 3)
    monkeypatch.setattr(refused_sheet, "MAX_COMMENTS", 2)
    rows = [RefusedRow(n, ["甲", "2026"], {1: WRONG}) for n in range(2, 9)]
    data = build_refused_rows_workbook(["主体名称", "决定日期"], rows)
    assert [number for number, _ in read_back(data)] == [1, 2, 3, 4]
    assert "逐行结果" in str(sheet(data, "说明"))
    assert part(data, "xl/comments1.xml").count("<comment ") == 2
    assert (
        len(
            CalamineWorkbook.from_filelike(
                BytesIO(build_refused_rows_workbook(["a"], []))
            ).sheet_names
        )
        == 1
    )


def test_nothing_is_written_to_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("tempfile.mkstemp", fail)
    monkeypatch.setattr("tempfile.mkdtemp", fail)
    returned()
    build_template(LIST_TYPES, COLUMNS)
