"""Bodies that a department sends about entries."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator

from app.errors import ProblemCode, Sentence
from app.http.request_bodies import RequestBody
from app.http.schemas import (
    Day,
    Line,
    Model,
    PublicLine,
    PublicName,
    PublicReference,
    PublicText,
    Reference,
    Text,
    fault,
)
from app.rules.decision import DecisionKind, PenaltyLaw, PersonRole
from app.rules.identifiers import PERSON_SCHEMES, Scheme
from app.rules.law import DisclosureClass, Severity, SubjectKind

MAX_IDENTIFIERS = 8
MAX_RESPONSIBLE_PERSONS = 50
MAX_WAN_DECIMALS = 6


class IdentifierIn(Model):
    """A number and the scheme that it belongs to; blanks and full-width forms are folded."""

    scheme: Scheme
    number: Annotated[str, Field(min_length=1, max_length=40)]


class SubjectIn(Model):
    """The subject of the decision."""

    kind: SubjectKind
    name: PublicName
    identifiers: Annotated[list[IdentifierIn], Field(max_length=MAX_IDENTIFIERS)] = []
    birth_date: Day | None = None

    @model_validator(mode="after")
    def validate_schemes_fit_kind(self) -> "SubjectIn":
        """Require personal numbers for persons, and other numbers for organisations."""
        is_person = self.kind is SubjectKind.natural_person
        if any((item.scheme in PERSON_SCHEMES) != is_person for item in self.identifiers):
            raise fault(
                ProblemCode.scheme_not_for_kind,
                Sentence(
                    "Personal schemes are for natural persons, the others for organisations and"
                    " individual businesses",
                    "个人证件类型只适用于自然人，其他类型只适用于单位和个体工商户",
                ),
            )
        schemes = [item.scheme for item in self.identifiers]
        if len(set(schemes)) < len(schemes):
            raise fault(
                ProblemCode.scheme_twice,
                Sentence("One number per scheme", "每种证件类型只填一个号码"),
            )
        if not is_person and self.birth_date is not None:
            raise fault(
                ProblemCode.birth_date_not_for_kind,
                Sentence("Only natural persons have a birth date", "只有自然人填写出生日期"),
            )
        return self


class ResponsiblePersonIn(Model):
    """A responsible person of an organisation; the entry does not list the person."""

    role: PersonRole
    name: PublicName
    identifier: IdentifierIn | None = None

    @model_validator(mode="after")
    def validate_number_is_personal(self) -> "ResponsiblePersonIn":
        """Require a personal number: a responsible person is a natural person."""
        if self.identifier is not None and self.identifier.scheme not in PERSON_SCHEMES:
            raise fault(
                ProblemCode.scheme_not_for_kind,
                Sentence("A responsible person has a personal number", "责任人须填写个人证件号码"),
            )
        return self


class DecisionIn(Model):
    """The decision behind the entry; the 7 working days begin with its day."""

    number: PublicReference
    kind: DecisionKind
    decided_on: Day
    penalty_law: PenaltyLaw | None = None


class DisclosureIn(Model):
    """The disclosure class of the entry; an exemption names its ground and legal basis."""

    model_config = ConfigDict(populate_by_name=False)

    class_: Annotated[DisclosureClass, Field(alias="class")]
    exemption: Literal["state_secret", "trade_secret", "personal_privacy", "other"] | None = None
    basis: Line | None = None


def _validate_wan_amount(amount: Decimal) -> Decimal:
    if amount < 0 or amount.as_tuple().exponent < -MAX_WAN_DECIMALS:  # type: ignore[operator]
        raise fault(
            ProblemCode.invalid_amount,
            Sentence(
                "An amount in 万元, not negative, with at most six decimals",
                "金额单位为万元，不得为负，最多六位小数",
            ),
        )
    return Decimal(f"{abs(amount).normalize():f}")  # 0.20 and 0.2 are the same amount


WanAmount = Annotated[
    Decimal, Field(max_digits=18, allow_inf_nan=False), AfterValidator(_validate_wan_amount)
]


class PenaltyIn(Model):
    """The content of an administrative penalty (双公示: CF_CFLB, CF_NR, CF_NR_FK, …)."""

    conduct: PublicLine | None = None
    categories: Annotated[list[PublicLine], Field(max_length=10)] = []
    content: PublicText | None = None
    fine: WanAmount | None = None
    confiscated: WanAmount | None = None
    permit: PublicName | None = None


class LicenceIn(Model):
    """The content of an administrative licence (双公示: XK_XKWS, XK_XKLB, XK_XKZS, XK_NR, …)."""

    document_name: PublicName | None = None
    category: PublicLine | None = None
    certificate_name: PublicName | None = None
    certificate_number: PublicReference | None = None
    content: PublicText | None = None


class EntryPush(RequestBody):
    """A decision, as a department sends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "list_type": "wage_arrears.black",
                    "source_ref": "HR-2026-000123",
                    "case_ref": "HR-C-2026-77",
                    "subject": {
                        "kind": "legal_person",
                        "name": "枣庄某某建筑有限公司",
                        "identifiers": [{"scheme": "uscc", "number": "91370403MB000CT75T"}],
                    },
                    "responsible_persons": [
                        {
                            "role": "legal_representative",
                            "name": "张某",
                            "identifier": {
                                "scheme": "resident_id",
                                "number": "370402198506120013",
                            },
                        }
                    ],
                    "decision": {
                        "number": "枣人社列〔2026〕12号",
                        "kind": "list_decision",
                        "decided_on": "2026-11-20",
                    },
                    "reason": "拖欠农民工工资,经责令限期支付逾期未支付",
                    "legal_basis": "拖欠农民工工资失信联合惩戒对象名单管理暂行办法第五条",
                    "severity": "serious",
                    "conduct_ended_on": "2026-10-31",
                    "effective_from": "2026-11-20",
                    "effective_until": "2029-11-20",
                    "disclosure": {"class": "public"},
                }
            ]
        }
    )

    list_type: Annotated[str, Field(pattern=r"^[a-z_]{1,40}\.[a-z_]{1,30}$")]
    source_ref: Reference
    department: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")] | None = None
    replaces: UUID | None = None
    subject: SubjectIn
    decision: DecisionIn
    reason: PublicText
    legal_basis: PublicText
    case_ref: Reference | None = None
    responsible_persons: Annotated[
        list[ResponsiblePersonIn], Field(max_length=MAX_RESPONSIBLE_PERSONS)
    ] = []
    severity: Severity | None = None
    conduct_ended_on: Day | None = None
    conduct_continues: StrictBool = False
    effective_from: Day | None = None
    effective_until: Day | None = None
    disclosure: DisclosureIn | None = None
    penalty: PenaltyIn | None = None
    licence: LicenceIn | None = None
    remark: Text | None = None
    unintentional: StrictBool = False
    """非主观故意: education answers minor conduct of this kind (枣文明委〔2019〕2号 四.1)."""


class DecisionChange(Model):
    """Correctable facts of the decision; a missing field stays unchanged."""

    number: PublicReference = None
    kind: DecisionKind = None  # type: ignore[assignment]  # left out, never null
    decided_on: Day = None  # type: ignore[assignment]  # left out, never null
    penalty_law: PenaltyLaw | None = None


class SubjectChange(Model):
    """Correctable facts of the subject: its name in the decision."""

    name: PublicName | None = None
    kind: Any = None
    identifiers: Any = None
    birth_date: Any = None


class EntryChanges(Model):
    """Facts that replace the recorded ones; null removes an optional fact."""

    subject: SubjectChange | None = None
    decision: DecisionChange | None = None
    reason: PublicText | None = None
    legal_basis: PublicText | None = None
    case_ref: Reference | None = None
    responsible_persons: (
        Annotated[list[ResponsiblePersonIn], Field(max_length=MAX_RESPONSIBLE_PERSONS)] | None
    ) = None
    severity: Severity | None = None
    conduct_ended_on: Day | None = None
    conduct_continues: StrictBool | None = None
    effective_from: Day | None = None
    effective_until: Day | None = None
    disclosure: DisclosureIn | None = None
    penalty: PenaltyIn | None = None
    licence: LicenceIn | None = None
    remark: Text | None = None
    unintentional: StrictBool | None = None

    @model_validator(mode="after")
    def validate_changes_something(self) -> "EntryChanges":
        """Refuse a correction that is empty or removes a required fact."""
        if not self.model_fields_set:
            raise fault(
                ProblemCode.nothing_to_change,
                Sentence("Name at least one fact", "请至少填写一项更正内容"),
            )
        required_names = self.model_fields_set & {"subject", "decision", "reason", "legal_basis"}
        subject = self.subject
        removes_name = (
            subject is not None and subject.model_fields_set <= {"name"} and not subject.name
        )
        if removes_name or any(getattr(self, name) is None for name in required_names):
            raise fault(
                ProblemCode.missing,
                Sentence(
                    "subject.name, decision, reason and legal_basis cannot be taken away",
                    "subject.name、decision、reason、legal_basis 不能清空",
                ),
            )
        return self


class Correction(RequestBody):
    """The reason of a correction, and the correct facts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"reason": "文号录入错误", "changes": {"reason": "拖欠农民工工资,经责令逾期未支付"}}
            ]
        }
    )

    reason: Line
    changes: EntryChanges


class RevocationCode(StrEnum):
    """The reason of a revocation; on a wrong or minor subject the decision was never valid."""

    decision_revoked = "decision_revoked"
    wrong_subject = "wrong_subject"
    minor_subject = "minor_subject"
    other = "other"

    @property
    def makes_entry_void(self) -> bool:
        """True if the entry is void from the start: nobody may learn that it existed."""
        return self in {RevocationCode.wrong_subject, RevocationCode.minor_subject}


class Revocation(RequestBody):
    """The decision was revoked, annulled or recorded on the wrong subject."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "原列入决定经行政复议撤销",
                    "reason_code": "decision_revoked",
                    "revoked_on": "2026-11-22",
                }
            ]
        }
    )

    reason: Line
    reason_code: RevocationCode
    revoked_on: Day


class Exit(RequestBody):
    """The subject leaves the list before its term ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "已足额支付工资,依法提前移出", "exited_on": "2026-11-22"}]
        }
    )

    reason: Line
    exited_on: Day


class ExtensionDecision(Model):
    """The decision that extends a term."""

    number: PublicReference
    decided_on: Day


class Extension(RequestBody):
    """The extension of a running term by a further decision, if the list type allows it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "以暴力妨碍执行,决定延长期限",
                    "legal_basis": "关于公布失信被执行人名单信息的若干规定第二条",
                    "decision": {"number": "(2026)鲁0402执18号之二", "decided_on": "2026-11-22"},
                    "effective_until": "2029-11-20",
                }
            ]
        }
    )

    reason: Line
    legal_basis: PublicText
    decision: ExtensionDecision
    effective_until: Day
