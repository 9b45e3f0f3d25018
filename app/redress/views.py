"""Cases and repairability on the wire."""

from datetime import date
from typing import Any

from app.redress.schemas import CaseView, RepairabilityView, StepView
from app.redress.store import CaseRow
from app.rules.law import Severity
from app.rules.redress import CaseKind, CaseState, Repairability

UNSHOWN = {"digest", "actor_id"}


def case_view(case: CaseRow, today: date) -> CaseView:
    """A case as it stands today."""
    return CaseView(
        id=case.id,
        kind=CaseKind(case.kind),
        entry_id=case.entry_id,
        department=case.department,
        state=CaseState(case.state),
        received_at=case.received_at,
        received_on=case.received_on,
        due_on=case.due_on,
        provisional=case.due_provisional,
        overdue=case.due_on is not None and case.due_on < today,
        content=case.content,
        steps=[StepView.model_validate(_step(step)) for step in case.steps],
    )


def _step(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name not in UNSHOWN}


def repairability_view(found: Repairability) -> RepairabilityView:
    """Whether, by which rule, from when, and what is missing."""
    rule = found.rule
    minimum = rule and rule.minimum.get(found.severity or Severity.general)
    return RepairabilityView(
        repairable=not found.unmet,
        severity=found.severity,
        gentle=found.is_simplified,
        rule=rule and rule.code,
        legal_reference=rule and rule.legal_reference,
        confirmed=rule and rule.confirmed,
        counted_from=rule and rule.counted_from,
        minimum_years=minimum and minimum.years,
        minimum_months=minimum and minimum.months,
        means=list(found.means),
        earliest_on=found.earliest_on,
        unmet=list(found.unmet),
        acceptance_working_days=rule and rule.acceptance_working_days,
        decision_working_days=rule and rule.decision_working_days,
        together=rule is not None and rule.together,
    )
