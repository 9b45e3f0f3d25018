"""Receipts: checks and look-ups are recorded before their answer is sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.checks import store
from app.checks.questions import Finding, Moment, Question
from app.checks.schemas import CheckRequest, LookupRequest
from app.registry import Registry
from app.rules.permissions import Caller
from app.subjects.lookup_keys import compute_query_digest


class Receipt(NamedTuple):
    """A check or look-up, and what it is answered."""

    id: UUID
    caller: Caller
    request: CheckRequest | LookupRequest
    request_id: str | None
    questions: Sequence[Question]
    findings: Sequence[Finding]
    body: bytes
    """The answer as it will be sent: JSON."""


def record_receipts(
    registry: Registry, asked_at: datetime, moment: Moment, receipts: Sequence[Receipt]
) -> None:
    """Write down who asked, why, and what is answered: all of them in one commit, or none."""
    checks = [_build_check_row(receipt, asked_at, moment) for receipt in receipts]
    results = [result for one in receipts for result in _build_result_rows(registry, one)]
    with registry.database.ledger() as connection:
        store.add_checks(connection, checks, results)


def _build_check_row(receipt: Receipt, asked_at: datetime, moment: Moment) -> dict[str, Any]:
    caller, request = receipt.caller, receipt.request
    return {
        "id": receipt.id,
        "kind": _find_kind(receipt),
        "asked_at": asked_at,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "role": caller.role,
        "department": caller.department,
        "request_id": receipt.request_id,
        "matter": _find_matter(receipt),
        "purpose": request.purpose,
        "case_no": request.case_no,
        "on": moment.on,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "answer": orjson.Fragment(receipt.body),
        "withheld_until": request.investigation and request.investigation.until,
        "withheld_basis": request.investigation and request.investigation.basis,
    }


def _build_result_rows(registry: Registry, receipt: Receipt) -> list[dict[str, Any]]:
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


def _find_kind(receipt: Receipt) -> str:
    return "check" if isinstance(receipt.request, CheckRequest) else "lookup"


def _find_matter(receipt: Receipt) -> str | None:
    return receipt.request.matter if isinstance(receipt.request, CheckRequest) else None


def compute_question_digest(registry: Registry, question: Question) -> str:
    """Compute a keyed digest of the requested subject, by which its checks are found."""
    return compute_query_digest(registry.secrets, question.identifier, question.name)
