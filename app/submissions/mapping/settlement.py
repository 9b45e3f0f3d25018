"""Settlement of exchange tables: values without a column of ours, and values that a row implies."""

import hashlib
from collections.abc import Mapping

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.identifiers import PERSON_SCHEMES, Scheme, is_uscc
from app.rules.law import Catalogue, Department, ListKind, SubjectKind
from app.rules.personal_numbers import contains_personal_number
from app.rules.text import fold_name, fold_text, normalize_number
from app.submissions.mapping.exchange_fields import (
    ANY_ORGANISATION,
    NOTE_PREFIX,
    ExchangeKind,
    StandardEdition,
)
from app.submissions.mapping.values import ParsedRow, UnreadableCell


def require_list_type(
    exchange_kind: ExchangeKind, list_type: str | None, catalogue: Catalogue
) -> None:
    """Refuse an exchange table for any list type but records of its own kind.

    Raises:
        InvalidPayload: the list type is missing, a red or black list, or of the other kind.
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
    )  # an unknown list type is refused elsewhere
    return not is_record_type or not list_type.endswith(f".{exchange_kind}")


def _refuse_list_type(code: ProblemCode, sentence: Sentence) -> None:
    raise InvalidPayload(faults=[Fault("/list_type", code, sentence)])


# 0 公示, 1 政府部门内部共享, 2 授权查询. Code 3 is in use without a documented meaning, so the
# list type decides.
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
"""CF_SXYZCD: 0 未定 and 2 较重 are none of our three classes and go into the remark."""

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
    """Assign the values without a column of ours to columns, notes or faults."""
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
        # A district bureau that the catalogue does not list, or a department with a successor.
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
    """Resolve CF_JG (2016), which CF_NR replaced; if both differ, both are kept."""
    result, content = parsed.pop("penalty_result"), parsed.values.get("penalty_content")
    if result is None:
        return
    if content is None and "penalty_content" not in parsed.unreadable:
        parsed.add("penalty_content", result, parsed.columns["penalty_result"])
    elif content != result:
        parsed.notes.append(("处罚结果", result, parsed.columns["penalty_result"]))


UNINCORPORATED_PREFIXES = ("21", "31", "61", "62")
"""Prefixes of credit codes (registering authority and category, GB 32100) of holders that are never
legal persons: offices of foreign newspapers and of foreign or overseas tourism bodies, law firms
(民法典 102). Enterprises (91), private non-enterprise units (52), trade unions (81) and others can
be either and count as legal persons, as most of them are. The validation of the body decides on 92:
an individual business that is named an organisation contradicts itself."""


def infer_organisation_kind(uscc: str | None) -> SubjectKind:
    """Infer the kind of a 法人及非法人组织 from its credit code; a legal person by default."""
    code = normalize_number(uscc) if uscc else ""
    if is_uscc(code) and code.startswith(UNINCORPORATED_PREFIXES):
        return SubjectKind.unincorporated_organization
    return SubjectKind.legal_person


def _infer_kind(values: Mapping[str, object]) -> str | None:
    """Infer the kind of a subject from its identifiers; tables of 2016 have no column for it."""
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
"""The exchange has no field for the legal basis of a licence. The text is constant: if it came from
the catalogue, a new catalogue would change the body of the same licence."""


def add_implied_values(
    parsed: ParsedRow,
    exchange_kind: ExchangeKind,
    catalogue: Catalogue,
    submitting_department: str | None,
) -> None:
    """Add the values that follow from the kind of the exchange table."""
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
        # The rules require it of a police department, but not of one that submits for the police.
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
    """Build a reference for a row without one: document number and eight letters for the subject.

    One document can penalise several parties, so the letters are a digest of the subject's number.
    A personal number is never used; the name replaces it. The reference depends on the row alone,
    so the same decision sent again has the same reference. Two people of one name in one document
    get one reference, and the second is refused as a conflict.
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
