"""Conditions of repair, one by one, and steps of a case."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.catalogue.loading.files import SHIPPED_DIRECTORY, read_sections
from app.catalogue.sections import merge_sections
from app.rules.law import (
    Bar,
    Catalogue,
    CountedFrom,
    Issuer,
    ListKind,
    ListType,
    Means,
    RepairRule,
    Severity,
    Span,
    SubjectKind,
)
from app.rules.redress import (
    ALLOWED_STATES,
    NO_MATERIALS,
    OPEN_STATES,
    CaseKind,
    CaseState,
    CaseStep,
    Repairability,
    RepairCandidate,
    RepairMaterials,
    Unmet,
    assess_repairability,
    compute_renewed_last_day,
)
from app.rules.status import Status, Term
from app.rules.transitions import TRANSITIONS, Action

TODAY = date(2026, 11, 22)
DECIDED = date(2026, 1, 10)
SERIOUS, GENERAL, MINOR = Severity.serious, Severity.general, Severity.minor
NEVER = None


def rule(**changes: Any) -> RepairRule:
    facts: dict[str, Any] = {
        "code": "a_rule",
        "minimum": {MINOR: Span(), GENERAL: Span(months=3), SERIOUS: Span(years=1)},
        "counted_from": CountedFrom.decision,
        "legal_reference": "an article",
    }
    return RepairRule(**(facts | changes))


def list_type(**changes: Any) -> ListType:
    law: dict[str, Any] = {
        "code": "wage_arrears.black",
        "domain": "wage_arrears",
        "kind": ListKind.black,
        "name": "a list",
        "issuers": (Issuer(function="human_resources"),),
        "subject_kinds": tuple(SubjectKind),
    }
    return ListType(**(law | changes))


def entry(**changes: Any) -> RepairCandidate:
    facts: dict[str, Any] = {
        "list_type": list_type(),
        "severity": GENERAL,
        "status": Status.active,
        "term": Term(effective_from=DECIDED),
        "decided_on": DECIDED,
        "published_on": None,
        "unintentional": False,
        "listed_again": False,
    }
    return RepairCandidate(**(facts | changes))


def offer(corrected_on: date | None = DECIDED, **changes: Any) -> RepairMaterials:
    means = {} if corrected_on is None else {Means.correction: corrected_on}
    return replace(
        RepairMaterials(means=means, has_promise=True, circumstances=frozenset()), **changes
    )


def found(
    by: RepairRule | None = None, bring: RepairMaterials | None = None, **facts: Any
) -> Repairability:
    return assess_repairability(entry(**facts), by or rule(), bring or offer(), TODAY)


# --- every condition, one by one -----------------------------------------

COUNTED_FROM_CORRECTION = rule(counted_from=CountedFrom.correction)
BARRED = rule(barred=tuple(Bar))
ALL_MEANS = rule(means=tuple(Means))

UNMET: dict[Unmet, list[tuple[RepairRule, RepairMaterials, dict[str, Any]]]] = {
    Unmet.not_repairable: [
        (rule(), offer(), {"list_type": list_type(kind=ListKind.red)}),
        (rule(), offer(), {"list_type": list_type(repairable=False)}),
        (rule(), offer(), {"list_type": list_type(kind=ListKind.record, repairable=False)}),
    ],
    Unmet.ended: [
        (rule(), offer(), {"status": status})
        for status in (Status.expired, Status.removed, Status.suspended)
    ],
    Unmet.class_excluded: [
        (rule(minimum={GENERAL: Span()}), offer(), {"severity": SERIOUS}),
        (rule(minimum={GENERAL: Span()}), offer(), {"severity": MINOR}),
        (rule(minimum={SERIOUS: Span()}), offer(), {"severity": None}),
    ],
    Unmet.too_early: [
        (rule(), offer(), {"decided_on": date(2026, 8, 23)}),
        (rule(), offer(), {"decided_on": date(2025, 11, 23), "severity": SERIOUS}),
        (COUNTED_FROM_CORRECTION, offer(date(2026, 8, 23)), {}),
    ],
    Unmet.correction_missing: [(rule(), offer(NEVER), {})],
    Unmet.removal_of_effect_missing: [(rule(means=(Means.removal_of_effect,)), offer(), {})],
    Unmet.training_missing: [(rule(means=(Means.correction, Means.training)), offer(), {})],
    Unmet.public_welfare_missing: [(rule(means=(Means.public_welfare,)), offer(), {})],
    Unmet.means_missing: [(rule(), offer(NEVER), {"severity": MINOR, "unintentional": True})],
    Unmet.promise_missing: [(rule(), offer(has_promise=False), {})],
    Unmet.repeated: [
        (BARRED, offer(circumstances=frozenset({Bar.repeated})), {}),
        (BARRED, offer(), {"listed_again": True}),
    ],
    Unmet.criminal_case: [(BARRED, offer(circumstances=frozenset({Bar.criminal_case})), {})],
    Unmet.false_materials_before: [
        (
            rule(),
            offer(),
            {
                "term": Term(
                    effective_from=DECIDED,
                    lapsed_from=date(2026, 8, 1),
                    lapsed_until=date(2026, 9, 1),
                )
            },
        )
    ],
}


def test_an_entry_that_meets_every_condition_is_repairable() -> None:
    for by, severity in product((rule(), COUNTED_FROM_CORRECTION, BARRED), (GENERAL, MINOR, None)):
        assert found(by, severity=severity).unmet == ()
    assert found(status=Status.scheduled).unmet == ()


def test_every_condition_is_in_the_table() -> None:
    assert set(UNMET) == set(Unmet)


@pytest.mark.parametrize("unmet", Unmet)
def test_a_single_unmet_condition_is_given(unmet: Unmet) -> None:
    for by, bring, facts in UNMET[unmet]:
        assert found(by, bring, **facts).unmet == (unmet,), (by, bring, facts)


def test_without_a_rule_nothing_is_repairable() -> None:
    result = assess_repairability(entry(), None, offer(), TODAY)
    assert (result.rule, result.unmet) == (None, (Unmet.not_repairable,))


def test_all_unmet_conditions_are_given_at_once() -> None:
    by = rule(means=tuple(Means), barred=tuple(Bar))
    bring = replace(NO_MATERIALS, circumstances=frozenset(Bar))
    assert set(found(by, bring, decided_on=TODAY).unmet) == {
        Unmet.correction_missing,
        Unmet.removal_of_effect_missing,
        Unmet.training_missing,
        Unmet.public_welfare_missing,
        Unmet.promise_missing,
        Unmet.repeated,
        Unmet.criminal_case,
        Unmet.too_early,
    }


def test_exclusions_hide_other_conditions() -> None:
    lapsed = Term(effective_from=DECIDED, lapsed_from=DECIDED, lapsed_until=TODAY)
    for facts in (
        {"status": Status.expired},
        {"term": lapsed},
        {"list_type": list_type(kind=ListKind.red)},
    ):
        result = found(bring=NO_MATERIALS, **facts)
        assert (result.means, result.earliest_on, result.is_simplified) == ((), None, False)
        assert Unmet.promise_missing not in result.unmet


def test_all_exclusions_are_given_once() -> None:
    result = found(
        rule(minimum={}),
        list_type=list_type(kind=ListKind.red, repairable=False),
        status=Status.removed,
        term=Term(effective_from=DECIDED, lapsed_from=DECIDED, lapsed_until=TODAY),
    )
    assert result.unmet == (
        Unmet.not_repairable,
        Unmet.ended,
        Unmet.false_materials_before,
        Unmet.class_excluded,
    )


def test_circumstances_exclude_repair_only_by_rule() -> None:
    bring = offer(circumstances=frozenset(Bar))
    assert found(rule(), bring, listed_again=True).unmet == ()
    assert found(rule(barred=(Bar.criminal_case,)), bring, listed_again=True).unmet == (
        Unmet.criminal_case,
    )


def test_the_statuses_that_bar_repair_are_those_of_the_transitions() -> None:
    for status in Status:
        ended = Unmet.ended in found(status=status).unmet
        assert ended is (status not in TRANSITIONS[Action.repair].allowed_statuses)


# --- earliest day --------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "earliest"),
    [
        (MINOR, date(2026, 1, 10)),
        (GENERAL, date(2026, 4, 10)),
        (None, date(2026, 4, 10)),
        (SERIOUS, date(2027, 1, 10)),
    ],
)
def test_each_class_has_its_minimum_period(severity: Severity | None, earliest: date) -> None:
    result = found(severity=severity)
    assert result.earliest_on == earliest
    assert (Unmet.too_early in result.unmet) is (earliest > TODAY)


def test_the_first_day_after_the_minimum_is_allowed() -> None:
    minimum = rule(minimum={GENERAL: Span(months=3)})
    assert found(minimum, decided_on=date(2026, 8, 22)).unmet == ()
    assert found(minimum, decided_on=date(2026, 8, 23)).unmet == (Unmet.too_early,)


@pytest.mark.parametrize(
    ("start", "span", "earliest"),
    [
        (date(2025, 11, 30), Span(months=3), date(2026, 2, 28)),
        (date(2024, 2, 29), Span(years=3), date(2027, 2, 28)),
        (date(2025, 8, 31), Span(months=6), date(2026, 2, 28)),
        (date(2023, 8, 31), Span(months=6), date(2024, 2, 29)),
        (date(2026, 1, 31), Span(months=3), date(2026, 4, 30)),
        (date(2024, 2, 29), Span(years=1), date(2025, 2, 28)),
    ],
)
@pytest.mark.parametrize("counted_from", CountedFrom)
def test_a_minimum_ends_on_the_corresponding_day_or_the_months_last(
    counted_from: CountedFrom, start: date, span: Span, earliest: date
) -> None:
    by = rule(minimum={GENERAL: span}, counted_from=counted_from)
    facts = {
        CountedFrom.publication: {"decided_on": date(2020, 1, 1), "published_on": start},
        CountedFrom.decision: {"decided_on": start},
        CountedFrom.correction: {"decided_on": date(2020, 1, 1)},
    }[counted_from]
    begun = Term(effective_from=date(2020, 1, 1))
    assert found(by, offer(start), term=begun, **facts).earliest_on == earliest


def test_without_a_publication_the_decision_day_counts() -> None:
    by = rule(counted_from=CountedFrom.publication)
    assert found(by).earliest_on == date(2026, 4, 10)
    assert found(by, published_on=date(2026, 1, 14)).earliest_on == date(2026, 4, 14)


def test_a_correction_before_the_listing_counts_from_the_listing() -> None:
    by = COUNTED_FROM_CORRECTION
    for corrected, earliest in (
        (date(2025, 6, 1), date(2026, 4, 10)),
        (DECIDED, date(2026, 4, 10)),
        (date(2026, 1, 11), date(2026, 4, 11)),
    ):
        assert found(by, offer(corrected)).earliest_on == earliest
    later_term = Term(effective_from=date(2026, 3, 1))
    assert found(by, term=later_term).earliest_on == date(2026, 6, 1)


def test_without_a_correction_there_is_no_earliest_day() -> None:
    result = found(COUNTED_FROM_CORRECTION, NO_MATERIALS)
    assert result.earliest_on is None
    assert Unmet.correction_missing in result.unmet
    assert Unmet.too_early not in result.unmet


@given(some.dates(date(2024, 1, 1), TODAY), some.sampled_from(Severity))
def test_it_is_too_early_exactly_before_the_first_day(decided: date, severity: Severity) -> None:
    result = found(decided_on=decided, severity=severity)
    assert result.earliest_on is not None
    assert (Unmet.too_early in result.unmet) is (result.earliest_on > TODAY)
    on_that_day = assess_repairability(
        entry(decided_on=decided, severity=severity), rule(), offer(), result.earliest_on
    )
    eve = result.earliest_on - timedelta(days=1)
    the_day_before = assess_repairability(
        entry(decided_on=decided, severity=severity), rule(), offer(), eve
    )
    assert Unmet.too_early not in on_that_day.unmet
    assert Unmet.too_early in the_day_before.unmet


def test_the_general_rule_waits_for_the_minimum_publication() -> None:
    longer = list_type(minimum_publication=Span(years=1))
    shorter = list_type(minimum_publication=Span(months=1))
    record = list_type(kind=ListKind.record, minimum_publication=Span(years=1))
    special = rule(list_types=("wage_arrears.black",))
    assert found(list_type=longer).earliest_on == date(2027, 1, 10)
    assert found(list_type=longer).unmet == (Unmet.too_early,)
    for by, law in ((rule(), shorter), (rule(), record), (special, longer)):
        assert found(by, list_type=law).earliest_on == date(2026, 4, 10)


# --- simplified repair ---------------------------------------------------


@pytest.mark.parametrize("means", Means)
def test_minor_unintentional_conduct_is_simplified(means: Means) -> None:
    bring = RepairMaterials(means={means: TODAY}, has_promise=False, circumstances=frozenset())
    result = assess_repairability(
        entry(severity=MINOR, unintentional=True, decided_on=TODAY),
        rule(minimum={MINOR: Span(months=6)}, means=(Means.correction, Means.training)),
        bring,
        TODAY,
    )
    assert (result.is_simplified, result.unmet, result.earliest_on) == (True, (), TODAY)
    assert set(result.means) == set(Means)


def test_other_conduct_is_not_simplified() -> None:
    for severity, unintentional in product((MINOR, GENERAL, SERIOUS, None), (False, True)):
        result = found(
            bring=offer(has_promise=False), severity=severity, unintentional=unintentional
        )
        assert result.is_simplified is (severity is MINOR and unintentional)
        assert (Unmet.promise_missing in result.unmet) is not result.is_simplified


def test_bars_apply_to_simplified_repair_too() -> None:
    facts: dict[str, Any] = {"severity": MINOR, "unintentional": True, "listed_again": True}
    assert found(BARRED, **facts).unmet == (Unmet.repeated,)


# --- the shipped rules ---------------------------------------------------


SHIPPED_LAW = merge_sections(Catalogue(), read_sections(SHIPPED_DIRECTORY / "repair_rules.yaml"))


def shipped(list_type_: str, decided_on: date) -> RepairRule:
    by = SHIPPED_LAW.find_repair_rule(list_type_, decided_on)
    assert by is not None
    return by


OLD, NEW = date(2026, 3, 31), date(2026, 4, 1)
"""The last day of 令第58号, the first of 令第36号."""


@pytest.mark.parametrize(
    ("list_type_", "decided", "severity", "earliest"),
    [
        ("wage_arrears.penalty", OLD, MINOR, date(2026, 3, 31)),
        ("wage_arrears.penalty", OLD, GENERAL, date(2026, 6, 30)),
        ("wage_arrears.penalty", OLD, SERIOUS, date(2027, 3, 31)),
        ("wage_arrears.penalty", NEW, MINOR, date(2026, 4, 20)),
        ("wage_arrears.penalty", NEW, GENERAL, date(2026, 7, 20)),
        ("wage_arrears.penalty", NEW, SERIOUS, date(2027, 4, 20)),
        ("counterfeit_drugs.penalty", OLD, GENERAL, date(2027, 3, 31)),
        ("counterfeit_drugs.penalty", NEW, GENERAL, date(2026, 7, 20)),
        ("telecom_fraud.black", OLD, GENERAL, date(2026, 6, 30)),
        ("telecom_fraud.black", NEW, SERIOUS, date(2027, 4, 20)),
        ("wage_arrears.black", OLD, SERIOUS, date(2026, 11, 1)),
        ("wage_arrears.black", NEW, SERIOUS, date(2026, 11, 1)),
        ("low_price_tours.black", NEW, SERIOUS, date(2027, 4, 20)),
        ("tax_fraud.black", OLD, SERIOUS, date(2026, 10, 20)),
        ("judgment_defaulting.black", NEW, SERIOUS, date(2026, 5, 1)),
    ],
)
def test_the_decision_day_selects_the_rule(
    list_type_: str, decided: date, severity: Severity, earliest: date
) -> None:
    """Published on 2026-04-20, corrected on 2026-05-01."""
    result = assess_repairability(
        entry(
            list_type=list_type(code=list_type_),
            decided_on=decided,
            severity=severity,
            published_on=date(2026, 4, 20),
            term=Term(effective_from=decided),
        ),
        shipped(list_type_, decided),
        offer(date(2026, 5, 1)),
        date(2027, 5, 1),
    )
    assert result.earliest_on == earliest


def test_the_general_rules_follow_each_other_without_a_gap() -> None:
    day = date(2026, 3, 1)
    while day < date(2026, 5, 1):
        code = shipped("transport.penalty", day).code
        assert code == ("general_ndrc_58" if day < NEW else "general_ndrc_36"), day
        day += timedelta(days=1)


def test_a_rule_of_the_list_type_takes_precedence() -> None:
    assert shipped("wage_arrears.black", NEW).together
    assert shipped("wage_arrears.black", NEW).barred == (Bar.repeated, Bar.criminal_case)
    assert shipped("low_price_tours.black", NEW).means == (Means.correction, Means.training)
    assert shipped("judgment_defaulting.black", OLD) == shipped("judgment_defaulting.black", NEW)


# --- restored terms ------------------------------------------------------


def test_a_restored_term_is_the_list_types_from_today() -> None:
    term = Term(effective_from=DECIDED, effective_until=date(2029, 1, 10))
    law = list_type(term=Span(years=3))
    assert compute_renewed_last_day(term, law, TODAY) == date(2029, 11, 22)
    assert compute_renewed_last_day(term, law, date(2024, 2, 29)) == date(2027, 2, 28)


def test_an_open_term_stays_open() -> None:
    for law in (list_type(open_term=True), list_type(term=Span(years=3), open_term=True)):
        assert compute_renewed_last_day(Term(effective_from=DECIDED), law, TODAY) is None


def test_a_given_term_starts_again_with_its_length() -> None:
    term = Term(effective_from=date(2026, 1, 10), effective_until=date(2026, 3, 11))
    assert compute_renewed_last_day(term, list_type(), TODAY) == date(
        2027, 1, 23
    )  # two months and a day


# --- steps ---------------------------------------------------------------

STEPS = {
    CaseKind.objection: {CaseStep.assistance, CaseStep.decision},
    CaseKind.repair: {
        CaseStep.acceptance,
        CaseStep.prolongation,
        CaseStep.decision,
        CaseStep.taking_back,
    },
}


def test_every_step_has_its_allowed_states() -> None:
    assert set(ALLOWED_STATES) == {(kind, step) for kind in CaseKind for step in STEPS[kind]}
    assert set(CaseStep) == set().union(*STEPS.values())
    assert all(ALLOWED_STATES.values())


def test_only_an_approved_repair_can_be_taken_back() -> None:
    closed = set(CaseState) - OPEN_STATES
    for (kind, step), states in ALLOWED_STATES.items():
        after_the_end = states & closed
        expected = {CaseState.approved} if step is CaseStep.taking_back else set()
        assert after_the_end == expected, (kind, step)


def test_only_an_objection_is_decided_when_received() -> None:
    assert CaseState.received in ALLOWED_STATES[CaseKind.objection, CaseStep.decision]
    assert CaseState.received not in ALLOWED_STATES[CaseKind.repair, CaseStep.decision]
    assert ALLOWED_STATES[CaseKind.repair, CaseStep.prolongation] == {CaseState.accepted}
