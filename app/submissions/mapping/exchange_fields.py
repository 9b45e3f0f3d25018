"""The exchange fields of 双公示 (CF_*: penalties, XK_*: licences), and what they mean here.

Two generations are about, often mixed in one table: that of 2016 (CF_CFMC, CF_CFLB1/2, CF_JG,
CF_XZJG, CF_ZT, …) and that of 2018/2019 (CF_XDR_LB, CF_FRDB, CF_NR_FK, CF_CFJG, …). Whatever has no
field of its own in an entry goes into the remark with its label. One thing is left out on purpose:
SJC, the day on which the sender last touched its row. It is no part of the decision, and would make
every second sending of the same decision a different one.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.identifiers import PERSON_SCHEMES, Scheme, is_uscc
from app.rules.law import Catalogue, Department, ListKind, SubjectKind
from app.rules.personal_numbers import contains_personal_number
from app.rules.text import fold_name, fold_text, normalize_number
from app.submissions.mapping.values import ParsedRow, UnreadableCell

NOTE_PREFIX = "note:"
"""Begins the key of what goes into the remark, before its label."""


class ExchangeKind(StrEnum):
    """What an exchange table is about; also how the codes of its list types end."""

    penalty = "penalty"
    licence = "licence"


class StandardEdition(StrEnum):
    """Which edition of the standard a heading is of."""

    old = "2016"
    new = "2018"


EXCHANGE_KIND_BY_PREFIX: Mapping[str, ExchangeKind] = {
    "CF_": ExchangeKind.penalty,
    "XK_": ExchangeKind.licence,
}


@dataclass(frozen=True, slots=True)
class ExchangeField:
    """Headings that mean the same: `key` is a column's of ours, or one that is settled here."""

    key: str
    codes: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    exchange_kind: ExchangeKind | None = None


def _add_both_prefixes(*suffixes: str) -> tuple[str, ...]:
    return tuple(prefix + suffix for suffix in suffixes for prefix in EXCHANGE_KIND_BY_PREFIX)


# Codes: the tables of real exchange systems. CF_JG is 处罚结果 (the organ is CF_XZJG or CF_CFJG).
FIELDS: tuple[ExchangeField, ...] = (
    ExchangeField("name", _add_both_prefixes("XDR_MC", "XDR"), ("行政相对人名称",)),
    ExchangeField("kind", _add_both_prefixes("XDR_LB"), ("行政相对人类别",)),
    # The numbering of the codes differs between the generations, so it needs the name behind it.
    ExchangeField(
        "uscc",
        _add_both_prefixes("XDR_SHXYM"),
        ("行政相对人代码_1", "行政相对人代码_1(统一社会信用代码)", "行政相对人统一社会信用代码"),
    ),
    ExchangeField(
        "registration_no",
        _add_both_prefixes("XDR_GSZC", "XDR_GSDJ"),
        ("行政相对人代码_2(工商注册号)", "行政相对人代码_3(工商登记码)", "工商登记码"),
    ),
    ExchangeField(
        "org_code",
        _add_both_prefixes("XDR_ZZJG", "XDR_ZDM"),
        ("行政相对人代码_3(组织机构代码)", "行政相对人代码_2(组织机构代码)"),
    ),
    ExchangeField(
        "resident_id",
        _add_both_prefixes("XDR_SFZ"),
        ("行政相对人代码_5(居民身份证号)", "行政相对人身份证号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "税务登记号",
        _add_both_prefixes("XDR_SWDJ"),
        ("行政相对人代码_4(税务登记号)", "税务登记号", "纳税人识别号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "事业单位证书号",
        _add_both_prefixes("XDR_SYDW"),
        ("行政相对人代码_5(事业单位证书号)", "事业单位证书号"),
    ),
    ExchangeField(
        NOTE_PREFIX + "社会组织登记证号",
        _add_both_prefixes("XDR_SHZZ"),
        ("行政相对人代码_6(社会组织登记证号)", "社会组织登记证号"),
    ),
    ExchangeField("legal_representative", _add_both_prefixes("FRDB", "FR"), ("法定代表人姓名",)),
    ExchangeField("legal_representative_scheme", _add_both_prefixes("FR_ZJLX")),
    ExchangeField("legal_representative_number", _add_both_prefixes("FR_ZJHM")),
    ExchangeField(
        "legal_representative_resident_id", _add_both_prefixes("FR_SFZH"), ("法定代表人身份证号",)
    ),
    ExchangeField("identifier_scheme", _add_both_prefixes("XDR_ZJLX"), ("自然人证件类型",)),
    ExchangeField("identifier_number", _add_both_prefixes("XDR_ZJHM"), ("自然人证件号码",)),
    ExchangeField(
        "decision_number",
        ("CF_WSH",),
        ("行政处罚决定书文号", "处罚决定书文号"),
        ExchangeKind.penalty,
    ),
    ExchangeField(
        "decision_number",
        ("XK_WSH",),
        ("行政许可决定书文号", "行政许可决定文书号"),
        ExchangeKind.licence,
    ),
    ExchangeField("decided_on", ("CF_JDRQ",), ("处罚决定日期",), ExchangeKind.penalty),
    ExchangeField("decided_on", ("XK_JDRQ",), ("许可决定日期",), ExchangeKind.licence),
    ExchangeField("penalty_conduct", ("CF_WFXW",), (), ExchangeKind.penalty),
    ExchangeField("reason", ("CF_SY",), ("违法事实", "处罚事由"), ExchangeKind.penalty),
    ExchangeField("legal_basis", ("CF_YJ",), ("处罚依据",), ExchangeKind.penalty),
    ExchangeField(
        "penalty_categories",
        ("CF_CFLB", "CF_CFLB1", "CF_CFLB2"),
        ("处罚类别1", "处罚类别2"),
        ExchangeKind.penalty,
    ),
    ExchangeField("penalty_content", ("CF_NR",), (), ExchangeKind.penalty),
    ExchangeField("penalty_result", ("CF_JG",), ("处罚结果",), ExchangeKind.penalty),
    ExchangeField("penalty_fine", ("CF_NR_FK",), (), ExchangeKind.penalty),
    ExchangeField("penalty_confiscated", ("CF_NR_WFFF",), (), ExchangeKind.penalty),
    ExchangeField("penalty_permit", ("CF_NR_ZKDX",), (), ExchangeKind.penalty),
    ExchangeField("effective_from", ("CF_SXQ",), ("处罚生效期",), ExchangeKind.penalty),
    ExchangeField(
        "effective_until", ("CF_YXQ", "CF_JZQ"), ("处罚有效期", "处罚截止期"), ExchangeKind.penalty
    ),
    ExchangeField(
        "licence_document_name", ("XK_XKWS",), ("行政许可决定文书名称",), ExchangeKind.licence
    ),
    ExchangeField("licence_category", ("XK_XKLB", "XK_SPLB"), ("审批类别",), ExchangeKind.licence),
    ExchangeField("licence_certificate_name", ("XK_XKZS",), (), ExchangeKind.licence),
    ExchangeField("licence_certificate_number", ("XK_XKBH",), (), ExchangeKind.licence),
    ExchangeField("licence_content", ("XK_NR",), (), ExchangeKind.licence),
    ExchangeField("effective_from", ("XK_YXQZ",), (), ExchangeKind.licence),
    ExchangeField("effective_until", ("XK_YXQZI", "XK_JZQ"), ("许可截止期",), ExchangeKind.licence),
    ExchangeField("organ", ("CF_CFJG", "CF_XZJG"), ("处罚机关",), ExchangeKind.penalty),
    ExchangeField("organ", ("XK_XKJG", "XK_XZJG"), ("许可机关",), ExchangeKind.licence),
    ExchangeField(
        NOTE_PREFIX + "处罚机关统一社会信用代码",
        ("CF_CFJGDM",),
        ("处罚机关统一社会信用代码",),
        ExchangeKind.penalty,
    ),
    ExchangeField(
        NOTE_PREFIX + "许可机关统一社会信用代码",
        ("XK_XKJGDM",),
        ("许可机关统一社会信用代码",),
        ExchangeKind.licence,
    ),
    ExchangeField(NOTE_PREFIX + "数据来源单位", ("CF_SJLY", "XK_LYDW"), ("数据来源单位",)),
    ExchangeField(
        NOTE_PREFIX + "数据来源单位统一社会信用代码",
        ("CF_SJLYDM", "XK_LYDWDM"),
        ("数据来源单位统一社会信用代码",),
    ),
    ExchangeField(
        NOTE_PREFIX + "公示截止期", _add_both_prefixes("GSJZQ"), ("公示截止期", "公示截止日期")
    ),
    ExchangeField(NOTE_PREFIX + "处罚名称", ("CF_CFMC",), ("处罚名称",), ExchangeKind.penalty),
    ExchangeField(NOTE_PREFIX + "案件名称", ("CF_AJMC",), ("案件名称",), ExchangeKind.penalty),
    ExchangeField(
        NOTE_PREFIX + "项目名称", ("XK_XMMC",), ("项目名称", "许可项目名称"), ExchangeKind.licence
    ),
    ExchangeField(NOTE_PREFIX + "权力编码", _add_both_prefixes("BM"), ("权力编码",)),
    ExchangeField(NOTE_PREFIX + "地方编码", ("DFBM",), ("地方编码",)),
    ExchangeField("state", _add_both_prefixes("ZT"), ("当前状态",)),
    ExchangeField("scope", _add_both_prefixes("SYFW"), ("信息使用范围",)),
    ExchangeField("degree", _add_both_prefixes("SXYZCD"), ("失信严重程度",)),
    ExchangeField("remark", ("BZ",), ()),
    ExchangeField("ignored", ("SJC",), ("数据更新时间戳",)),
)

EXCHANGE_ONLY_HEADINGS = frozenset(
    {"行政相对人名称", "行政相对人类别", "行政处罚决定书文号", "行政许可决定书文号"}
)
"""Headings in Chinese that only tables of the exchange have."""

OLD_CODE_SUFFIXES = {
    "XDR",
    "XDR_ZDM",
    "XDR_GSDJ",
    "XDR_SFZ",
    "FR",
    "XMMC",
    "SPLB",
    "JZQ",
    "XZJG",
    "SYFW",
}
NEW_CODE_SUFFIXES = {
    "XDR_LB",
    "XDR_GSZC",
    "XDR_ZZJG",
    "XDR_SYDW",
    "XDR_SHZZ",
    "FRDB",
    "FR_ZJLX",
    "FR_ZJHM",
} | {
    *("FR_SFZH", "XDR_ZJLX", "XDR_ZJHM", "XKWS", "XKLB", "XKZS", "XKBH", "YXQZ", "YXQZI"),
    *("XKJG", "XKJGDM", "LYDW", "LYDWDM"),
}


def find_exchange_kind(code: str) -> ExchangeKind | None:
    """What tables the code is of; None for BZ, DFBM and SJC, which stand in both."""
    return EXCHANGE_KIND_BY_PREFIX.get(code[:3])


def find_edition(code: str) -> StandardEdition | None:
    """The only generation that has the code, None where both have it."""
    suffix = code[3:]
    if suffix in OLD_CODE_SUFFIXES or code == "DFBM":
        return StandardEdition.old
    return StandardEdition.new if suffix in NEW_CODE_SUFFIXES else None


def require_list_type(
    exchange_kind: ExchangeKind, list_type: str | None, catalogue: Catalogue
) -> None:
    """Refuse an exchange table for anything but records of its own sort.

    Raises:
        InvalidPayload: the list type is missing, red or black, or of the other sort.
    """
    if list_type is None:
        _refuse_list_type(
            ProblemCode.list_type_missing,
            Sentence(
                "A table of the exchange does not say its list type: give it with the request"
                f" (one that ends with .{exchange_kind})",
                "双公示文件不含名单类型：提交时请指定相应领域的行政处罚或行政许可记录类型",
            ),
        )
    elif _is_wrong_list_type(exchange_kind, list_type, catalogue):
        words = {ExchangeKind.penalty: "行政处罚", ExchangeKind.licence: "行政许可"}
        _refuse_list_type(
            ProblemCode.record_types_only,
            Sentence(
                f"This table holds {exchange_kind} records: give a record list type that ends with"
                f" .{exchange_kind}",
                f"该文件为{words[exchange_kind]}公示数据，只能提交为{words[exchange_kind]}记录类型，"
                "不能作为红黑名单或其他类型提交",
            ),
        )


def _is_wrong_list_type(exchange_kind: ExchangeKind, list_type: str, catalogue: Catalogue) -> bool:
    found = catalogue.list_types.get(list_type)
    is_record_type = (
        found is None or found.kind is ListKind.record
    )  # an unknown one is refused elsewhere
    return not is_record_type or not list_type.endswith(f".{exchange_kind}")


def _refuse_list_type(code: ProblemCode, sentence: Sentence) -> None:
    raise InvalidPayload(faults=[Fault("/list_type", code, sentence)])


# --- what a row says -----------------------------------------------------

# 0 公示, 1 政府部门内部共享, 2 授权查询, 3 … : the codes were found in use, their meanings are only
# known; 3 is left to the list type.
DISCLOSURE_CLASS_BY_SCOPE: Mapping[str, str | None] = {
    "0": "public",
    "1": "restricted",
    "2": "restricted",
    "3": None,
}
IN_FORCE_STATES = frozenset({"0", "正常", "有效"})
SEVERITY_BY_DEGREE: Mapping[str, str] = {
    **dict.fromkeys(("1", "一般", "一般失信"), "general"),
    **dict.fromkeys(("3", "严重", "严重失信"), "serious"),
    **dict.fromkeys(("轻微", "轻微失信"), "minor"),
}
"""CF_SXYZCD: 0 未定 and 2 较重 are none of our three classes, and stay in the remark."""

NOT_IN_FORCE = Sentence(
    "What is not in force any more is not submitted as new: revoke the recorded entry",
    "已撤销或失效的记录不能作为新记录提交：请对已登记的条目办理撤销",
)
AMBIGUOUS_STATE = Sentence(
    "1 means in force in one edition of the standard and revoked in the other: write 有效 or 撤销",
    "状态“1”在新旧标准中含义不同：请改写为“有效”或“撤销”",
)
OTHER_DEPARTMENT = Sentence(
    "The row names another department than the one that submits it",
    "该行所填单位与报送单位不是同一部门",
)
UNKNOWN_DEPARTMENT = Sentence(
    "The catalogue has no such department: write its full name or its code",
    "目录中没有该部门：请填写部门全称或代码",
)
PENALTY_LAW_REQUIRED = Sentence(
    "A public-security body says under which law it punished (column 处罚法律类别)",
    "公安机关作出的行政处罚须在“处罚法律类别”列注明处罚所依据的法律类别",
)
NUMBER_IN_REMARK = Sentence(
    "This cell would go into the remark, and holds a personal identity number: empty it",
    "该列内容将并入备注，不得含有个人身份号码：请清空该单元格",
)


def resolve_fields(
    parsed: ParsedRow,
    catalogue: Catalogue,
    submitting_department: str | None,
    exchange_kind: ExchangeKind | None,
) -> None:
    """Give what has no column of ours its place; `department` is the one that submits."""
    _resolve_department(parsed, catalogue, submitting_department)
    _resolve_state(parsed, exchange_kind)
    _resolve_scope(parsed)
    degree = parsed.pop("degree")
    if degree is not None and fold_text(degree) in SEVERITY_BY_DEGREE:
        parsed.add("severity", SEVERITY_BY_DEGREE[fold_text(degree)], parsed.columns["degree"])
    elif degree is not None:
        parsed.notes.append(("失信严重程度", degree, parsed.columns["degree"]))
    _resolve_penalty_result(parsed)
    for key in [key for key in parsed.values if key.startswith(NOTE_PREFIX)]:
        parsed.notes.append((key.removeprefix(NOTE_PREFIX), parsed.pop(key), parsed.columns[key]))
    for _, text, place in parsed.notes:
        if contains_personal_number(text):
            unreadable = UnreadableCell(ProblemCode.personal_number_in_text, NUMBER_IN_REMARK)
            parsed.row_faults.append(("/remark", place, unreadable))


def _resolve_department(
    parsed: ParsedRow, catalogue: Catalogue, submitting_department: str | None
) -> None:
    department_text = parsed.pop("department")
    if department_text is not None:
        department = _find_department(catalogue, department_text)
        column_index = parsed.columns["department"]
        if department is None:
            parsed.mark_unreadable(
                "department", column_index, ProblemCode.unknown_department, UNKNOWN_DEPARTMENT
            )
        elif submitting_department not in {None, department.code}:
            parsed.mark_unreadable(
                "department", column_index, ProblemCode.other_department, OTHER_DEPARTMENT
            )
        else:
            parsed.add("department", department.code, column_index)
    organ = parsed.values.get("organ")
    if organ is None:
        return
    department, column_index = _find_department(catalogue, organ), parsed.columns["organ"]
    submitting_department = submitting_department or parsed.values.get("department")
    if department is not None and submitting_department is None:
        parsed.add("department", department.code, column_index)
    elif department is None or (
        department.code != submitting_department
        and _has_become(catalogue, department, submitting_department)
    ):
        # A district's bureau that the catalogue does not know, or one that is called otherwise now.
        parsed.notes.append(("决定机关", organ, column_index))
    elif department.code != submitting_department:
        parsed.mark_unreadable(
            "department", column_index, ProblemCode.other_department, OTHER_DEPARTMENT
        )


def _find_department(catalogue: Catalogue, text: str) -> Department | None:
    return catalogue.find_department(text) or catalogue.find_department(fold_text(text))


def _has_become(catalogue: Catalogue, department: Department, successor_code: str | None) -> bool:
    seen: set[str] = set()
    current: Department | None = department
    while current is not None and current.code not in seen:
        seen.add(current.code)
        current = catalogue.departments.get(current.successor or "")
    return successor_code in seen


def _resolve_state(parsed: ParsedRow, exchange_kind: ExchangeKind | None) -> None:
    state = parsed.pop("state")
    if state is None or fold_text(state) in IN_FORCE_STATES:
        return
    code, sentence = ProblemCode.not_in_force, NOT_IN_FORCE
    if fold_text(state) == "1" and exchange_kind is ExchangeKind.licence:
        # XK_ZT: 1 有效, 2 无效 since 2018; 0 正常, 1 撤销, 2 异议, 3 其他 before, as CF_ZT.
        if parsed.editions == {StandardEdition.new}:
            return
        if parsed.editions != {StandardEdition.old}:
            code, sentence = ProblemCode.state_unclear, AMBIGUOUS_STATE
    parsed.row_faults.append(("", parsed.columns["state"], UnreadableCell(code, sentence)))


def _resolve_scope(parsed: ParsedRow) -> None:
    scope = parsed.pop("scope")
    if scope is None:
        return
    column_index, folded_scope = parsed.columns["scope"], fold_text(scope)
    if folded_scope not in DISCLOSURE_CLASS_BY_SCOPE:
        allowed_values = Sentence("One of: 0, 1, 2, 3", "只能填写：0、1、2、3")
        parsed.row_faults.append(
            (
                "/disclosure/class",
                column_index,
                UnreadableCell(ProblemCode.unknown_value, allowed_values),
            )
        )
        return
    disclosure_class = DISCLOSURE_CLASS_BY_SCOPE[folded_scope]
    if disclosure_class is not None:
        parsed.add("disclosure_class", disclosure_class, column_index)
    if disclosure_class != "public":
        parsed.notes.append(("信息使用范围", folded_scope, column_index))


def _resolve_penalty_result(parsed: ParsedRow) -> None:
    """CF_JG of 2016 is what CF_NR became; where both say something else, both are kept."""
    result, content = parsed.pop("penalty_result"), parsed.values.get("penalty_content")
    if result is None:
        return
    if content is None and "penalty_content" not in parsed.unreadable:
        parsed.add("penalty_content", result, parsed.columns["penalty_result"])
    elif content != result:
        parsed.notes.append(("处罚结果", result, parsed.columns["penalty_result"]))


ANY_ORGANISATION = "organization"
"""双公示 knows legal persons and other organisations as one: 法人及非法人组织."""
UNINCORPORATED_PREFIXES = ("21", "31", "61", "62")
"""Beginnings of credit codes (registering authority and category, GB 32100) whose holders are never
legal persons: offices of foreign newspapers and of foreign or overseas tourism bodies, law firms
(民法典 102). Enterprises (91), private non-enterprise units (52), trade unions (81) and others may
be either, and count as legal persons, which most of them are. 92 is left to the body's check: a
shop that is called an organisation contradicts itself."""


def infer_organisation_kind(uscc: str | None) -> SubjectKind:
    """What a 法人及非法人组织 is, as far as its credit code tells; else a legal person."""
    code = normalize_number(uscc) if uscc else ""
    if is_uscc(code) and code.startswith(UNINCORPORATED_PREFIXES):
        return SubjectKind.unincorporated_organization
    return SubjectKind.legal_person


def _infer_kind(values: Mapping[str, object]) -> str | None:
    """The kind of a subject in a row that does not say it, as those of 2016 do not."""
    schemes = values.keys() & set(Scheme)
    if not schemes or "identifier_number" in values:
        return None
    if schemes <= PERSON_SCHEMES:
        return SubjectKind.natural_person
    is_individual_business = normalize_number(str(values.get("uscc", ""))).startswith(
        INDIVIDUAL_BUSINESS_PREFIX
    )
    return SubjectKind.individual_business if is_individual_business else ANY_ORGANISATION


INDIVIDUAL_BUSINESS_PREFIX = "92"  # GB 32100: market supervision, individual business
LICENSING_LAW_BASIS = "中华人民共和国行政许可法（报送文件未载明具体条款）"
"""The exchange has no field for a licence's legal basis. Always the same text: were it taken from
the catalogue, a new catalogue would make the same licence a different body."""


def add_implied_values(
    parsed: ParsedRow,
    exchange_kind: ExchangeKind,
    catalogue: Catalogue,
    submitting_department: str | None,
) -> None:
    """Add what every row of an exchange table says by being in it."""
    if exchange_kind is ExchangeKind.penalty:
        _set_default(parsed, "decision_kind", "administrative_penalty")
        _set_penalty_law(parsed, catalogue, submitting_department)
    else:
        _set_default(parsed, "decision_kind", "administrative_licence")
        _set_default(parsed, "legal_basis", LICENSING_LAW_BASIS)
        reason_keys = ("licence_content", "licence_document_name")
        key = next((key for key in reason_keys if key in parsed.values), None)
        if key is not None and "reason" not in parsed.values:
            parsed.add("reason", parsed.values[key], parsed.columns[key])
    kind = _infer_kind(parsed.values)
    if kind is not None:
        _set_default(parsed, "kind", kind)
    reference = build_source_reference(parsed.values)
    if reference is not None and "source_ref" not in parsed.values:
        parsed.add("source_ref", reference, parsed.columns["decision_number"])
    parsed.pop("organ")


def _set_default(parsed: ParsedRow, key: str, value: str) -> None:
    if key not in parsed.unreadable:
        parsed.values.setdefault(key, value)


def _set_penalty_law(
    parsed: ParsedRow, catalogue: Catalogue, submitting_department: str | None
) -> None:
    department_code = submitting_department or parsed.values.get("department") or ""
    is_police = catalogue.is_police_department(department_code)
    names_police = "公安" in parsed.values.get("organ", "")
    if not is_police and not names_police:
        _set_default(parsed, "penalty_law", "administrative")
    elif not is_police and "penalty_law" not in parsed.values:
        # The rules ask a police department itself; nobody would ask the one that sends for it.
        parsed.mark_unreadable(
            "penalty_law", parsed.columns["organ"], ProblemCode.missing, PENALTY_LAW_REQUIRED
        )


MAX_REFERENCE_LENGTH = 80
DIGEST_LENGTH = 8
HEX_TO_LETTERS = str.maketrans(
    "0123456789abcdef", "abcdefghjkmnpqrs"
)  # digits could look like a number
ORGANISATION_NUMBERS = ("uscc", "org_code", "registration_no")


def build_source_reference(values: Mapping[str, object]) -> str | None:
    """A reference for a row that has none: its document number, and eight letters for its subject.

    One document may punish several parties, so the letters are a digest of the subject's number
    or, where it has none but a personal one, of its name: personal numbers are never used. They
    depend on the row alone, so the same decision sent again has the same reference. Two people of
    one name in one document get one reference, and the second is refused as a conflict.
    """
    document, subject = values.get("decision_number"), _build_subject_key(values)
    if not isinstance(document, str) or subject is None:
        return None
    digest = hashlib.sha256(f"{fold_text(document)}\n{subject}".encode("utf-8", "replace"))
    letters = digest.hexdigest()[:DIGEST_LENGTH].translate(HEX_TO_LETTERS)
    return f"{document[: MAX_REFERENCE_LENGTH - DIGEST_LENGTH - 1]}-{letters}"


def _build_subject_key(values: Mapping[str, object]) -> str | None:
    numbers: list[tuple[object, object]] = [
        (scheme, values.get(scheme)) for scheme in ORGANISATION_NUMBERS
    ]
    if values.get("identifier_scheme") not in {None, *PERSON_SCHEMES}:
        numbers.append((values["identifier_scheme"], values.get("identifier_number")))
    for scheme, number in numbers:
        if isinstance(number, str) and not contains_personal_number(number):
            return f"{scheme}:{normalize_number(number)}"
    name = values.get("name")
    return f"name:{fold_name(name)}" if isinstance(name, str) else None


OTHER_CATEGORY = re.compile("其他[-—－:：]")


def build_categories_reader(read: Callable[..., str | None]) -> Callable[..., list[str] | None]:
    """A reader of several categories in one cell, parted by ; or 、; what follows 其他- stays."""

    def read_categories(cell: object) -> list[str] | None:
        text = read(cell)
        return None if text is None else list(dict.fromkeys(_split_categories(text)))

    return read_categories


def _split_categories(text: str) -> Sequence[str]:
    parts: list[str] = []
    for part in re.split("[;；]", text):
        other = OTHER_CATEGORY.search(part)
        enumerated = part[: other.start()] if other else part
        parts += enumerated.split("、")
        parts += [part[other.start() :]] if other else []
    return [part.strip() for part in parts if part.strip()]
