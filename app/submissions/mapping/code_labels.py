"""Chinese labels of coded values."""

from collections.abc import Mapping, Sequence

from app.rules.decision import DecisionKind, PenaltyLaw, PersonRole
from app.rules.identifiers import PERSON_SCHEMES, Scheme
from app.rules.law import DisclosureClass, Severity, SubjectKind

Labels = Mapping[str, Sequence[str]]
"""Codes with their labels; the first label is displayed."""

SUBJECT_KIND_LABELS: Labels = {
    SubjectKind.legal_person: ("法人", "02", "2"),
    SubjectKind.unincorporated_organization: ("非法人组织", "03", "3"),
    SubjectKind.individual_business: ("个体工商户", "04", "4"),
    SubjectKind.natural_person: ("自然人", "01", "1", "个人"),
}
SCHEME_LABELS: Labels = {
    Scheme.uscc: ("统一社会信用代码",),
    Scheme.org_code: ("组织机构代码",),
    Scheme.registration_no: ("工商注册号", "营业执照注册号"),
    Scheme.resident_id: ("身份证号", "身份证", "居民身份证", "身份证号码", "公民身份号码"),
    Scheme.passport: ("护照号", "护照", "护照号码"),
    Scheme.hk_macao_permit: ("港澳居民来往内地通行证", "港澳通行证", "回乡证"),
    Scheme.taiwan_permit: ("台湾居民来往大陆通行证", "台湾通行证", "台胞证"),
    Scheme.foreign_permanent_resident: ("外国人永久居留身份证", "外国人永久居留证"),
}
PERSONAL_SCHEME_LABELS: Labels = {
    scheme: labels for scheme, labels in SCHEME_LABELS.items() if scheme in PERSON_SCHEMES
}
DECISION_KIND_LABELS: Labels = {
    DecisionKind.list_decision: ("列入决定",),
    DecisionKind.administrative_penalty: ("行政处罚决定", "行政处罚"),
    DecisionKind.administrative_licence: ("行政许可决定", "行政许可"),
    DecisionKind.court_decision: ("司法裁判", "法院裁判"),
    DecisionKind.honour: ("表彰奖励", "表彰", "荣誉"),
    DecisionKind.other: ("其他",),
}
PENALTY_LAW_LABELS: Labels = {
    PenaltyLaw.administrative: ("行政处罚法", "行政处罚"),
    PenaltyLaw.public_security: ("治安管理处罚法", "治安管理处罚"),
    PenaltyLaw.other: ("其他法律", "其他"),
}
SEVERITY_LABELS: Labels = {
    Severity.minor: ("轻微", "轻微失信"),
    Severity.general: ("一般", "一般失信"),
    Severity.serious: ("严重", "严重失信"),
}
DISCLOSURE_CLASS_LABELS: Labels = {
    DisclosureClass.public: ("公开", "可向社会公开"),
    DisclosureClass.restricted: ("政务共享", "特定范围内公开"),
    DisclosureClass.exempt: ("不予公开", "不可公开"),
}
EXEMPTION_LABELS: Labels = {
    "state_secret": ("国家秘密",),
    "trade_secret": ("商业秘密",),
    "personal_privacy": ("个人隐私",),
    "other": ("其他依法不予公开", "其他"),
}
PERSON_ROLE_LABELS: Labels = {
    PersonRole.legal_representative: ("法定代表人",),
    PersonRole.person_in_charge: ("主要负责人", "负责人"),
    PersonRole.actual_controller: ("实际控制人",),
    PersonRole.business_owner: ("经营者",),
    PersonRole.directly_responsible: ("直接责任人员", "直接责任人"),
}
