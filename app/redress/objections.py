"""Objections: an entry is marked from the moment of receipt until it is answered."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from app.clock import civil_day
from app.entries.changes import amendments as entries
from app.entries.changes.next_version import NextVersion, add_persons, require_within
from app.entries.recording import proposals
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence, StepRefused
from app.redress.cases import LockedEntry, Outcome, next_version, open_case, take_step
from app.redress.schemas import (
    Assistance,
    Objection,
    ObjectionDecision,
)
from app.redress.store import CaseRow, of_entry
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
from app.rules.transitions import Action

CORRECTION = "/correction"  # where the changes of a correction stand in the body


def lodge(
    registry: Registry, caller: Caller, entry_id: UUID, order: Objection
) -> tuple[CaseRow, bool]:
    """Receive an objection: the entry is disputed from now on, the answer due in 3 working days.

    Raises:
        RegistryError: see `open_case`.
    """

    def received_on(locked: LockedEntry) -> date:
        day = order.received_on or locked.law.today
        require_within(day, civil_day(locked.row.received_at), locked.law.today, "/received_on")
        return day

    def decide(locked: LockedEntry, _: Sequence[CaseRow], received: date) -> Outcome:
        versions: list[NextVersion] = []
        if not locked.row.disputed:
            mark = {"disputed": True}
            versions = [next_version(locked, locked.row, Action.dispute, "objection", mark)]
        due = locked.law.calendar.add_working_days(received, OBJECTION_WORKING_DAYS)
        return Outcome(state=CaseState.received, due=due, versions=versions)

    return open_case(registry, caller, entry_id, CaseKind.objection, order, received_on, decide)


def ask_for_help(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, order: Assistance
) -> CaseRow:
    """Another unit must help: the answer is due in 7 working days from the receipt, once.

    Raises:
        RegistryError: see `take_step`.
    """

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        if any(taken["step"] == CaseStep.assistance for taken in case.steps):
            raise StepRefused(state=case.state)
        days = ASSISTED_OBJECTION_WORKING_DAYS
        due = locked.law.calendar.add_working_days(case.received_on, days)
        return Outcome(state=CaseState.received, due=due, detail={"unit": order.unit})

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.objection,
        case_id,
        CaseStep.assistance,
        order,
        decide,
    )


def answer(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    order: ObjectionDecision,
    expected: int,
) -> CaseRow:
    """Answer an objection: correct or revoke the entry, or say why it stands.

    Raises:
        RegistryError: see `take_step`, and what stands against the correction or revocation.
    """
    today = registry.clock.today()
    sent: dict[str, Any] = {}
    persons: tuple[proposals.Person, ...] = ()
    if order.correction is not None:
        sent, persons = proposals.seal_changes(
            order.correction, registry.secrets, today, CORRECTION
        )

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        cases = of_entry(locked.connection, entry_id, CaseKind.objection)
        others = [one for one in cases if one.id != case.id and CaseState(one.state) in OPEN_STATES]
        mark = {"disputed": bool(others)}
        if order.correction is not None:
            differing = entries.corrected(
                registry, locked.connection, locked.row, locked.law, sent, CORRECTION
            )
            if differing is None:
                raise InvalidPayload(faults=[NOTHING_CHANGED])
            add_persons(registry, locked.connection, entry_id, persons)
            action = Action.correct
        elif order.revocation is not None:
            code, day = order.revocation.reason_code, order.revocation.revoked_on
            require_within(day, locked.row.decided_on, locked.law.today, "/revocation/revoked_on")
            differing = entries.revoked(locked.connection, locked.row, locked.law, code, day)
            action = Action.revoke
        elif not others:
            action, differing = Action.settle, {}
        else:
            return Outcome(state=CaseState(order.outcome.value))
        made = next_version(locked, locked.row, action, order.reasons, differing | mark)
        return Outcome(state=CaseState(order.outcome.value), versions=[made])

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.objection,
        case_id,
        CaseStep.decision,
        order,
        decide,
        expected=expected,
    )


NOTHING_CHANGED = Fault(
    "/correction",
    ProblemCode.nothing_to_change,
    Sentence("The correction changes nothing", "更正内容与登记内容相同"),
)
