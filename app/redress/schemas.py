"""Bodies of objections and repairs, decisions on them, and the view of a case."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.entries.schemas import EntryChanges, RevocationCode
from app.errors import ProblemCode, Sentence
from app.http.request_bodies import RequestBody
from app.http.schemas import Day, Line, Model, Name, Reference, Text, View, fault
from app.rules.law import Bar, CountedFrom, Means, Severity
from app.rules.redress import CaseKind, CaseState, Unmet
from app.rules.stored_json import JsonObject

MAX_EVIDENCE_ITEMS = 20


def build_example_config(**body: Any) -> ConfigDict:  # noqa: ANN401 - any JSON value
    """The configuration that shows one body as its example."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Applicant(Model):
    """The applicant: the subject itself or its representative, with a proof of identity."""

    kind: Literal["self", "delegated"]
    name: Name
    proof_ref: Reference


APPLICANT_EXAMPLE = {"kind": "delegated", "name": "李某", "proof_ref": "SQ-2026-15"}


class Evidence(Model):
    """A document that the applicant brings, by the reference under which it is filed."""

    description: Line
    reference: Reference


class Objection(RequestBody):
    """An objection: the subject claims that an entry is wrong."""

    model_config = build_example_config(
        applicant=APPLICANT_EXAMPLE,
        grounds="所列欠薪已于决定前全部结清",
        evidence=[{"description": "银行转账凭证", "reference": "ZJ-2026-31"}],
    )

    applicant: Applicant
    grounds: Text
    evidence: Annotated[list[Evidence], Field(max_length=MAX_EVIDENCE_ITEMS)] = []
    received_on: Day | None = None


class Assistance(RequestBody):
    """Another unit must help to look into it, so the time is 7 working days instead of 3."""

    model_config = build_example_config(unit="市住房城乡建设局", reason="须核实工程款支付情况")

    unit: Name
    reason: Line


class ObjectionRevocation(Model):
    """The decision is taken back."""

    reason_code: RevocationCode
    revoked_on: Day


class ObjectionOutcome(StrEnum):
    """The possible ends of an objection."""

    upheld = "upheld"
    rejected = "rejected"
    withdrawn = "withdrawn"


class ObjectionDecision(RequestBody):
    """The answer to an objection; an upheld one states the correction or revocation."""

    model_config = build_example_config(
        outcome="upheld",
        reasons="经核实，行为终了日期录入有误，予以更正",
        correction={"conduct_ended_on": "2026-10-30"},
    )

    outcome: ObjectionOutcome
    reasons: Text
    correction: EntryChanges | None = None
    revocation: ObjectionRevocation | None = None

    @model_validator(mode="after")
    def validate_remedy_fits_outcome(self) -> "ObjectionDecision":
        """An objection that is upheld corrects or revokes; another one does neither."""
        remedy_count = (self.correction is not None) + (self.revocation is not None)
        if remedy_count != (self.outcome is ObjectionOutcome.upheld):
            raise fault(
                ProblemCode.remedy_unclear,
                Sentence(
                    "An upheld objection brings a correction or a revocation; others bring none",
                    "异议成立的须填写更正或撤销之一；不成立或撤回的不填写",
                ),
            )
        return self


class MeansEvidence(Evidence):
    """Evidence for one condition of repair: the measure taken, its day and its document."""

    means: Means
    completed_on: Day


class Promise(Model):
    """The public credit promise (信用承诺书)."""

    reference: Reference
    signed_on: Day


class RepairApplication(RequestBody):
    """The subject asks that the entry end early, for it has put right what it did."""

    model_config = build_example_config(
        applicant=APPLICANT_EXAMPLE,
        evidence=[
            {
                "means": "correction",
                "description": "全部工资已支付",
                "reference": "ZJ-2026-44",
                "completed_on": "2026-05-08",
            }
        ],
        promise={"reference": "CN-2026-9", "signed_on": "2026-11-20"},
        circumstances=[],
    )

    applicant: Applicant
    evidence: Annotated[list[MeansEvidence], Field(max_length=MAX_EVIDENCE_ITEMS)] = []
    promise: Promise | None = None
    circumstances: Annotated[list[Bar], Field(max_length=len(Bar))] = []
    applied_on: Day | None = None


class Acceptance(RequestBody):
    """Acceptance of an application, by one person of the recognising department."""

    model_config = build_example_config(outcome="accepted", reasons="材料齐全")

    outcome: Literal["accepted", "declined", "withdrawn"]
    reasons: Text


class Prolongation(RequestBody):
    """A complex case takes longer."""

    model_config = build_example_config(reasons="涉及多个项目，须分别核实")

    reasons: Text


class RepairDecision(RequestBody):
    """The answer to an application; by another person than the one who accepted it."""

    model_config = build_example_config(
        outcome="approved", reasons="已足额支付并公开承诺，符合提前移出条件"
    )

    outcome: Literal["approved", "refused", "withdrawn"]
    reasons: Text


class TakingBack(RequestBody):
    """The end of a repair that rests on false materials: the entry is restored with a new term."""

    model_config = build_example_config(reasons="提交的支付凭证系伪造")

    reasons: Text


# --- views ---------------------------------------------------------------


class CaseStepView(View):
    """A step that was taken: who, when, with which outcome and why."""

    step: str
    at: datetime
    outcome: str | None
    reasons: str
    actor: str
    person: str | None
    detail: JsonObject


class CaseView(View):
    """An objection or an application for repair."""

    id: UUID
    kind: CaseKind
    entry_id: UUID
    department: str
    state: CaseState
    received_at: datetime
    received_on: Day
    due_on: Day | None = Field(description="The last day for the next step; null once closed")
    provisional: bool
    overdue: bool
    content: JsonObject = Field(description="The body as it was sent")
    steps: list[CaseStepView]


class CasePage(View):
    """A page of cases; open ones by the day on which they are due."""

    on: Day
    cases: list[CaseView]
    next: str | None


class ObjectionList(View):
    """Every objection to an entry, oldest first."""

    objections: list[CaseView]


class RepairabilityView(View):
    """The conditions of repair of an entry today, and what is missing."""

    repairable: bool
    severity: Severity | None
    gentle: bool
    rule: str | None
    legal_reference: str | None
    confirmed: bool | None
    counted_from: CountedFrom | None
    minimum_years: int | None
    minimum_months: int | None
    means: list[Means]
    earliest_on: Day | None
    unmet: list[Unmet]
    acceptance_working_days: int | None
    decision_working_days: int | None
    together: bool


class RepairList(View):
    """The conditions of repair of an entry, and all applications for it, the oldest first."""

    repairability: RepairabilityView
    repairs: list[CaseView]
