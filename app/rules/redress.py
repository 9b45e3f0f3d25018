"""Objection and repair: which step leads where, by when, and when an entry may be repaired.

Sources: for objections 山东省社会信用条例 Art 39 (3 working days, 7 where another unit must help);
for repair its Art 41, 信用修复管理办法 (令第36号) and 国办发〔2025〕22号. The clocks of repair are
data (`RepairRule`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from app.rules.admission import LAST_DAY, later
from app.rules.law import (
    Bar,
    CountedFrom,
    ListKind,
    ListType,
    Means,
    RepairRule,
    Severity,
)
from app.rules.status import Status, Term
from app.rules.transitions import MOVES, Action

OBJECTION_WORKING_DAYS = 3
ASSISTED_OBJECTION_WORKING_DAYS = 7


class CaseKind(StrEnum):
    """What a case asks for."""

    objection = "objection"
    repair = "repair"


class CaseState(StrEnum):
    """Where a case stands; it is open while a next step is due."""

    received = "received"
    accepted = "accepted"
    upheld = "upheld"
    rejected = "rejected"
    declined = "declined"
    approved = "approved"
    refused = "refused"
    withdrawn = "withdrawn"
    taken_back = "taken_back"


class Step(StrEnum):
    """What is done with a case."""

    assistance = "assistance"
    acceptance = "acceptance"
    prolongation = "prolongation"
    decision = "decision"
    taking_back = "taking_back"


BEFORE: Mapping[tuple[CaseKind, Step], frozenset[CaseState]] = {
    (CaseKind.objection, Step.assistance): frozenset({CaseState.received}),
    (CaseKind.objection, Step.decision): frozenset({CaseState.received}),
    (CaseKind.repair, Step.acceptance): frozenset({CaseState.received}),
    (CaseKind.repair, Step.prolongation): frozenset({CaseState.accepted}),
    (CaseKind.repair, Step.decision): frozenset({CaseState.accepted}),
    (CaseKind.repair, Step.taking_back): frozenset({CaseState.approved}),
}
OPEN = frozenset({CaseState.received, CaseState.accepted})


class Unmet(StrEnum):
    """A condition of repair that is not met."""

    not_repairable = "not_repairable"
    """A red entry, a licence, a list type that the law excludes, or no rule is known for it."""
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
class Offer:
    """What an application brings: the means with the day on which each was done, and a promise."""

    means: Mapping[Means, date]
    promised: bool
    circumstances: frozenset[Bar]


NOTHING = Offer(means={}, promised=False, circumstances=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry, as far as repair asks about it.

    Attributes:
        published_on: the first publication on any channel.
        listed_again: the subject was put on the same list again while this entry stood.
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
    """Whether an entry may be repaired today, by which rule, and what is missing.

    `earliest_on` is the first day on which the minimum period is over; None where it cannot be told
    (nothing was corrected yet) or the way is shut.
    """

    rule: RepairRule | None
    severity: Severity | None
    gentle: bool
    means: tuple[Means, ...]
    earliest_on: date | None
    unmet: tuple[Unmet, ...]


def assess(entry: Standing, rule: RepairRule | None, offer: Offer, today: date) -> Repairability:
    """Explain whether the entry may be repaired today with what is offered.

    Minor conduct that was not intended takes the gentle path, unless its sector has a rule of its
    own: no waiting, any one of the means, no promise (枣文明委〔2019〕2号 四.1;
    国办发〔2025〕22号).
    """
    kind, severity = entry.list_type.kind, entry.severity
    shut: list[Unmet] = []
    if kind is ListKind.red or not entry.list_type.repairable or rule is None:
        shut.append(Unmet.not_repairable)
    if entry.status not in MOVES[Action.repair].allowed:
        shut.append(Unmet.ended)
    if entry.term.lapsed_from is not None:
        shut.append(Unmet.false_materials_before)
    if rule is not None and (severity or Severity.general) not in rule.minimum:
        shut.append(Unmet.class_excluded)
    if rule is None or shut:
        return Repairability(
            rule=rule,
            severity=severity,
            gentle=False,
            means=(),
            earliest_on=None,
            unmet=tuple(dict.fromkeys(shut)),
        )
    gentle = severity is Severity.minor and entry.unintentional and not rule.list_types
    earliest_on = _earliest(entry, rule, offer, today, gentle=gentle)
    unmet = [*_missing(rule, offer, gentle=gentle), *_barred(entry, rule, offer)]
    if earliest_on is not None and today < earliest_on:
        unmet.append(Unmet.too_early)
    return Repairability(
        rule=rule,
        severity=severity,
        gentle=gentle,
        means=tuple(Means) if gentle else rule.means,
        earliest_on=earliest_on,
        unmet=tuple(unmet),
    )


def _earliest(
    entry: Standing, rule: RepairRule, offer: Offer, today: date, *, gentle: bool
) -> date | None:
    if gentle:
        return today
    minimum = rule.minimum[entry.severity or Severity.general]
    match rule.counted_from:
        case CountedFrom.publication:
            start = entry.published_on or entry.decided_on
        case CountedFrom.decision:
            start = entry.decided_on
        case CountedFrom.correction:
            corrected_on = offer.means.get(Means.correction)
            if corrected_on is None:
                return None
            # Listed since: what was corrected before the listing counts from the listing.
            start = max(corrected_on, entry.term.effective_from)
    floor = entry.list_type.minimum_publication
    if rule.list_types or entry.list_type.kind is not ListKind.black or floor is None:
        return later(start, minimum)
    # The general rule over a list whose own rule says how long it is public at least.
    return max(later(start, minimum), later(start, floor))


def _missing(rule: RepairRule, offer: Offer, *, gentle: bool) -> Iterable[Unmet]:
    if gentle:
        return () if offer.means else (Unmet.means_missing,)
    missing = [Unmet(f"{means}_missing") for means in rule.means if means not in offer.means]
    return missing if offer.promised else [*missing, Unmet.promise_missing]


def _barred(entry: Standing, rule: RepairRule, offer: Offer) -> Iterable[Unmet]:
    circumstances = offer.circumstances | ({Bar.repeated} if entry.listed_again else set())
    return [Unmet(bar.value) for bar in rule.barred if bar in circumstances]


def renewed_until(term: Term, list_type: ListType, today: date) -> date | None:
    """The last day of a term that begins anew today, as long as it was before.

    After a repair by false materials start and end are computed anew (人力资源和社会保障部令第45号
    Art 15). None where the term was open.
    """
    if term.effective_until is None:
        return None
    began = term.effective_from
    if list_type.term is not None and term.effective_until == later(began, list_type.term):
        renewed = later(today, list_type.term)  # the same, also where a month's end was cut off
    else:
        renewed = today + relativedelta(term.effective_until, began)
    return min(renewed, LAST_DAY)
