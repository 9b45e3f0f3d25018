"""Credit repair: who recognised the entry decides, in two steps by two people.

Repair ends publication, sharing, use and measures at once (信用修复管理办法 Art 3): an entry is
over from the day of its repair, and all of these with it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import store as entries
from app.entries.changes.next_version import require_within
from app.entries.recording.version_values import (
    barred_from,
    channel_values,
    clock_values,
    ended_values,
)
from app.entries.store import EntryRow
from app.errors import CaseOpen, NotRepairable, SamePerson, StepRefused
from app.http.schemas import FIRST_DAY
from app.redress import store
from app.redress.cases import LockedEntry, Outcome, next_version, open_case, take_step
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


def repairability(
    connection: Connection,
    row: EntryRow,
    catalogue: Catalogue,
    today: date,
    offer: RepairMaterials = NO_MATERIALS,
    *,
    asked_on: date | None = None,
) -> Repairability:
    """Whether an entry may be repaired today with what is offered, and was asked for on a day."""
    neighbours = entries.neighbours(connection, [row.subject_id]).get(row.subject_id, [])
    published = [item.published_on for item in row.publications.values() if item.published_on]
    standing = RepairCandidate(
        list_type=catalogue.list_types[row.list_type],
        severity=None if row.severity is None else Severity(row.severity),
        status=row.status(today),
        term=row.term,
        decided_on=row.decided_on,
        published_on=min(published, default=None),
        unintentional=bool(row.facts.get("unintentional")),
        listed_again=row.kind == ListKind.black
        and any(
            other.revoked_on is None
            and not other.void
            and (other.ends_on is None or other.ends_on > row.effective_from)
            for other in entries.others_on_the_list(row, neighbours)
        ),
    )
    rule = catalogue.find_repair_rule(row.list_type, row.decided_on)
    return assess_repairability(standing, rule, offer, asked_on or today)


def apply(
    registry: Registry, caller: Caller, entry_id: UUID, order: RepairApplication
) -> tuple[CaseRow, bool]:
    """Take in an application for repair that meets the conditions.

    Raises:
        NotRepairable: with every condition that is not met, and the first day for the rest.
        CaseOpen: another application is being dealt with.
        RegistryError: see `open_case`.
    """
    offer = _offer(order)

    def received_on(locked: LockedEntry) -> date:
        day = order.applied_on or locked.law.today
        require_within(day, locked.row.decided_on, locked.law.today, "/applied_on")
        for position, evidence in enumerate(order.evidence):
            place = f"/evidence/{position}/completed_on"
            require_within(evidence.completed_on, FIRST_DAY, day, place)
        if order.promise is not None:
            require_within(order.promise.signed_on, FIRST_DAY, day, "/promise/signed_on")
        return day

    def decide(locked: LockedEntry, before: Sequence[CaseRow], received: date) -> Outcome:
        if any(CaseState(case.state) in OPEN_STATES for case in before):
            raise CaseOpen
        rule = _require_repairable(locked, offer, received)
        due = locked.law.calendar.add_working_days(received, rule.acceptance_working_days)
        return Outcome(state=CaseState.received, due=due)

    return open_case(registry, caller, entry_id, CaseKind.repair, order, received_on, decide)


def _offer(order: RepairApplication) -> RepairMaterials:
    # Of several documents on one of the means the latest says when it was done.
    done = sorted(order.evidence, key=lambda item: item.completed_on)
    return RepairMaterials(
        means={item.means: item.completed_on for item in done},
        has_promise=order.promise is not None,
        circumstances=frozenset(order.circumstances),
    )


def _require_repairable(locked: LockedEntry, offer: RepairMaterials, asked_on: date) -> RepairRule:
    found = repairability(
        locked.connection,
        locked.row,
        locked.law.catalogue,
        locked.law.today,
        offer,
        asked_on=asked_on,
    )
    if found.unmet or found.rule is None:
        raise NotRepairable(
            unmet=[item.value for item in found.unmet],
            earliest_on=found.earliest_on and found.earliest_on.isoformat(),
            legal_reference=found.rule and found.rule.legal_reference,
        )
    return found.rule


def accept(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, order: Acceptance
) -> CaseRow:
    """Take the application up, or say why not.

    Raises:
        RegistryError: see `take_step`.
    """

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        if order.outcome != "accepted":
            return Outcome(state=CaseState(order.outcome))
        offer = _offer(RepairApplication.model_validate(case.content))
        rule = _require_repairable(locked, offer, locked.law.today)
        due = locked.law.calendar.add_working_days(locked.law.today, rule.decision_working_days)
        return Outcome(state=CaseState.accepted, due=due, detail={"rule": rule.code})

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.acceptance,
        order,
        decide,
        by_person=True,
    )


def prolong(
    registry: Registry, caller: Caller, entry_id: UUID, case_id: UUID, order: Prolongation
) -> CaseRow:
    """Give a complex case more time, once, where its rule allows that.

    Raises:
        StepRefused: the rule knows no more time, or it was given already.
        RegistryError: see `take_step`.
    """

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        rule = locked.law.catalogue.find_repair_rule(locked.row.list_type, locked.row.decided_on)
        again = any(taken["step"] == CaseStep.prolongation for taken in case.steps)
        if rule is None or not rule.extension_working_days or again or case.due_on is None:
            raise StepRefused(state=case.state)
        due = locked.law.calendar.add_working_days(case.due_on, rule.extension_working_days)
        return Outcome(state=CaseState.accepted, due=due)

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.prolongation,
        order,
        decide,
        by_person=True,
    )


def settle(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    order: RepairDecision,
    expected: int,
) -> CaseRow:
    """Decide on an accepted application; an approval ends the entry, and those of its case, today.

    Raises:
        SamePerson: who accepted it does not decide.
        NotRepairable: the conditions are not met any more.
        RegistryError: see `take_step`.
    """

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        accepted = next(taken for taken in case.steps if taken["step"] == CaseStep.acceptance)
        same_key = caller.id is not None and accepted["actor_id"] == str(caller.id)
        if same_key or fold_name(accepted["person"]) == fold_name(caller.person or ""):
            raise SamePerson
        if order.outcome != "approved":
            return Outcome(state=CaseState(order.outcome))
        rule = _require_repairable(
            locked, _offer(RepairApplication.model_validate(case.content)), locked.law.today
        )
        rows = [locked.row, *(_linked(locked) if rule.together else ())]
        return Outcome(
            state=CaseState.approved,
            detail={"entries": [str(row.id) for row in rows]},
            versions=[
                next_version(
                    locked,
                    row,
                    Action.repair,
                    order.reasons,
                    _repaired(locked, row),
                )
                for row in rows
            ],
        )

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.decision,
        order,
        decide,
        expected=expected,
        by_person=True,
        beside=store.of_the_same_case,
    )


def _repaired(locked: LockedEntry, row: EntryRow) -> dict[str, Any]:
    today = locked.law.today
    # An exit as well, for a process of the former release beside this one knows no repair.
    return ended_values(row, today, repaired_on=today, exited_on=row.exited_on or today)


def _linked(locked: LockedEntry) -> list[EntryRow]:
    """Entries on the other persons of the same case that still stand."""
    allowed = TRANSITIONS[Action.repair].allowed_statuses
    return [
        row
        for row in locked.others
        # What came back from a repair by false materials is not repaired again.
        if row.status(locked.law.today) in allowed and row.lapsed_from is None
    ]


def take_back(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    case_id: UUID,
    order: TakingBack,
    expected: int,
) -> CaseRow:
    """The materials were false: what was repaired stands again, its term counted anew from today.

    Raises:
        RegistryError: see `take_step`.
    """

    def decide(locked: LockedEntry, case: CaseRow) -> Outcome:
        approved = next(taken for taken in case.steps if taken["step"] == CaseStep.decision)
        repaired = set(approved["detail"]["entries"])
        linked = [row for row in locked.others if str(row.id) in repaired]
        rows = [locked.row, *(row for row in linked if row.repaired_on == locked.row.repaired_on)]
        return Outcome(
            state=CaseState.taken_back,
            versions=[
                next_version(locked, row, Action.restore, order.reasons, _restored(locked, row))
                for row in rows
                if not row.void and row.revoked_on is None
            ],
        )

    return take_step(
        registry,
        caller,
        entry_id,
        CaseKind.repair,
        case_id,
        CaseStep.taking_back,
        order,
        decide,
        expected=expected,
        by_person=True,
        beside=store.of_the_same_case,
    )


def _restored(locked: LockedEntry, row: EntryRow) -> dict[str, Any]:
    today = locked.law.today
    list_type = locked.law.catalogue.list_types[row.list_type]
    neighbours = entries.neighbours(locked.connection, [row.subject_id]).get(row.subject_id, [])
    same_list = entries.others_on_the_list(row, neighbours)
    last_day = limit_last_day_to_cap(
        compute_renewed_last_day(row.term, list_type, today),
        row.effective_from,
        list_type,
        same_list,
    )
    facts = row.facts | {"effective_until": last_day and last_day.isoformat()}
    began_anew: dict[str, Any] = {
        "repaired_on": None,
        "exited_on": None,  # a repair sets both
        "lapsed_from": row.repaired_on,
        "lapsed_until": today,
        "effective_until": last_day,
    }
    term = row._replace(**began_anew).term
    clock = clock_values(locked.law, today, received_on=today)
    return {
        **began_anew,
        "facts": facts,
        "facts_digest": fingerprint(facts),
        **clock,
        "reported_late": row.reported_late,
        **channel_values(row.publications, term, barred_from(row, row.disclosure, today)),
    }
