"""Reads of checks: recorded checks, and the evaluation of subjects for other rooms."""

from typing import TypedDict
from uuid import UUID

from app.checks import store
from app.checks.evaluation import (
    EvaluationRequest,
    Finding,
    evaluate_questions,
    evaluate_subjects,
)
from app.checks.investigations import require_valid_investigation
from app.checks.questions import (
    Moment,
    Question,
    parse_question,
    read_moment,
    require_not_future,
)
from app.checks.receipts import (
    build_matched_subject,
    build_note,
    build_warning_views,
    format_instant,
)
from app.checks.store import RecordedAnswer, RecordedCheck, RecordedOutcome
from app.db.engines import Connection
from app.errors import CheckNotFound
from app.registry import Registry
from app.rules.permissions import Caller

__all__ = [
    "EvaluationRequest",
    "Finding",
    "Moment",
    "Question",
    "build_matched_subject",
    "build_note",
    "build_warning_views",
    "evaluate_questions",
    "evaluate_subjects",
    "format_instant",
    "parse_question",
    "read_check",
    "read_moment",
    "read_own_check",
    "require_not_future",
    "require_valid_investigation",
]


class InvestigationJson(TypedDict):
    """The investigation that hides a check from its subject for a time (`Investigation`)."""

    basis: str | None
    until: str


class OutcomeJson(TypedDict):
    """A recorded outcome (`OutcomeView`)."""

    id: UUID
    check_id: UUID
    ref: str
    action: str
    measures: list[str]
    remark: str | None
    recorded_at: str
    actor_name: str


class StoredCheckJson(RecordedAnswer):
    """A recorded answer with the context of its check and its outcomes (`StoredCheck`)."""

    purpose: str
    case_no: str | None
    asked_by: str
    department: str | None
    investigation: InvestigationJson | None
    outcomes: list[OutcomeJson]


def read_check(registry: Registry, caller: Caller, check_id: UUID) -> StoredCheckJson:
    """Return a recorded check with its outcomes (`schemas.StoredCheck`).

    Raises:
        CheckNotFound: there is no such check, or the caller may not read it.
    """
    with registry.database.reading_ledger() as connection:
        check = read_own_check(connection, caller, check_id)
        outcomes = store.read_outcomes(connection, check_id)
    return {
        **check.answer,
        "purpose": check.purpose,
        "case_no": check.case_no,
        "asked_by": check.actor_name,
        "department": check.department,
        "investigation": {
            "basis": check.withheld_basis,
            "until": check.withheld_until.isoformat(),
        }
        if check.withheld_until
        else None,
        "outcomes": [_build_outcome(outcome) for outcome in outcomes],
    }


def read_own_check(connection: Connection, caller: Caller, check_id: UUID) -> RecordedCheck:
    """Return a check of the caller's department; offices with oversight read all checks.

    Raises:
        CheckNotFound: there is no such check, or the caller may not read it.
    """
    check = store.get_check(connection, check_id)
    if check is not None and (
        caller.has_oversight
        or (caller.department is not None and check.department == caller.department)
    ):
        return check
    raise CheckNotFound


def _build_outcome(outcome: RecordedOutcome) -> OutcomeJson:
    return {
        "id": outcome.id,
        "check_id": outcome.check_id,
        "ref": outcome.ref,
        "action": outcome.action,
        "measures": outcome.measures,
        "remark": outcome.remark,
        "recorded_at": format_instant(outcome.recorded_at),
        "actor_name": outcome.actor_name,
    }
