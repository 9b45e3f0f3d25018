"""What follows from a subject's entries for a matter: standing and measures, each with its basis.

No counting and no score: a measure follows from one entry and one rule of the catalogue
(国办发〔2020〕49号: only measures on the list, in proportion to the conduct).
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
from app.rules.status import Status


class Standing(StrEnum):
    """The answer in one word; `none` means no entry in force, never good credit."""

    none = "none"
    red = "red"
    black = "black"
    unresolved = "unresolved"


class Fact(NamedTuple):
    """One entry as the verdict reads it."""

    entry_id: str
    list_type: str
    kind: ListKind
    severity: Severity | None
    status: Status
    disputed: bool


class AppliedMeasure(NamedTuple):
    """A measure, the entry that it follows from and the law that says so."""

    code: str
    name: str
    kind: MeasureKind
    obligation: Obligation
    entry_id: str
    legal_basis: str


class SuppressedMeasure(NamedTuple):
    """A reward that a black entry keeps from being given."""

    code: str
    entry_id: str
    black_entry_id: str


class Verdict(NamedTuple):
    """The whole answer on one subject."""

    standing: Standing
    measures: tuple[AppliedMeasure, ...]
    suppressed: tuple[SuppressedMeasure, ...]
    disputed: bool


NOTHING = Verdict(standing=Standing.none, measures=(), suppressed=(), disputed=False)

GIVEN_BY = {ListKind.red: MeasureKind.reward, ListKind.black: MeasureKind.punishment}


def judge(facts: Iterable[Fact], matter: str | None, catalogue: Catalogue, day: date) -> Verdict:
    """Judge a subject by its entries on a day.

    Active entries count, of list types that have a legal reference and are in force; records never
    do. Black wins: rewards are then said to be suppressed, those of suspended red entries too.
    """
    counting = [fact for fact in facts if _counts(fact, catalogue, day)]
    if not counting:
        return NOTHING
    blacks = [fact for fact in counting if fact.kind is ListKind.black]
    reds = [fact for fact in counting if fact.kind is ListKind.red]
    measures = [measure for fact in blacks for measure in _measures(fact, matter, catalogue, day)]
    rewards = [measure for fact in reds for measure in _measures(fact, matter, catalogue, day)]
    if blacks:
        standing, suppressed = Standing.black, rewards
    else:
        active = {fact.entry_id for fact in reds if fact.status is Status.active}
        standing = Standing.red if active else Standing.none
        measures += [measure for measure in rewards if measure.entry_id in active]
        suppressed = []
    return Verdict(
        standing=standing,
        measures=tuple(measures),
        suppressed=tuple(
            SuppressedMeasure(
                code=reward.code, entry_id=reward.entry_id, black_entry_id=blacks[0].entry_id
            )
            for reward in suppressed
        ),
        disputed=any(fact.disputed for fact in counting),
    )


def _counts(fact: Fact, catalogue: Catalogue, day: date) -> bool:
    if fact.status not in {Status.active, Status.suspended}:
        return False
    list_type = catalogue.list_types.get(fact.list_type)
    return list_type is not None and list_type.applies_on(day)


def _measures(
    fact: Fact, matter: str | None, catalogue: Catalogue, day: date
) -> Iterable[AppliedMeasure]:
    for measure, rule in _following(
        catalogue, day, matter, fact.kind, fact.list_type, fact.severity
    ):
        yield AppliedMeasure(
            code=measure.code,
            name=measure.name,
            kind=measure.kind,
            obligation=rule.obligation,
            entry_id=fact.entry_id,
            legal_basis=rule.legal_reference,
        )


# Whole catalogues are walked for it, and few kinds of entry are asked about over and over.
@lru_cache(maxsize=4096)
def _following(
    catalogue: Catalogue,
    day: date,
    matter: str | None,
    kind: ListKind,
    list_type: str,
    severity: Severity | None,
) -> tuple[tuple[Measure, MeasureRule], ...]:
    """The measures that follow from an entry of this kind."""
    rules = (
        (catalogue.measures[rule.measure], rule)
        for rule in catalogue.measure_rules.values()
        if _follows(rule, list_type, severity, matter) and rule.holds_on(day)
    )
    given = GIVEN_BY.get(kind)
    return tuple(
        (measure, rule)
        for measure, rule in rules
        if measure.kind is given and measure.holds_on(day)
    )


def _follows(
    rule: MeasureRule, list_type: str, severity: Severity | None, matter: str | None
) -> bool:
    return (
        bool(rule.legal_reference.strip())
        and (not rule.matters or matter is None or matter in rule.matters)
        and (not rule.list_types or list_type in rule.list_types)
        and (not rule.severities or severity in rule.severities)
    )
