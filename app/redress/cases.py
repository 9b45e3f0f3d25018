"""Cases in general: opening a case and recording a step, under the lock of its subject.

The subject of the entry is locked first, and its cases with it, so that one transaction decides.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import service as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangedValues,
    NextVersion,
    append_versions,
    record_status_changes_until_today,
)
from app.errors import (
    CaseNotFound,
    EntryNotFound,
    NotYourDepartment,
    PersonKeyRequired,
    Sentence,
    StaleVersion,
    StepRefused,
)
from app.http.schemas import Model
from app.redress import store
from app.redress.store import CaseRow
from app.registry import Registry
from app.rules.calendar import WorkingDayResult
from app.rules.permissions import Caller, Role
from app.rules.redress import ALLOWED_STATES, OPEN_STATES, CaseKind, CaseState, CaseStep
from app.rules.stored_json import CaseStepDetail, StoredCaseStep
from app.rules.transitions import Action, require_transition_allowed


@dataclass(frozen=True, slots=True)
class LockedEntry:
    """A locked entry, with the law and the caller by which a step is decided."""

    registry: Registry
    connection: Connection
    caller: Caller
    row: EntryRow
    other_entries: Sequence[EntryRow]
    """Further entries that the step may change, locked with it."""
    law: Law


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The result of a step: the next state and due day of the case, and new versions of entries."""

    state: CaseState
    due_day: WorkingDayResult | None = None
    detail: CaseStepDetail = field(default_factory=CaseStepDetail)
    next_versions: Sequence[NextVersion] = ()


def open_case(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    kind: CaseKind,
    body: Model,
    determine_receipt_day: Callable[[LockedEntry], date],
    decide_case: Callable[[LockedEntry, Sequence[CaseRow], date], StepResult],
) -> tuple[CaseRow, bool]:
    """Open a case; the second value is False where the very same was sent before.

    Raises:
        EntryNotFound: no such entry of the caller's department.
        RegistryError: `decide_case` refuses the case.
    """
    content = body.model_dump(mode="json", exclude_none=True)
    digest = fingerprint({"kind": kind, "entry": str(entry_id), **content})

    def write_case(connection: Connection) -> tuple[CaseRow, bool]:
        locked = _lock_entry(registry, connection, caller, entry_id)
        entries.require_recorded_numbers_absent(registry, connection, [locked.row], body)
        earlier_cases = store.read_entry_cases(connection, entry_id, kind)
        receipt_day = determine_receipt_day(locked)
        for case in reversed(earlier_cases):
            # The same papers on a later day, when the case is closed, are a new case.
            is_same_request = (
                CaseState(case.state) in OPEN_STATES or case.received_on == receipt_day
            )
            if case.digest == digest and is_same_request:
                return case, False
        result = decide_case(locked, earlier_cases, receipt_day)
        case = CaseRow(
            id=uuid7(),
            kind=kind.value,
            entry_id=entry_id,
            subject_id=locked.row.subject_id,
            department=locked.row.department,
            state=result.state.value,
            received_at=locked.law.at,
            received_on=receipt_day,
            due_on=result.due_day and result.due_day.day,
            due_provisional=bool(result.due_day and result.due_day.provisional),
            content=content,
            digest=digest,
            steps=[],
        )
        store.add_case(connection, case._asdict())
        _write_step_result(locked, AuditAction(f"{kind}_received"), case, result)
        return case, True

    record_status_changes_until_today(registry)
    return registry.write(write_case)


def record_step(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    step: CaseStep,
    body: Model,
    decide_step: Callable[[LockedEntry, CaseRow], StepResult],
    *,
    expected_version: int | None = None,
    requires_person: bool = False,
    find_other_entry_ids: Callable[[Connection, UUID], set[UUID]] | None = None,
) -> CaseRow:
    """Record a step of a case; the same step again changes nothing.

    `find_other_entry_ids` finds the other entries that the step may change.

    Raises:
        EntryNotFound, CaseNotFound: no such entry, or case of it, of the department of the caller.
        NotYourDepartment, PersonKeyRequired: the step needs a person of the department.
        StaleVersion: the entry was changed since the version of the decision.
        StepRefused: the case is not at this step.
        RegistryError: `decide_step` refuses the step.
    """
    body_values = body.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def write_step(connection: Connection) -> CaseRow:
        other_entry_ids = (
            find_other_entry_ids(connection, entry_id)
            if find_other_entry_ids is not None
            else set()
        )
        locked = _lock_entry(
            registry, connection, caller, entry_id, other_entry_ids, allow_void=True
        )
        entries.require_recorded_numbers_absent(registry, connection, [locked.row], body)
        cases = store.read_entry_cases(connection, entry_id, kind)
        case = next((case for case in cases if case.id == case_id), None)
        if case is None:
            raise CaseNotFound
        # What was sent may name a person; only its keyed digest is kept to know a retry by.
        digest_source = {"step": step.value, "case": str(case_id), **body_values}
        digest = registry.secrets.digest("step", fingerprint(digest_source).encode())
        if any(taken["digest"] == digest for taken in case.steps):
            return case
        if locked.row.void:
            raise EntryNotFound
        if requires_person:
            _require_department_person(caller)
        if expected_version is not None and expected_version != locked.row.version:
            raise StaleVersion(current_version=locked.row.version)
        if CaseState(case.state) not in ALLOWED_STATES[kind, step]:
            raise StepRefused(state=case.state)
        result = decide_step(locked, case)
        taken: StoredCaseStep = {
            "step": step.value,
            "at": locked.law.at.isoformat().replace("+00:00", "Z"),
            "outcome": body_values.get("outcome"),
            "reasons": body_values.get("reasons") or body_values.get("reason"),
            "actor_id": str(caller.id) if caller.id else None,
            "actor": caller.name,
            "person": caller.person,
            "detail": result.detail,
            "digest": digest,
        }
        updated_case = case._replace(
            state=result.state.value,
            due_on=result.due_day and result.due_day.day,
            due_provisional=bool(result.due_day and result.due_day.provisional),
            steps=[*case.steps, taken],
        )
        names = ("state", "due_on", "due_provisional", "steps")
        store.update_case(
            connection, case_id, {name: getattr(updated_case, name) for name in names}
        )
        _write_step_result(locked, AuditAction(f"{kind}_{step}"), updated_case, result)
        return updated_case

    record_status_changes_until_today(registry)
    return registry.write(write_step)


def build_next_version(
    locked: LockedEntry,
    row: EntryRow,
    action: Action,
    reason: str,
    changed_values: ChangedValues,
) -> NextVersion:
    """The next version of an entry that a step leads to.

    Raises:
        TransitionRefused: the entry's status does not allow it.
    """
    require_transition_allowed(
        action, row.compute_status(locked.law.today), locked.caller, row.department
    )
    return NextVersion(
        row=row,
        action=action,
        audit_action=AuditAction(f"entry_{AUDIT_NAME_ENDINGS[action]}"),
        reason=reason,
        # The case recognises a retry, so the digest only has to be unique to the version.
        digest=fingerprint({"action": action, "version": row.version}),
        changed_values=changed_values,
    )


AUDIT_NAME_ENDINGS = {
    Action.correct: "corrected",
    Action.revoke: "revoked",
    Action.dispute: "disputed",
    Action.settle: "settled",
    Action.repair: "repaired",
    Action.restore: "restored",
}


def _require_department_person(caller: Caller) -> None:
    # Who recognised the entry repairs it (谁认定、谁修复): the credit office does not.
    if caller.role is not Role.department:
        raise NotYourDepartment(
            Sentence(
                "The recognising department decides on repair, with its own key",
                "信用修复由认定部门以本部门密钥办理（谁认定、谁修复）",
            )
        )
    if caller.person is None:
        raise PersonKeyRequired


def _lock_entry(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    entry_id: UUID,
    other_entry_ids: AbstractSet[UUID] = frozenset(),
    *,
    allow_void: bool = False,
) -> LockedEntry:
    law = read_law(registry, connection)
    # All at once, so that no two steps wait for each other.
    rows = entries.lock_entries(connection, {entry_id, *other_entry_ids}, law.today)
    row = rows.pop(entry_id, None)
    if row is None or not caller.acts_for(row.department) or (row.void and not allow_void):
        raise EntryNotFound
    return LockedEntry(registry, connection, caller, row, tuple(rows.values()), law)


def _write_step_result(locked: LockedEntry, name: str, case: CaseRow, result: StepResult) -> None:
    append_versions(
        locked.registry, locked.connection, locked.caller, locked.law, result.next_versions
    )
    record = audit.build_record(
        locked.caller,
        locked.law.at,
        name,
        result.state.value,
        case.id,
        entry_id=str(case.entry_id),
        due_on=case.due_on and case.due_on.isoformat(),
        person=locked.caller.person,
    )
    audit.record_changes(locked.connection, [record])
