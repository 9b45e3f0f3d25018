"""Checks and lookups with their record: nothing is answered that is not written down first."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import store as audit
from app.checks import store
from app.checks.examination import answer_all, answer_known
from app.checks.questions import Answer, Moment, Question, moment_of, read_question
from app.checks.schemas import CheckRequest, Investigation, LookupRequest, OutcomeReport
from app.checks.views import matched_view, note_of, warning_views
from app.crypto import fingerprint
from app.database import Connection
from app.errors import (
    CheckNotFound,
    Fault,
    Forbidden,
    InvalidPayload,
    OutcomeConflict,
    Sentence,
    SubjectNotFound,
)
from app.registry import Registry
from app.rules.admission import later
from app.rules.identifiers import Identifier
from app.rules.law import Catalogue, Span, SubjectKind
from app.rules.permissions import Caller, Role
from app.subjects import store as subjects
from app.wire import current_request_id, require_one_moment

# A re-examination tells what an approval officer would have been told, not what an auditor sees.
OFFICER = Role.approver
LONGEST_DELAY = Span(years=1)
"""For how long a subject may be kept from learning of a question; longer is asked anew."""


def check(
    registry: Registry, caller: Caller, request: CheckRequest, *, chinese: bool
) -> dict[str, Any]:
    """Answer a check, and keep who asked, why, and what was answered.

    Raises:
        Forbidden: the present is for approvers, the past for auditors and operators.
        InvalidPayload: the matter is not in the catalogue, the day has not come, or the subject is
            to be kept from learning of it for too long or not at all.
    """
    require_one_moment(request.known_at, request.known_seq, "/known_seq")
    past = request.on or request.known_at or request.known_seq is not None
    if bool(past) == (caller.role is Role.approver):
        raise Forbidden
    now = registry.clock.now()
    _require_past(registry, request.on, request.known_at)
    _require_delay(registry, request.investigation, past=bool(past))
    questions = [
        read_question(asked, ref, registry.clock.today())
        for asked, ref in zip(request.subjects, request.refs(), strict=True)
    ]
    with registry.database.reading() as connection:
        moment = moment_of(
            registry,
            connection,
            on=request.on,
            known_at=request.known_at,
            known_seq=request.known_seq,
        )
        if request.known_seq is not None and request.known_seq > moment.head_seq:
            raise _in_future("/known_seq")
        _require_matter(request.matter, moment.catalogue)
        viewer = Caller(caller.id, caller.name, OFFICER) if past else caller
        answers = answer_all(registry, connection, viewer, questions, moment, request.matter)
    check_id = None if past else uuid7()
    body = {
        "check_id": check_id and str(check_id),
        "checked_at": _written(now),
        "on": moment.on.isoformat(),
        "matter": request.matter,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "results": [_result(answer, request.matter, chinese=chinese) for answer in answers],
    }
    if check_id is None:
        audit.record_access(
            registry,
            caller,
            "check_re_examined",
            request.case_no,
            matter=request.matter,
            purpose=request.purpose,
            on=moment.on,
            seq=moment.seq,
            subjects=_asked(registry, questions),
        )
    else:
        _keep(
            registry,
            caller,
            check_id,
            "check",
            now,
            moment,
            request.purpose,
            request.case_no,
            request.matter,
            request.investigation,
            questions,
            answers,
            body,
        )
    return body


def look_up(
    registry: Registry, caller: Caller, request: LookupRequest, *, chinese: bool
) -> dict[str, Any]:
    """What the caller may know of one subject today, with a record of the question.

    Raises:
        InvalidPayload: the number is wrong, a person's name is missing, or the subject is to be
            kept from learning of it for too long or not at all.
    """
    now = registry.clock.now()
    _require_delay(registry, request.investigation, past=False)
    question = read_question(request.asked(), "1", registry.clock.today())
    if question.error is not None:
        code, sentence = question.error
        place = "/name" if code == "name_missing" else "/number"
        raise InvalidPayload(faults=[Fault(place, code, sentence)])
    with registry.database.reading() as connection:
        moment = moment_of(registry, connection)
        [answer] = answer_all(registry, connection, caller, [question], moment, None)
    lookup_id = uuid7()
    body = {
        "lookup_id": str(lookup_id),
        "looked_up_at": _written(now),
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
    _keep(
        registry,
        caller,
        lookup_id,
        "lookup",
        now,
        moment,
        request.purpose,
        request.case_no,
        None,
        request.investigation,
        [question],
        [answer],
        body,
    )
    return body


def _keep(
    registry: Registry,
    caller: Caller,
    check_id: UUID,
    kind: str,
    now: datetime,
    moment: Moment,
    purpose: str,
    case_no: str | None,
    matter: str | None,
    investigation: Investigation | None,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    body: dict[str, Any],
) -> None:
    asked = _asked(registry, questions)
    with registry.database.ledger() as connection:
        store.add_check(
            connection,
            {
                "id": check_id,
                "kind": kind,
                "asked_at": now,
                "actor_id": caller.id,
                "actor_name": caller.name,
                "role": caller.role,
                "department": caller.department,
                "request_id": current_request_id(),
                "matter": matter,
                "purpose": purpose,
                "case_no": case_no,
                "on": moment.on,
                "epoch": moment.epoch,
                "seq": moment.seq,
                "catalogue_version": moment.catalogue.version,
                "answer": body,
                "withheld_until": investigation and investigation.until,
                "withheld_basis": investigation and investigation.basis,
            },
            [
                {
                    "check_id": check_id,
                    "position": position,
                    "asked_digest": asked[position],
                    "subject_id": answer.subject and answer.subject.id,
                    "standing": answer.standing,
                }
                for position, answer in enumerate(answers)
            ],
        )
        action = "subject_looked_up" if kind == "lookup" else "check_answered"
        told = {"matter": matter, "purpose": purpose, "case_no": case_no, "subjects": len(asked)}
        audit.add_access(connection, audit.row(caller, now, action, "answered", check_id, **told))


def _asked(registry: Registry, questions: Sequence[Question]) -> list[str]:
    return [
        subjects.asked_digest(registry.secrets, question.identifier, question.name)
        for question in questions
    ]


def _result(answer: Answer, matter: str, *, chinese: bool) -> dict[str, Any]:
    error = answer.error
    return {
        "ref": answer.ref,
        "found": answer.found,
        "standing": answer.standing,
        "subject": matched_view(answer.subject),
        "entries": answer.entries,
        "measures": answer.measures,
        "suppressed": answer.suppressed,
        "warnings": warning_views(answer, chinese=chinese),
        "digest": answer.digest(matter),
        "note": note_of(answer, chinese=chinese),
        "error": error and {"code": error[0], "detail": error[1].zh if chinese else error[1].en},
    }


def _require_matter(code: str, catalogue: Catalogue) -> None:
    if code not in catalogue.matters:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/matter",
                    "unknown_value",
                    Sentence(
                        "There is no such matter; see GET /v1/matters",
                        "没有该事项类型，请查看 GET /v1/matters",
                    ),
                )
            ]
        )


def _require_past(
    registry: Registry, on: date | None, known_at: datetime | None, place: str = "/"
) -> None:
    late = on is not None and on > registry.clock.today()
    if late or (known_at is not None and known_at > registry.clock.now()):
        raise _in_future(f"{place}on" if late else f"{place}known_at")


def _require_delay(registry: Registry, investigation: Investigation | None, *, past: bool) -> None:
    if investigation is None:
        return
    if past:
        fault = Fault(
            "/investigation",
            "unknown_field",
            Sentence(
                "No subject is told of a re-examination: leave investigation out",
                "复核不计入主体的被查询记录，请勿填写 investigation",
            ),
        )
        raise InvalidPayload(faults=[fault])
    today = registry.clock.today()
    if not today < investigation.until <= later(today, LONGEST_DELAY):
        fault = Fault(
            "/investigation/until",
            "dates_out_of_order",
            Sentence(
                "The last day of the delay lies after today, and at most one year ahead",
                "延期告知的截止日应晚于今日，且最长不超过一年",
            ),
        )
        raise InvalidPayload(faults=[fault])


def _in_future(pointer: str) -> InvalidPayload:
    sentence = Sentence("A re-examination looks at the past", "复核只能针对过去的时点")
    return InvalidPayload(faults=[Fault(pointer, "in_future", sentence)])


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


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
            outcome | {"recorded_at": _written(outcome["recorded_at"])} for outcome in told
        ],
    }


def _own_check(connection: Connection, caller: Caller, check_id: UUID) -> Any:  # noqa: ANN401 - a row
    kept = store.get_check(connection, check_id)
    own = kept is not None and caller.department is not None
    if kept is None or not (caller.oversees or (own and kept.department == caller.department)):
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
        action = "outcome_reported" if new else "outcome_replayed"
        audit.add_access(
            connection, audit.row(caller, at, action, "answered", check_id, ref=report.ref)
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
                "unknown_value",
                Sentence("The check has no such ref", "该核查中没有此 ref"),
            )
        )
    elif not set(report.measures) <= returned:
        faults.append(
            Fault(
                "/measures",
                "unknown_value",
                Sentence(
                    "Only measures that the check returned can have been applied",
                    "只能填写该核查结果中返回的措施",
                ),
            )
        )
    if faults:
        raise InvalidPayload(faults=faults)


# --- subjects ------------------------------------------------------------


def show_subject(
    registry: Registry,
    caller: Caller,
    *,
    subject_id: UUID | None = None,
    identifier: Identifier | None = None,
    on: date | None = None,
    known_at: datetime | None = None,
    chinese: bool,
) -> dict[str, Any]:
    """A recorded subject with what the caller may see of it, today or (overseers) at a past moment.

    A past moment is answered with what was known of its entries then; the names and numbers beside
    them are today's.

    A natural person is shown by id to those who oversee the registry alone: everybody else asks
    with number, name and case (`look_up`).

    Raises:
        SubjectNotFound: nothing is held that the caller may see.
    """
    if (on or known_at) and not caller.oversees:
        raise Forbidden
    _require_past(registry, on, known_at, "?")
    with registry.database.reading() as connection:
        moment = moment_of(registry, connection, on=on, known_at=known_at)
        if identifier is not None:
            keys = subjects.keys_asked(identifier, registry.secrets)
            found = store.match_keys(connection, keys)
            matched = next((found[key] for key in keys if key in found), None)
        else:
            matched = store.get_subject(connection, subject_id) if subject_id else None
        if matched is None:
            raise SubjectNotFound
        if matched.kind is SubjectKind.natural_person and not caller.oversees:
            raise SubjectNotFound
        answer = answer_known(connection, caller, matched, moment)
        # Whom no standing decision names is known by sealed entries alone.
        named = answer.found or bool(subjects.names(connection, [matched.id]))
        if not named or not (answer.found or caller.oversees):
            raise SubjectNotFound
        profile = subjects.profiles(connection, [matched.id])[matched.id]
    return {
        **profile,
        "on": moment.on,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "standing": answer.standing,
        "entries": answer.entries,
        "warnings": warning_views(answer, chinese=chinese),
    }
