"""Objection and repair: steps of a case, time limits, and conditions of repair.

Sources: for objections 山东省社会信用条例 Art 39 (3 working days, 7 with the help of another unit);
for repair its Art 41, 信用修复管理办法 (令第36号) and 国办发〔2025〕22号. The time limits of repair
are data (`RepairRule`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from app.rules.calendar import MAX_DATE, add_span
from app.rules.law import (
    Bar,
    CountedFrom,
    ListKind,
    ListType,
    Means,
    RepairRule,
    Severity,
)
from app.rules.list_effects import LIST_EFFECTS
from app.rules.status import Status, Term
from app.rules.transitions import TRANSITIONS, Action

OBJECTION_WORKING_DAYS = 3
ASSISTED_OBJECTION_WORKING_DAYS = 7


class CaseKind(StrEnum):
    """The kind of a case."""

    objection = "objection"
    repair = "repair"


class CaseState(StrEnum):
    """The state of a case; it is open while a next step is due."""

    received = "received"
    accepted = "accepted"
    upheld = "upheld"
    rejected = "rejected"
    declined = "declined"
    approved = "approved"
    refused = "refused"
    withdrawn = "withdrawn"
    taken_back = "taken_back"


class CaseStep(StrEnum):
    """A step of a case."""

    assistance = "assistance"
    acceptance = "acceptance"
    prolongation = "prolongation"
    decision = "decision"
    taking_back = "taking_back"


ALLOWED_STATES: Mapping[tuple[CaseKind, CaseStep], frozenset[CaseState]] = {
    (CaseKind.objection, CaseStep.assistance): frozenset({CaseState.received}),
    (CaseKind.objection, CaseStep.decision): frozenset({CaseState.received}),
    (CaseKind.repair, CaseStep.acceptance): frozenset({CaseState.received}),
    (CaseKind.repair, CaseStep.prolongation): frozenset({CaseState.accepted}),
    (CaseKind.repair, CaseStep.decision): frozenset({CaseState.accepted}),
    (CaseKind.repair, CaseStep.taking_back): frozenset({CaseState.approved}),
}
OPEN_STATES = frozenset({CaseState.received, CaseState.accepted})


class Unmet(StrEnum):
    """A condition of repair that is not met."""

    not_repairable = "not_repairable"
    """A red entry, a licence, a list type that the law excludes, or no rule for the entry."""
    ended = "ended"
    class_excluded = "class_excluded"
    too_early = "too_early"
    correction_missing = "correction_missing"
    removal_of_effect_missing = "removal_of_effect_missing"
    training_missing = "training_missing"
    public_welfare_missing = "public_welfare_missing"
    means_missing = "means_missing"
    promise_missing = "promise_missing"
    repeated = "repeated"
    criminal_case = "criminal_case"
    false_materials_before = "false_materials_before"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairMaterials:
    """The materials of an application: the means with their completion days, and a promise."""

    means: Mapping[Means, date]
    has_promise: bool
    circumstances: frozenset[Bar]


NO_MATERIALS = RepairMaterials(means={}, has_promise=False, circumstances=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairCandidate:
    """The facts of an entry that repair needs.

    Attributes:
        published_on: the day of the first publication on any channel.
        listed_again: the subject was listed again on the same list while this entry was in effect.
    """

    list_type: ListType
    severity: Severity | None
    status: Status
    term: Term
    decided_on: date
    published_on: date | None
    unintentional: bool
    listed_again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairability:
    """The result for one entry: the rule, the unmet conditions and the earliest day of repair.

    `earliest_on` is the first day after the minimum period; None where repair is excluded, or the
    period has not started because nothing was corrected yet.
    """

    rule: RepairRule | None
    severity: Severity | None
    is_simplified: bool
    means: tuple[Means, ...]
    earliest_on: date | None
    unmet: tuple[Unmet, ...]


def assess_repairability(
    candidate: RepairCandidate, rule: RepairRule | None, materials: RepairMaterials, today: date
) -> Repairability:
    """Assess the repair of an entry today with the given materials.

    Minor unintentional conduct is simplified, unless a special rule applies: no minimum period, any
    one of the means, no promise (枣文明委〔2019〕2号 四.1; 国办发〔2025〕22号).
    """
    kind, severity = candidate.list_type.kind, candidate.severity
    exclusions: list[Unmet] = []
    if not LIST_EFFECTS[kind].is_repairable or not candidate.list_type.repairable or rule is None:
        exclusions.append(Unmet.not_repairable)
    if candidate.status not in TRANSITIONS[Action.repair].allowed_statuses:
        exclusions.append(Unmet.ended)
    if candidate.term.lapsed_from is not None:
        exclusions.append(Unmet.false_materials_before)
    if rule is not None and (severity or Severity.general) not in rule.minimum:
        exclusions.append(Unmet.class_excluded)
    if rule is None or exclusions:
        return Repairability(
            rule=rule,
            severity=severity,
            is_simplified=False,
            means=(),
            earliest_on=None,
            unmet=tuple(dict.fromkeys(exclusions)),
        )
    is_simplified = severity is Severity.minor and candidate.unintentional and not rule.list_types
    earliest_on = _compute_earliest_day(
        candidate, rule, materials, today, is_simplified=is_simplified
    )
    unmet = [
        *_find_missing_materials(rule, materials, is_simplified=is_simplified),
        *_find_bars(candidate, rule, materials),
    ]
    if earliest_on is not None and today < earliest_on:
        unmet.append(Unmet.too_early)
    return Repairability(
        rule=rule,
        severity=severity,
        is_simplified=is_simplified,
        means=tuple(Means) if is_simplified else rule.means,
        earliest_on=earliest_on,
        unmet=tuple(unmet),
    )


def _compute_earliest_day(
    candidate: RepairCandidate,
    rule: RepairRule,
    materials: RepairMaterials,
    today: date,
    *,
    is_simplified: bool,
) -> date | None:
    if is_simplified:
        return today
    minimum = rule.minimum[candidate.severity or Severity.general]
    match rule.counted_from:
        case CountedFrom.publication:
            start = candidate.published_on or candidate.decided_on
        case CountedFrom.decision:
            start = candidate.decided_on
        case CountedFrom.correction:
            corrected_on = materials.means.get(Means.correction)
            if corrected_on is None:
                return None
            # A correction before the listing counts from the listing.
            start = max(corrected_on, candidate.term.effective_from)
    minimum_publication = candidate.list_type.minimum_publication
    if (
        rule.list_types
        or candidate.list_type.kind is not ListKind.black
        or minimum_publication is None
    ):
        return add_span(start, minimum)
    # The general rule, for a list type with a minimum period of publication.
    return max(add_span(start, minimum), add_span(start, minimum_publication))


def _find_missing_materials(
    rule: RepairRule, materials: RepairMaterials, *, is_simplified: bool
) -> Iterable[Unmet]:
    if is_simplified:
        return () if materials.means else (Unmet.means_missing,)
    missing = [Unmet(f"{means}_missing") for means in rule.means if means not in materials.means]
    return missing if materials.has_promise else [*missing, Unmet.promise_missing]


def _find_bars(
    candidate: RepairCandidate, rule: RepairRule, materials: RepairMaterials
) -> Iterable[Unmet]:
    circumstances = materials.circumstances | ({Bar.repeated} if candidate.listed_again else set())
    return [Unmet(bar.value) for bar in rule.barred if bar in circumstances]


def compute_renewed_last_day(term: Term, list_type: ListType, today: date) -> date | None:
    """Return the last day of a term that starts again today with its original length.

    After a repair by false materials the term is computed again (人力资源和社会保障部令第45号
    Art 15). None where the term was open.
    """
    if term.effective_until is None:
        return None
    original_start = term.effective_from
    if list_type.term is not None and term.effective_until == add_span(
        original_start, list_type.term
    ):
        new_last_day = add_span(
            today, list_type.term
        )  # exact also where the original term was cut at the end of a month
    else:
        new_last_day = today + relativedelta(term.effective_until, original_start)
    return min(new_last_day, MAX_DATE)
