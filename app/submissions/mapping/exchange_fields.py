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

from app.errors import Fault, InvalidPayload, Sentence
from app.rules.identifiers import PERSON_SCHEMES, Scheme, is_uscc, normalize_number
from app.rules.law import Catalogue, Department, ListKind, SubjectKind
from app.rules.names import fold_name
from app.rules.personal_numbers import contains_personal_number
from app.submissions.mapping.values import Said, Unreadable, folded

NOTE = "note:"
"""Begins the key of what goes into the remark, before its label."""


class Family(StrEnum):
    """What an exchange table is about; also how the codes of its list types end."""

    penalty = "penalty"
    licence = "licence"


class Generation(StrEnum):
    """Which edition of the standard a heading is of."""

    old = "2016"
    new = "2018"


PREFIXES: Mapping[str, Family] = {"CF_": Family.penalty, "XK_": Family.licence}


@dataclass(frozen=True, slots=True)
class Field:
    """Headings that mean the same: `key` is a column's of ours, or one that is settled here."""

    key: str
    codes: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    family: Family | None = None


def _both(*suffixes: str) -> tuple[str, ...]:
    return tuple(prefix + suffix for suffix in suffixes for prefix in PREFIXES)


# Codes: the tables of real exchange systems. CF_JG is 处罚结果 (the organ is CF_XZJG or CF_CFJG).
FIELDS: tuple[Field, ...] = (
    Field("name", _both("XDR_MC", "XDR"), ("行政相对人名称",)),
    Field("kind", _both("XDR_LB"), ("行政相对人类别",)),
    # The numbering of the codes differs between the generations, so it needs the name behind it.
    Field(
        "uscc",
        _both("XDR_SHXYM"),
        ("行政相对人代码_1", "行政相对人代码_1(统一社会信用代码)", "行政相对人统一社会信用代码"),
    ),
    Field(
        "registration_no",
        _both("XDR_GSZC", "XDR_GSDJ"),
        ("行政相对人代码_2(工商注册号)", "行政相对人代码_3(工商登记码)", "工商登记码"),
    ),
    Field(
        "org_code",
        _both("XDR_ZZJG", "XDR_ZDM"),
        ("行政相对人代码_3(组织机构代码)", "行政相对人代码_2(组织机构代码)"),
    ),
    Field(
        "resident_id",
        _both("XDR_SFZ"),
        ("行政相对人代码_5(居民身份证号)", "行政相对人身份证号"),
    ),
    Field(
        NOTE + "税务登记号",
        _both("XDR_SWDJ"),
        ("行政相对人代码_4(税务登记号)", "税务登记号", "纳税人识别号"),
    ),
    Field(
        NOTE + "事业单位证书号",
        _both("XDR_SYDW"),
        ("行政相对人代码_5(事业单位证书号)", "事业单位证书号"),
    ),
    Field(
        NOTE + "社会组织登记证号",
        _both("XDR_SHZZ"),
        ("行政相对人代码_6(社会组织登记证号)", "社会组织登记证号"),
    ),
    Field("legal_representative", _both("FRDB", "FR"), ("法定代表人姓名",)),
    Field("legal_representative_scheme", _both("FR_ZJLX")),
    Field("legal_representative_number", _both("FR_ZJHM")),
    Field("legal_representative_resident_id", _both("FR_SFZH"), ("法定代表人身份证号",)),
    Field("identifier_scheme", _both("XDR_ZJLX"), ("自然人证件类型",)),
    Field("identifier_number", _both("XDR_ZJHM"), ("自然人证件号码",)),
    Field("decision_number", ("CF_WSH",), ("行政处罚决定书文号", "处罚决定书文号"), Family.penalty),
    Field(
        "decision_number",
        ("XK_WSH",),
        ("行政许可决定书文号", "行政许可决定文书号"),
        Family.licence,
    ),
    Field("decided_on", ("CF_JDRQ",), ("处罚决定日期",), Family.penalty),
    Field("decided_on", ("XK_JDRQ",), ("许可决定日期",), Family.licence),
    Field("penalty_conduct", ("CF_WFXW",), (), Family.penalty),
    Field("reason", ("CF_SY",), ("违法事实", "处罚事由"), Family.penalty),
    Field("legal_basis", ("CF_YJ",), ("处罚依据",), Family.penalty),
    Field(
        "penalty_categories",
        ("CF_CFLB", "CF_CFLB1", "CF_CFLB2"),
        ("处罚类别1", "处罚类别2"),
        Family.penalty,
    ),
    Field("penalty_content", ("CF_NR",), (), Family.penalty),
    Field("penalty_result", ("CF_JG",), ("处罚结果",), Family.penalty),
    Field("penalty_fine", ("CF_NR_FK",), (), Family.penalty),
    Field("penalty_confiscated", ("CF_NR_WFFF",), (), Family.penalty),
    Field("penalty_permit", ("CF_NR_ZKDX",), (), Family.penalty),
    Field("effective_from", ("CF_SXQ",), ("处罚生效期",), Family.penalty),
    Field("effective_until", ("CF_YXQ", "CF_JZQ"), ("处罚有效期", "处罚截止期"), Family.penalty),
    Field("licence_document_name", ("XK_XKWS",), ("行政许可决定文书名称",), Family.licence),
    Field("licence_category", ("XK_XKLB", "XK_SPLB"), ("审批类别",), Family.licence),
    Field("licence_certificate_name", ("XK_XKZS",), (), Family.licence),
    Field("licence_certificate_number", ("XK_XKBH",), (), Family.licence),
    Field("licence_content", ("XK_NR",), (), Family.licence),
    Field("effective_from", ("XK_YXQZ",), (), Family.licence),
    Field("effective_until", ("XK_YXQZI", "XK_JZQ"), ("许可截止期",), Family.licence),
    Field("organ", ("CF_CFJG", "CF_XZJG"), ("处罚机关",), Family.penalty),
    Field("organ", ("XK_XKJG", "XK_XZJG"), ("许可机关",), Family.licence),
    Field(
        NOTE + "处罚机关统一社会信用代码",
        ("CF_CFJGDM",),
        ("处罚机关统一社会信用代码",),
        Family.penalty,
    ),
    Field(
        NOTE + "许可机关统一社会信用代码",
        ("XK_XKJGDM",),
        ("许可机关统一社会信用代码",),
        Family.licence,
    ),
    Field(NOTE + "数据来源单位", ("CF_SJLY", "XK_LYDW"), ("数据来源单位",)),
    Field(
        NOTE + "数据来源单位统一社会信用代码",
        ("CF_SJLYDM", "XK_LYDWDM"),
        ("数据来源单位统一社会信用代码",),
    ),
    Field(NOTE + "公示截止期", _both("GSJZQ"), ("公示截止期", "公示截止日期")),
    Field(NOTE + "处罚名称", ("CF_CFMC",), ("处罚名称",), Family.penalty),
    Field(NOTE + "案件名称", ("CF_AJMC",), ("案件名称",), Family.penalty),
    Field(NOTE + "项目名称", ("XK_XMMC",), ("项目名称", "许可项目名称"), Family.licence),
    Field(NOTE + "权力编码", _both("BM"), ("权力编码",)),
    Field(NOTE + "地方编码", ("DFBM",), ("地方编码",)),
    Field("state", _both("ZT"), ("当前状态",)),
    Field("scope", _both("SYFW"), ("信息使用范围",)),
    Field("degree", _both("SXYZCD"), ("失信严重程度",)),
    Field("remark", ("BZ",), ()),
    Field("ignored", ("SJC",), ("数据更新时间戳",)),
)

MARKS = frozenset({"行政相对人名称", "行政相对人类别", "行政处罚决定书文号", "行政许可决定书文号"})
"""Headings in Chinese that only tables of the exchange have."""

OLD = {"XDR", "XDR_ZDM", "XDR_GSDJ", "XDR_SFZ", "FR", "XMMC", "SPLB", "JZQ", "XZJG", "SYFW"}
NEW = {"XDR_LB", "XDR_GSZC", "XDR_ZZJG", "XDR_SYDW", "XDR_SHZZ", "FRDB", "FR_ZJLX", "FR_ZJHM"} | {
    *("FR_SFZH", "XDR_ZJLX", "XDR_ZJHM", "XKWS", "XKLB", "XKZS", "XKBH", "YXQZ", "YXQZI"),
    *("XKJG", "XKJGDM", "LYDW", "LYDWDM"),
}


def family_of_code(code: str) -> Family | None:
    """What tables the code is of; None for BZ, DFBM and SJC, which stand in both."""
    return PREFIXES.get(code[:3])


def generation_of_code(code: str) -> Generation | None:
    """The only generation that has the code, None where both have it."""
    suffix = code[3:]
    if suffix in OLD or code == "DFBM":
        return Generation.old
    return Generation.new if suffix in NEW else None


def require_list_type(family: Family, list_type: str | None, catalogue: Catalogue) -> None:
    """Refuse an exchange table for anything but records of its own sort.

    Raises:
        InvalidPayload: the list type is missing, red or black, or of the other sort.
    """
    if list_type is None:
        _refuse_list_type(
            "list_type_missing",
            Sentence(
                "A table of the exchange does not say its list type: give it with the request"
                f" (one that ends with .{family})",
                "双公示文件不含名单类型：提交时请指定相应领域的行政处罚或行政许可记录类型",
            ),
        )
    elif _is_not(family, list_type, catalogue):
        words = {Family.penalty: "行政处罚", Family.licence: "行政许可"}
        _refuse_list_type(
            "record_types_only",
            Sentence(
                f"This table holds {family} records: give a record list type that ends with"
                f" .{family}",
                f"该文件为{words[family]}公示数据，只能提交为{words[family]}记录类型，"
                "不能作为红黑名单或其他类型提交",
            ),
        )


def _is_not(family: Family, list_type: str, catalogue: Catalogue) -> bool:
    known = catalogue.list_types.get(list_type)
    record = known is None or known.kind is ListKind.record  # an unknown one is refused elsewhere
    return not record or not list_type.endswith(f".{family}")


def _refuse_list_type(code: str, sentence: Sentence) -> None:
    raise InvalidPayload(faults=[Fault("/list_type", code, sentence)])


# --- what a row says -----------------------------------------------------

# 0 公示, 1 政府部门内部共享, 2 授权查询, 3 … : the codes were found in use, their meanings are only
# known; 3 is left to the list type.
SCOPES: Mapping[str, str | None] = {"0": "public", "1": "restricted", "2": "restricted", "3": None}
IN_FORCE = frozenset({"0", "正常", "有效"})
DEGREES: Mapping[str, str] = {
    **dict.fromkeys(("1", "一般", "一般失信"), "general"),
    **dict.fromkeys(("3", "严重", "严重失信"), "serious"),
    **dict.fromkeys(("轻微", "轻微失信"), "minor"),
}
"""CF_SXYZCD: 0 未定 and 2 较重 are none of our three classes, and stay in the remark."""

ENDED = Sentence(
    "What is not in force any more is not submitted as new: revoke the recorded entry",
    "已撤销或失效的记录不能作为新记录提交：请对已登记的条目办理撤销",
)
UNCLEAR_STATE = Sentence(
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
POLICE_LAW = Sentence(
    "A public-security body says under which law it punished (column 处罚法律类别)",
    "公安机关作出的行政处罚须在“处罚法律类别”列注明处罚所依据的法律类别",
)
NUMBER_IN_REMARK = Sentence(
    "This cell would go into the remark, and holds a personal identity number: empty it",
    "该列内容将并入备注，不得含有个人身份号码：请清空该单元格",
)


def settle(said: Said, catalogue: Catalogue, department: str | None, family: Family | None) -> None:
    """Give what has no column of ours its place; `department` is the one that submits."""
    _settle_department(said, catalogue, department)
    _settle_state(said, family)
    _settle_scope(said)
    degree = said.take("degree")
    if degree is not None and folded(degree) in DEGREES:
        said.add("severity", DEGREES[folded(degree)], said.places["degree"])
    elif degree is not None:
        said.notes.append(("失信严重程度", degree, said.places["degree"]))
    _settle_result(said)
    for key in [key for key in said.values if key.startswith(NOTE)]:
        said.notes.append((key.removeprefix(NOTE), said.take(key), said.places[key]))
    for _, text, place in said.notes:
        if contains_personal_number(text):
            unreadable = Unreadable("personal_number_in_text", NUMBER_IN_REMARK)
            said.refused.append(("/remark", place, unreadable))


def _settle_department(said: Said, catalogue: Catalogue, submitting: str | None) -> None:
    written = said.take("department")
    if written is not None:
        named = _department(catalogue, written)
        place = said.places["department"]
        if named is None:
            said.refuse("department", place, "unknown_department", UNKNOWN_DEPARTMENT)
        elif submitting not in {None, named.code}:
            said.refuse("department", place, "other_department", OTHER_DEPARTMENT)
        else:
            said.add("department", named.code, place)
    organ = said.values.get("organ")
    if organ is None:
        return
    named, place = _department(catalogue, organ), said.places["organ"]
    submitting = submitting or said.values.get("department")
    if named is not None and submitting is None:
        said.add("department", named.code, place)
    elif named is None or (named.code != submitting and _became(catalogue, named, submitting)):
        # A district's bureau that the catalogue does not know, or one that is called otherwise now.
        said.notes.append(("决定机关", organ, place))
    elif named.code != submitting:
        said.refuse("department", place, "other_department", OTHER_DEPARTMENT)


def _department(catalogue: Catalogue, written: str) -> Department | None:
    return catalogue.find_department(written) or catalogue.find_department(folded(written))


def _became(catalogue: Catalogue, named: Department, code: str | None) -> bool:
    seen: set[str] = set()
    following: Department | None = named
    while following is not None and following.code not in seen:
        seen.add(following.code)
        following = catalogue.departments.get(following.successor or "")
    return code in seen


def _settle_state(said: Said, family: Family | None) -> None:
    state = said.take("state")
    if state is None or folded(state) in IN_FORCE:
        return
    code, sentence = "not_in_force", ENDED
    if folded(state) == "1" and family is Family.licence:
        # XK_ZT: 1 有效, 2 无效 since 2018; 0 正常, 1 撤销, 2 异议, 3 其他 before, as CF_ZT.
        if said.written == {Generation.new}:
            return
        if said.written != {Generation.old}:
            code, sentence = "state_unclear", UNCLEAR_STATE
    said.refused.append(("", said.places["state"], Unreadable(code, sentence)))


def _settle_scope(said: Said) -> None:
    scope = said.take("scope")
    if scope is None:
        return
    place, written = said.places["scope"], folded(scope)
    if written not in SCOPES:
        known = Sentence("One of: 0, 1, 2, 3", "只能填写：0、1、2、3")
        said.refused.append(("/disclosure/class", place, Unreadable("unknown_value", known)))
        return
    wanted = SCOPES[written]
    if wanted is not None:
        said.add("disclosure_class", wanted, place)
    if wanted != "public":
        said.notes.append(("信息使用范围", written, place))


def _settle_result(said: Said) -> None:
    """CF_JG of 2016 is what CF_NR became; where both say something else, both are kept."""
    result, content = said.take("penalty_result"), said.values.get("penalty_content")
    if result is None:
        return
    if content is None and "penalty_content" not in said.unread:
        said.add("penalty_content", result, said.places["penalty_result"])
    elif content != result:
        said.notes.append(("处罚结果", result, said.places["penalty_result"]))


ORGANISATION = "organization"
"""双公示 knows legal persons and other organisations as one: 法人及非法人组织."""
UNINCORPORATED = ("21", "31", "61", "62")
"""Beginnings of credit codes (registering authority and category, GB 32100) whose holders are never
legal persons: offices of foreign newspapers and of foreign or overseas tourism bodies, law firms
(民法典 102). Enterprises (91), private non-enterprise units (52), trade unions (81) and others may
be either, and count as legal persons, which most of them are. 92 is left to the body's check: a
shop that is called an organisation contradicts itself."""


def kind_of(uscc: str | None) -> SubjectKind:
    """What a 法人及非法人组织 is, as far as its credit code tells; else a legal person."""
    code = normalize_number(uscc) if uscc else ""
    if is_uscc(code) and code.startswith(UNINCORPORATED):
        return SubjectKind.unincorporated_organization
    return SubjectKind.legal_person


def _unwritten_kind(values: Mapping[str, object]) -> str | None:
    """The kind of a subject in a row that does not say it, as those of 2016 do not."""
    numbers = values.keys() & set(Scheme)
    if not numbers or "identifier_number" in values:
        return None
    if numbers <= PERSON_SCHEMES:
        return SubjectKind.natural_person
    shop = normalize_number(str(values.get("uscc", ""))).startswith(SHOP)
    return SubjectKind.individual_business if shop else ORGANISATION


SHOP = "92"  # GB 32100: market supervision, individual business
LICENSING_LAW = "中华人民共和国行政许可法（报送文件未载明具体条款）"
"""The exchange has no field for a licence's legal basis. Always the same text: were it taken from
the catalogue, a new catalogue would make the same licence a different body."""


def complete(said: Said, family: Family, catalogue: Catalogue, department: str | None) -> None:
    """Add what every row of an exchange table says by being in it."""
    if family is Family.penalty:
        _put(said, "decision_kind", "administrative_penalty")
        _say_which_law(said, catalogue, department)
    else:
        _put(said, "decision_kind", "administrative_licence")
        _put(said, "legal_basis", LICENSING_LAW)
        granted = ("licence_content", "licence_document_name")
        key = next((key for key in granted if key in said.values), None)
        if key is not None and "reason" not in said.values:
            said.add("reason", said.values[key], said.places[key])
    kind = _unwritten_kind(said.values)
    if kind is not None:
        _put(said, "kind", kind)
    reference = source_reference(said.values)
    if reference is not None and "source_ref" not in said.values:
        said.add("source_ref", reference, said.places["decision_number"])
    said.take("organ")


def _put(said: Said, key: str, value: str) -> None:
    if key not in said.unread:
        said.values.setdefault(key, value)


def _say_which_law(said: Said, catalogue: Catalogue, department: str | None) -> None:
    body = department or said.values.get("department") or ""
    police = catalogue.is_police_department(body)
    named_police = "公安" in said.values.get("organ", "")
    if not police and not named_police:
        _put(said, "penalty_law", "administrative")
    elif not police and "penalty_law" not in said.values:
        # The rules ask a police department itself; nobody would ask the one that sends for it.
        said.refuse("penalty_law", said.places["organ"], "missing", POLICE_LAW)


LONGEST_REFERENCE = 80
DIGEST_LETTERS = 8
LETTERS = str.maketrans("0123456789abcdef", "abcdefghjkmnpqrs")  # digits could look like a number
ORGANISATION_NUMBERS = ("uscc", "org_code", "registration_no")


def source_reference(values: Mapping[str, object]) -> str | None:
    """A reference for a row that has none: its document number, and eight letters for its subject.

    One document may punish several parties, so the letters are a digest of the subject's number
    or, where it has none but a personal one, of its name: personal numbers are never used. They
    depend on the row alone, so the same decision sent again has the same reference. Two people of
    one name in one document get one reference, and the second is refused as a conflict.
    """
    document, subject = values.get("decision_number"), _subject_key(values)
    if not isinstance(document, str) or subject is None:
        return None
    digest = hashlib.sha256(f"{folded(document)}\n{subject}".encode("utf-8", "replace"))
    letters = digest.hexdigest()[:DIGEST_LETTERS].translate(LETTERS)
    return f"{document[: LONGEST_REFERENCE - DIGEST_LETTERS - 1]}-{letters}"


def _subject_key(values: Mapping[str, object]) -> str | None:
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


def categories(read: Callable[..., str | None]) -> Callable[..., list[str] | None]:
    """A reader of several categories in one cell, parted by ; or 、; what follows 其他- stays."""

    def read_all(cell: object) -> list[str] | None:
        text = read(cell)
        return None if text is None else list(dict.fromkeys(_parted(text)))

    return read_all


def _parted(text: str) -> Sequence[str]:
    parts: list[str] = []
    for part in re.split("[;；]", text):
        other = OTHER_CATEGORY.search(part)
        enumerated = part[: other.start()] if other else part
        parts += enumerated.split("、")
        parts += [part[other.start() :]] if other else []
    return [part.strip() for part in parts if part.strip()]
