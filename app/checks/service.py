"""Writes of checks: answered checks (`CheckService`), receipts, and outcomes."""

from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks import store
from app.checks.pipeline import CheckService
from app.checks.queries import read_own_check
from app.checks.receipts import Receipt, record_receipts
from app.checks.schemas import OutcomeReport, OutcomeView
from app.checks.store import OutcomeRow, RecordedAnswer
from app.crypto import fingerprint
from app.db.engines import Connection
from app.errors import Fault, InvalidPayload, OutcomeConflict, ProblemCode, Sentence
from app.http.request_bodies import KNOWN_NUMBER_IN_TEXT
from app.registry import Registry
from app.rules.identifiers import Identifier, Scheme
from app.rules.numbers_in_hand import list_possible_numbers
from app.rules.permissions import Caller
from app.subjects.lookup_keys import compute_query_digest

__all__ = ["CheckService", "Receipt", "record_outcome", "record_receipts"]


def record_outcome(
    registry: Registry, caller: Caller, check_id: UUID, report: OutcomeReport
) -> tuple[OutcomeView, bool]:
    """Record the outcome of one result; return it, and True if it was not recorded before.

    Raises:
        CheckNotFound: the caller's department has no such check.
        InvalidPayload: the check has no such ref, or did not return one of the measures; or the
            remark holds a personal number that the check asked about.
        OutcomeConflict: the result has another outcome.
    """
    digest = fingerprint(report.model_dump(mode="json"))
    with registry.database.ledger() as connection:
        check = read_own_check(connection, caller, check_id)
        _require_no_asked_number(registry, connection, check_id, report.remark)
        _require_returned_measures(check.answer, report)
        now = registry.clock.now()
        values: OutcomeRow = {
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
        # Read after the insert: of two equal requests at the same time, one finds the other's row.
        outcome = store.get_outcome(connection, check_id, report.ref)
        if outcome.digest != digest:
            raise OutcomeConflict
        action = AuditAction.outcome_reported if is_new else AuditAction.outcome_replayed
        record = audit.build_record(caller, now, action, "answered", check_id, ref=report.ref)
        audit.add_access(connection, record)
    fields = {name: getattr(outcome, name) for name in OutcomeView.model_fields}
    return OutcomeView.model_validate(fields), is_new


def _require_no_asked_number(
    registry: Registry, connection: Connection, check_id: UUID, remark: str | None
) -> None:
    """Refuse a remark with a number that the check asked about; only its digest is on record."""
    numbers = list_possible_numbers(remark) if remark else ()
    if not numbers:
        return
    asked_digests = store.read_asked_digests(connection, check_id)
    for scheme, number in numbers:
        identifier = Identifier(Scheme(scheme), number)
        if compute_query_digest(registry.secrets, identifier, None) in asked_digests:
            fault = Fault("/remark", ProblemCode.personal_number_in_text, KNOWN_NUMBER_IN_TEXT)
            raise InvalidPayload(faults=[fault])


def _require_returned_measures(answer: RecordedAnswer, report: OutcomeReport) -> None:
    result = next((item for item in answer["results"] if item["ref"] == report.ref), None)
    if result is None:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/ref",
                    ProblemCode.unknown_value,
                    Sentence("The check has no such ref", "该核查中没有此 ref"),
                )
            ]
        )
    if not set(report.measures) <= {measure["code"] for measure in result["measures"]}:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/measures",
                    ProblemCode.unknown_value,
                    Sentence(
                        "Only measures that the check returned can have been applied",
                        "只能填写该核查结果中返回的措施",
                    ),
                )
            ]
        )
