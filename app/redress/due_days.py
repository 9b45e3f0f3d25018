"""Due days of open cases after a calendar notice."""

from datetime import date, datetime

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law
from app.clock import civil_day
from app.db.engines import Connection
from app.redress import store
from app.redress.store import CaseRow
from app.rules.calendar import WorkingDayResult
from app.rules.permissions import COMMAND_LINE_CALLER
from app.rules.redress import (
    ASSISTED_OBJECTION_WORKING_DAYS,
    OBJECTION_WORKING_DAYS,
    CaseKind,
    CaseState,
    CaseStep,
)


def lock_open_cases(connection: Connection) -> None:
    """Lock open cases in the order of their ids, before the counter row is taken."""
    store.lock_open_cases(connection)


def recompute_due_days(connection: Connection, law: Law) -> int:
    """Recompute the due days of open cases by the calendar of `law`; return how many changed.

    Runs in the transaction that records the calendar. A case whose due day is correct already is
    left as it is.
    """
    audit_rows = []
    for case, list_type, decided_on in store.read_open_cases(connection):
        due_day = _compute_due_day(case, list_type, decided_on, law)
        if due_day is None or due_day == (case.due_on, case.due_provisional):
            continue
        if not store.update_due_day(connection, case, due_day):
            continue
        audit_rows.append(
            audit.build_record(
                COMMAND_LINE_CALLER,
                law.at,
                AuditAction(f"{case.kind}_recounted"),
                "done",
                case.id,
                due_on=due_day.day.isoformat(),
                calendar_version=str(law.calendar_version),
            )
        )
    if audit_rows:
        audit.record_changes(connection, audit_rows)
    return len(audit_rows)


def _compute_due_day(
    case: CaseRow, list_type: str, decided_on: date, law: Law
) -> WorkingDayResult | None:
    add_working_days = law.calendar.add_working_days
    steps_by_name = {step["step"]: step for step in case.steps}
    if case.kind == CaseKind.objection:
        has_assistance = CaseStep.assistance in steps_by_name
        days = ASSISTED_OBJECTION_WORKING_DAYS if has_assistance else OBJECTION_WORKING_DAYS
        return add_working_days(case.received_on, days)
    rule = law.catalogue.find_repair_rule(list_type, decided_on)
    if rule is None:
        return None
    if case.state == CaseState.received:
        return add_working_days(case.received_on, rule.acceptance_working_days)
    accepted_on = civil_day(datetime.fromisoformat(steps_by_name[CaseStep.acceptance]["at"]))
    due_day = add_working_days(accepted_on, rule.decision_working_days)
    if CaseStep.prolongation in steps_by_name and rule.extension_working_days:
        due_day = add_working_days(due_day.day, rule.extension_working_days)
    return due_day
