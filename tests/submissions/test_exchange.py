from typing import Any

import pytest

from app.catalogue.loading.files import SHIPPED_DIRECTORY, read_sections
from app.catalogue.sections import merge_sections
from app.entries.schemas import EntryPush
from app.errors import InvalidPayload
from app.rules.law import Catalogue
from app.rules.personal_numbers import contains_personal_number
from app.submissions.formats.cells import Cell
from app.submissions.mapping.exchange_fields import FIELDS
from app.submissions.mapping.header import HEADING_BY_FORM, generate_lookup_forms
from app.submissions.mapping.row_builder import MappedRow
from app.submissions.mapping.settlement import build_source_reference
from app.submissions.mapping.table import Table
from tests.support import numbers, request_bodies

PENALTY, LICENCE = "environment.penalty", "environment.licence"


def shipped() -> Catalogue:
    catalogue = Catalogue()
    for name in ("places", "departments", "domains", "list_types"):
        catalogue = merge_sections(catalogue, read_sections(SHIPPED_DIRECTORY / f"{name}.yaml"))
    return catalogue


LAW = shipped()
NEW_PENALTY: dict[str, Cell] = {
    "CF_XDR_MC": "枣庄某某建筑有限公司",
    "CF_XDR_LB": "法人及非法人组织",
    "CF_XDR_SHXYM": request_bodies.BUILDER_USCC,
    "CF_XDR_GSZC": "",
    "CF_XDR_ZZJG": "",
    "CF_XDR_SWDJ": "370403000000001",
    "CF_XDR_SYDW": "/",
    "CF_XDR_SHZZ": "无",
    "CF_FRDB": "张某",
    "CF_FR_ZJLX": "身份证",
    "CF_FR_ZJHM": request_bodies.PERSON_RESIDENT_ID,
    "CF_XDR_ZJLX": "",
    "CF_XDR_ZJHM": "",
    "CF_WSH": "枣环罚〔2026〕12号",
    "CF_WFXW": "超标排放",
    "CF_SY": "排放污染物超过标准",
    "CF_YJ": "大气污染防治法第九十九条",
    "CF_CFLB": "罚款；没收违法所得、没收非法财物;其他-责令改正、停业",
    "CF_NR": "罚款2000元",
    "CF_NR_FK": "0.200000",
    "CF_NR_WFFF": 0.1,
    "CF_NR_ZKDX": "-",
    "CF_JDRQ": "2026/11/20",
    "CF_YXQ": "2099/12/31",
    "CF_GSJZQ": "2029/11/20",
    "CF_CFJG": "市生态环境局",
    "CF_CFJGDM": "113704000000000000",
    "CF_SJLY": "枣庄市生态环境局",
    "CF_SJLYDM": "113704000000000000",
    "BZ": "首次",
}
OLD_PENALTY: dict[str, Cell] = {
    "CF_WSH": "枣环罚〔2016〕1号",
    "CF_CFMC": "超标排放案",
    "CF_CFLB1": "罚款",
    "CF_CFLB2": "警告",
    "CF_SY": "超标",
    "CF_YJ": "第九十九条",
    "CF_XDR_MC": "张某",
    "CF_XDR_SHXYM": "",
    "CF_XDR_ZDM": "",
    "CF_XDR_GSDJ": "",
    "CF_XDR_SWDJ": "",
    "CF_XDR_SFZ": request_bodies.PERSON_RESIDENT_ID,
    "CF_FR": "",
    "CF_JG": "罚款2000元",
    "CF_JDRQ": "2016.11.20",
    "CF_XZJG": "枣庄市生态环境局薛城分局",
    "CF_ZT": 0,
    "DFBM": "370400",
    "SJC": "2026-11-20 10:00:00",
    "CF_SYFW": "1",
    "CF_SXYZCD": "严重",
}
NEW_LICENCE: dict[str, Cell] = {
    "XK_XDR_MC": "枣庄某某建筑有限公司",
    "XK_XDR_LB": "法人及非法人组织",
    "XK_XDR_SHXYM": request_bodies.BUILDER_USCC,
    "XK_FRDB": "张某",
    "XK_XKWS": "准予许可决定书",
    "XK_WSH": "枣环许〔2026〕3号",
    "XK_XKLB": "普通",
    "XK_XKZS": "排污许可证",
    "XK_XKBH": "P-1",
    "XK_NR": "排污",
    "XK_JDRQ": "2026-11-20",
    "XK_YXQZ": "2026-11-21",
    "XK_YXQZI": "2029-11-20",
    "XK_XKJG": "市生态环境局",
    "XK_XKJGDM": "113704000000000000",
    "XK_ZT": "1",
    "XK_LYDW": "市生态环境局",
    "XK_LYDWDM": "",
}


def read(
    cells: dict[str, Cell], *, list_type: str | None = PENALTY, by: str | None = None
) -> MappedRow:
    table = Table.from_header(tuple(cells), list_type=list_type, catalogue=LAW)
    return table.build_row(list(cells.values()), department=by)


def body(cells: dict[str, Cell], *, list_type: str = PENALTY, by: str | None = None) -> Any:
    row = read(cells, list_type=list_type, by=by)
    assert row.faults == []
    EntryPush.model_validate(row.body)
    return row.body


def codes(cells: dict[str, Cell], *, list_type: str = PENALTY, by: str | None = None) -> list[str]:
    return [fault.code for fault in read(cells, list_type=list_type, by=by).faults]


def test_a_penalty_of_2018() -> None:
    assert body(NEW_PENALTY) == {
        "list_type": PENALTY,
        "department": "ecology_environment",
        "source_ref": body(NEW_PENALTY)["source_ref"],
        "subject": {
            "kind": "legal_person",
            "name": "枣庄某某建筑有限公司",
            "identifiers": [{"scheme": "uscc", "number": request_bodies.BUILDER_USCC}],
        },
        "responsible_persons": [
            {
                "role": "legal_representative",
                "name": "张某",
                "identifier": {
                    "scheme": "resident_id",
                    "number": request_bodies.PERSON_RESIDENT_ID,
                },
            }
        ],
        "decision": {
            "number": "枣环罚〔2026〕12号",
            "kind": "administrative_penalty",
            "decided_on": "2026-11-20",
            "penalty_law": "administrative",
        },
        "reason": "排放污染物超过标准",
        "legal_basis": "大气污染防治法第九十九条",
        "effective_until": None,
        "penalty": {
            "conduct": "超标排放",
            "categories": ["罚款", "没收违法所得", "没收非法财物", "其他-责令改正、停业"],
            "content": "罚款2000元",
            "fine": "0.2",
            "confiscated": "0.1",
        },
        "remark": "首次；税务登记号：370403000000001；公示截止期：2029/11/20；"
        "处罚机关统一社会信用代码：113704000000000000；数据来源单位：枣庄市生态环境局；"
        "数据来源单位统一社会信用代码：113704000000000000；",
    }


def test_a_penalty_of_2016() -> None:
    push_body = body(OLD_PENALTY, by="ecology_environment")
    assert push_body["subject"] == {
        "kind": "natural_person",
        "name": "张某",
        "identifiers": [{"scheme": "resident_id", "number": request_bodies.PERSON_RESIDENT_ID}],
    }
    assert push_body["penalty"] == {"categories": ["罚款", "警告"], "content": "罚款2000元"}
    assert push_body["disclosure"] == {"class": "restricted"}
    assert push_body["severity"] == "serious"
    for kept in (
        "处罚名称：超标排放案；",
        "决定机关：枣庄市生态环境局薛城分局；",
        "地方编码：370400；",
    ):
        assert kept in push_body["remark"]
    assert "2026-11-20" not in push_body["remark"]  # SJC changes with every sending


def test_a_licence() -> None:
    push_body = body(NEW_LICENCE, list_type=LICENCE)
    assert push_body["licence"] == {
        "document_name": "准予许可决定书",
        "category": "普通",
        "certificate_name": "排污许可证",
        "certificate_number": "P-1",
        "content": "排污",
    }
    assert push_body["reason"] == "排污"
    assert push_body["decision"]["kind"] == "administrative_licence"
    assert (push_body["effective_from"], push_body["effective_until"]) == (
        "2026-11-21",
        "2029-11-20",
    )


def test_nothing_that_was_written_is_lost() -> None:
    for cells, list_type in ((NEW_PENALTY, PENALTY), (NEW_LICENCE, LICENCE)):
        written = str(body(cells, list_type=list_type))
        for code, cell in cells.items():
            # Converted, and compared in the tests above.
            converted = code.endswith(("_LB", "_ZJLX", "_JDRQ", "_YXQ", "_CFLB", "_FK", "_ZT"))
            if converted or cell in {"", "/", "无", "-"} or code in {"CF_CFJG", "XK_XKJG"}:
                continue
            assert str(cell) in written, code


def test_every_code_of_the_tables_is_known() -> None:
    for field in FIELDS:
        for written in (*field.codes, *field.headings):
            assert any(form in HEADING_BY_FORM for form in generate_lookup_forms(written)), written
    for suffix in ("ZDM", "GSDJ", "SFZ", "SHXYM", "SWDJ"):
        assert f"xkxdr{suffix.lower()}" in HEADING_BY_FORM


def test_generations_may_be_mixed_in_one_table() -> None:
    both = {**OLD_PENALTY, **NEW_PENALTY, "CF_XDR_SFZ": "", "CF_ZT": "正常", "CF_XZJG": ""}
    push_body = body(both)
    assert push_body["penalty"]["categories"][:2] == ["罚款", "警告"]
    assert push_body["responsible_persons"][0]["name"] == "张某"
    assert codes({**both, "CF_FR": "李某"}) == ["columns_differ"]
    assert "处罚结果：另罚；" in body({**both, "CF_JG": "另罚"})["remark"]


def test_chinese_headings_of_the_exchange() -> None:
    push_body = body(
        {
            "行政相对人名称": "枣庄某某建筑有限公司",
            "行政相对人类别": "法人及非法人组织",
            "行政相对人代码_1(统一社会信用代码)": request_bodies.BUILDER_USCC,
            "行政相对人代码_3(组织机构代码)": request_bodies.BUILDER_USCC[8:17],
            "法定代表人": "张某",
            "行政处罚决定书文号": "枣环罚〔2026〕12号",
            "违法行为类型": "超标",
            "违法事实": "超标排放",
            "处罚依据": "第九十九条",
            "处罚类别": "罚款",
            "处罚内容": "罚款",
            "罚款金额（元）": 2000,
            "处罚决定日期": "2026/11/20",
            "处罚有效期": "2029/11/20",
            "处罚机关": "市生态环境局",
            "备注": "无",
        }
    )
    assert push_body["penalty"]["fine"] == "0.2"
    assert [each["scheme"] for each in push_body["subject"]["identifiers"]] == ["uscc", "org_code"]
    assert "remark" not in push_body


@pytest.mark.parametrize(
    ("list_type", "code"),
    [
        (None, "list_type_missing"),
        ("environment.black", "record_types_only"),
        ("environment.red", "record_types_only"),
        (LICENCE, "record_types_only"),
    ],
)
def test_penalties_become_penalty_records_only(list_type: str | None, code: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        read(NEW_PENALTY, list_type=list_type)
    assert [(each.pointer, each.code) for each in refusal.value.faults] == [("/list_type", code)]


def test_penalties_and_licences_are_two_tables() -> None:
    with pytest.raises(InvalidPayload) as refusal:
        read({**NEW_PENALTY, **NEW_LICENCE})
    assert [each.code for each in refusal.value.faults] == ["mixed_tables"]
    with pytest.raises(InvalidPayload) as refusal:
        read({"CF_SY": 1, "CF_YJ": 1, "CF_NR": 1})
    assert {each.code for each in refusal.value.faults} == {"column_missing"}


# --- references ----------------------------------------------------------


def test_one_document_may_punish_several() -> None:
    first = body(NEW_PENALTY)["source_ref"]
    other = body({**NEW_PENALTY, "CF_XDR_SHXYM": numbers.build_uscc(7)})["source_ref"]
    assert first != other
    assert first.startswith("枣环罚〔2026〕12号-")
    changed = {**NEW_PENALTY, "CF_NR": "另", "CF_XDR_MC": "改名后的公司", "SJC": "2027-01-01"}
    assert body(changed)["source_ref"] == first  # stable after other corrections


def test_a_reference_is_short_and_holds_no_personal_number() -> None:
    reference = build_source_reference({"decision_number": "号" * 128, "name": "张某"})
    assert reference is not None
    assert len(reference) == 80
    one = build_source_reference(
        {"decision_number": "1号", "name": "张某", "resident_id": request_bodies.PERSON_RESIDENT_ID}
    )
    assert one == build_source_reference({"decision_number": "1号", "name": "张 某"})
    assert one == build_source_reference(
        {"decision_number": "1号", "name": "张某", "uscc": request_bodies.PERSON_RESIDENT_ID}
    )
    assert one is not None
    assert not contains_personal_number(one)
    assert not any(each.isdigit() for each in one.partition("-")[2])
    assert build_source_reference({"name": "张某"}) is None
    assert read({**NEW_PENALTY, "source_ref": "A-1"}).body["source_ref"] == "A-1"


# --- departments ---------------------------------------------------------


def test_another_departments_penalty_is_refused() -> None:
    assert codes(NEW_PENALTY, by="ecology_environment") == []
    assert codes(NEW_PENALTY, by="tax") == ["other_department"]
    row = read(NEW_PENALTY, by="tax")
    assert row.find_column("/department") == list(NEW_PENALTY).index("CF_CFJG")


def test_a_former_name_is_the_same_department() -> None:
    former = {**NEW_PENALTY, "CF_CFJG": "枣庄银保监分局"}
    push_body = body(former, list_type="finance.penalty", by="financial_regulator_branch")
    assert "决定机关：枣庄银保监分局；" in push_body["remark"]


def test_police_bodies_say_under_which_law_they_punished() -> None:
    police = {**NEW_PENALTY, "CF_CFJG": "市公安局"}
    assert "penalty_law" not in body(police, list_type="telecom_fraud.penalty")["decision"]
    district = {**NEW_PENALTY, "CF_CFJG": "枣庄市公安局薛城分局"}
    assert codes(district, by="development_reform") == ["missing"]
    assert codes({**district, "处罚法律类别": "行政处罚法"}, by="development_reform") == []


# --- states and scopes ---------------------------------------------------


@pytest.mark.parametrize("state", ["1", "撤销", "2", 3])
def test_a_revoked_penalty_is_not_submitted(state: Cell) -> None:
    row = read({**OLD_PENALTY, "CF_ZT": state})
    assert [(each.pointer, each.code) for each in row.faults] == [("", "not_in_force")]
    assert row.find_column("") == list(OLD_PENALTY).index("CF_ZT")


def test_state_1_of_a_licence_depends_on_the_generation() -> None:
    assert codes(NEW_LICENCE, list_type=LICENCE) == []
    assert codes({**NEW_LICENCE, "XK_ZT": 2}, list_type=LICENCE) == ["not_in_force"]
    old: dict[str, Cell] = {
        "XK_XDR": "甲公司",
        "XK_WSH": "1号",
        "XK_JDRQ": "2016/1/1",
        "XK_NR": "排污",
        "XK_XDR_SHXYM": request_bodies.BUILDER_USCC,
        "XK_JZQ": "2019/1/1",
    }
    assert body(old, list_type=LICENCE)["effective_until"] == "2019-01-01"
    assert codes({**old, "XK_ZT": "0"}, list_type=LICENCE) == []
    assert codes({**old, "XK_ZT": "1"}, list_type=LICENCE) == ["not_in_force"]
    assert codes({**old, "XK_ZT": "1", "XK_XKLB": "普通"}, list_type=LICENCE) == ["state_unclear"]
    assert codes({**old, "XK_ZT": "有效", "XK_XKLB": "普通"}, list_type=LICENCE) == []


@pytest.mark.parametrize(
    ("scope", "disclosure"),
    [("0", {"class": "public"}), (1, {"class": "restricted"}), ("2", {"class": "restricted"})],
)
def test_scopes(scope: Cell, disclosure: dict[str, str]) -> None:
    assert body({**OLD_PENALTY, "CF_SYFW": scope})["disclosure"] == disclosure


def test_other_scopes_and_degrees() -> None:
    push_body = body({**OLD_PENALTY, "CF_SYFW": "3", "CF_SXYZCD": "较重"})
    assert "disclosure" not in push_body
    assert "severity" not in push_body
    assert "信息使用范围：3；" in push_body["remark"]
    assert "失信严重程度：较重；" in push_body["remark"]
    assert codes({**OLD_PENALTY, "CF_SYFW": "9"}) == ["unknown_value"]
    assert body({**OLD_PENALTY, "CF_SXYZCD": 1})["severity"] == "general"


# --- subjects ------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (request_bodies.build_uscc("31370403", "MB000001"), "unincorporated_organization"),
        (request_bodies.build_uscc("51370403", "MB000001"), "legal_person"),
        (request_bodies.BUILDER_USCC, "legal_person"),
    ],
)
def test_organisations_are_distinguished_by_their_code(code: str, kind: str) -> None:
    assert body({**NEW_PENALTY, "CF_XDR_SHXYM": code})["subject"]["kind"] == kind
    unwritten = {**NEW_PENALTY, "CF_XDR_SHXYM": code, "CF_XDR_LB": ""}
    assert body(unwritten)["subject"]["kind"] == kind


def test_shops() -> None:
    shop = {**NEW_PENALTY, "CF_XDR_SHXYM": numbers.build_shop_uscc(1), "CF_XDR_LB": "个体工商户"}
    push_body = body(shop)
    assert push_body["subject"]["kind"] == "individual_business"
    assert push_body["responsible_persons"][0]["role"] == "business_owner"
    assert body({**shop, "CF_XDR_LB": None})["subject"]["kind"] == "individual_business"


def test_persons() -> None:
    person: dict[str, Cell] = {
        **NEW_PENALTY,
        **dict.fromkeys(("CF_XDR_SHXYM", "CF_XDR_SWDJ", "CF_FRDB", "CF_FR_ZJLX", "CF_FR_ZJHM"), ""),
        "CF_XDR_MC": "张某",
        "CF_XDR_LB": "自然人",
        "CF_XDR_ZJLX": "护照号",
        "CF_XDR_ZJHM": "E12345678",
    }
    push_body = body(person)
    assert push_body["subject"] == {
        "kind": "natural_person",
        "name": "张某",
        "identifiers": [{"scheme": "passport", "number": "E12345678"}],
    }
    assert "responsible_persons" not in push_body


def test_the_variant_of_the_representatives_number() -> None:
    variant = {
        **NEW_PENALTY,
        "CF_FR_ZJLX": "",
        "CF_FR_ZJHM": "",
        "CF_FR_SFZH": request_bodies.PERSON_RESIDENT_ID,
    }
    assert body(variant)["responsible_persons"][0]["identifier"] == {
        "scheme": "resident_id",
        "number": request_bodies.PERSON_RESIDENT_ID,
    }
    damaged = read({**variant, "CF_FR_SFZH": 3.7e17})
    (fault,) = damaged.faults
    assert (fault.pointer, fault.code) == (
        "/responsible_persons/0/identifier/number",
        "number_damaged",
    )
    assert damaged.find_column(fault.pointer) == len(variant) - 1


def test_a_personal_number_does_not_reach_the_remark() -> None:
    row = read({**NEW_PENALTY, "CF_XDR_SWDJ": request_bodies.PERSON_RESIDENT_ID})
    assert [each.code for each in row.faults] == ["personal_number_in_text"]
    assert row.find_column("/remark") == list(NEW_PENALTY).index("CF_XDR_SWDJ")
    assert request_bodies.PERSON_RESIDENT_ID not in str([each.sentence for each in row.faults])
