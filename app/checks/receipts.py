"""What is kept of a check or a look-up before its answer leaves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.checks import store
from app.checks.questions import Answer, Moment, Question
from app.checks.schemas import CheckRequest, LookupRequest
from app.registry import Registry
from app.rules.permissions import Caller
from app.subjects.lookup_keys import compute_query_digest


class Answered(NamedTuple):
    """A check or look-up, and what it is answered."""

    id: UUID
    caller: Caller
    request: CheckRequest | LookupRequest
    request_id: str | None
    questions: Sequence[Question]
    answers: Sequence[Answer]
    body: bytes
    """The answer as it will be sent: JSON."""


def keep(registry: Registry, at: datetime, moment: Moment, answered: Sequence[Answered]) -> None:
    """Write down who asked, why, and what is answered: all of them in one commit, or none."""
    checks = [_check(one, at, moment) for one in answered]
    results = [result for one in answered for result in _results(registry, one)]
    with registry.database.ledger() as connection:
        store.add_checks(connection, checks, results)


def _check(one: Answered, at: datetime, moment: Moment) -> dict[str, Any]:
    caller, request = one.caller, one.request
    return {
        "id": one.id,
        "kind": _kind(one),
        "asked_at": at,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "role": caller.role,
        "department": caller.department,
        "request_id": one.request_id,
        "matter": _matter(one),
        "purpose": request.purpose,
        "case_no": request.case_no,
        "on": moment.on,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "answer": orjson.Fragment(one.body),
        "withheld_until": request.investigation and request.investigation.until,
        "withheld_basis": request.investigation and request.investigation.basis,
    }


def _results(registry: Registry, one: Answered) -> list[dict[str, Any]]:
    return [
        {
            "check_id": one.id,
            "position": position,
            "asked_digest": asked_digest(registry, question),
            "subject_id": answer.subject and answer.subject.id,
            "standing": answer.standing,
        }
        for position, (question, answer) in enumerate(zip(one.questions, one.answers, strict=True))
    ]


def _kind(one: Answered) -> str:
    return "check" if isinstance(one.request, CheckRequest) else "lookup"


def _matter(one: Answered) -> str | None:
    return one.request.matter if isinstance(one.request, CheckRequest) else None


def asked_digest(registry: Registry, question: Question) -> str:
    """A keyed digest of whom was asked for: it finds a subject's checks, and tells no number."""
    return compute_query_digest(registry.secrets, question.identifier, question.name)
