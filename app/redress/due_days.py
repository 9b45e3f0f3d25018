"""What a calendar notice does to the days by which cases are due."""

from datetime import date, datetime

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.clock import civil_day
from app.db.engines import Connection
from app.redress import store
from app.redress.store import CaseRow
from app.registry import Registry
from app.rules.calendar import WorkingDayResult
from app.rules.permissions import COMMAND_LINE_CALLER
from app.rules.redress import (
    ASSISTED_OBJECTION_WORKING_DAYS,
    OBJECTION_WORKING_DAYS,
    CaseKind,
    CaseState,
    CaseStep,
)


def recount(registry: Registry) -> int:
    """Count the due days of open cases anew by the present calendar; return how many moved.

    Done again it moves nothing, so it may be run after every notice.
    """

    def work(connection: Connection) -> int:
        law = read_law(registry, connection)
        moved = []
        for case, list_type, decided_on in store.open_cases(connection):
            due = _due(case, list_type, decided_on, law)
            if due is None or due == (case.due_on, case.due_provisional):
                continue
            if not store.move_due_day(connection, case, due):
                continue
            moved.append(
                audit.build_record(
                    COMMAND_LINE_CALLER,
                    law.at,
                    AuditAction(f"{case.kind}_recounted"),
                    "done",
                    case.id,
                    due_on=due.day.isoformat(),
                    calendar_version=str(law.calendar_version),
                )
            )
        if moved:
            audit.record_changes(connection, moved)
        return len(moved)

    return registry.write(work)


def _due(case: CaseRow, list_type: str, decided_on: date, law: Law) -> WorkingDayResult | None:
    count = law.calendar.add_working_days
    taken = {step["step"]: step for step in case.steps}
    if case.kind == CaseKind.objection:
        assisted = CaseStep.assistance in taken
        days = ASSISTED_OBJECTION_WORKING_DAYS if assisted else OBJECTION_WORKING_DAYS
        return count(case.received_on, days)
    rule = law.catalogue.find_repair_rule(list_type, decided_on)
    if rule is None:
        return None
    if case.state == CaseState.received:
        return count(case.received_on, rule.acceptance_working_days)
    accepted_on = civil_day(datetime.fromisoformat(taken[CaseStep.acceptance]["at"]))
    due = count(accepted_on, rule.decision_working_days)
    if CaseStep.prolongation in taken and rule.extension_working_days:
        due = count(due.day, rule.extension_working_days)
    return due
