"""Requests for own reports, and the report.

A report is kept as it was issued. Its `sha256` covers the rest of it: the JSON text without
`sha256` and `verification_code`, in UTF-8, keys sorted at every level, no blanks between them (`jq
-jcS 'del(.sha256, .verification_code)' report.json | sha256sum` gives the same).
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.entries.schemas import DecisionView, ExtensionView, IdentifierView, RemovalView
from app.http.request_bodies import RequestBody
from app.http.schemas import Day, Model, Name, Reference, View
from app.rules.decision import PersonRole
from app.rules.disclosure import Channel
from app.rules.identifiers import Scheme
from app.rules.law import DisclosureClass, ListKind, MeasureKind, Obligation, Severity, SubjectKind
from app.rules.own_report import ReportScope
from app.rules.permissions import Role
from app.rules.status import Status
from app.rules.stored_json import JsonObject
from app.rules.verdict import Standing


class ReportApplicant(Model):
    """The applicant at the counter, and the proof of identity or authority.

    `proof_ref` names the document (a file number, the register of identity checks), never its
    number.
    """

    kind: Literal["self", "delegated"]
    name: Name
    proof_ref: Reference


class OwnReportRequest(RequestBody):
    """A subject asks what is held on it; a department or the credit office enters it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scheme": "uscc",
                    "number": "91370403MB000CT75T",
                    "name": "枣庄某某建筑有限公司",
                    "applicant": {
                        "kind": "delegated",
                        "name": "王某",
                        "proof_ref": "授权书 2026-17",
                    },
                    "case_no": "XY-2026-31",
                }
            ]
        }
    )

    scheme: Scheme
    number: Annotated[str, Field(min_length=1, max_length=40)]
    name: Name
    applicant: ReportApplicant
    case_no: Reference | None = None


# --- views ---------------------------------------------------------------


class Bilingual(View):
    """The same thing in Chinese and in English."""

    zh: str
    en: str


class Body(View):
    """A department by its code; its name is that of the day, null where it has none any more."""

    code: str
    name: str | None


class ReportedSubject(View):
    """The subject of the report.

    `recorded` is false if the report shows nothing recorded under the number, or not under the
    name: then the name is the stated one, unchecked. The kind follows from the number alone if the
    subject has no entry of its own: a person, or `organization`.
    """

    kind: SubjectKind | Literal["organization"]
    recorded: bool
    name: str
    former_names: list[str]
    identifiers: list[IdentifierView]


class IssuedTo(View):
    """The applicant who received the report."""

    kind: Literal["self", "delegated"]
    name: str
    proof_ref: str
    case_no: str | None


class IssuedBy(View):
    """The issuer: a department, or the credit office (no department)."""

    role: Role
    department: Body | None


class Source(View):
    """The source of an entry and its legal basis; of a `partial` entry what a check shows."""

    department: Body
    source_ref: str | None
    case_ref: str | None
    decision: DecisionView
    legal_basis: str
    received_at: datetime | None
    recorded_at: datetime | None


class ReportedPerson(View):
    """A responsible person of an entry on an organisation; this puts the person on no list."""

    role: PersonRole
    name: str


class ReportedChannel(View):
    """A channel on which the entry was published."""

    channel: Channel
    published_on: Day | None
    url: str | None
    withdrawn_on: Day | None


class ReportedDisclosure(View):
    """The readers of an entry, and the channels of its publication."""

    class_: Annotated[DisclosureClass, Field(alias="class")]
    exemption: str | None
    basis: str | None
    channels: list[ReportedChannel]


class ReportedVersion(View):
    """One version of the entry."""

    version: int
    recorded_at: datetime
    action: str
    reason: str | None


class Use(View):
    """A measure that follows from the entry today; which of them, depends on the matter."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    legal_basis: str


class ReportedStep(View):
    """A step of a case: on which day, with which outcome and why."""

    step: str
    on: Day
    outcome: str | None
    reasons: str | None


class ReportedCase(View):
    """An objection to the entry, or an application for its repair."""

    id: UUID
    kind: str
    state: str
    received_on: Day
    due_on: Day | None
    steps: list[ReportedStep]


class HeldEntry(View):
    """An entry on the subject, also an ended one (`in_force` is false for expired and removed).

    Of an exempt entry the report shows only that it exists, and the exemption (`outline`). Of an
    entry of another department than the issuer the report shows what a check shows (`partial`): the
    rest is null or empty. A report of an earlier release has no field `partial`.
    """

    id: UUID
    outline: bool
    partial: bool = False
    in_force: bool
    list_: Annotated[ListKind, Field(alias="list")]
    list_type: str | None
    list_type_name: str | None
    domain: str | None
    subject_name: str | None
    status: Status
    removal: RemovalView | None
    disputed: bool
    severity: Severity | None
    effective_from: Day
    effective_until: Day | None
    ends_by_law_on: Day | None
    restored_on: Day | None
    extension: ExtensionView | None
    conduct_ended_on: Day | None
    conduct_continues: bool | None
    unintentional: bool | None
    source: Source | None
    reason: str | None
    penalty: JsonObject | None
    licence: JsonObject | None
    remark: str | None
    responsible_persons: list[ReportedPerson]
    disclosure: ReportedDisclosure
    uses: list[Use]
    redress: list[ReportedCase]
    history: list[ReportedVersion]


class NamedIn(View):
    """An entry on another subject that names this person; of an exempt one only that it exists."""

    list_: Annotated[ListKind, Field(alias="list")]
    list_type: str | None
    list_type_name: str | None
    department: Body | None
    roles: list[PersonRole]
    subject_name: str | None
    decision_number: str | None
    decided_on: Day | None
    status: Status
    in_force: bool


class Delay(View):
    """Why the subject learns of a question late: an investigation that was open until then."""

    basis: str
    until: Day


class ReportedMatter(View):
    """The matter that the requesting office decided."""

    code: str
    name: str | None


class ReportedMeasure(View):
    """A measure of the catalogue."""

    code: str
    name: str | None


class ReportedOutcome(View):
    """The outcome that the requesting office reported."""

    action: Literal["applied", "not_applied"]
    measures: list[ReportedMeasure]
    remark: str | None
    recorded_at: datetime


class ReportedQuery(View):
    """A query about the subject: time, office, purpose and answer.

    A partial report shows `standing` and `outcome` of the issuing department's own queries alone.
    """

    id: UUID
    kind: Literal["check", "lookup"]
    asked_at: datetime
    role: Role
    department: Body | None
    matter: ReportedMatter | None
    purpose: str
    case_no: str | None
    standing: Standing | None
    outcome: ReportedOutcome | None
    withheld: Delay | None


class EarlierReport(View):
    """A report that was issued about the subject before, also one under another name.

    A partial report shows `scope` of the issuing department's own reports alone.
    """

    report_id: UUID
    issued_at: datetime
    department: Body | None
    applicant: Literal["self", "delegated"]
    scope: ReportScope | None = None


class Rights(View):
    """The rights of the subject, and the limits of the report."""

    objection: Bilingual
    repair: Bilingual
    free_of_charge: Bilingual
    no_statement_of_credit: Bilingual


class ReportContent(View):
    """The part of a report that `sha256` covers."""

    report_id: UUID
    issued_at: datetime
    on: Day
    epoch: int
    seq: int
    catalogue_version: str
    subject: ReportedSubject
    applicant: IssuedTo
    issued_by: IssuedBy
    scope: ReportScope = Field(
        default=ReportScope.whole,
        description="`whole` (the credit office's report), `partial` (a department's), or"
        " `no_record`: the report shows no record under this number and this name, and lists"
        " nothing. Reports of earlier releases have no such field: they are whole",
    )
    scope_note: Bilingual | None = Field(
        default=None,
        description="Of a partial report: what it leaves out, and where the whole is issued",
    )
    held: bool = Field(
        description="The report shows an entry about the subject, or one that names it"
    )
    note: Bilingual | None = Field(
        description="What it does not mean that the report shows no entry; where `scope` is"
        " `no_record`, also the way to the credit office"
    )
    entries: list[HeldEntry]
    named_in: list[NamedIn]
    queries: list[ReportedQuery]
    queries_note: Bilingual
    reports: list[EarlierReport]
    rights: Rights


class OwnReport(ReportContent):
    """A subject's own report, as it was issued."""

    verification_code: str
    sha256: str = Field(
        description="SHA-256 in hex of this document without `sha256` and `verification_code`, as"
        " UTF-8 JSON with keys sorted at every level and no blanks"
    )


class ReportedName(View):
    """The subject of a report by kind and name; a natural person's name is masked."""

    kind: SubjectKind | Literal["organization"]
    name: str


class ProofShown(View):
    """The applicant of a report by kind, and the proof of identity or authority."""

    kind: Literal["self", "delegated"]
    proof_ref: str
    case_no: str | None


class IssuedReportView(View):
    """A report in the list of the credit office: its issuer, the proof, and its subject.

    Reports with the same `asked` are about the same number. It is a keyed digest and discloses no
    number; the audit record of a refused request contains it too.
    """

    report_id: UUID
    issued_at: datetime
    scope: ReportScope
    department: str | None = Field(description="null: the credit office")
    actor_id: UUID
    actor_name: str
    person: str | None = Field(description="null in reports of earlier releases")
    subject: ReportedName
    asked: str
    applicant: ProofShown
    sha256: str


class IssuedReportPage(View):
    """A page of issued reports, the newest first."""

    reports: list[IssuedReportView]
    next: str | None


class Verification(View):
    """A report was issued under this code: compare what is printed with it.

    A natural person's name is masked after its first character.
    """

    valid: Literal[True]
    report_id: UUID
    issued_at: datetime
    subject_name: str
    subject_kind: SubjectKind | Literal["organization"]
    scope: ReportScope = Field(
        description="A print of a `partial` report, or of one with `no_record`, is no statement"
        " about the whole"
    )
    superseded: bool
    """True if an entry of the report was sealed later (wrong subject): ask for a new report.
    """
    sha256: str
