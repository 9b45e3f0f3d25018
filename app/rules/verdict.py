"""The verdict on a subject for a matter: standing and measures, each with its legal basis.

There is no score and no counting. A measure follows from one entry and one rule of the catalogue
(国办发〔2020〕49号: only listed measures, in proportion to the conduct).
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from app.rules.law import (
    Catalogue,
    ListKind,
    Measure,
    MeasureKind,
    MeasureRule,
    Obligation,
    Severity,
)
from app.rules.list_effects import LIST_EFFECTS
from app.rules.status import Status


class Standing(StrEnum):
    """The standing of a subject; `none` means no entry in effect, not good credit."""

    none = "none"
    red = "red"
    black = "black"
    unresolved = "unresolved"


class JudgedEntry(NamedTuple):
    """The facts of one entry that the verdict needs."""

    entry_id: str
    list_type: str
    kind: ListKind
    severity: Severity | None
    status: Status
    disputed: bool


class AppliedMeasure(NamedTuple):
    """A measure, its entry and its legal basis."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    entry_id: str
    legal_basis: str


class SuppressedMeasure(NamedTuple):
    """A reward that a black entry suppresses."""

    code: str
    entry_id: str
    black_entry_id: str


class Verdict(NamedTuple):
    """The whole verdict on one subject."""

    standing: Standing
    measures: tuple[AppliedMeasure, ...]
    suppressed: tuple[SuppressedMeasure, ...]
    disputed: bool


EMPTY_VERDICT = Verdict(standing=Standing.none, measures=(), suppressed=(), disputed=False)


def compute_verdict(
    entries: Iterable[JudgedEntry], matter: str | None, catalogue: Catalogue, day: date
) -> Verdict:
    """Return the verdict on a subject by its entries on a day.

    Active and suspended entries of list types in force count; records give no standing. A black
    entry takes precedence: all rewards are then suppressed.
    """
    counted_entries = [entry for entry in entries if _is_counted(entry, catalogue, day)]
    if not counted_entries:
        return EMPTY_VERDICT
    black_entries = [entry for entry in counted_entries if entry.kind is ListKind.black]
    red_entries = [entry for entry in counted_entries if entry.kind is ListKind.red]
    measures = [
        measure
        for entry in black_entries
        for measure in _build_measures(entry, matter, catalogue, day)
    ]
    rewards = [
        measure
        for entry in red_entries
        for measure in _build_measures(entry, matter, catalogue, day)
    ]
    if black_entries:
        standing, suppressed = Standing.black, rewards
    else:
        active_ids = {entry.entry_id for entry in red_entries if entry.status is Status.active}
        standing = Standing.red if active_ids else Standing.none
        measures += [measure for measure in rewards if measure.entry_id in active_ids]
        suppressed = []
    return Verdict(
        standing=standing,
        measures=tuple(measures),
        suppressed=tuple(
            SuppressedMeasure(
                code=reward.code, entry_id=reward.entry_id, black_entry_id=black_entries[0].entry_id
            )
            for reward in suppressed
        ),
        disputed=any(entry.disputed for entry in counted_entries),
    )


def _is_counted(entry: JudgedEntry, catalogue: Catalogue, day: date) -> bool:
    if entry.status not in {Status.active, Status.suspended}:
        return False
    list_type = catalogue.list_types.get(entry.list_type)
    return list_type is not None and list_type.is_in_force_on(day)


def _build_measures(
    entry: JudgedEntry, matter: str | None, catalogue: Catalogue, day: date
) -> Iterable[AppliedMeasure]:
    for measure, rule in _find_measures_with_rules(
        catalogue, day, matter, entry.kind, entry.list_type, entry.severity
    ):
        yield AppliedMeasure(
            code=measure.code,
            name=measure.name,
            kind=measure.kind,
            obligation=rule.obligation,
            entry_id=entry.entry_id,
            legal_basis=rule.legal_reference,
        )


# Each call reads the whole catalogue, and few kinds of entry occur again and again.
@lru_cache(maxsize=4096)
def _find_measures_with_rules(
    catalogue: Catalogue,
    day: date,
    matter: str | None,
    kind: ListKind,
    list_type: str,
    severity: Severity | None,
) -> tuple[tuple[Measure, MeasureRule], ...]:
    """Return the measures that follow from an entry of this kind, with their rules."""
    rules = (
        (catalogue.measures[rule.measure], rule)
        for rule in catalogue.measure_rules.values()
        if _is_rule_applicable(rule, list_type, severity, matter) and rule.is_valid_on(day)
    )
    measure_kind = LIST_EFFECTS[kind].measure_kind
    return tuple(
        (measure, rule)
        for measure, rule in rules
        if measure.kind is measure_kind and measure.is_valid_on(day)
    )


def _is_rule_applicable(
    rule: MeasureRule, list_type: str, severity: Severity | None, matter: str | None
) -> bool:
    return (
        bool(rule.legal_reference.strip())
        and (not rule.matters or matter is None or matter in rule.matters)
        and (not rule.list_types or list_type in rule.list_types)
        and (not rule.severities or severity in rule.severities)
    )
