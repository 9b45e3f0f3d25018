import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.catalogue.loading.files import SHIPPED_DIRECTORY, read_sections
from app.catalogue.sections import merge_sections
from app.entries.schemas import EntryPush
from app.errors import InvalidPayload
from app.exports.snapshot import CSV_COLUMNS
from app.rules.law import Catalogue
from app.submissions.formats.byte_source import ByteSource, detect_encoding
from app.submissions.formats.cells import Cell, CellError
from app.submissions.formats.own_export import is_trailer_record
from app.submissions.mapping import values
from app.submissions.mapping.columns import COLUMNS
from app.submissions.mapping.exchange_fields import FIELDS
from app.submissions.mapping.header import (
    HEADING_BY_FORM,
    _generate_known_headings,
    generate_lookup_forms,
    is_header,
)
from app.submissions.mapping.row_builder import MappedRow
from app.submissions.mapping.source_file import SourceFile
from app.submissions.mapping.source_file import SourceRow as SentRow
from app.submissions.mapping.table import Table
from app.submissions.mapping.values import OPEN_ENDED, UnreadableCell
from tests.support import numbers, request_bodies

LIST = "wage_arrears.black"


def shipped() -> Catalogue:
    catalogue = Catalogue()
    for name in ("places", "departments", "domains", "list_types"):
        catalogue = merge_sections(catalogue, read_sections(SHIPPED_DIRECTORY / f"{name}.yaml"))
    return catalogue


LAW = shipped()
NEEDED: dict[str, Cell] = {
    "来源编号": "HR-1",
    "主体类别": "法人",
    "主体名称": "枣庄某某建筑有限公司",
    "统一社会信用代码": request_bodies.BUILDER_USCC,
    "决定文号": "枣人社列〔2026〕12号",
    "决定类型": "列入决定",
    "决定日期": "2026-11-20",
    "列入事由": "拖欠农民工工资",
    "认定依据": "暂行办法第五条",
}


def table(*headings: Cell, list_type: str | None = LIST) -> Table:
    return Table.from_header(headings, list_type=list_type, catalogue=LAW)


def read(
    cells: dict[str, Cell], *, list_type: str | None = LIST, by: str | None = None
) -> MappedRow:
    return table(*cells, list_type=list_type).build_row(list(cells.values()), department=by)


def body(**cells: Cell) -> dict[str, Any]:
    row = read({**NEEDED, **cells})
    assert row.faults == []
    return row.body


def find_faults(**cells: Cell) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in read({**NEEDED, **cells}).faults]


def refused(*headings: Cell, list_type: str | None = LIST) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidPayload) as refusal:
        table(*headings, list_type=list_type)
    return [(fault.pointer, fault.code, fault.sentence.zh) for fault in refusal.value.faults]


# --- headings ------------------------------------------------------------


def test_no_heading_means_two_things() -> None:
    meanings: dict[str, str] = {}
    for written, heading in _generate_known_headings():
        for form in list(generate_lookup_forms(written))[:2]:
            assert meanings.setdefault(form, heading.key) == heading.key, written


def test_a_header_has_three_known_headings() -> None:
    assert is_header(["主体名称", None, "決定", "CF_WSH", "决定日期"])
    assert not is_header(["主体名称", "决定日期", "主体名称", 3, None])
    assert is_header(CSV_COLUMNS)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("\ufeff * 主体 名称：", "name"),
        ("主体名称（必填）", "name"),
        ("ＮＡＭＥ", "name"),
        ("Decided On", "decided_on"),
        ("统一社会信用代码（18位）", "uscc"),
        ("决定日期（YYYY-MM-DD）", "decided_on"),
        ("罚款金额(万元)", "penalty_fine"),
        ("罚款金额（元）", "penalty_fine"),
        ("罚款金额万元", "penalty_fine"),
        ("名称/姓名", "name"),
        ("rdwsh", "decision_number"),
        ("lrmdsy", "reason"),
        ("rdyj", "legal_basis"),
        ("cf_xdr_mc", "name"),
        ("作出决定机关(列入)", "department"),
    ],
)
def test_a_heading_is_known_however_it_is_written(written: str, key: str) -> None:
    assert {
        HEADING_BY_FORM[form].key
        for form in generate_lookup_forms(written)
        if form in HEADING_BY_FORM
    } == {key}


def test_brackets_that_change_the_meaning_are_read() -> None:
    assert refused(*NEEDED, "作出决定机关(移出)")[0][1] == "unknown_column"


def test_unknown_headings_are_named_with_the_nearest() -> None:
    headings = ["处罚觉定日期" if each == "决定日期" else each for each in NEEDED]
    assert refused(*headings) == [
        ("/columns/7", "unknown_column", "未知的列「处罚觉定日期」，是否为「处罚决定日期」？")
    ]


def test_headings_without_end_are_not_compared() -> None:
    ((pointer, code, _),) = refused(*NEEDED, *["决定日期"] * 500)
    assert (pointer, code) == ("/columns", "too_many_columns")
    assert table(*NEEDED, *["序号"] * 400, *[None] * 20_000).header[-1] == ""
    unknown = refused(*NEEDED, *(f"决定日期{n}" for n in range(100, 200)))
    assert {code for _, code, _ in unknown} == {"unknown_column"}
    assert sum("决定日期" in sentence for *_, sentence in unknown) == 50


def test_a_heading_that_holds_a_personal_number_is_not_repeated() -> None:
    (fault,) = refused(*NEEDED, f"备注{request_bodies.PERSON_RESIDENT_ID}")
    assert fault[2].startswith("未知的列第 10 列")
    (fault,) = refused(*NEEDED, "某" * 60)
    assert fault[2] == f"未知的列「{'某' * 40}」"


def test_a_known_heading_is_kept_as_it_was_sent() -> None:
    header = table(
        "\ufeff主体名称（必填）",
        *list(NEEDED)[:2],
        *list(NEEDED)[3:],
        f"备注（例{request_bodies.PERSON_RESIDENT_ID}）",
        None,
    )
    assert header.header[0] == "主体名称（必填）"
    assert header.header[-2:] == ("?", "")


def test_every_wrong_heading_is_reported() -> None:
    assert [
        fault[:2] for fault in refused("主体名称", "企业名称", "某某列", CellError.merged, 7)
    ] == [
        ("/columns/2", "column_twice"),
        ("/columns/3", "unknown_column"),
        ("/columns/4", "merged_cell"),
        ("/columns/5", "unknown_column"),
    ]
    missing = refused("主体名称", "决定日期", list_type=None)
    assert {fault[:2] for fault in missing} == {("/columns", "column_missing")}
    assert missing[0][2] == "缺少列「名单类型」"
    assert len(missing) == 7


def test_an_amount_names_its_unit() -> None:
    assert refused(*NEEDED, "罚款金额")[0][1] == "unknown_unit"
    assert refused(*NEEDED, "罚款金额（美元）")[0][1] == "unknown_unit"
    assert body(**{"罚款金额（元）": 2000})["penalty"] == {"fine": "0.2"}
    assert body(**{"罚款金额（万元）": "0.20"})["penalty"] == {"fine": "0.2"}
    assert body(penalty_fine=3)["penalty"] == {"fine": "3"}


def test_cells_without_a_heading_are_reported() -> None:
    row = table(*NEEDED, None, "序号").build_row([*NEEDED.values(), "?", 1, " ", 5])
    assert [(each.pointer, each.code) for each in row.faults] == [
        ("/columns/10", "cell_without_heading"),
        ("/columns/13", "cell_without_heading"),
    ]


def test_returned_workbooks_and_row_counts_are_taken() -> None:
    assert "原文件行号" not in body(原文件行号=7, 退回原因=CellError.formula, 序号=1)


# --- cells ---------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        *("2026/11/20", "2026-11-20", "2026.11.20", "20261120", "2026年11月20日", "2026/11/20 "),
        *("２０２６－１１－２０", "2026-11-20 00:00:00", "2026/11/20 9:05", 20261120, 20261120.0),
        *(date(2026, 11, 20), datetime(2026, 11, 20, 9)),  # noqa: DTZ001 - as a cell has it
    ],
)
def test_a_day_is_read(cell: Cell) -> None:
    assert values.read_day(cell) == "2026-11-20"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *((cell, "date_as_number") for cell in (46346, 46346.0, "46346", 46346.5, 20000, 80000)),
        *(
            (cell, "invalid_date")
            for cell in (
                *("26-11-20", "20/11/2026", "11/20/2026", "2026-11", "2026-13-01", "2026-02-30"),
                *("明天", 19999, 80001, True, 2026.11, "2026-11/20", "261120", "2026-11-20Z"),
            )
        ),
        (CellError.formula, "formula_cell"),
        (CellError.merged, "merged_cell"),
        (CellError.error, "error_cell"),
        ("#REF!", "error_cell"),
        ("######", "error_cell"),
    ],
)
def test_an_invalid_day_is_reported(cell: Cell, code: str) -> None:
    with pytest.raises(UnreadableCell) as refusal:
        values.read_day(cell)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "cell", ["2099/12/31", "9999-12-31", "20991231", "长期", date(2099, 12, 31)]
)
def test_an_open_last_day(cell: Cell) -> None:
    assert values.read_last_day(cell) is OPEN_ENDED
    assert body(有效期止=cell)["effective_until"] is None


@pytest.mark.parametrize(
    ("cell", "unit", "amount"),
    [
        ("0.2", "万元", "0.2"),
        ("２０００", "元", "0.2"),
        ("1,234,567.89", "元", "123.456789"),
        ("1，000", "万元", "1000"),
        ("2000元", "万元", "0.2"),
        ("0.2 万元", "元", "0.2"),
        (0.1 + 0.2, "万元", "0.3"),
        (1, "元", "0.0001"),
        (5, "万元", "5"),
        (0, "万元", "0"),
        ("-1", "万元", "-1"),
        (1e-7, "万元", "0.0000001"),
    ],
)
def test_an_amount_is_exact(cell: Cell, unit: str, amount: str) -> None:
    assert values.read_amount(cell, unit) == amount


@pytest.mark.parametrize("cell", ["两千", "1,5", True, date(2026, 1, 1), "1e3", "约2000"])
def test_an_invalid_amount_is_reported(cell: Cell) -> None:
    with pytest.raises(UnreadableCell, match="invalid_amount"):
        values.read_amount(cell)


@pytest.mark.parametrize(
    "cell", ["3.70402E+17", "3.7E17", 370402198506120000, 3.7e17, 1.5, True, CellError.lost_digits]
)
def test_a_damaged_number_is_reported(cell: Cell) -> None:
    assert find_faults(身份证号=cell) == [("/subject/identifiers/1/number", "number_damaged")]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (123456789, "123456789"),
        (' ="001234567"', "001234567"),
        ("'001234567", "001234567"),
        ("001234567\u200b", "001234567"),
        (12345678.0, "12345678"),
    ],
)
def test_a_number_is_plain_text(cell: Cell, number: str) -> None:
    assert values.read_number(cell) == number


def test_texts() -> None:
    assert body(案件编号=12, 备注="无", 失信程度="严重失信", 行为是否持续="否")["case_ref"] == "12"
    assert find_faults(案件编号=date(2026, 1, 2)) == [("/case_ref", "date_not_text")]
    assert find_faults(失信程度="很严重", 非主观故意="或许") == [
        ("/severity", "unknown_value"),
        ("/unintentional", "unknown_value"),
    ]


@pytest.mark.parametrize(
    ("cell", "truth"), [("是", True), ("TRUE", True), (1, True), (False, False), ("０", False)]
)
def test_truths(cell: Cell, truth: bool) -> None:  # noqa: FBT001
    assert body(行为是否持续=cell)["conduct_continues"] is truth


# --- bodies --------------------------------------------------------------


def test_a_row_is_a_push() -> None:
    whole = body(
        名单类型="拖欠农民工工资失信联合惩戒对象名单",
        认定部门="市人社局",
        失信程度="严重",
        行为终了日期="2026/10/31",
        有效期止="2029-11-20",
        公开类型="公开",
        法定代表人="张某",
        法定代表人证件类型="身份证",
        法定代表人证件号码=request_bodies.PERSON_RESIDENT_ID,
        责任人2角色="实际控制人",
        责任人2姓名="李某",
    )
    EntryPush.model_validate(whole)
    assert whole["department"] == "human_resources"
    assert whole["list_type"] == LIST
    assert whole["responsible_persons"] == [
        {
            "role": "legal_representative",
            "name": "张某",
            "identifier": {"scheme": "resident_id", "number": request_bodies.PERSON_RESIDENT_ID},
        },
        {"role": "actual_controller", "name": "李某"},
    ]


def test_the_owner_of_a_shop_is_no_legal_representative() -> None:
    shop = body(
        主体类别="个体工商户", 统一社会信用代码=numbers.build_shop_uscc(1), 法定代表人="张某"
    )
    assert shop["responsible_persons"] == [{"role": "business_owner", "name": "张某"}]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("法人", "legal_person"),
        ("03", "unincorporated_organization"),
        (4, "individual_business"),
        ("natural_person", "natural_person"),
        ("法人及非法人组织", "legal_person"),
    ],
)
def test_kinds(cell: Cell, kind: str) -> None:
    assert body(主体类别=cell)["subject"]["kind"] == kind


def test_a_credit_code_distinguishes_a_law_firm_from_a_company() -> None:
    code = request_bodies.build_uscc("31370403", "MB000001")
    firm = body(主体类别="法人及非法人组织", 统一社会信用代码=code)
    assert firm["subject"]["kind"] == "unincorporated_organization"


@pytest.mark.parametrize(
    ("kind", "number", "scheme"),
    [
        ("法人", request_bodies.BUILDER_USCC, "uscc"),
        ("法人", numbers.build_org_code(1), "org_code"),
        ("自然人", request_bodies.PERSON_RESIDENT_ID, "resident_id"),
        ("自然人", "911124198103030025", "foreign_permanent_resident"),
    ],
)
def test_the_length_of_a_number_gives_its_scheme(kind: str, number: str, scheme: str) -> None:
    identifiers = body(主体类别=kind, 统一社会信用代码=None, 证件号码=number)["subject"][
        "identifiers"
    ]
    assert identifiers == [{"scheme": scheme, "number": number}]


def test_pairs_are_whole() -> None:
    assert find_faults(主体类别="自然人", 统一社会信用代码="", 证件号码="E12345678") == [
        ("/subject/identifiers/0/scheme", "scheme_missing")
    ]
    assert find_faults(证件类型="护照", 证件号码=None) == [
        ("/subject/identifiers/1/number", "number_missing")
    ]


def test_departments_and_list_types_must_be_those_of_the_submission() -> None:
    cells: dict[str, Cell] = {**NEEDED, "认定部门": "市税务局", "名单类型": "tax_fraud.black"}
    assert {fault.code for fault in read(cells, by="human_resources").faults} == {
        "other_department",
        "other_list_type",
    }
    assert read(cells, list_type=None).body["department"] == "tax"
    assert find_faults(认定部门="某某局", 名单类型="某某名单") == [
        ("/list_type", "unknown_list_type"),
        ("/department", "unknown_department"),
    ]


def test_places_lead_back_to_columns() -> None:
    cells: dict[str, Cell] = {
        **NEEDED,
        "组织机构代码": CellError.merged,
        "工商注册号": "1",
        "法定代表人": "张某",
        "法定代表人证件号码": "370402",
        "责任人1角色": "经营者",
    }
    row = read(cells)
    headings = list(cells)

    def heading(pointer: str) -> str | None:
        place = row.find_column(pointer)
        return None if place is None else headings[place]

    assert heading("/subject/identifiers/0/number") == "统一社会信用代码"
    assert heading("/subject/identifiers/1/number") == "工商注册号"
    assert heading("/subject/identifiers/2/number") == "组织机构代码"
    assert heading("/responsible_persons/0/name") == "法定代表人"
    assert heading("/responsible_persons/0/identifier/scheme") == "法定代表人证件号码"
    assert heading("/responsible_persons/1/name") == "责任人1角色"
    assert heading("/decision/decided_on") == "决定日期"
    assert heading("/subject/identifiers") == "统一社会信用代码"
    assert heading("/subject") == "主体类别"
    assert heading("/columns/3") == "主体名称"
    assert heading("/effective_until") is None
    assert heading("") is None
    whole = table(*cells)
    assert whole.find_column("/subject/identifiers/1", list(cells.values())) == 10


# --- exports of the registry ---------------------------------------------


def exported(**changes: str) -> MappedRow:
    cells = dict.fromkeys(CSV_COLUMNS, "") | {
        "id": "01930f2e-7a3c-7c1e-9f00-3b0c9a1d2e4f",
        "version": "2",
        "list_type": LIST,
        "list": "black",
        "department": "human_resources",
        "source_ref": "HR-1",
        "subject_kind": "legal_person",
        "subject_name": "'=枣庄某某建筑有限公司",
        "subject_identifiers": f'[{{"scheme":"uscc","number":"{request_bodies.BUILDER_USCC}"}}]',
        "responsible_persons": '[{"role":"person_in_charge","name":"张某","identifier":null}]',
        "decision_number": "枣人社列〔2026〕12号",
        "decision_kind": "list_decision",
        "decided_on": "2026-11-20",
        "reason": "拖欠",
        "legal_basis": "第五条",
        "severity": "serious",
        "conduct_continues": "true",
        "unintentional": "false",
        "effective_from": "2026-11-20",
        "penalty": '{"categories":["罚款"],"fine":"0.2"}',
        "status": "active",
        "void": "false",
        "disclosure_class": "public",
        "channels": "[]",
        **changes,
    }
    return Table.from_header(tuple(cells), list_type=None, catalogue=LAW).build_row(
        list(cells.values())
    )


def test_an_export_can_be_submitted_again() -> None:
    row = exported()
    assert row.faults == []
    push = EntryPush.model_validate(row.body)
    assert row.body["effective_until"] is None  # an empty cell of an export is an open term
    assert push.subject.name == "=枣庄某某建筑有限公司"
    assert push.subject.identifiers[0].number == request_bodies.BUILDER_USCC
    assert push.penalty is not None
    assert push.penalty.fine == Decimal("0.2")


@pytest.mark.parametrize("changes", [{"status": "removed"}, {"void": "true"}])
def test_what_is_over_is_not_submitted_as_new(changes: dict[str, str]) -> None:
    row = exported(**changes)
    assert [fault.code for fault in row.faults] == ["not_in_force"]
    assert CSV_COLUMNS[row.find_column(row.faults[0].pointer) or 0] in {"status", "void"}


def test_masked_numbers_are_not_submitted() -> None:
    masked = '{"scheme":"resident_id","masked":"370402************"}'
    row = exported(
        subject_identifiers=f"[{masked}]",
        responsible_persons=f'[{{"role":"person_in_charge","name":"张某","identifier":{masked}}}]',
    )
    faults = [(fault.pointer, fault.code) for fault in row.faults]
    assert faults == [("/subject/identifiers/0/number", "number_masked")]
    # A person named by an entry has no number here, because the export masked it.
    assert row.body["responsible_persons"] == [{"role": "person_in_charge", "name": "张某"}]
    assert exported(penalty="{").faults[0].code == "malformed_cell"


@pytest.mark.parametrize("cell", ["{}", '"x"', 5, "true", '{"scheme":"uscc"}'])
def test_numbers_that_are_not_a_list_are_reported(cell: Cell) -> None:
    beside: dict[str, Cell] = {**NEEDED, "subject_identifiers": cell}
    alone = {name: value for name, value in beside.items() if name != "统一社会信用代码"}
    for cells, place in ((beside, 1), (alone, 0)):
        (fault,) = read(cells).faults
        assert fault.pointer == f"/subject/identifiers/{place}/number"
        assert fault.code == "malformed_cell"


def test_the_trailer_of_an_export_is_no_row() -> None:
    assert is_trailer_record(["#trailer", "2", "7", "abc"])
    assert not is_trailer_record(["HR-1"])
    assert not is_trailer_record([])


# --- arbitrary cells -----------------------------------------------------

CELLS = some.one_of(
    some.none(),
    some.text(max_size=30),
    some.integers(),
    some.floats(),
    some.booleans(),
    some.dates(),
    some.datetimes(),
    some.sampled_from(CellError),
    some.just(10**5000),
    some.sampled_from(["[[", '[{"masked":1}]', "[1]", "{}", "null", "2026-11-20", "是", "自然人"]),
    some.sampled_from(
        [
            request_bodies.PERSON_RESIDENT_ID,
            request_bodies.BUILDER_USCC,
            "1",
            "法人及非法人组织",
            "removed",
            "公安局",
        ]
    ),
)
OURS = tuple(column.heading for column in COLUMNS)
PENALTIES = tuple(
    dict.fromkeys(code for field in FIELDS for code in field.codes if code[:2] != "XK")
)


NESTED = ("subject_identifiers", "responsible_persons", "penalty", "licence")
PIECE_COLUMNS = ("统一社会信用代码", "责任人1姓名", "处罚内容", "许可内容")
MIXED = (*NESTED, *PIECE_COLUMNS, *(each for each in CSV_COLUMNS if each not in NESTED))
"""Columns of an export that contain a whole part, and columns that contain a piece of it."""
PARTS = some.sampled_from(["{}", "[]", "5", "true", '"x"', "[null]", '{"masked":1}'])
PARTS_AND_CELLS = some.tuples(
    some.lists(PARTS, min_size=len(NESTED), max_size=len(NESTED)), some.lists(CELLS, max_size=60)
).map(lambda parts: [*parts[0], *parts[1]])


@given(
    some.tuples(
        some.lists(CELLS, max_size=len(PENALTIES)),
        some.sampled_from([OURS, CSV_COLUMNS, PENALTIES]),
    )
    | some.tuples(PARTS_AND_CELLS, some.just(MIXED))
)
def test_no_cells_raise(sent: tuple[list[Cell], tuple[str, ...]]) -> None:
    cells, header = sent
    understood = table(*header, list_type="wage_arrears.penalty")
    row = understood.build_row(cells, department="tax")
    for fault in row.faults:
        assert fault.code
        place = row.find_column(fault.pointer)
        assert place is not None
    table(*header, list_type="wage_arrears.penalty").build_row(list(reversed(cells)))


@given(some.lists(CELLS, max_size=12))
def test_no_header_raises_but_a_refusal(cells: list[Cell]) -> None:
    is_header(cells)
    with pytest.raises(InvalidPayload):
        table(*cells)


LINES = some.text(some.characters(categories=["L"]), min_size=1, max_size=20).filter(
    lambda text: values.read_text(text) == text
)


@given(
    some.fixed_dictionaries(
        {
            "来源编号": LINES,
            "主体类别": some.sampled_from(["法人", "非法人组织", "法人及非法人组织"]),
            "主体名称": LINES,
            "统一社会信用代码": some.integers(1, 10**7).map(numbers.build_uscc),
            "决定文号": LINES,
            "决定类型": some.sampled_from(["列入决定", "other"]),
            "决定日期": some.dates(date(1990, 1, 1), date(2060, 1, 1)),
            "列入事由": LINES,
            "认定依据": LINES,
        },
        optional={
            "有效期止": some.dates(date(2090, 1, 1), date(2098, 1, 1)) | some.just("长期"),
            "失信程度": some.sampled_from(["轻微", "一般", "严重"]),
            "处罚类别": some.just("罚款；警告"),
            "罚款金额（元）": some.integers(0, 10**9),
            "法定代表人": LINES,
            "行为是否持续": some.booleans(),
            "备注": LINES,
        },
    )
)
def test_good_rows_are_good_bodies(cells: dict[str, Cell]) -> None:
    row = read(cells)
    assert row.faults == []
    EntryPush.model_validate(row.body)


# --- the same columns from a system --------------------------------------

FIELDS_SENT: dict[str, Cell] = {
    "CF_XDR_MC": "枣庄某某建筑有限公司",
    "CF_XDR_LB": "法人及非法人组织",
    "CF_XDR_SHXYM": request_bodies.BUILDER_USCC,
    "CF_WSH": "枣环罚〔2026〕12号",
    "CF_SY": "排放污染物超过标准",
    "CF_YJ": "大气污染防治法第九十九条",
    "CF_CFLB": "罚款",
    "CF_NR_FK": 0.2,
    "CF_JDRQ": "2026/11/20",
    "CF_CFJG": "市生态环境局",
}


def sent(*items: dict[str, Any], list_type: str = "environment.penalty") -> list[SentRow]:
    """Send some objects, a line each; an array of them must give the same rows."""
    lines, array = "\n".join(map(json.dumps, items)).encode(), json.dumps(items).encode()
    rows, of_array = (
        list(
            SourceFile(
                lambda whole=whole: [whole], LAW, list_type, "ecology_environment"
            ).read_rows()
        )
        for whole in (lines, array)
    )
    assert [each[:4] for each in rows] == [each[:4] for each in of_array]
    return rows


def test_exchange_fields_are_taken_as_keys() -> None:
    other = {**dict(reversed(FIELDS_SENT.items())), "BZ": "首次"}
    for row in sent(FIELDS_SENT, other, {**FIELDS_SENT, "CF_CFLB": None}):
        assert row.faults == ()
        push = EntryPush.model_validate(row.body)
        assert push.decision.number == FIELDS_SENT["CF_WSH"]
        assert row.find_heading("/decision/number") == "CF_WSH"


def test_faults_of_exchange_fields_as_keys_are_reported_by_row() -> None:
    wrong = sent({**FIELDS_SENT, "CF_JDRQ": "明天"}, {**FIELDS_SENT, "CF_XXXX": 1}, FIELDS_SENT)
    assert [[fault.code for fault in row.faults] for row in wrong] == [
        ["invalid_date"],
        ["unknown_column"],
        [],
    ]
    (row,) = sent(FIELDS_SENT, list_type=LIST)
    assert [fault.code for fault in row.faults] == ["record_types_only"]


def test_a_push_that_lacks_its_parts_stays_a_push() -> None:
    push = {"source_ref": "HR-1", "reason": "拖欠", "legal_basis": "第五条", "severity": "minor"}
    assert [(row.body, row.faults) for row in sent(push)] == [(push, ())]


# --- encodings -----------------------------------------------------------

TITLE = "枣庄市拖欠农民工工资失信联合惩戒对象名单"


@pytest.mark.parametrize(
    "text",
    [
        ",".join(NEEDED),
        "统一社会信用代码,主体名称",  # each of the first two letters is one of UTF-8 as well
        f"{TITLE}\n{','.join(NEEDED)}",
        f"{'name,decided_on' * 9}\n" * 9 + "峄城区某某劳务有限公司,2026-11-20",
        f"{'x' * 70_000}一女璐报社",
        "a,b\n" * 20_000 + "薛城区,“滕州市”（山亭）\n",
        "CF_XDR_MC,CF_WSH\n洙泗建材,台环罚〔2026〕1号\n𠀀㐂,é—·",
        "a\n一\n台儿庄",
    ],
)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_a_text_is_read_as_it_was_written(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    encoding_found = detect_encoding(ByteSource(lambda: pieces))
    assert content.decode(encoding_found) == text


def test_the_encoding_is_found_in_one_reading_of_the_file() -> None:
    chunks = [f"{'列' * 500},{number}\n".encode("gb18030") for number in range(9)]
    read: list[int] = []

    def read_chunks() -> Iterator[bytes]:
        for number, chunk in enumerate(chunks):
            read.append(number)
            yield chunk

    source = ByteSource(read_chunks)
    assert source.first_chunk == chunks[0]
    assert detect_encoding(source) == "gb18030"
    assert read == [0, *range(9)]


@pytest.mark.parametrize("end", range(1, 36))
def test_a_text_that_was_cut_off_is_not_read_as_another(end: int) -> None:
    content = "name,reason\n张某,拖欠\n李,欠薪".encode()[:-end]
    source = ByteSource(lambda: [content])
    try:
        content.decode()
    except UnicodeDecodeError:
        with pytest.raises(InvalidPayload) as refusal:
            detect_encoding(source)
        assert refusal.value.problem_code == "unknown_encoding"
    else:
        assert detect_encoding(source) == "utf-8-sig"


@pytest.mark.parametrize("at", range(len("张某".encode())))
def test_a_text_that_lacks_a_byte_is_not_read_as_another(at: int) -> None:
    name = "张某".encode()
    content = b"name\n" + name[:at] + name[at + 1 :] + ",李某\n王某,赵某\n".encode()
    with pytest.raises(InvalidPayload, match="invalid_payload"):
        detect_encoding(ByteSource(lambda: [content]))
