"""Reads of checks: recorded checks, and the evaluation of subjects for other rooms."""

from uuid import UUID

from app.checks import store
from app.checks.evaluation import (
    EvaluationRequest,
    Finding,
    JsonObject,
    evaluate_questions,
    evaluate_subjects,
)
from app.checks.questions import (
    Moment,
    Question,
    parse_question,
    read_moment,
    require_not_future,
    require_valid_delay,
)
from app.checks.receipts import (
    build_matched_subject,
    build_note,
    build_warning_views,
    format_instant,
)
from app.checks.store import RecordedCheck, RecordedOutcome
from app.db.engines import Connection
from app.errors import CheckNotFound
from app.registry import Registry
from app.rules.permissions import Caller

__all__ = [
    "EvaluationRequest",
    "Finding",
    "JsonObject",
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
    "require_valid_delay",
]


def read_check(registry: Registry, caller: Caller, check_id: UUID) -> JsonObject:
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
        "investigation": check.withheld_until
        and {"basis": check.withheld_basis, "until": check.withheld_until.isoformat()},
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


def _build_outcome(outcome: RecordedOutcome) -> JsonObject:
    view = outcome._asdict() | {"recorded_at": format_instant(outcome.recorded_at)}
    del view["digest"]
    return view
