"""Objections: an entry is marked from the moment of receipt until it is answered."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from app.clock import civil_day
from app.entries import service as entries
from app.entries.service import (
    ChangedValues,
    NextVersion,
    ResponsiblePersonNumber,
    add_new_persons,
    require_day_within,
    seal_changes,
)
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence, StepRefused
from app.redress.cases import LockedEntry, StepResult, build_next_version, open_case, record_step
from app.redress.schemas import (
    Assistance,
    Objection,
    ObjectionDecision,
)
from app.redress.store import CaseRow, read_entry_cases
from app.registry import Registry
from app.rules.permissions import Caller
from app.rules.redress import (
    ASSISTED_OBJECTION_WORKING_DAYS,
    OBJECTION_WORKING_DAYS,
    OPEN_STATES,
    CaseKind,
    CaseState,
    CaseStep,
)
from app.rules.stored_json import FactChanges
from app.rules.transitions import Action

CORRECTION_POINTER = "/correction"  # the pointer of the correction in the body


def open_objection(
    registry: Registry, caller: Caller, entry_id: UUID, objection: Objection
) -> tuple[CaseRow, bool]:
    """Receive an objection: the entry is disputed from now on, the answer due in 3 working days.

    Raises:
        RegistryError: see `open_case`.
    """

    def determine_receipt_day(locked: LockedEntry) -> date:
        day = objection.received_on or locked.law.today
        require_day_within(day, civil_day(locked.row.received_at), locked.law.today, "/received_on")
        return day

    def decide_receipt(locked: LockedEntry, _: Sequence[CaseRow], receipt_day: date) -> StepResult:
        versions: list[NextVersion] = []
        if not locked.row.disputed:
            changed_values: ChangedValues = {"disputed": True}
            versions = [
                build_next_version(locked, locked.row, Action.dispute, "objection", changed_values)
            ]
        due_day = locked.law.calendar.add_working_days(receipt_day, OBJECTION_WORKING_DAYS)
        return StepResult(state=CaseState.received, due_day=due_day, next_versions=versions)

    return open_case(
        registry,
        caller,
        entry_id,
        CaseKind.objection,
        objection,
        determine_receipt_day,
        decide_receipt,
    )


def record_assistance(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, assistance: Assistance
) -> CaseRow:
    """Another unit must help: the answer is due in 7 working days from the receipt, once.

    Raises:
        RegistryError: see `record_step`.
    """

    def decide_assistance(locked: LockedEntry, case: CaseRow) -> StepResult:
        if any(taken["step"] == CaseStep.assistance for taken in case.steps):
            raise StepRefused(state=case.state)
        days = ASSISTED_OBJECTION_WORKING_DAYS
        due_day = locked.law.calendar.add_working_days(case.received_on, days)
        return StepResult(
            state=CaseState.received, due_day=due_day, detail={"unit": assistance.unit}
        )

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.objection,
        case_id,
        CaseStep.assistance,
        assistance,
        decide_assistance,
    )


def decide_objection(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    decision: ObjectionDecision,
    expected_version: int,
) -> CaseRow:
    """Answer an objection: correct or revoke the entry, or give the reasons why it is right.

    Raises:
        RegistryError: see `record_step`; or the correction or revocation is not possible.
    """
    today = registry.clock.today()
    sealed_changes: FactChanges = {}
    persons: tuple[ResponsiblePersonNumber, ...] = ()
    if decision.correction is not None:
        sealed_changes, persons, _ = seal_changes(
            decision.correction, registry.secrets, today, CORRECTION_POINTER
        )

    def decide_step(locked: LockedEntry, case: CaseRow) -> StepResult:
        cases = read_entry_cases(locked.connection, entry_id, CaseKind.objection)
        other_open_cases = [
            other_case
            for other_case in cases
            if other_case.id != case.id and CaseState(other_case.state) in OPEN_STATES
        ]
        changed_values: ChangedValues | None
        if decision.correction is not None:
            changed_values = entries.apply_correction(
                registry,
                locked.connection,
                locked.row,
                locked.law,
                sealed_changes,
                CORRECTION_POINTER,
            )
            if changed_values is None:
                raise InvalidPayload(faults=[NOTHING_CHANGED])
            add_new_persons(registry, locked.connection, entry_id, persons)
            action = Action.correct
        elif decision.revocation is not None:
            code, day = decision.revocation.reason_code, decision.revocation.revoked_on
            require_day_within(
                day, locked.row.decided_on, locked.law.today, "/revocation/revoked_on"
            )
            changed_values = entries.apply_revocation(
                locked.connection, locked.row, locked.law, code, day
            )
            action = Action.revoke
        elif not other_open_cases:
            action, changed_values = Action.settle, {}
        else:
            return StepResult(state=CaseState(decision.outcome.value))
        changed_values = {**changed_values, "disputed": bool(other_open_cases)}
        version = build_next_version(locked, locked.row, action, decision.reasons, changed_values)
        return StepResult(state=CaseState(decision.outcome.value), next_versions=[version])

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.objection,
        case_id,
        CaseStep.decision,
        decision,
        decide_step,
        expected_version=expected_version,
    )


NOTHING_CHANGED = Fault(
    "/correction",
    ProblemCode.nothing_to_change,
    Sentence("The correction changes nothing", "更正内容与登记内容相同"),
)
