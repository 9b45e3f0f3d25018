"""Credit repair: who recognised the entry decides, in two steps by two people.

Repair ends publication, sharing, use and measures at once (信用修复管理办法 Art 3): an entry is
over from the day of its repair, and all of these with it.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangedValues,
    EntryFacts,
    build_channel_values,
    build_deadline_values,
    build_ending_values,
    find_first_non_public_day,
    require_day_within,
)
from app.errors import CaseOpen, NotRepairable, SamePerson, StepRefused
from app.http.schemas import FIRST_DAY
from app.redress import store
from app.redress.cases import LockedEntry, StepResult, build_next_version, open_case, record_step
from app.redress.schemas import (
    Acceptance,
    Prolongation,
    RepairApplication,
    RepairDecision,
    TakingBack,
)
from app.redress.store import CaseRow
from app.registry import Registry
from app.rules.consecutive_terms import limit_last_day_to_cap
from app.rules.former_masks import remove_masks
from app.rules.law import Catalogue, ListKind, RepairRule, Severity
from app.rules.permissions import Caller
from app.rules.redress import (
    NO_MATERIALS,
    OPEN_STATES,
    CaseKind,
    CaseState,
    CaseStep,
    Repairability,
    RepairCandidate,
    RepairMaterials,
    assess_repairability,
    compute_renewed_last_day,
)
from app.rules.text import fold_name
from app.rules.transitions import TRANSITIONS, Action


def compute_repairability(
    connection: Connection,
    row: EntryRow,
    catalogue: Catalogue,
    today: date,
    materials: RepairMaterials = NO_MATERIALS,
    *,
    applied_on: date | None = None,
) -> Repairability:
    """Assess an entry for repair today, with the offered materials and the day of application."""
    listed_entries = entries.read_listed_entries(connection, [row.subject_id]).get(
        row.subject_id, []
    )
    publication_days = [
        item.published_on for item in row.publications.values() if item.published_on
    ]
    candidate = RepairCandidate(
        list_type=catalogue.list_types[row.list_type],
        severity=None if row.severity is None else Severity(row.severity),
        status=row.compute_status(today),
        term=row.term,
        decided_on=row.decided_on,
        published_on=min(publication_days, default=None),
        unintentional=bool(row.facts.get("unintentional")),
        listed_again=row.kind == ListKind.black
        and any(
            other.revoked_on is None
            and not other.void
            and (other.ends_on is None or other.ends_on > row.effective_from)
            for other in entries.select_other_terms_on_list(row, listed_entries)
        ),
    )
    rule = catalogue.find_repair_rule(row.list_type, row.decided_on)
    return assess_repairability(candidate, rule, materials, applied_on or today)


def open_repair(
    registry: Registry, caller: Caller, entry_id: UUID, application: RepairApplication
) -> tuple[CaseRow, bool]:
    """Take in an application for repair that meets the conditions.

    Raises:
        NotRepairable: with every condition that is not met, and the first day for the rest.
        CaseOpen: another application is being dealt with.
        RegistryError: see `open_case`.
    """
    materials = _build_materials(application)

    def determine_receipt_day(locked: LockedEntry) -> date:
        day = application.applied_on or locked.law.today
        require_day_within(day, locked.row.decided_on, locked.law.today, "/applied_on")
        for position, evidence in enumerate(application.evidence):
            pointer = f"/evidence/{position}/completed_on"
            require_day_within(evidence.completed_on, FIRST_DAY, day, pointer)
        if application.promise is not None:
            require_day_within(application.promise.signed_on, FIRST_DAY, day, "/promise/signed_on")
        return day

    def decide_receipt(
        locked: LockedEntry, earlier_cases: Sequence[CaseRow], receipt_day: date
    ) -> StepResult:
        if any(CaseState(case.state) in OPEN_STATES for case in earlier_cases):
            raise CaseOpen
        rule = _require_repairable(locked, materials, receipt_day)
        due_day = locked.law.calendar.add_working_days(receipt_day, rule.acceptance_working_days)
        return StepResult(state=CaseState.received, due_day=due_day)

    return open_case(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        application,
        determine_receipt_day,
        decide_receipt,
    )


def _build_materials(application: RepairApplication) -> RepairMaterials:
    # Of several documents for one condition the latest gives the day.
    sorted_evidence = sorted(application.evidence, key=lambda item: item.completed_on)
    return RepairMaterials(
        means={item.means: item.completed_on for item in sorted_evidence},
        has_promise=application.promise is not None,
        circumstances=frozenset(application.circumstances),
    )


def _require_repairable(
    locked: LockedEntry, materials: RepairMaterials, applied_on: date
) -> RepairRule:
    assessment = compute_repairability(
        locked.connection,
        locked.row,
        locked.law.catalogue,
        locked.law.today,
        materials,
        applied_on=applied_on,
    )
    if assessment.unmet or assessment.rule is None:
        raise NotRepairable(
            unmet=[item.value for item in assessment.unmet],
            earliest_on=assessment.earliest_on and assessment.earliest_on.isoformat(),
            legal_reference=assessment.rule and assessment.rule.legal_reference,
        )
    return assessment.rule


def decide_acceptance(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, acceptance: Acceptance
) -> CaseRow:
    """Accept an application for repair, or decline it with reasons.

    Raises:
        RegistryError: see `record_step`.
    """

    def decide_step(locked: LockedEntry, case: CaseRow) -> StepResult:
        if acceptance.outcome != "accepted":
            return StepResult(state=CaseState(acceptance.outcome))
        materials = _build_materials(RepairApplication.model_validate(case.content))
        rule = _require_repairable(locked, materials, locked.law.today)
        due_day = locked.law.calendar.add_working_days(locked.law.today, rule.decision_working_days)
        return StepResult(state=CaseState.accepted, due_day=due_day, detail={"rule": rule.code})

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.acceptance,
        acceptance,
        decide_step,
        requires_person=True,
    )


def prolong_repair(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, prolongation: Prolongation
) -> CaseRow:
    """Give a complex case more time, once, where its rule allows that.

    Raises:
        StepRefused: the rule knows no more time, or it was given already.
        RegistryError: see `record_step`.
    """

    def decide_step(locked: LockedEntry, case: CaseRow) -> StepResult:
        rule = locked.law.catalogue.find_repair_rule(locked.row.list_type, locked.row.decided_on)
        was_prolonged = any(taken["step"] == CaseStep.prolongation for taken in case.steps)
        if rule is None or not rule.extension_working_days or was_prolonged or case.due_on is None:
            raise StepRefused(state=case.state)
        due_day = locked.law.calendar.add_working_days(case.due_on, rule.extension_working_days)
        return StepResult(state=CaseState.accepted, due_day=due_day)

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.prolongation,
        prolongation,
        decide_step,
        requires_person=True,
    )


def decide_repair(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    decision: RepairDecision,
    expected_version: int,
) -> CaseRow:
    """Decide on an accepted application; an approval ends the entry, and those of its case, today.

    Raises:
        SamePerson: who accepted it does not decide.
        NotRepairable: the conditions are not met any more.
        RegistryError: see `record_step`.
    """

    def decide_step(locked: LockedEntry, case: CaseRow) -> StepResult:
        acceptance_step = next(
            taken for taken in case.steps if taken["step"] == CaseStep.acceptance
        )
        is_same_key = caller.id is not None and acceptance_step["actor_id"] == str(caller.id)
        if is_same_key or fold_name(acceptance_step["person"] or "") == fold_name(
            caller.person or ""
        ):
            raise SamePerson
        if decision.outcome != "approved":
            return StepResult(state=CaseState(decision.outcome))
        rule = _require_repairable(
            locked,
            _build_materials(RepairApplication.model_validate(case.content)),
            locked.law.today,
        )
        rows = [locked.row, *(_find_linked_entries(locked) if rule.together else ())]
        return StepResult(
            state=CaseState.approved,
            detail={"entries": [str(row.id) for row in rows]},
            next_versions=[
                build_next_version(
                    locked,
                    row,
                    Action.repair,
                    decision.reasons,
                    _build_repaired_values(locked, row),
                )
                for row in rows
            ],
        )

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.decision,
        decision,
        decide_step,
        expected_version=expected_version,
        requires_person=True,
        find_other_entry_ids=store.find_entry_ids_of_same_case,
    )


def _build_repaired_values(locked: LockedEntry, row: EntryRow) -> ChangedValues:
    today = locked.law.today
    # Also an exit, because a process of the former release knows no repair.
    return build_ending_values(row, today, repaired_on=today, exited_on=row.exited_on or today)


def _find_linked_entries(locked: LockedEntry) -> list[EntryRow]:
    """Find the entries in force on other persons of the same case."""
    allowed_statuses = TRANSITIONS[Action.repair].allowed_statuses
    return [
        row
        for row in locked.other_entries
        # What came back from a repair by false materials is not repaired again.
        if row.compute_status(locked.law.today) in allowed_statuses and row.lapsed_from is None
    ]


def take_back_repair(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    taking_back: TakingBack,
    expected_version: int,
) -> CaseRow:
    """Take back a repair that rests on false materials: the entry is restored with a new term.

    Raises:
        RegistryError: see `record_step`.
    """

    def decide_step(locked: LockedEntry, case: CaseRow) -> StepResult:
        approval_step = next(taken for taken in case.steps if taken["step"] == CaseStep.decision)
        repaired_ids = set(approval_step["detail"]["entries"])
        linked_entries = [row for row in locked.other_entries if str(row.id) in repaired_ids]
        rows = [
            locked.row,
            *(row for row in linked_entries if row.repaired_on == locked.row.repaired_on),
        ]
        return StepResult(
            state=CaseState.taken_back,
            next_versions=[
                build_next_version(
                    locked,
                    row,
                    Action.restore,
                    taking_back.reasons,
                    _build_restored_values(locked, row),
                )
                for row in rows
                if not row.void and row.revoked_on is None
            ],
        )

    return record_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.taking_back,
        taking_back,
        decide_step,
        expected_version=expected_version,
        requires_person=True,
        find_other_entry_ids=store.find_entry_ids_of_same_case,
    )


def _build_restored_values(locked: LockedEntry, row: EntryRow) -> ChangedValues:
    today = locked.law.today
    list_type = locked.law.catalogue.list_types[row.list_type]
    listed_entries = entries.read_listed_entries(locked.connection, [row.subject_id]).get(
        row.subject_id, []
    )
    same_list_terms = entries.select_other_terms_on_list(row, listed_entries)
    last_day = limit_last_day_to_cap(
        compute_renewed_last_day(row.term, list_type, today),
        row.effective_from,
        list_type,
        same_list_terms,
    )
    facts: EntryFacts = {
        **remove_masks(row.facts),
        "effective_until": None if last_day is None else last_day.isoformat(),
    }
    restored_values: ChangedValues = {
        "repaired_on": None,
        "exited_on": None,  # a repair sets both
        "lapsed_from": row.repaired_on,
        "lapsed_until": today,
        "effective_until": last_day,
    }
    term = row._replace(**restored_values).term
    deadline_values = build_deadline_values(locked.law, today, received_on=today)
    return {
        **restored_values,
        "facts": facts,
        "facts_digest": fingerprint(facts),
        **deadline_values,
        "reported_late": row.reported_late,
        **build_channel_values(
            row.publications, term, find_first_non_public_day(row, row.disclosure_class_enum, today)
        ),
    }
