"""Past checks, look-ups and outcomes: nothing is answered that is not written down first."""

from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks import store
from app.checks.evaluation import Examined, answer_all
from app.checks.preconditions import in_future, require_delay, require_matter, require_past
from app.checks.projections import check_view, matched_view, note_of, warning_views, written_instant
from app.checks.questions import moment_of, read_question, read_questions
from app.checks.receipts import Answered, asked_digest, keep
from app.checks.schemas import CheckRequest, LookupRequest, OutcomeReport
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
from app.http.request_id import current_request_id
from app.registry import Registry
from app.rules.permissions import Caller, Role

# A re-examination tells what an approval officer would have been told, not what an auditor sees.
OFFICER = Role.approver


def re_examine(
    registry: Registry, caller: Caller, request: CheckRequest, *, chinese: bool
) -> bytes:
    """What an approval officer would have been told on a past day; no check on file.

    Raises:
        InvalidPayload: the matter is not in the catalogue, the moment has not come, or the subject
            is to be kept from learning of it.
    """
    require_one_moment(request.known_at, request.known_seq, "/known_seq")
    now = registry.clock.now()
    require_past(registry, request.on, request.known_at)
    require_delay(registry.clock.today(), request.investigation, past=True)
    questions = read_questions(registry, request, registry.clock.today())
    with registry.database.reading() as connection:
        moment = moment_of(
            registry,
            connection,
            on=request.on,
            known_at=request.known_at,
            known_seq=request.known_seq,
        )
        if request.known_seq is not None and request.known_seq > moment.head_seq:
            raise in_future("/known_seq")
        require_matter(request.matter, moment.catalogue)
        officer = Caller(caller.id, caller.name, OFFICER)
        examined = Examined(officer, request.matter, questions)
        [answers] = answer_all(connection, [examined], moment)
    audit.record_access(
        registry,
        caller,
        AuditAction.check_re_examined,
        request.case_no,
        matter=request.matter,
        purpose=request.purpose,
        on=moment.on,
        seq=moment.seq,
        subjects=[asked_digest(registry, question) for question in questions],
    )
    return orjson.dumps(check_view(None, now, moment, request.matter, answers, chinese=chinese))


def look_up(registry: Registry, caller: Caller, request: LookupRequest, *, chinese: bool) -> bytes:
    """What the caller may know of one subject today, with a record of the question.

    Raises:
        InvalidPayload: the number is wrong, a person's name is missing, or the subject is to be
            kept from learning of it for too long or not at all.
    """
    now = registry.clock.now()
    require_delay(registry.clock.today(), request.investigation, past=False)
    question = read_question(registry, request.asked(), "1", registry.clock.today())
    if question.error is not None:
        code, sentence = question.error
        place = "/name" if code == "name_missing" else "/number"
        raise InvalidPayload(faults=[Fault(place, code, sentence)])
    with registry.database.reading() as connection:
        moment = moment_of(registry, connection)
        examined = Examined(caller, None, [question])
        [[answer]] = answer_all(connection, [examined], moment)
    lookup_id = uuid7()
    body = {
        "lookup_id": str(lookup_id),
        "looked_up_at": written_instant(now),
        "on": moment.on.isoformat(),
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "found": answer.found,
        "standing": answer.standing,
        "subject": matched_view(answer.subject),
        "candidates": [matched_view(one) for one in answer.candidates],
        "entries": answer.entries,
        "warnings": warning_views(answer, chinese=chinese),
        "note": note_of(answer, chinese=chinese),
    }
    written = orjson.dumps(body)
    answered = Answered(
        lookup_id, caller, request, current_request_id(), [question], [answer], written
    )
    keep(registry, now, moment, [answered])
    return written


# --- reading back --------------------------------------------------------


def stored_check(registry: Registry, caller: Caller, check_id: UUID) -> dict[str, Any]:
    """What was answered then, to the department that asked and to auditors.

    Raises:
        CheckNotFound: no such check, or another department's.
    """
    with registry.database.reading_ledger() as connection:
        kept = _own_check(connection, caller, check_id)
        told = store.outcomes(connection, check_id)
    return {
        **kept.answer,
        "purpose": kept.purpose,
        "case_no": kept.case_no,
        "asked_by": kept.actor_name,
        "department": kept.department,
        "investigation": kept.withheld_until
        and {"basis": kept.withheld_basis, "until": kept.withheld_until.isoformat()},
        "outcomes": [
            outcome | {"recorded_at": written_instant(outcome["recorded_at"])} for outcome in told
        ],
    }


def _own_check(connection: Connection, caller: Caller, check_id: UUID) -> Any:  # noqa: ANN401 - a row
    kept = store.get_check(connection, check_id)
    own = kept is not None and caller.department is not None
    if kept is None or not (caller.has_oversight or (own and kept.department == caller.department)):
        raise CheckNotFound
    return kept


def report_outcome(
    registry: Registry, caller: Caller, check_id: UUID, report: OutcomeReport
) -> tuple[dict[str, Any], bool]:
    """Keep what was done with a result; the second value tells whether it is new.

    Raises:
        CheckNotFound: no such check of the caller's department.
        InvalidPayload: no such ref, or a measure that the check did not return.
        OutcomeConflict: another outcome is recorded for that result.
    """
    digest = fingerprint(report.model_dump(mode="json"))
    with registry.database.ledger() as connection:
        kept = _own_check(connection, caller, check_id)
        _require_returned(kept.answer, report)
        at = registry.clock.now()
        values = {
            "check_id": check_id,
            "ref": report.ref,
            "action": report.action,
            "measures": report.measures,
            "remark": report.remark,
            "digest": digest,
            "recorded_at": at,
            "actor_id": caller.id,
            "actor_name": caller.name,
        }
        new = store.add_outcome(connection, values)
        # Read back rather than looked for before: of two that come at once, one finds the other's.
        outcome = store.get_outcome(connection, check_id, report.ref)
        if outcome.digest != digest:
            raise OutcomeConflict
        action = AuditAction.outcome_reported if new else AuditAction.outcome_replayed
        audit.add_access(
            connection, audit.build_record(caller, at, action, "answered", check_id, ref=report.ref)
        )
    shown = ("id", "check_id", "ref", "action", "measures", "remark", "recorded_at")
    return {name: getattr(outcome, name) for name in shown}, new


def _require_returned(answer: dict[str, Any], report: OutcomeReport) -> None:
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
