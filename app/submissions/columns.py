"""The columns of a table of entries, and from a row of cells to the body of a push.

A header is understood once (`Table.of`), each row then read with it (`Table.row`). Headings are
ours, in English or Chinese, those of our own CSV export, or those of other systems; the fields of
双公示 are in `app/submissions/exchange.py`. What the body's own check tells is not checked here.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from rapidfuzz import fuzz, process

from app.errors import Fault, InvalidPayload, Sentence
from app.rules.admission import DecisionKind, PenaltyLaw, PersonRole
from app.rules.identifiers import PERSONAL, Scheme, normal_form
from app.rules.law import Catalogue, DisclosureClass, Severity, SubjectKind
from app.rules.personal_numbers import holds_personal_number
from app.submissions import conversions, exchange
from app.submissions.cells import Cell, Spoilt
from app.submissions.conversions import OPEN, SPOILT, WAN, YUAN, Said, Unreadable
from app.submissions.exchange import NOTE, ORGANISATION, Family, Field, Generation

Form = Literal["text", "date", "number", "code"]
Labels = Mapping[str, Sequence[str]]
"""Codes, each with the words for it, of which the first is shown."""

KINDS: Labels = {
    SubjectKind.legal_person: ("法人", "02", "2"),
    SubjectKind.unincorporated_organization: ("非法人组织", "03", "3"),
    SubjectKind.individual_business: ("个体工商户", "04", "4"),
    SubjectKind.natural_person: ("自然人", "01", "1", "个人"),
}
SCHEMES: Labels = {
    Scheme.uscc: ("统一社会信用代码",),
    Scheme.org_code: ("组织机构代码",),
    Scheme.registration_no: ("工商注册号", "营业执照注册号"),
    Scheme.resident_id: ("身份证号", "身份证", "居民身份证", "身份证号码", "公民身份号码"),
    Scheme.passport: ("护照号", "护照", "护照号码"),
    Scheme.hk_macao_permit: ("港澳居民来往内地通行证", "港澳通行证", "回乡证"),
    Scheme.taiwan_permit: ("台湾居民来往大陆通行证", "台湾通行证", "台胞证"),
    Scheme.foreign_permanent_resident: ("外国人永久居留身份证", "外国人永久居留证"),
}
PERSONAL_SCHEMES: Labels = {
    scheme: labels for scheme, labels in SCHEMES.items() if scheme in PERSONAL
}
DECISION_KINDS: Labels = {
    DecisionKind.list_decision: ("列入决定",),
    DecisionKind.administrative_penalty: ("行政处罚决定", "行政处罚"),
    DecisionKind.administrative_licence: ("行政许可决定", "行政许可"),
    DecisionKind.court_decision: ("司法裁判", "法院裁判"),
    DecisionKind.honour: ("表彰奖励", "表彰", "荣誉"),
    DecisionKind.other: ("其他",),
}
PENALTY_LAWS: Labels = {
    PenaltyLaw.administrative: ("行政处罚法", "行政处罚"),
    PenaltyLaw.public_security: ("治安管理处罚法", "治安管理处罚"),
    PenaltyLaw.other: ("其他法律", "其他"),
}
SEVERITIES: Labels = {
    Severity.minor: ("轻微", "轻微失信"),
    Severity.general: ("一般", "一般失信"),
    Severity.serious: ("严重", "严重失信"),
}
DISCLOSURE_CLASSES: Labels = {
    DisclosureClass.public: ("公开", "可向社会公开"),
    DisclosureClass.restricted: ("政务共享", "特定范围内公开"),
    DisclosureClass.exempt: ("不予公开", "不可公开"),
}
EXEMPTIONS: Labels = {
    "state_secret": ("国家秘密",),
    "trade_secret": ("商业秘密",),
    "personal_privacy": ("个人隐私",),
    "other": ("其他依法不予公开", "其他"),
}
ROLES: Labels = {
    PersonRole.legal_representative: ("法定代表人",),
    PersonRole.person_in_charge: ("主要负责人", "负责人"),
    PersonRole.actual_controller: ("实际控制人",),
    PersonRole.business_owner: ("经营者",),
    PersonRole.directly_responsible: ("直接责任人员", "直接责任人"),
}
PERSONS = ("legal_representative", "person_1", "person_2", "person_3")
YES_OR_NO = ("是", "否")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ours.

    Attributes:
        key: the English heading.
        heading: the Chinese one, as the template has it.
        pointer: where in the body its value stands (a JSON pointer; lists without a place).
        aliases: other headings that mean the same.
        required: a table without it is refused.
        choices: what a clerk may choose from; none where the cell is free.
        form: how the template formats the cells.
    """

    key: str
    heading: str
    pointer: str
    about: Sentence
    example: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    choices: tuple[str, ...] = ()
    form: Form = "text"
    read: Callable[[Cell], Any] = field(default=conversions.plain, repr=False, compare=False)


def _code(
    key: str,
    heading: str,
    pointer: str,
    labels: Labels,
    about: Sentence,
    *,
    aliases: tuple[str, ...] = (),
    required: bool = False,
    more: Labels = MappingProxyType({}),
) -> Column:
    """A column of coded values; `more` are taken too, but not offered."""
    choices = tuple(words[0] for words in labels.values())
    read = conversions.choice({**labels, **more})
    return Column(
        key, heading, pointer, about, choices[0], aliases, required, choices, "code", read
    )


def _truth(key: str, heading: str, about: Sentence, *aliases: str) -> Column:
    return Column(
        key,
        heading,
        f"/{key}",
        about,
        "否",
        aliases,
        choices=YES_OR_NO,
        form="code",
        read=conversions.truth,
    )


def _day(
    key: str,
    heading: str,
    pointer: str,
    about: Sentence,
    *aliases: str,
    example: str = "2026-11-20",
    required: bool = False,
    read: Callable[[Cell], Any] = conversions.day,
) -> Column:
    return Column(key, heading, pointer, about, example, aliases, required, form="date", read=read)


def _amount(key: str, heading: str, pointer: str, about: Sentence, *aliases: str) -> Column:
    return Column(
        key, heading, pointer, about, "0.2", aliases, form="number", read=conversions.amount
    )


def _identifier(scheme: Scheme, example: str, *aliases: str) -> Column:
    labels = SCHEMES[scheme]
    about = Sentence(
        f"The subject's number ({scheme}); format the column as text",
        "主体的证件号码，单元格须为文本格式",
    )
    return Column(
        scheme.value,
        labels[0],
        "/subject/identifiers",
        about,
        example,
        (*labels[1:], *aliases),
        read=conversions.number,
    )


def _person(place: int) -> Iterator[Column]:
    key, heading, pointer = f"person_{place}", f"责任人{place}", "/responsible_persons"
    first = place == 1
    yield _code(
        f"{key}_role",
        f"{heading}角色",
        pointer,
        ROLES,
        Sentence("What the person is to the organisation", "责任人与该单位的关系"),
        aliases=("责任人角色", "责任人职务") if first else (),
    )
    yield Column(
        f"{key}_name",
        f"{heading}姓名",
        pointer,
        Sentence("A person whom the entry names", "条目载明的责任人姓名"),
        "李某",
        ("责任人姓名", "责任人") if first else (),
    )
    yield _code(
        f"{key}_scheme",
        f"{heading}证件类型",
        pointer,
        PERSONAL_SCHEMES,
        Sentence("The kind of that person's number", "责任人证件类型"),
        aliases=("责任人证件类型",) if first else (),
    )
    yield Column(
        f"{key}_number",
        f"{heading}证件号码",
        pointer,
        Sentence("That person's number; format the column as text", "责任人证件号码，文本格式"),
        "",
        ("责任人证件号码",) if first else (),
        read=conversions.number,
    )


COLUMNS: tuple[Column, ...] = (
    Column(
        "list_type", "名单类型", "/list_type",
        Sentence(
            "Code or name; may be left out where the submission names it",
            "代码或名称；提交时已指定名单类型的可不填",
        ),
        "wage_arrears.black", ("hmdlx", "红名单类型", "黑名单类型"),
    ),
    Column(
        "source_ref", "来源编号", "/source_ref",
        Sentence(
            "Your own number of this entry, one for each; never used again for another",
            "本单位对该条目的编号，一条一号，不得重复使用",
        ),
        "HR-2026-000123", ("数据来源编号", "条目编号"), required=True,
    ),
    Column(
        "case_ref", "案件编号", "/case_ref",
        Sentence("Your number of the case; entries of one case share it", "同一案件填写相同编号"),
        "HR-C-2026-77", ("CASE_NO", "案号"),
    ),
    Column(
        "department", "认定部门", "/department",
        Sentence("Code, name or another name of the department", "部门代码、名称或简称"),
        "市人力资源和社会保障局",
        ("认定单位", "列入部门", "作出决定机关(列入)", "rdbm", "rd_mc", "IDENTIFICATION_DEPT"),
    ),
    _code(
        "kind", "主体类别", "/subject/kind", KINDS,
        Sentence(
            "法人及非法人组织 is taken, and told apart by the credit code where that can be",
            "也可填“法人及非法人组织”，由统一社会信用代码判断，判断不出的按法人登记",
        ),
        aliases=("主体类型", "ztlb", "subject_kind"), required=True,
        more={ORGANISATION: ("法人及非法人组织",)},
    ),
    Column(
        "name", "主体名称", "/subject/name",
        Sentence("As the decision names the subject", "按决定文书所载的名称或姓名填写"),
        "枣庄某某建筑有限公司",
        (
            *("企业名称", "单位名称", "名称", "姓名", "名称/姓名", "当事人姓名/单位名称"),
            *("黑名单记录主体", "红名单记录主体", "纳税人名称", "mc", "ztmc", "subject_name"),
        ),
        required=True,
    ),
    _identifier(Scheme.uscc, "91370403MB000CT75T", "tyshxydm", "社会信用代码", "信用代码"),
    _identifier(Scheme.org_code, "MB000CT75"),
    _identifier(Scheme.registration_no, ""),
    _identifier(Scheme.resident_id, ""),
    _identifier(Scheme.passport, ""),
    _identifier(Scheme.hk_macao_permit, ""),
    _identifier(Scheme.taiwan_permit, ""),
    _identifier(Scheme.foreign_permanent_resident, ""),
    _code(
        "identifier_scheme", "证件类型", "/subject/identifiers", SCHEMES,
        Sentence("The kind of the next column's number", "与“证件号码”列配对填写"),
        aliases=("主体证件类型",),
    ),
    Column(
        "identifier_number", "证件号码", "/subject/identifiers",
        Sentence(
            "One number, instead of the columns above; format the column as text",
            "可代替以上各号码列；单元格须为文本格式",
        ),
        "",
        (
            *("主体证件号码", "证件号", "zjhm", "xydm", "统一社会信用代码/身份证号"),
            "身份证号/社会信用代码/组织机构代码/工商注册号",
        ),
        read=conversions.number,
    ),
    _day(
        "birth_date", "出生日期", "/subject/birth_date",
        Sentence(
            "Of a natural person whose number does not show it", "证件号码不含出生日期的自然人填写"
        ),
        example="1985-06-12",
    ),
    Column(
        "decision_number", "决定文号", "/decision/number",
        Sentence("The number of the decision", "决定文书的文号"), "枣人社列〔2026〕12号",
        (
            *("决定书文号", "文号", "认定文号", "认定文件文号", "列入决定文号", "rdwsh"),
            "IDENTIFICATION_NO",
        ),
        required=True,
    ),
    _code(
        "decision_kind", "决定类型", "/decision/kind", DECISION_KINDS,
        Sentence("What sort of decision it is", "决定的种类"), required=True,
    ),
    _day(
        "decided_on", "决定日期", "/decision/decided_on",
        Sentence(
            "The day of the decision; the 7 working days are counted from it",
            "作出决定的日期，7 个工作日公示期限由此起算",
        ),
        *("认定日期", "认定时间", "列入决定日期", "rdrq", "rdsj", "IDENTIFICATION_DATE"),
        required=True,
    ),
    _code(
        "penalty_law", "处罚法律类别", "/decision/penalty_law", PENALTY_LAWS,
        Sentence(
            "Under which law it was punished; public-security bodies must say",
            "行政处罚所依据的法律；公安机关必填",
        ),
    ),
    Column(
        "reason", "列入事由", "/reason",
        Sentence("Why; without any personal number", "认定的事实和理由，不得含个人身份号码"),
        "拖欠农民工工资，经责令限期支付逾期未支付",
        (
            *("事由", "列入原因", "列入名单事由", "列入红名单事由", "列入黑名单事由", "lrmdsy"),
            "列入红/黑名单事由",
        ),
        required=True,
    ),
    Column(
        "legal_basis", "认定依据", "/legal_basis",
        Sentence("The law and its article", "法律、法规、规章及条款"),
        "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条",
        (
            *("法律依据", "列入依据", "黑名单认定依据", "红名单认定依据", "rdyj"),
            "严重失信主体名单认定依据",
        ),
        required=True,
    ),
    _code(
        "severity", "失信程度", "/severity", SEVERITIES,
        Sentence("Left out: as the list type says", "不填时按名单类型的规定"),
        aliases=("严重程度",),
    ),
    _day(
        "conduct_ended_on", "行为终了日期", "/conduct_ended_on",
        Sentence("When the conduct ended; a black entry needs it", "行为终了之日；黑名单须填写"),
        example="2026-10-31",
    ),
    _truth(
        "conduct_continues", "行为是否持续",
        Sentence("Whether the conduct goes on", "失信行为尚未终了的填“是”"), "行为持续",
    ),
    _day(
        "effective_from", "有效期起", "/effective_from",
        Sentence("Left out: the day of the decision", "不填时为决定日期"),
        *("有效期自", "生效日期", "列入日期", "列入时间", "列入名单时间", "列入黑名单日期"),
        "列入红名单日期",
    ),
    _day(
        "effective_until", "有效期止", "/effective_until",
        Sentence(
            "The last day in force; 长期 or 2099-12-31 for an open term; left out: the list type's",
            "有效期最后一日；无期限填“长期”或 2099-12-31；不填时按名单类型的规定",
        ),
        *("有效期至", "有效期截止日期", "yxqz", "EXPIRATION_DATE"),
        read=conversions.last_day,
        example="2029-11-20",
    ),
    _code(
        "disclosure_class", "公开类型", "/disclosure/class", DISCLOSURE_CLASSES,
        Sentence("Left out: as the list type says", "不填时按名单类型的规定"),
    ),
    _code(
        "disclosure_exemption", "不予公开事由", "/disclosure/exemption", EXEMPTIONS,
        Sentence("Needed where nothing is published", "公开类型为“不予公开”时必填"),
    ),
    Column(
        "disclosure_basis", "不予公开依据", "/disclosure/basis",
        Sentence("Needed where nothing is published", "公开类型为“不予公开”时必填"), "",
    ),
    Column(
        "legal_representative", "法定代表人", "/responsible_persons",
        Sentence(
            "Name; of an individual business its owner", "姓名；个体工商户填经营者姓名"
        ),
        "张某", ("法定代表人(负责人)", "法定代表人或负责人", "fddbr", "LEGAL_REPRESENTATIVE"),
    ),
    _code(
        "legal_representative_scheme", "法定代表人证件类型", "/responsible_persons",
        PERSONAL_SCHEMES, Sentence("The kind of that number", "法定代表人的证件类型"),
    ),
    Column(
        "legal_representative_number", "法定代表人证件号码", "/responsible_persons",
        Sentence("Format the column as text", "单元格须为文本格式"), "", ("法定代表人证件号",),
        read=conversions.number,
    ),
    *(column for place in (1, 2, 3) for column in _person(place)),
    Column(
        "penalty_conduct", "违法行为类型", "/penalty/conduct",
        Sentence("Of a penalty: the sort of conduct", "行政处罚填写"), "",
    ),
    Column(
        "penalty_categories", "处罚类别", "/penalty/categories",
        Sentence("Of a penalty; several are parted by ；", "行政处罚填写；多个类别以“；”分隔"),
        "罚款", ("处罚种类",), read=exchange.categories(conversions.plain),
    ),
    Column(
        "penalty_content", "处罚内容", "/penalty/content",
        Sentence("Of a penalty: what it consists of", "行政处罚填写"), "",
    ),
    _amount(
        "penalty_fine", "罚款金额（万元）", "/penalty/fine",
        Sentence("In 万元; 2000 yuan are 0.2", "单位为万元，2000 元填 0.2"), "罚款",
    ),
    _amount(
        "penalty_confiscated", "没收金额（万元）", "/penalty/confiscated",
        Sentence("In 万元", "没收违法所得、没收非法财物的金额，单位为万元"),
        "没收违法所得、没收非法财物金额", "没收违法所得、没收非法财物的金额",
    ),
    Column(
        "penalty_permit", "暂扣或吊销证照名称及编号", "/penalty/permit",
        Sentence("The permit that was suspended or revoked", "暂扣或吊销证照时填写"), "",
    ),
    Column(
        "licence_document_name", "许可决定书名称", "/licence/document_name",
        Sentence("Of a licence", "行政许可填写"), "", ("决定文书名称",),
    ),
    Column(
        "licence_category", "许可类别", "/licence/category",
        Sentence("Of a licence", "行政许可填写"), "普通",
    ),
    Column(
        "licence_certificate_name", "许可证书名称", "/licence/certificate_name",
        Sentence("Of a licence", "行政许可填写"), "",
    ),
    Column(
        "licence_certificate_number", "许可编号", "/licence/certificate_number",
        Sentence("Of a licence", "行政许可填写"), "", ("许可证书编号",),
    ),
    Column(
        "licence_content", "许可内容", "/licence/content",
        Sentence("Of a licence", "行政许可填写"), "",
    ),
    Column("remark", "备注", "/remark", Sentence("Anything else", "其他需要说明的情况"), ""),
    _truth(
        "unintentional", "非主观故意",
        Sentence("Minor conduct that was not intended", "轻微且非主观故意的失信行为填“是”"),
    ),
    Column(
        "replaces", "替代条目编号", "/replaces",
        Sentence(
            "The id of the revoked entry in whose place this one comes",
            "以本条替代已撤销条目时，填写被替代条目的系统编号",
        ),
        "",
    ),
)  # fmt: skip

# What our own export writes as JSON into one cell, and what other systems have beside ours.
NESTED: Mapping[str, str] = {
    "subject_identifiers": "/subject/identifiers",
    "responsible_persons": "/responsible_persons",
    "penalty": "/penalty",
    "licence": "/licence",
}
MORE: tuple[Field, ...] = (
    *(Field(key, headings=(key,)) for key in NESTED),
    Field("status", headings=("status",)),
    Field("void", headings=("void",)),
    Field(NOTE + "认定单位统一社会信用代码", headings=("rd_xydm", "认定单位统一社会信用代码")),
)
IGNORED = (
    *("id", "version", "seq", "list", "domain", "subject_id", "ends_by_law_on", "restored_on"),
    *("extension", "received_at", "recorded_at", "on", "in_force", "removal", "disputed"),
    *("deadline", "provisional", "calendar_version", "reported", "disclosure_state", "take_down"),
    *("channels", "catalogue_version"),
    # The workbook of refused rows, and what clerks count rows with.
    *("原文件行号", "退回原因", "序号", "行号"),
)

READERS: Mapping[str, Callable[[Cell], Any]] = {
    **{column.key: column.read for column in COLUMNS},
    **dict.fromkeys(NESTED, conversions.nested),
    "legal_representative_resident_id": conversions.number,
    "void": conversions.truth,
}
POINTERS: Mapping[str, str] = {
    **{column.key: column.pointer for column in COLUMNS},
    **NESTED,
    "legal_representative_resident_id": "/responsible_persons",
    **dict.fromkeys(("organ",), "/department"),
    "penalty_result": "/penalty/content",
    "scope": "/disclosure/class",
    "degree": "/severity",
}
ELSEWHERE = frozenset({"/subject/identifiers", "/responsible_persons", "/subject/kind", "/remark"})
"""Parts that more than one column makes."""
AMOUNTS = frozenset(column.key for column in COLUMNS if column.form == "number")


# --- headings ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Heading:
    """What a heading means, and how we write it."""

    key: str
    shown: str
    code: str | None = None
    family: Family | None = None
    generation: Generation | None = None


BRACKETS = re.compile(r"[(\[{【〔]([^()\[\]{}【】〔〕]*)[)\]}】〕]")
BESIDE = re.compile(
    r"必填|选填|可选|非必填|可不填|条件必填|如有|例.*|格式.*|单位.*|.*元|[0-9]+位|[ymd年月日/.-]+|文本|日期|数字"
)
"""What stands in brackets without changing what the heading means: units, forms, whether needed."""
UNIT = re.compile(r"(?:单位:?)?(?:人民币)?(.*元)")
WRITTEN_UNIT = re.compile("万?元$")


def _squeezed(text: str) -> str:
    return "".join(each for each in conversions.folded(text) if each.isalnum())


def _known() -> Iterator[tuple[str, _Heading]]:
    for column in COLUMNS:
        for written in (column.key, column.heading, *column.aliases):
            yield written, _Heading(column.key, column.heading)
    for each in (*MORE, *exchange.FIELDS):
        for code in each.codes:
            yield code, _Heading(
                each.key, code, code, exchange.family_of_code(code),
                exchange.generation_of_code(code),
            )  # fmt: skip
        generations = {exchange.generation_of_code(code) for code in each.codes}
        only = generations.pop() if len(generations) == 1 else None
        for written in each.headings:
            yield written, _Heading(each.key, written, None, each.family, only)
    for written in IGNORED:
        yield written, _Heading("ignored", written)


def _forms(text: str) -> Iterator[str]:
    """The heading squeezed as it stands, without what is beside the point, without its unit."""
    written = unicodedata.normalize("NFKC", text)
    yield _squeezed(written)
    bare = _squeezed(BRACKETS.sub(lambda found: "" if _beside(found[1]) else found[0], written))
    yield bare
    yield WRITTEN_UNIT.sub("", bare)


def _beside(bracketed: str) -> bool:
    return BESIDE.fullmatch(conversions.folded(bracketed)) is not None


HEADINGS: Mapping[str, _Heading] = {
    form: heading for written, heading in _known() for form in list(_forms(written))[:2]
}
"""By their squeezed form."""


def _understood(cell: Cell) -> _Heading | None:
    if not isinstance(cell, str):
        return None
    return next((HEADINGS[form] for form in _forms(cell) if form in HEADINGS), None)


def is_header(cells: Sequence[Cell]) -> bool:
    """Tell whether the row has at least three headings that are known, ours or others'."""
    known = {heading.shown for heading in map(_understood, cells) if heading is not None}
    return len(known) >= LEAST_HEADINGS


LEAST_HEADINGS = 3
TRAILER = "#trailer"


def is_trailer(cells: Sequence[Cell]) -> bool:
    """Tell whether the row is the last one of our CSV export, which counts and seals the others."""
    return bool(cells) and cells[0] == TRAILER


def _unit(heading: _Heading, cell: str) -> str | None:
    """The unit that the heading says; None where it says none."""
    written = conversions.folded(cell)
    for bracketed in BRACKETS.findall(written):
        found = UNIT.fullmatch(bracketed)
        if found is not None:
            return str(found[1])
    bare = WRITTEN_UNIT.search(written)
    if bare is not None:
        return bare[0]
    said_by_code = heading.code is not None or written.isascii()
    return WAN if said_by_code else None


SHOWN_CHARACTERS = 40


def _tellable(cell: Cell) -> str:
    """The heading as it may be repeated; a ? where it holds a personal number."""
    if not isinstance(cell, str) or _blank(cell):
        return ""
    text = "".join(each for each in cell if each.isprintable()).strip()
    return "?" if not text or holds_personal_number(cell) else text[:SHOWN_CHARACTERS]


def _quoted(cell: Cell, place: int) -> Sentence:
    """The heading, where it may be repeated, or its place."""
    text = _tellable(cell)
    if text in {"", "?"}:
        return Sentence(f"column {place}", f"第 {place} 列")
    return Sentence(f"“{text}”", f"「{text}」")


# --- tables --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A column of a table at hand."""

    index: int
    heading: _Heading
    unit: str | None = None

    def read(self, cell: Cell) -> Any:  # noqa: ANN401 - whatever its column holds
        key = self.heading.key
        if key.startswith(NOTE):
            return conversions.remark(cell)
        if self.unit is not None:
            return conversions.amount(cell, self.unit)
        return READERS.get(key, conversions.plain)(cell)


@dataclass(frozen=True, slots=True)
class Row:
    """What a row became.

    Attributes:
        body: what `POST /v1/entries` takes, to be checked as such; a cell that could not be read is
            left out.
        faults: what could not be read, by JSON pointers of the body; `/columns/N` for a cell below
            no heading, and "" for the row as such.
    """

    body: dict[str, Any]
    faults: list[Fault]
    sources: Mapping[str, int]
    """Pointers of this row, and the columns (from 0) that they came from."""
    usual: Mapping[str, int]
    """The same of the whole table, for what this row leaves out."""

    def column_of(self, pointer: str) -> int | None:
        """The column (from 0) that a place in the body came from, or would have.

        The longest pointer that leads there; else the first column below it.
        """
        for pointers in (self.sources, self.usual):
            above = pointer
            while above:
                if above in pointers:
                    return pointers[above]
                above = above.rpartition("/")[0]
        if pointer in self.sources:
            return self.sources[pointer]
        below = (place for each, place in self.usual.items() if each.startswith(f"{pointer}/"))
        return min(below, default=None) if pointer else None


@dataclass(frozen=True, slots=True)
class Table:
    """A header that was understood; `of` makes one."""

    header: tuple[str, ...]
    """The headings as sent, cut to what may be repeated; "" where there is none."""
    family: Family | None
    """Of an exchange table, what its records are of."""
    exported: bool
    """Whether it is an export of ours: there an empty last day says that the term is open."""
    _places: tuple[_Place, ...]
    _usual: Mapping[str, int]
    _list_type: str | None
    _catalogue: Catalogue

    @classmethod
    def of(
        cls,
        header: Sequence[Cell],
        *,
        list_type: str | None,
        catalogue: Catalogue,
    ) -> "Table":
        """Understand a header; `list_type` is the one that the request names.

        Raises:
            InvalidPayload: with a fault for every heading that is unknown, stands twice, is spoilt
                or names no unit that we know (`/columns/N`, counted from 1), and for every needed
                one that is missing (`/columns`); or the list type does not take such a table.
        """
        places, faults = _read_header(header)
        if faults:
            raise InvalidPayload(faults=faults)
        family = _family(places, list_type)
        if family is not None:
            exchange.require_list_type(family, list_type, catalogue)
        _require_columns({place.heading.key for place in places}, family, list_type)
        return cls(
            tuple(_tellable(cell) for cell in header),
            family,
            any(place.heading.key == "subject_identifiers" for place in places),
            tuple(place for place in places if place.heading.key != "ignored"),
            _usual_sources(places),
            list_type,
            catalogue,
        )

    def body(
        self, cells: Sequence[Cell], *, department: str | None = None
    ) -> tuple[dict[str, Any], list[Fault]]:
        """What a row says, and what is wrong with it already (see `row`)."""
        row = self.row(cells, department=department)
        return row.body, row.faults

    def column_of(self, pointer: str, cells: Sequence[Cell] = ()) -> int | None:
        """The column (from 0) that a place in a body came from, or would have.

        Which number of a subject stood where depends on the row: give its cells.
        """
        return self.row(cells).column_of(pointer)

    def row(self, cells: Sequence[Cell], *, department: str | None = None) -> Row:
        """Read a row; never raises, whatever the cells hold.

        `department` is the code of the one that submits it.
        """
        said = Said()
        for place in self._places:
            cell = cells[place.index] if place.index < len(cells) else None
            self._read(place, cell, said)
        self._settle(said, department)
        row = _Assembly(said).row(self._usual)
        row.faults.extend(self._strays(cells))
        return row

    def _read(self, place: _Place, cell: Cell, said: Said) -> None:
        key = place.heading.key
        if self.exported and isinstance(cell, str):
            cell = _unguarded(cell)
        try:
            value = place.read(cell)
        except Unreadable as unreadable:
            said.refuse(key, place.index, unreadable.code, unreadable.sentence)
            return
        if value is None and self.exported and key == "effective_until":
            value = OPEN
        if value is None:
            return
        said.add(key, value, place.index)
        if place.heading.generation is not None:
            said.written.add(place.heading.generation)

    def _settle(self, said: Said, department: str | None) -> None:
        self._settle_list_type(said)
        if said.take("status") == "removed" or said.take("void"):
            place = said.places.get("status", said.places.get("void", 0))
            ended = Unreadable("not_in_force", exchange.ENDED)
            said.refused.append(("", place, ended))
        exchange.settle(said, self._catalogue, department, self.family)
        if self.family is not None:
            exchange.complete(said, self.family, self._catalogue, department)
        if department is not None and "department" not in said.unread:
            said.values["department"] = department

    def _settle_list_type(self, said: Said) -> None:
        written = said.take("list_type")
        if written is not None:
            code = self._list_type_code(written)
            place = said.places["list_type"]
            if code is None:
                said.refuse("list_type", place, "unknown_list_type", UNKNOWN_LIST_TYPE)
            elif self._list_type not in {None, code}:
                said.refuse("list_type", place, "other_list_type", OTHER_LIST_TYPE)
            else:
                said.values["list_type"] = code
        if self._list_type is not None and "list_type" not in said.unread:
            said.values["list_type"] = self._list_type

    def _list_type_code(self, written: str) -> str | None:
        known = self._catalogue.list_types
        if written in known:
            return written
        wanted = conversions.folded(written)
        return next(
            (code for code, each in known.items() if conversions.folded(each.name) == wanted), None
        )

    def _strays(self, cells: Sequence[Cell]) -> Iterator[Fault]:
        """Cells below no heading: nobody knows what they say, and nothing is dropped unseen."""
        for index, cell in enumerate(cells):
            headed = index < len(self.header) and self.header[index]
            if headed or _blank(cell):
                continue
            yield Fault(f"/columns/{index + 1}", "cell_without_heading", NO_HEADING)


UNKNOWN_LIST_TYPE = Sentence(
    "The catalogue has no such list type: write its code or its name",
    "目录中没有该名单类型：请填写名单类型的代码或全称",
)
OTHER_LIST_TYPE = Sentence(
    "The row names another list type than the one that was given with the submission",
    "该行的名单类型与提交时指定的名单类型不一致",
)
NO_HEADING = Sentence(
    "A cell below no heading: give its column a heading, or empty it",
    "该单元格所在列没有列名：请补填列名或清空该单元格",
)
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def _unguarded(text: str) -> str:
    """Undo what our export puts before a text that a spreadsheet would take for a formula."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not conversions.folded(cell))


def _read_header(header: Sequence[Cell]) -> tuple[list[_Place], list[Fault]]:
    places: list[_Place] = []
    faults: list[Fault] = []
    unknown: list[tuple[int, Cell]] = []
    for index, cell in enumerate(header):
        heading = _understood(cell)
        if _blank(cell):
            continue
        if isinstance(cell, Spoilt):
            faults.append(Fault(f"/columns/{index + 1}", *SPOILT[cell]))
        elif heading is None:
            unknown.append((index, cell))
        elif any(_same(heading, place.heading) for place in places):
            faults.append(_twice(index, cell))
        else:
            unit = _unit(heading, str(cell)) if heading.key in AMOUNTS else None
            if heading.key in AMOUNTS and unit not in {WAN, YUAN}:
                faults.append(_unitless(index, cell))
            places.append(_Place(index, heading, unit))
    used = {place.heading.key for place in places}
    faults.extend(_unknown(index, cell, used) for index, cell in unknown)
    return places, sorted(faults, key=lambda fault: int(fault.pointer.rpartition("/")[2]))


def _same(one: _Heading, other: _Heading) -> bool:
    """Tell whether two headings are one column twice.

    Codes of two generations may stand side by side, and so may two sorts of category.
    """
    if one.key != other.key or one.key == "ignored":
        return False
    if one.key == "penalty_categories" and one.shown != other.shown:
        return False
    return one.code is None or other.code is None or one.code == other.code


def _twice(index: int, cell: Cell) -> Fault:
    quoted = _quoted(cell, index + 1)
    sentence = Sentence(
        f"{quoted.en} means the same as a column before it: keep one of them",
        f"{quoted.zh}与前面的列含义重复：请只保留一列",
    )
    return Fault(f"/columns/{index + 1}", "column_twice", sentence)


def _unitless(index: int, cell: Cell) -> Fault:
    quoted = _quoted(cell, index + 1)
    sentence = Sentence(
        f"The heading {quoted.en} must name its unit, 万元 or 元, in brackets",
        f"列{quoted.zh}须在列名中注明金额单位，如（万元）或（元）",
    )
    return Fault(f"/columns/{index + 1}", "unknown_unit", sentence)


LEAST_LIKENESS = 60  # of 100


def _unknown(index: int, cell: Cell, used: set[str]) -> Fault:
    quoted = _quoted(cell, index + 1)
    nearest = process.extractOne(
        _squeezed(cell) if isinstance(cell, str) else "",
        [form for form, heading in HEADINGS.items() if heading.key not in used],
        scorer=fuzz.ratio,
        score_cutoff=LEAST_LIKENESS,
    )
    asked = Sentence("", "")
    if nearest is not None:
        near = HEADINGS[nearest[0]]
        shown = near.shown if _squeezed(near.shown) == nearest[0] else WRITTEN[nearest[0]]
        asked = Sentence(f"; did you mean “{shown}”?", f"，是否为「{shown}」？")
    sentence = Sentence(f"Unknown column {quoted.en}{asked.en}", f"未知的列{quoted.zh}{asked.zh}")
    return Fault(f"/columns/{index + 1}", "unknown_column", sentence)


WRITTEN: Mapping[str, str] = {
    form: written for written, _ in _known() for form in list(_forms(written))[:2]
}
"""A heading as it is written, by its squeezed form."""


def _family(places: Iterable[_Place], list_type: str | None) -> Family | None:
    """What an exchange table is about; None of a table of ours.

    Raises:
        InvalidPayload: it has columns of both penalties and licences.
    """
    headings = [place.heading for place in places]
    by_code = {each.family for each in headings if each.code is not None} - {None}
    if not by_code and not any(each.shown in exchange.MARKS for each in headings):
        return None
    families = by_code or {each.family for each in headings} - {None}
    if len(families) > 1:
        mixed = Sentence(
            "The table has columns of penalties (CF_) and of licences (XK_): submit two tables",
            "表中同时有行政处罚（CF_）和行政许可（XK_）的列：请分成两个文件提交",
        )
        raise InvalidPayload(faults=[Fault("/columns", "mixed_tables", mixed)])
    ending = (list_type or "").rpartition(".")[2]
    told_by_list_type = Family(ending) if ending in set(Family) else None
    return next(iter(families), told_by_list_type)


ALWAYS_IN_EXCHANGE = ("name", "decision_number", "decided_on")


def _require_columns(keys: set[str], family: Family | None, list_type: str | None) -> None:
    needed = [column.key for column in COLUMNS if column.required]
    if list_type is None:
        needed.insert(0, "list_type")
    if family is not None:
        needed = list(ALWAYS_IN_EXCHANGE)
    shown = {column.key: column.heading for column in COLUMNS}
    faults = [
        Fault(
            "/columns",
            "column_missing",
            Sentence(f"The column {key} is missing", f"缺少列「{shown[key]}」"),
        )
        for key in needed
        if key not in keys
    ]
    if faults:
        raise InvalidPayload(faults=faults)


def _usual_sources(places: Iterable[_Place]) -> dict[str, int]:
    usual: dict[str, int] = {}
    for place in places:
        key = place.heading.key
        usual.setdefault(
            "/remark" if key.startswith(NOTE) else POINTERS.get(key, f"/columns/{place.index + 1}"),
            place.index,
        )
        usual[f"/columns/{place.index + 1}"] = place.index
    if "/source_ref" not in usual and "/decision/number" in usual:
        usual["/source_ref"] = usual["/decision/number"]  # made of it (`exchange.py`)
    for standing_in in ("/licence/content", "/licence/document_name"):
        if standing_in in usual:
            usual.setdefault("/reason", usual[standing_in])
    return usual


# --- bodies --------------------------------------------------------------

SCHEME_MISSING = Sentence(
    "Say of which kind the number is, or use the column of its kind",
    "请填写证件类型，或将号码填入对应证件的列",
)
NUMBER_MISSING = Sentence("A kind of number without a number", "已填证件类型，未填证件号码")
MASKED = Sentence(
    "The export shows this number masked: put the whole number in its place",
    "导出文件中的证件号码已遮盖：请补填完整号码",
)
LENGTHS: Mapping[int, Scheme] = {
    18: Scheme.uscc,
    15: Scheme.registration_no,
    9: Scheme.org_code,
}
"""An organisation's number says by its length which it is."""
RESIDENT_LENGTH = 18


class _Assembly:
    """Puts together what a row says."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._body: dict[str, Any] = {"subject": {}, "decision": {}}
        self._sources: dict[str, int] = {}
        self._faults: list[Fault] = []

    def row(self, usual: Mapping[str, int]) -> Row:
        """The body, what is wrong, and where all of it came from."""
        for column in COLUMNS:
            if column.pointer not in ELSEWHERE:
                self._put_plain(column.key, column.pointer)
        for key in ("penalty", "licence"):
            self._put_plain(key, f"/{key}")
        self._put_kind()
        self._put_identifiers()
        self._put_persons()
        self._put_remark()
        for pointer, place, unreadable in self._said.refused:
            self._refuse(pointer, place, unreadable)
        self._refuse_the_rest()
        return Row(self._body, self._faults, self._sources, usual)

    def _refuse(self, pointer: str, place: int, unreadable: Unreadable) -> None:
        self._sources[pointer] = place
        self._faults.append(Fault(pointer, unreadable.code, unreadable.sentence))

    def _refuse_unread(self, key: str, pointer: str) -> bool:
        unreadable = self._said.unread.pop(key, None)
        if unreadable is not None:
            self._refuse(pointer, self._said.places[key], unreadable)
        return unreadable is not None

    def _refuse_the_rest(self) -> None:
        for key in list(self._said.unread):
            place = self._said.places[key]
            self._refuse_unread(key, POINTERS.get(key, f"/columns/{place + 1}"))

    def _put_plain(self, key: str, pointer: str) -> None:
        if self._refuse_unread(key, pointer) or key not in self._said.values:
            return
        value = self._said.values[key]
        part, _, name = pointer[1:].rpartition("/")
        whole = self._body.setdefault(part, {}) if part else self._body
        if isinstance(whole, dict):  # a part may have come whole, from an export
            whole[name] = None if value is OPEN else value
        if key in self._said.places:
            self._sources[pointer] = self._said.places[key]

    def _put_kind(self) -> None:
        if self._refuse_unread("kind", "/subject/kind"):
            return
        said = self._said
        kind = said.values.get("kind")
        if kind == ORGANISATION:
            kind = exchange.kind_of(said.values.get("uscc"))
        if kind is not None:
            self._body["subject"]["kind"] = str(kind)
            first = next((key for key in ("kind", *Scheme) if key in said.places), None)
            if first is not None:
                self._sources["/subject/kind"] = said.places[first]

    # The subject's numbers

    def _put_identifiers(self) -> None:
        found = [
            ({"scheme": scheme.value, "number": self._said.values[scheme]}, scheme.value)
            for scheme in Scheme
            if scheme in self._said.values
        ]
        exported = self._said.values.get("subject_identifiers")
        if isinstance(exported, list):
            found += [(each, "subject_identifiers") for each in exported]
        elif exported is not None:
            self._body["subject"]["identifiers"] = exported
        pair = self._pair("identifier", str(self._body["subject"].get("kind", "")))
        if pair is not None:
            found.append((pair, "identifier_number"))
        whole = [each for each in found if not _masked(each[0])]
        for position, (identifier, key) in enumerate(whole):
            self._body["subject"].setdefault("identifiers", []).append(identifier)
            self._sources[f"/subject/identifiers/{position}"] = self._said.places[key]
        self._refuse_identifiers(len(whole), sum(map(_masked, (each for each, _ in found))))

    def _refuse_identifiers(self, following: int, masked: int) -> None:
        """Name what is wrong behind the good ones, so that each pointer is one column's."""
        pointer = "/subject/identifiers"
        for _ in range(masked):
            place = self._said.places["subject_identifiers"]
            unreadable = Unreadable("number_masked", MASKED)
            self._refuse(f"{pointer}/{following}/number", place, unreadable)
            following += 1
        for key in (*Scheme, "identifier_number", "identifier_scheme", "subject_identifiers"):
            part = "scheme" if key == "identifier_scheme" else "number"
            following += self._refuse_unread(key, f"{pointer}/{following}/{part}")

    def _pair(self, prefix: str, kind: str) -> dict[str, str] | None:
        """A number and its kind, which the number's length may tell."""
        said = self._said
        scheme, number = said.values.get(f"{prefix}_scheme"), said.values.get(f"{prefix}_number")
        if number is None:
            if scheme is not None and f"{prefix}_number" not in said.unread:
                place = said.places[f"{prefix}_scheme"]
                said.places[f"{prefix}_number"] = place
                said.unread[f"{prefix}_number"] = Unreadable("number_missing", NUMBER_MISSING)
            return None
        if f"{prefix}_scheme" in said.unread:
            return None
        told = scheme or _scheme_told(number, kind)
        if told is None:
            said.places[f"{prefix}_scheme"] = said.places[f"{prefix}_number"]
            said.unread[f"{prefix}_scheme"] = Unreadable("scheme_missing", SCHEME_MISSING)
            return None
        return {"scheme": str(told), "number": number}

    # Persons

    def _put_persons(self) -> None:
        exported = self._said.values.get("responsible_persons")
        if isinstance(exported, list):
            for each in exported:
                self._put_exported_person(each)
        elif exported is not None:
            self._body["responsible_persons"] = exported
            return
        for prefix in PERSONS:
            self._put_person(prefix)

    def _next_person(self) -> str:
        return f"/responsible_persons/{len(self._body.get('responsible_persons', []))}"

    def _put_exported_person(self, person: Any) -> None:  # noqa: ANN401 - any JSON value
        pointer, place = self._next_person(), self._said.places["responsible_persons"]
        self._sources[pointer] = place
        if isinstance(person, dict) and _masked(person.get("identifier")):
            person = {name: value for name, value in person.items() if name != "identifier"}
            masked = Unreadable("number_masked", MASKED)
            self._refuse(f"{pointer}/identifier/number", place, masked)
        self._body.setdefault("responsible_persons", []).append(person)

    def _put_person(self, prefix: str) -> None:
        said = self._said
        head = prefix == "legal_representative"
        name_key = prefix if head else f"{prefix}_name"
        identifier, number_key = self._number_of_person(prefix)
        pointer = self._next_person()
        keys = {
            "name": name_key,
            "role": f"{prefix}_role",
            "identifier/scheme": f"{prefix}_scheme",
            "identifier/number": number_key,
        }
        person: dict[str, Any] = {"identifier": identifier} if identifier else {}
        for part in ("name", "role"):
            if keys[part] in said.values:
                person[part] = said.values[keys[part]]
        if head and person:
            person["role"] = self._role_of_head()
        for part, key in keys.items():
            if key in said.places:
                self._sources[f"{pointer}/{part}"] = said.places[key]
                self._sources.setdefault(pointer, said.places[key])
        refused = [self._refuse_unread(key, f"{pointer}/{part}") for part, key in keys.items()]
        if person or any(refused):
            # Kept though it may be empty, so that the places of those behind it stand.
            self._body.setdefault("responsible_persons", []).append(person)

    def _number_of_person(self, prefix: str) -> tuple[dict[str, str] | None, str]:
        said = self._said
        resident = f"{prefix}_resident_id"  # CF_FR_SFZH
        if resident in said.unread or (
            resident in said.values and f"{prefix}_number" not in said.values
        ):
            number = said.values.get(resident)
            identifier = {"scheme": Scheme.resident_id.value, "number": number} if number else None
            return identifier, resident
        return self._pair(prefix, SubjectKind.natural_person), f"{prefix}_number"

    def _role_of_head(self) -> str:
        """The head of a shop is its owner (双公示: 个体工商户填经营者)."""
        shop = self._body["subject"].get("kind") == SubjectKind.individual_business
        return str(PersonRole.business_owner if shop else PersonRole.legal_representative)

    # The remark

    def _put_remark(self) -> None:
        self._put_plain("remark", "/remark")
        said = self._said
        if not said.notes:
            return
        own = str(self._body.get("remark", ""))
        ended = own if not own or own.endswith(tuple("；;。.！!")) else f"{own}；"
        notes = "".join(f"{label}：{text}；" for label, text, _ in said.notes)
        self._body["remark"] = ended + notes
        self._sources.setdefault("/remark", said.notes[0][2])


def _masked(identifier: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(identifier, dict) and "masked" in identifier


def _scheme_told(number: str, kind: str) -> Scheme | None:
    """What scheme a number is of, where the subject's kind and the number's length say it."""
    written = normal_form(number)
    if kind == SubjectKind.natural_person:
        if len(written) != RESIDENT_LENGTH:
            return None
        foreign = written.startswith("9")
        return Scheme.foreign_permanent_resident if foreign else Scheme.resident_id
    return LENGTHS.get(len(written)) if kind else None
