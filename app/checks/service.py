"""Past checks, receipts and outcomes; each is recorded before its answer is sent."""

from typing import Any
from uuid import UUID

import orjson

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks import store
from app.checks.evaluation import EvaluationRequest, evaluate_questions
from app.checks.preconditions import (
    build_future_error,
    require_known_matter,
    require_not_future,
    require_valid_delay,
)
from app.checks.projections import (
    build_check_answer,
    format_instant,
)
from app.checks.questions import parse_questions, read_moment
from app.checks.receipts import Receipt, compute_question_digest, record_receipts
from app.checks.schemas import CheckRequest, OutcomeReport
from app.crypto import fingerprint
from app.db.engines import Connection
from app.errors import (
    CheckNotFound,
    Fault,
    InvalidPayload,
    OutcomeConflict,
    ProblemCode,
    Sentence,
)
from app.http.pagination import require_one_moment
from app.registry import Registry
from app.rules.permissions import Caller, Role

__all__ = ["Receipt", "re_examine", "read_check", "record_outcome", "record_receipts"]

# A re-examination gives the answer that an approval officer would have got, not an auditor.
OFFICER_ROLE = Role.approver


def re_examine(
    registry: Registry, caller: Caller, request: CheckRequest, *, chinese: bool
) -> bytes:
    """Compute the answer that an approval officer would have got on a past day; makes no receipt.

    Raises:
        InvalidPayload: the matter is unknown, the moment lies in the future, or a delay of notice
            is given.
    """
    require_one_moment(request.known_at, request.known_seq, "/known_seq")
    now = registry.clock.now()
    require_not_future(registry, request.on, request.known_at)
    require_valid_delay(registry.clock.today(), request.investigation, is_past=True)
    questions = parse_questions(registry, request, registry.clock.today())
    with registry.database.reading() as connection:
        moment = read_moment(
            registry,
            connection,
            on=request.on,
            known_at=request.known_at,
            known_seq=request.known_seq,
        )
        if request.known_seq is not None and request.known_seq > moment.head_seq:
            raise build_future_error("/known_seq")
        require_known_matter(request.matter, moment.catalogue)
        officer = Caller(caller.id, caller.name, OFFICER_ROLE)
        evaluation_request = EvaluationRequest(officer, request.matter, questions)
        [findings] = evaluate_questions(connection, [evaluation_request], moment)
    audit.record_access(
        registry,
        caller,
        AuditAction.check_re_examined,
        request.case_no,
        matter=request.matter,
        purpose=request.purpose,
        on=moment.on,
        seq=moment.seq,
        subjects=[compute_question_digest(registry, question) for question in questions],
    )
    return orjson.dumps(
        build_check_answer(None, now, moment, request.matter, findings, chinese=chinese)
    )


# --- reading back --------------------------------------------------------


def read_check(registry: Registry, caller: Caller, check_id: UUID) -> dict[str, Any]:
    """Read a recorded answer, for the department that asked and for auditors.

    Raises:
        CheckNotFound: there is no such check, or it is of another department.
    """
    with registry.database.reading_ledger() as connection:
        check = _read_own_check(connection, caller, check_id)
        outcomes = store.read_outcomes(connection, check_id)
    return {
        **check.answer,
        "purpose": check.purpose,
        "case_no": check.case_no,
        "asked_by": check.actor_name,
        "department": check.department,
        "investigation": check.withheld_until
        and {"basis": check.withheld_basis, "until": check.withheld_until.isoformat()},
        "outcomes": [
            outcome | {"recorded_at": format_instant(outcome["recorded_at"])}
            for outcome in outcomes
        ],
    }


def _read_own_check(connection: Connection, caller: Caller, check_id: UUID) -> Any:  # noqa: ANN401 - a row
    check = store.get_check(connection, check_id)
    has_department = check is not None and caller.department is not None
    if check is None or not (
        caller.has_oversight or (has_department and check.department == caller.department)
    ):
        raise CheckNotFound
    return check


def record_outcome(
    registry: Registry, caller: Caller, check_id: UUID, report: OutcomeReport
) -> tuple[dict[str, Any], bool]:
    """Record the outcome of a result; the second value is True if it is new.

    Raises:
        CheckNotFound: the department of the caller has no such check.
        InvalidPayload: the check has no such ref, or did not return such a measure.
        OutcomeConflict: another outcome is recorded for the result.
    """
    digest = fingerprint(report.model_dump(mode="json"))
    with registry.database.ledger() as connection:
        check = _read_own_check(connection, caller, check_id)
        _require_returned_measures(check.answer, report)
        now = registry.clock.now()
        values = {
            "check_id": check_id,
            "ref": report.ref,
            "action": report.action,
            "measures": report.measures,
            "remark": report.remark,
            "digest": digest,
            "recorded_at": now,
            "actor_id": caller.id,
            "actor_name": caller.name,
        }
        is_new = store.add_outcome(connection, values)
        # Read after the insert, because of two concurrent reports one finds the other.
        outcome = store.get_outcome(connection, check_id, report.ref)
        if outcome.digest != digest:
            raise OutcomeConflict
        action = AuditAction.outcome_reported if is_new else AuditAction.outcome_replayed
        audit.add_access(
            connection,
            audit.build_record(caller, now, action, "answered", check_id, ref=report.ref),
        )
    field_names = ("id", "check_id", "ref", "action", "measures", "remark", "recorded_at")
    return {name: getattr(outcome, name) for name in field_names}, is_new


def _require_returned_measures(answer: dict[str, Any], report: OutcomeReport) -> None:
    result = next((item for item in answer["results"] if item["ref"] == report.ref), None)
    returned = {measure["code"] for measure in result["measures"]} if result else set()
    faults = []
    if result is None:
        faults.append(
            Fault(
                "/ref",
                ProblemCode.unknown_value,
                Sentence("The check has no such ref", "该核查中没有此 ref"),
            )
        )
    elif not set(report.measures) <= returned:
        faults.append(
            Fault(
                "/measures",
                ProblemCode.unknown_value,
                Sentence(
                    "Only measures that the check returned can have been applied",
                    "只能填写该核查结果中返回的措施",
                ),
            )
        )
    if faults:
        raise InvalidPayload(faults=faults)
