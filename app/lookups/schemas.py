"""Requests and answers of lookups and subjects."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.checks.schemas import (
    AskedSubject,
    CheckedEntry,
    Investigation,
    MatchedSubject,
    WarningView,
    require_clear_subject,
)
from app.entries.schemas import IdentifierView
from app.errors import ProblemCode, Sentence
from app.http.request_bodies import RequestBody
from app.http.schemas import Day, Line, Name, Reference, View, fault
from app.rules.identifiers import PERSON_SCHEMES, Scheme
from app.rules.law import SubjectKind
from app.rules.verdict import Standing


class LookupRequest(RequestBody):
    """A lookup of one subject; a natural person needs number, name and a case number."""

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
        """Require a clear subject as a check does, and a case number for a natural person."""
        require_clear_subject(self.scheme, self.number, self.name)
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
        """Return the subject in the form of a check."""
        return AskedSubject(scheme=self.scheme, number=self.number, name=self.name)


class LookupAnswer(View):
    """The entries of a subject that the caller may see today."""

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
    """A recorded subject with its standing and the entries that the caller may see."""

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
