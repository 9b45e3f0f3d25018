"""Views of cases and of the conditions of repair."""

from datetime import date

from app.redress.schemas import CaseStepView, CaseView, RepairabilityView
from app.redress.store import CaseRow
from app.rules.law import Severity
from app.rules.redress import CaseKind, CaseState, Repairability
from app.rules.stored_json import StoredCaseStep

HIDDEN_STEP_FIELDS = {"digest", "actor_id"}


def build_case_view(case: CaseRow, today: date) -> CaseView:
    """Build the view of a case as of today."""
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
        steps=[_build_step_view(step) for step in case.steps],
    )


def _build_step_view(step: StoredCaseStep) -> CaseStepView:
    shown = {name: value for name, value in step.items() if name not in HIDDEN_STEP_FIELDS}
    return CaseStepView.model_validate(shown)


def build_repairability_view(repairability: Repairability) -> RepairabilityView:
    """Build the view of the conditions of repair: the rule, the earliest day, what is missing."""
    rule = repairability.rule
    minimum = rule and rule.minimum.get(repairability.severity or Severity.general)
    return RepairabilityView(
        repairable=not repairability.unmet,
        severity=repairability.severity,
        gentle=repairability.is_simplified,
        rule=rule and rule.code,
        legal_reference=rule and rule.legal_reference,
        confirmed=rule and rule.confirmed,
        counted_from=rule and rule.counted_from,
        minimum_years=minimum and minimum.years,
        minimum_months=minimum and minimum.months,
        means=list(repairability.means),
        earliest_on=repairability.earliest_on,
        unmet=list(repairability.unmet),
        acceptance_working_days=rule and rule.acceptance_working_days,
        decision_working_days=rule and rule.decision_working_days,
        together=rule is not None and rule.together,
    )
