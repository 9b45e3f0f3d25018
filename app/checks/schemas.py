"""Bodies and answers of checks, receipts and look-ups."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.entries.schemas import IdentifierView
from app.errors import ProblemCode, Sentence
from app.http.schemas import Day, Instant, Line, Model, Name, Reference, View, fault
from app.rules.decision import DecisionKind, PersonRole
from app.rules.identifiers import PERSON_SCHEMES, Scheme
from app.rules.law import DisclosureClass, ListKind, MeasureKind, Obligation, Severity, SubjectKind
from app.rules.status import Status
from app.rules.verdict import Standing

MAX_SUBJECTS = 1_000
NOT_FOUND_NOTE = Sentence(
    "No entry visible to this key; this says nothing about credit",
    "未查询到可供该密钥查看的条目；不代表信用良好",
)


def _require_clear_subject(scheme: Scheme | None, number: str | None, name: str | None) -> None:
    if (scheme is None) != (number is None) or (number is None and name is None):
        raise fault(
            ProblemCode.subject_unclear,
            Sentence(
                "Give scheme and number together, or a name",
                "请同时填写证件类型和号码，或填写名称",
            ),
        )


class AskedSubject(Model):
    """A requested subject: a number, a name, or both (natural persons: both)."""

    ref: Reference | None = None
    scheme: Scheme | None = None
    number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def validate_subject_is_clear(self) -> Self:
        """A number needs its scheme; without a number there must be a name."""
        _require_clear_subject(self.scheme, self.number, self.name)
        return self


class Investigation(Model):
    """An open investigation: the subject learns of the question after its last day only.

    Until then the subject's own report does not list it; from the day after it does, with this
    basis. `until` lies after today and at most one year ahead.
    """

    basis: Annotated[Line, Field(description="The law that allows the delay")]
    until: Annotated[Day, Field(description="The last day on which the subject is not told")]


class CheckRequest(Model):
    """A check before a decision; auditors and operators re-examine past ones with `on`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "matter": "bidding",
                    "purpose": "tender 2026-118 qualification review",
                    "case_no": "ZZ-2026-118",
                    "subjects": [
                        {
                            "ref": "1",
                            "scheme": "uscc",
                            "number": "91370403MB000CT75T",
                            "name": "枣庄某某建筑有限公司",
                        }
                    ],
                }
            ]
        }
    )

    matter: Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")]
    purpose: Line
    case_no: Reference
    subjects: Annotated[list[AskedSubject], Field(min_length=1, max_length=MAX_SUBJECTS)]
    on: Day | None = None
    known_at: Instant | None = None
    known_seq: Annotated[int, Field(ge=0, le=2**62)] | None = None
    investigation: Investigation | None = None

    @model_validator(mode="after")
    def validate_refs_are_unique(self) -> Self:
        """Results are identified by their ref."""
        refs = self.list_refs()
        if len(set(refs)) < len(refs):
            raise fault(ProblemCode.ref_twice, Sentence("Every ref is used once", "ref 不得重复"))
        return self

    def list_refs(self) -> list[str]:
        """The ref of each subject; its position, counted from 1, where none was given."""
        return [item.ref or str(position) for position, item in enumerate(self.subjects, start=1)]


class LookupRequest(Model):
    """A look-up of one subject; natural persons need number, name and a case number."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scheme": "uscc",
                    "number": "91370403MB000CT75T",
                    "name": "枣庄某某建筑有限公司",
                    "purpose": "受理前查询",
                    "case_no": "ZZ-2026-118",
                }
            ]
        }
    )

    scheme: Scheme | None = None
    number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    name: Name | None = None
    purpose: Line
    case_no: Reference | None = None
    investigation: Investigation | None = None

    @model_validator(mode="after")
    def validate_subject_is_clear(self) -> Self:
        """As for a check; a person is not looked up without a case."""
        _require_clear_subject(self.scheme, self.number, self.name)
        if self.scheme in PERSON_SCHEMES and self.case_no is None:
            raise fault(
                ProblemCode.case_no_missing,
                Sentence(
                    "A natural person is looked up for a case only: send case_no",
                    "查询自然人须填写办件编号（case_no）",
                ),
            )
        return self

    def build_asked_subject(self) -> AskedSubject:
        """The subject, as a check names it."""
        return AskedSubject(scheme=self.scheme, number=self.number, name=self.name)


class OutcomeReport(Model):
    """The outcome that the requesting office reports for a result."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ref": "1",
                    "action": "applied",
                    "measures": ["restrict_bidding"],
                    "remark": "取消投标资格",
                }
            ]
        }
    )

    ref: Reference
    action: Literal["applied", "not_applied"]
    measures: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")]], Field(max_length=50)
    ] = []
    remark: Line | None = None


# --- views ---------------------------------------------------------------


class MatchedSubject(View):
    """The recorded subject that the question matched."""

    id: UUID
    kind: SubjectKind
    name: str


class CheckedDecision(View):
    """The decision behind an entry."""

    number: str
    kind: DecisionKind
    decided_on: Day


class NamedPerson(View):
    """A responsible person of an entry; this puts the person on no list."""

    role: PersonRole
    name: str


class CheckedEntry(View):
    """An entry as an approval officer sees it; exempt ones without text or issuer (nulls)."""

    id: UUID
    list_: Annotated[ListKind, Field(alias="list")]
    list_type: str | None
    domain: str | None
    department: str | None
    decision: CheckedDecision | None
    reason: str | None
    legal_basis: str | None
    responsible_persons: list[NamedPerson]
    severity: Severity | None
    effective_from: Day
    effective_until: Day | None
    status: Status
    disputed: bool
    disclosure_class: DisclosureClass
    exemption: str | None
    """The coded reason of an exempt entry: state_secret, trade_secret, personal_privacy, other."""


class MeasureView(View):
    """A measure with its legal basis and the entry that gave it."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    entry_id: UUID
    legal_basis: str


class SuppressedView(View):
    """A reward that is not given, and why."""

    code: str
    entry_id: UUID
    because: str


class WarningView(View):
    """A warning for the officer about the answer."""

    code: Literal["name_mismatch", "disputed", "name_only_match", "ambiguous_name", "asked_by_name"]
    detail: str


class ResultError(View):
    """Why this one subject could not be answered; the others were."""

    code: str
    detail: str


class CheckResult(View):
    """The answer on one subject."""

    ref: str
    found: bool
    standing: Standing
    subject: MatchedSubject | None
    entries: list[CheckedEntry]
    measures: list[MeasureView]
    suppressed: list[SuppressedView]
    warnings: list[WarningView]
    digest: str
    note: str | None
    error: ResultError | None


class CheckAnswer(View):
    """A receipt; `check_id` is null for a re-examination, which is no check on file."""

    check_id: UUID | None
    checked_at: datetime
    on: Day
    matter: str
    epoch: int
    seq: int
    catalogue_version: str
    results: list[CheckResult]


class StoredCheck(CheckAnswer):
    """A check as it was answered then, and what was reported back."""

    purpose: str
    case_no: str | None
    asked_by: str
    department: str | None
    investigation: Investigation | None
    outcomes: list[dict[str, Any]]


class LookupAnswer(View):
    """A subject as the caller may see it today."""

    lookup_id: UUID | None
    looked_up_at: datetime
    on: Day
    epoch: int
    seq: int
    catalogue_version: str
    found: bool
    standing: Standing
    subject: MatchedSubject | None
    candidates: list[MatchedSubject]
    entries: list[CheckedEntry]
    warnings: list[WarningView]
    note: str | None


class SubjectView(View):
    """A recorded subject with its standing and the entries that this key may see today."""

    id: UUID
    kind: SubjectKind
    name: str
    former_names: list[str]
    identifiers: list[IdentifierView]
    on: Day
    epoch: int
    seq: int
    catalogue_version: str
    standing: Standing
    entries: list[CheckedEntry]
    warnings: list[WarningView]


class OutcomeView(View):
    """A recorded outcome."""

    id: UUID
    check_id: UUID
    ref: str
    action: Literal["applied", "not_applied"]
    measures: list[str]
    remark: str | None
    recorded_at: datetime
