"""Types of an own report while it is built: each has the fields of one view in `schemas`."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, TypedDict
from uuid import UUID

from app.entries.projections import NamedCodeJson, NamingEntryJson, ReportEntryJson
from app.rules.own_report import ReportScope
from app.rules.permissions import Role


class BilingualJson(TypedDict):
    """A text in Chinese and in English (`Bilingual`)."""

    zh: str
    en: str


class ReportSubjectJson(TypedDict):
    """The subject of the report (`ReportedSubject`)."""

    kind: str
    recorded: bool
    name: str
    former_names: list[str]
    identifiers: Sequence[dict[str, str]]


class ApplicantJson(TypedDict):
    """The applicant who received the report (`IssuedTo`)."""

    kind: Literal["self", "delegated"]
    name: str
    proof_ref: str
    case_no: str | None


class IssuerJson(TypedDict):
    """The issuer of the report (`IssuedBy`)."""

    role: Role
    department: NamedCodeJson | None


class UseJson(TypedDict):
    """A measure that follows from an entry (`Use`)."""

    code: str
    name: str
    kind: str
    obligation: str
    legal_basis: str


class VersionJson(TypedDict):
    """One version of an entry (`ReportedVersion`)."""

    version: int
    recorded_at: datetime
    action: str
    reason: str | None


class StepJson(TypedDict):
    """One step of a case (`ReportedStep`)."""

    step: str
    on: date
    outcome: str | None
    reasons: str | None


class CaseJson(TypedDict):
    """An objection or an application for repair (`ReportedCase`)."""

    id: UUID
    kind: str
    state: str
    received_on: date
    due_on: date | None
    steps: list[StepJson]


class HeldEntryJson(ReportEntryJson):
    """An entry about the subject with its uses, cases and versions (`HeldEntry`)."""

    uses: list[UseJson]
    redress: list[CaseJson]
    history: list[VersionJson]


class DelayJson(TypedDict):
    """The investigation that delayed the notice of a query (`Delay`)."""

    basis: str
    until: date


class ReportedOutcomeJson(TypedDict):
    """The outcome of a check as the office reported it (`ReportedOutcome`)."""

    action: str
    measures: list[NamedCodeJson]
    remark: str | None
    recorded_at: datetime


class QueryJson(TypedDict):
    """A query about the subject (`ReportedQuery`)."""

    id: UUID
    kind: str
    asked_at: datetime
    role: str
    department: NamedCodeJson | None
    matter: NamedCodeJson | None
    purpose: str
    case_no: str | None
    standing: str | None
    outcome: ReportedOutcomeJson | None
    withheld: DelayJson | None


class EarlierReportJson(TypedDict):
    """A report that was issued before (`EarlierReport`)."""

    report_id: UUID
    issued_at: datetime
    department: NamedCodeJson | None
    applicant: str
    scope: str | None


class RightsJson(TypedDict):
    """The rights of the subject (`Rights`)."""

    objection: BilingualJson
    repair: BilingualJson
    free_of_charge: BilingualJson
    no_statement_of_credit: BilingualJson


class ReportContentJson(TypedDict):
    """The part of a report that `sha256` covers (`ReportContent`)."""

    report_id: UUID
    issued_at: datetime
    on: date
    epoch: int
    seq: int
    catalogue_version: str
    subject: ReportSubjectJson
    applicant: ApplicantJson
    issued_by: IssuerJson
    scope: ReportScope
    scope_note: BilingualJson | None
    held: bool
    note: BilingualJson | None
    entries: list[HeldEntryJson]
    named_in: list[NamingEntryJson]
    queries: list[QueryJson]
    queries_note: BilingualJson
    reports: list[EarlierReportJson]
    rights: RightsJson
