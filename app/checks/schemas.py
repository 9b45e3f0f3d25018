"""Requests and answers of checks and outcomes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.errors import ProblemCode, Sentence
from app.http.request_bodies import RequestBody, protect_request_id, require_no_own_number
from app.http.schemas import Day, Instant, Line, Model, Name, Reference, View, fault
from app.rules.decision import DecisionKind, PersonRole
from app.rules.identifiers import Scheme
from app.rules.law import DisclosureClass, ListKind, MeasureKind, Obligation, Severity, SubjectKind
from app.rules.numbers_in_hand import NumbersInHand
from app.rules.status import Status
from app.rules.stored_json import JsonObject
from app.rules.verdict import Standing

MAX_SUBJECTS = 1_000
PUBLIC_LENGTHS: Mapping[Scheme, int] = {Scheme.uscc: 18, Scheme.registration_no: 15}
"""Numbers of organisations of the usual length; others may be numbers of persons."""
NOT_FOUND_NOTE = Sentence(
    "No entry visible to this key; this says nothing about credit",
    "未查询到可供该密钥查看的条目；不代表信用良好",
)


def require_clear_subject(scheme: Scheme | None, number: str | None, name: str | None) -> None:
    """Require a name, or a scheme with a number.

    Raises:
        PydanticCustomError: the subject is unclear.
    """
    if (scheme is None) != (number is None) or (number is None and name is None):
        raise fault(
            ProblemCode.subject_unclear,
            Sentence(
                "Give scheme and number together, or a name",
                "请同时填写证件类型和号码，或填写名称",
            ),
        )


class AskedSubject(Model):
    """The subject of a check by number, by name or both; a natural person needs both."""

    ref: Reference | None = None
    scheme: Scheme | None = None
    number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def validate_subject_is_clear(self) -> Self:
        """Require a name, or a scheme with a number."""
        require_clear_subject(self.scheme, self.number, self.name)
        return self


class Investigation(Model):
    """An open investigation, which hides a check or lookup from its subject until the last day.

    The subject's own report lists the check from the day after `until`, with the law of this basis.
    `until` is after today and at most one year ahead. Auditors always see the check.
    """

    basis: Annotated[
        Line,
        Field(
            description="The code of a law that allows the delay to this department"
            " (`GET /v1/investigation-bases`); older checks have its text"
        ),
    ]
    until: Annotated[Day, Field(description="The last day on which it is hidden")]


class CheckRequest(RequestBody):
    """A check before a decision; auditors and operators re-examine the past with `on`."""

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
    def refuse_numbers_in_texts(self) -> Self:
        """Search the texts as for every body; without a list of places, because permits wait."""
        numbers = [
            (item.scheme, item.number)
            for item in self.subjects
            if item.scheme is not None
            and item.number is not None
            and len(item.number) != PUBLIC_LENGTHS.get(item.scheme)
        ]
        if numbers:
            in_hand = NumbersInHand.of(numbers)
            protect_request_id(in_hand)
            if in_hand.occur_in_any(self._list_texts()):
                require_no_own_number(self)
        return self

    def _list_texts(self) -> list[str]:
        texts = [self.purpose, self.case_no]
        if self.investigation is not None:
            texts.append(self.investigation.basis)
        for item in self.subjects:
            if item.name is not None:
                texts.append(item.name)
            if item.ref is not None:
                texts.append(item.ref)
        return texts

    @model_validator(mode="after")
    def validate_refs_are_unique(self) -> Self:
        """Require a different ref for each subject: it identifies the result."""
        refs = self.list_refs()
        if len(set(refs)) < len(refs):
            raise fault(ProblemCode.ref_twice, Sentence("Every ref is used once", "ref 不得重复"))
        return self

    def list_refs(self) -> list[str]:
        """Return the ref of each subject, or its position counted from 1 if it has none."""
        return [item.ref or str(position) for position, item in enumerate(self.subjects, start=1)]


class OutcomeReport(RequestBody):
    """The measures that the requesting office took, or not, after a result."""

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
    """A recorded subject that matches the question."""

    id: UUID
    kind: SubjectKind
    name: str


class CheckedDecision(View):
    """The decision behind an entry."""

    number: str
    kind: DecisionKind
    decided_on: Day


class NamedPerson(View):
    """A responsible person of an entry; the person is not listed by it."""

    role: PersonRole
    name: str


class CheckedEntry(View):
    """An entry as an approval officer sees it; an exempt one has null for texts and department."""

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
    """The reason of an exempt entry: state_secret, trade_secret, personal_privacy or other."""


class MeasureView(View):
    """A measure with its legal basis and the entry that it follows from."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    entry_id: UUID
    legal_basis: str


class SuppressedView(View):
    """A reward that a black entry suppresses."""

    code: str
    entry_id: UUID
    because: str


class WarningView(View):
    """A point that the officer must examine before relying on the answer."""

    code: Literal["name_mismatch", "disputed", "name_only_match", "ambiguous_name", "asked_by_name"]
    detail: str


class ResultError(View):
    """The defect of one question; the other subjects are answered."""

    code: str
    detail: str


class CheckResult(View):
    """The result for one subject."""

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
    """The answer of a check; `check_id` is null for a re-examination, which is not recorded."""

    check_id: UUID | None
    checked_at: datetime
    on: Day
    matter: str
    epoch: int
    seq: int
    catalogue_version: str
    results: list[CheckResult]


class StoredCheck(CheckAnswer):
    """A recorded check with its answer of that time and its outcomes."""

    purpose: str
    case_no: str | None
    asked_by: str
    department: str | None
    investigation: Investigation | None
    outcomes: list[JsonObject]


class OutcomeView(View):
    """A recorded outcome."""

    id: UUID
    check_id: UUID
    ref: str
    action: Literal["applied", "not_applied"]
    measures: list[str]
    remark: str | None
    recorded_at: datetime
