"""The columns of a table of entries, in English and Chinese, with their other names.

The fields of 双公示 are in `exchange_fields`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.errors import Sentence
from app.rules.identifiers import Scheme
from app.submissions.formats.cells import Cell
from app.submissions.mapping import values
from app.submissions.mapping.code_labels import (
    DECISION_KIND_LABELS,
    DISCLOSURE_CLASS_LABELS,
    EXEMPTION_LABELS,
    PENALTY_LAW_LABELS,
    PERSON_ROLE_LABELS,
    PERSONAL_SCHEME_LABELS,
    SCHEME_LABELS,
    SEVERITY_LABELS,
    SUBJECT_KIND_LABELS,
)
from app.submissions.mapping.column_types import (
    Column,
    build_amount_column,
    build_boolean_column,
    build_code_column,
    build_day_column,
)
from app.submissions.mapping.exchange_fields import ANY_ORGANISATION, NOTE_PREFIX, ExchangeField

PERSON_KEY_PREFIXES = ("legal_representative", "person_1", "person_2", "person_3")


def _build_identifier_column(scheme: Scheme, example: str, *aliases: str) -> Column:
    labels = SCHEME_LABELS[scheme]
    description = Sentence(
        f"The subject's number ({scheme}); format the column as text",
        "主体的证件号码，单元格须为文本格式",
    )
    return Column(
        scheme.value,
        labels[0],
        "/subject/identifiers",
        description,
        example,
        (*labels[1:], *aliases),
        read_cell=values.read_number,
    )


def _build_person_columns(position: int) -> Iterator[Column]:
    key, heading, pointer = f"person_{position}", f"责任人{position}", "/responsible_persons"
    is_first = position == 1
    yield build_code_column(
        f"{key}_role",
        f"{heading}角色",
        pointer,
        PERSON_ROLE_LABELS,
        Sentence("What the person is to the organisation", "责任人与该单位的关系"),
        aliases=("责任人角色", "责任人职务") if is_first else (),
    )
    yield Column(
        f"{key}_name",
        f"{heading}姓名",
        pointer,
        Sentence("A person whom the entry names", "条目载明的责任人姓名"),
        "李某",
        ("责任人姓名", "责任人") if is_first else (),
    )
    yield build_code_column(
        f"{key}_scheme",
        f"{heading}证件类型",
        pointer,
        PERSONAL_SCHEME_LABELS,
        Sentence("The kind of that person's number", "责任人证件类型"),
        aliases=("责任人证件类型",) if is_first else (),
    )
    yield Column(
        f"{key}_number",
        f"{heading}证件号码",
        pointer,
        Sentence("That person's number; format the column as text", "责任人证件号码，文本格式"),
        "",
        ("责任人证件号码",) if is_first else (),
        read_cell=values.read_number,
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
    build_code_column(
        "kind", "主体类别", "/subject/kind", SUBJECT_KIND_LABELS,
        Sentence(
            "法人及非法人组织 is taken, and told apart by the credit code where that can be",
            "也可填“法人及非法人组织”，由统一社会信用代码判断，判断不出的按法人登记",
        ),
        aliases=("主体类型", "ztlb", "subject_kind"), required=True,
        unlisted_labels={ANY_ORGANISATION: ("法人及非法人组织",)},
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
    _build_identifier_column(
        Scheme.uscc, "91370403MB000CT75T", "tyshxydm", "社会信用代码", "信用代码"
    ),
    _build_identifier_column(Scheme.org_code, "MB000CT75"),
    _build_identifier_column(Scheme.registration_no, ""),
    _build_identifier_column(Scheme.resident_id, ""),
    _build_identifier_column(Scheme.passport, ""),
    _build_identifier_column(Scheme.hk_macao_permit, ""),
    _build_identifier_column(Scheme.taiwan_permit, ""),
    _build_identifier_column(Scheme.foreign_permanent_resident, ""),
    build_code_column(
        "identifier_scheme", "证件类型", "/subject/identifiers", SCHEME_LABELS,
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
        read_cell=values.read_number,
    ),
    build_day_column(
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
    build_code_column(
        "decision_kind", "决定类型", "/decision/kind", DECISION_KIND_LABELS,
        Sentence("What sort of decision it is", "决定的种类"), required=True,
    ),
    build_day_column(
        "decided_on", "决定日期", "/decision/decided_on",
        Sentence(
            "The day of the decision; the 7 working days are counted from it",
            "作出决定的日期，7 个工作日公示期限由此起算",
        ),
        *("认定日期", "认定时间", "列入决定日期", "rdrq", "rdsj", "IDENTIFICATION_DATE"),
        required=True,
    ),
    build_code_column(
        "penalty_law", "处罚法律类别", "/decision/penalty_law", PENALTY_LAW_LABELS,
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
    build_code_column(
        "severity", "失信程度", "/severity", SEVERITY_LABELS,
        Sentence("Left out: as the list type says", "不填时按名单类型的规定"),
        aliases=("严重程度",),
    ),
    build_day_column(
        "conduct_ended_on", "行为终了日期", "/conduct_ended_on",
        Sentence("When the conduct ended; a black entry needs it", "行为终了之日；黑名单须填写"),
        example="2026-10-31",
    ),
    build_boolean_column(
        "conduct_continues", "行为是否持续",
        Sentence("Whether the conduct goes on", "失信行为尚未终了的填“是”"), "行为持续",
    ),
    build_day_column(
        "effective_from", "有效期起", "/effective_from",
        Sentence("Left out: the day of the decision", "不填时为决定日期"),
        *("有效期自", "生效日期", "列入日期", "列入时间", "列入名单时间", "列入黑名单日期"),
        "列入红名单日期",
    ),
    build_day_column(
        "effective_until", "有效期止", "/effective_until",
        Sentence(
            "The last day in force; 长期 or 2099-12-31 for an open term; left out: the list type's",
            "有效期最后一日；无期限填“长期”或 2099-12-31；不填时按名单类型的规定",
        ),
        *("有效期至", "有效期截止日期", "yxqz", "EXPIRATION_DATE"),
        read_cell=values.read_last_day,
        example="2029-11-20",
    ),
    build_code_column(
        "disclosure_class", "公开类型", "/disclosure/class", DISCLOSURE_CLASS_LABELS,
        Sentence("Left out: as the list type says", "不填时按名单类型的规定"),
    ),
    build_code_column(
        "disclosure_exemption", "不予公开事由", "/disclosure/exemption", EXEMPTION_LABELS,
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
    build_code_column(
        "legal_representative_scheme", "法定代表人证件类型", "/responsible_persons",
        PERSONAL_SCHEME_LABELS, Sentence("The kind of that number", "法定代表人的证件类型"),
    ),
    Column(
        "legal_representative_number", "法定代表人证件号码", "/responsible_persons",
        Sentence("Format the column as text", "单元格须为文本格式"), "", ("法定代表人证件号",),
        read_cell=values.read_number,
    ),
    *(column for place in (1, 2, 3) for column in _build_person_columns(place)),
    Column(
        "penalty_conduct", "违法行为类型", "/penalty/conduct",
        Sentence("Of a penalty: the sort of conduct", "行政处罚填写"), "",
    ),
    Column(
        "penalty_categories", "处罚类别", "/penalty/categories",
        Sentence("Of a penalty; several are parted by ；", "行政处罚填写；多个类别以“；”分隔"),
        "罚款", ("处罚种类",), read_cell=values.read_categories,
    ),
    Column(
        "penalty_content", "处罚内容", "/penalty/content",
        Sentence("Of a penalty: what it consists of", "行政处罚填写"), "",
    ),
    build_amount_column(
        "penalty_fine", "罚款金额（万元）", "/penalty/fine",
        Sentence("In 万元; 2000 yuan are 0.2", "单位为万元，2000 元填 0.2"), "罚款",
    ),
    build_amount_column(
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
    build_boolean_column(
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

# Columns of our own export with JSON in a cell, and columns of other systems.
POINTER_BY_NESTED_KEY: Mapping[str, str] = {
    "subject_identifiers": "/subject/identifiers",
    "responsible_persons": "/responsible_persons",
    "penalty": "/penalty",
    "licence": "/licence",
}
EXTRA_FIELDS: tuple[ExchangeField, ...] = (
    *(ExchangeField(key, headings=(key,)) for key in POINTER_BY_NESTED_KEY),
    ExchangeField("status", headings=("status",)),
    ExchangeField("void", headings=("void",)),
    ExchangeField(
        NOTE_PREFIX + "认定单位统一社会信用代码", headings=("rd_xydm", "认定单位统一社会信用代码")
    ),
)
IGNORED_HEADINGS = (
    *("id", "version", "seq", "list", "domain", "subject_id", "ends_by_law_on", "restored_on"),
    *("extension", "received_at", "recorded_at", "on", "in_force", "removal", "disputed"),
    *("deadline", "provisional", "calendar_version", "reported", "disclosure_state", "take_down"),
    *("channels", "catalogue_version", "subject_sex", "subject_age"),
    # Columns of the workbook of refused rows, and row numbers.
    *("原文件行号", "退回原因", "序号", "行号"),
)

CELL_READERS: Mapping[str, Callable[[Cell], Any]] = {
    **{column.key: column.read_cell for column in COLUMNS},
    **dict.fromkeys(POINTER_BY_NESTED_KEY, values.read_nested_json),
    "legal_representative_resident_id": values.read_number,
    "void": values.read_boolean,
}
POINTER_BY_KEY: Mapping[str, str] = {
    **{column.key: column.pointer for column in COLUMNS},
    **POINTER_BY_NESTED_KEY,
    "legal_representative_resident_id": "/responsible_persons",
    **dict.fromkeys(("organ",), "/department"),
    "penalty_result": "/penalty/content",
    "scope": "/disclosure/class",
    "degree": "/severity",
}
COMPOSED_POINTERS = frozenset(
    {"/subject/identifiers", "/responsible_persons", "/subject/kind", "/remark"}
)
"""Parts of the body that several columns make up."""
AMOUNT_KEYS = frozenset(column.key for column in COLUMNS if column.cell_format == "number")
