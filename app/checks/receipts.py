"""Receipts and answers: the record of a check is committed before its answer is sent.

Answers are plain dictionaries, not response models: validating them again would double the cost of
a check.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypedDict
from uuid import UUID

import orjson

from app.checks import store
from app.checks.evaluation import Finding, MeasureJson, SuppressedJson
from app.checks.metering import build_counted_request, withhold_persons
from app.checks.questions import Moment, Question
from app.checks.schemas import NOT_FOUND_NOTE, Investigation
from app.checks.store import CheckRow, ResultRow
from app.entries.projections import CheckedEntryJson
from app.errors import ProblemCode, Sentence, SweepSuspected
from app.registry import Registry
from app.rules.permissions import Caller
from app.rules.verdict import Standing
from app.security.service import count_numbers
from app.subjects.lookup_keys import compute_query_digest
from app.subjects.records import FoundSubject


class MatchedSubjectJson(TypedDict):
    """A matched subject (`MatchedSubject`)."""

    id: str
    kind: str
    name: str


class WarningJson(TypedDict):
    """A warning in the language of the caller (`WarningView`)."""

    code: str
    detail: str


class ErrorJson(TypedDict):
    """The defect of one question (`ResultError`)."""

    code: ProblemCode
    detail: str


class CheckResultJson(TypedDict):
    """The result for one subject (`CheckResult`)."""

    ref: str
    found: bool
    standing: Standing
    subject: MatchedSubjectJson | None
    entries: list[CheckedEntryJson]
    measures: list[MeasureJson]
    suppressed: list[SuppressedJson]
    warnings: list[WarningJson]
    digest: str
    note: str | None
    error: ErrorJson | None


class CheckAnswerJson(TypedDict):
    """The answer of a check (`CheckAnswer`)."""

    check_id: str | None
    checked_at: str
    on: str
    matter: str
    epoch: int
    seq: int
    catalogue_version: str
    results: list[CheckResultJson]


class RequestReason(Protocol):
    """The part of a request that states why the caller needs the answer."""

    @property
    def purpose(self) -> str:
        """The purpose in the caller's words."""

    @property
    def case_no(self) -> str | None:
        """The number of the caller's case."""

    @property
    def investigation(self) -> Investigation | None:
        """The investigation that hides the question from its subject for a time."""


class Receipt(NamedTuple):
    """A check or lookup with its findings; `body` is the JSON answer that will be sent.

    `build_body` builds that answer from the findings; None if there is no answer to a part of the
    questions.
    """

    id: UUID
    kind: Literal["check", "lookup"]
    caller: Caller
    matter: str | None
    reason: RequestReason
    request_id: str | None
    questions: Sequence[Question]
    findings: Sequence[Finding]
    body: bytes
    build_body: Callable[[Sequence[Finding]], bytes] | None = None


def record_receipts(
    registry: Registry, asked_at: datetime, moment: Moment, receipts: Sequence[Receipt]
) -> list[bytes | SweepSuspected]:
    """Record all receipts in one transaction of the ledger, or none of them; return the answers.

    The transaction counts the personal numbers. If a caller seems to search for numbers, the answer
    leaves out natural persons; if it had nothing else, it is a refusal, which has no receipt.

    Raises:
        ClockUntrusted: the clock was set while the answers were computed.
    """
    requests = [
        build_counted_request(
            registry,
            receipt.caller,
            receipt.kind,
            receipt.request_id,
            receipt.questions,
            receipt.findings,
        )
        for receipt in receipts
    ]
    checks = [_build_check_row(receipt, asked_at, moment) for receipt in receipts]
    results = [row for receipt in receipts for row in _build_result_rows(registry, receipt)]
    answers: list[bytes | SweepSuspected] = [receipt.body for receipt in receipts]
    with registry.database.ledger() as connection:
        refusals = count_numbers(registry, connection, asked_at, requests)
        if any(refusals):
            answered = [*map(_withhold, receipts, refusals)]
            kept = [receipt for receipt in answered if isinstance(receipt, Receipt)]
            checks = [_build_check_row(receipt, asked_at, moment) for receipt in kept]
            results = [row for receipt in kept for row in _build_result_rows(registry, receipt)]
            answers = [
                receipt.body if isinstance(receipt, Receipt) else receipt for receipt in answered
            ]
        store.add_checks(connection, checks, results)
        registry.require_trusted_clock()
    return answers


def _withhold(receipt: Receipt, refusal: SweepSuspected | None) -> Receipt | SweepSuspected:
    """Return the receipt without findings about natural persons, or the refusal of all of it."""
    if refusal is None:
        return receipt
    findings = withhold_persons(receipt.questions, receipt.findings)
    if findings is None or receipt.build_body is None:
        return refusal
    return receipt._replace(findings=findings, body=receipt.build_body(findings))


def _build_check_row(receipt: Receipt, asked_at: datetime, moment: Moment) -> CheckRow:
    caller, reason = receipt.caller, receipt.reason
    investigation = reason.investigation
    return {
        "id": receipt.id,
        "kind": receipt.kind,
        "asked_at": asked_at,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "role": caller.role,
        "department": caller.department,
        "request_id": receipt.request_id,
        "matter": receipt.matter,
        "purpose": reason.purpose,
        "case_no": reason.case_no,
        "on": moment.on,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "answer": orjson.Fragment(receipt.body),
        "withheld_until": investigation.until if investigation else None,
        "withheld_basis": investigation.basis if investigation else None,
    }


def _build_result_rows(registry: Registry, receipt: Receipt) -> list[ResultRow]:
    return [
        {
            "check_id": receipt.id,
            "position": position,
            "asked_digest": compute_question_digest(registry, question),
            "subject_id": finding.subject and finding.subject.id,
            "standing": finding.standing,
        }
        for position, (question, finding) in enumerate(
            zip(receipt.questions, receipt.findings, strict=True)
        )
    ]


def compute_question_digest(registry: Registry, question: Question) -> str:
    """Return a keyed digest that finds the checks of a subject and discloses no number."""
    return compute_query_digest(registry.secrets, question.identifier, question.name)


def build_check_answer(
    check_id: UUID | None,
    checked_at: datetime,
    moment: Moment,
    matter: str,
    findings: Sequence[Finding],
    *,
    chinese: bool,
) -> CheckAnswerJson:
    """Build the answer of a check (`schemas.CheckAnswer`)."""
    return {
        "check_id": str(check_id) if check_id else None,
        "checked_at": format_instant(checked_at),
        "on": moment.on.isoformat(),
        "matter": matter,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "results": [_build_result(finding, matter, chinese=chinese) for finding in findings],
    }


def _build_result(finding: Finding, matter: str, *, chinese: bool) -> CheckResultJson:
    error = finding.error
    return {
        "ref": finding.ref,
        "found": finding.is_found,
        "standing": finding.standing,
        "subject": build_matched_subject(finding.subject),
        "entries": finding.entries,
        "measures": finding.measures,
        "suppressed": finding.suppressed,
        "warnings": build_warning_views(finding, chinese=chinese),
        "digest": finding.compute_digest(matter),
        "note": build_note(finding, chinese=chinese),
        "error": error
        and {"code": error.code, "detail": _translate(error.sentence, chinese=chinese)},
    }


def build_matched_subject(match: FoundSubject | None) -> MatchedSubjectJson | None:
    """Build the view of a matched subject (`schemas.MatchedSubject`)."""
    if match is None:
        return None
    return {"id": str(match.id), "kind": match.kind, "name": match.name}


def build_warning_views(finding: Finding, *, chinese: bool) -> list[WarningJson]:
    """Build the views of the warnings (`schemas.WarningView`)."""
    return [
        {"code": code, "detail": _translate(sentence, chinese=chinese)}
        for code, sentence in finding.warnings
    ]


def build_note(finding: Finding, *, chinese: bool) -> str | None:
    """Return the note that an empty result says nothing about credit; None for other results."""
    if finding.is_found or finding.standing is not Standing.none:
        return None
    return _translate(NOT_FOUND_NOTE, chinese=chinese)


def _translate(sentence: Sentence, *, chinese: bool) -> str:
    return sentence.zh if chinese else sentence.en


def format_instant(instant: datetime) -> str:
    """Format an instant of UTC by RFC 3339."""
    return instant.isoformat().replace("+00:00", "Z")
