from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.errors import (
    InvalidPayload,
    ListTypeNotInForce,
    MinorSubject,
    PublicationNotAllowed,
    SealedRecord,
    SubjectKindNotAllowed,
    TermNotAllowed,
)
from app.rules.admission import Ruling, apply_law
from app.rules.calendar import add_span
from app.rules.decision import (
    HEAD_ROLES,
    UNSET,
    DecisionFacts,
    DecisionKind,
    PenaltyLaw,
    PersonRole,
)
from app.rules.law import (
    DisclosureClass,
    Issuer,
    ListKind,
    ListType,
    Severity,
    Span,
    SubjectKind,
)
from app.rules.status import Term

TODAY = date(2026, 11, 22)
DECIDED = date(2026, 11, 20)
DAYS = some.dates(date(1990, 1, 1), date(2060, 12, 31))
ORGANISATION, PERSON = SubjectKind.legal_person, SubjectKind.natural_person


def decision_facts(**changes: Any) -> DecisionFacts:
    facts: dict[str, Any] = {
        "subject_kind": ORGANISATION,
        "has_identifier": True,
        "birth_date": None,
        "decision_kind": DecisionKind.list_decision,
        "penalty_law": None,
        "decided_on": DECIDED,
        "severity": None,
        "conduct_ended_on": date(2026, 10, 31),
        "conduct_continues": False,
        "effective_from": None,
        "effective_until": UNSET,
        "person_roles": frozenset({PersonRole.legal_representative}),
        "disclosure_class": None,
        "exemption": None,
        "exemption_basis": None,
    }
    return DecisionFacts(**(facts | changes))


def list_type(**changes: Any) -> ListType:
    law: dict[str, Any] = {
        "code": "wage_arrears.black",
        "domain": "wage_arrears",
        "kind": ListKind.black,
        "name": "a list",
        "issuers": (Issuer(function="human_resources"),),
        "subject_kinds": tuple(SubjectKind),
        "term": Span(years=3),
        "maximum_term": Span(years=3),
        "legal_reference": "an article",
        "in_force": True,
    }
    return ListType(**(law | changes))


def ruled(law: ListType | None = None, **changes: Any) -> Ruling:
    return apply_law(decision_facts(**changes), law or list_type(), TODAY)


def faults(law: ListType | None = None, **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidPayload) as refusal:
        ruled(law, **changes)
    return {fault.code: fault.pointer for fault in refusal.value.faults}


def person(born: date, **changes: Any) -> dict[str, Any]:
    return {"subject_kind": PERSON, "birth_date": born, "person_roles": frozenset(), **changes}


# --- terms ---------------------------------------------------------------


def test_the_default_term_is_that_of_the_list_type() -> None:
    assert ruled().effective_until == date(2029, 11, 20)
    assert ruled(effective_from=date(2026, 12, 1)).effective_until == date(2029, 12, 1)


def test_the_default_start_is_the_decision_day() -> None:
    assert ruled().effective_from == DECIDED
    assert ruled(effective_from=date(2026, 12, 1)).effective_from == date(2026, 12, 1)


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        (date(2024, 2, 29), Span(years=3), date(2027, 2, 28)),
        (date(2024, 2, 29), Span(years=4), date(2028, 2, 29)),
        (date(2025, 11, 30), Span(months=3), date(2026, 2, 28)),
        (date(2025, 8, 31), Span(months=6), date(2026, 2, 28)),
        (date(2027, 8, 31), Span(months=6), date(2028, 2, 29)),
        (date(2026, 1, 31), Span(months=1), date(2026, 2, 28)),
        (date(2026, 1, 31), Span(years=1, months=1), date(2027, 2, 28)),
        (date(2026, 11, 20), Span(), date(2026, 11, 20)),
    ],
)
def test_a_span_ends_on_the_corresponding_day_or_the_months_last(
    start: date, span: Span, end: date
) -> None:
    assert add_span(start, span) == end


@given(DAYS, some.integers(0, 10), some.integers(0, 24))
def test_a_span_never_skips_a_month_nor_exceeds_the_day(
    start: date, years: int, months: int
) -> None:
    end = add_span(start, Span(years=years, months=months))
    passed = (end.year - start.year) * 12 + end.month - start.month
    assert passed == years * 12 + months
    assert end.day == start.day or (end + timedelta(days=1)).day == 1


def test_a_term_has_the_maximum_of_the_list_type() -> None:
    assert ruled(effective_until=date(2029, 11, 20)).effective_until == date(2029, 11, 20)
    with pytest.raises(TermNotAllowed) as refusal:
        ruled(effective_until=date(2029, 11, 21))
    assert refusal.value.members["latest"] == "2029-11-20"


def test_the_maximum_term_may_exceed_the_default_term() -> None:
    law = list_type(term=Span(years=2), maximum_term=Span(years=5))
    assert ruled(law).effective_until == date(2028, 11, 20)
    assert ruled(law, effective_until=date(2031, 11, 20)).effective_until == date(2031, 11, 20)
    with pytest.raises(TermNotAllowed):
        ruled(law, effective_until=date(2031, 11, 21))


def test_without_a_maximum_the_default_term_is_the_maximum() -> None:
    law = list_type(maximum_term=None)
    with pytest.raises(TermNotAllowed):
        ruled(law, effective_until=date(2029, 11, 21))


def test_an_open_term_needs_a_list_type_that_allows_it() -> None:
    open_law = list_type(open_term=True)
    assert ruled(open_law, effective_until=None).effective_until is None
    with pytest.raises(TermNotAllowed):
        ruled(effective_until=None)


def test_without_a_default_term_a_term_is_open_or_refused() -> None:
    bare = {"term": None, "maximum_term": None}
    assert ruled(list_type(**bare, open_term=True)).effective_until is None
    with pytest.raises(TermNotAllowed):
        ruled(list_type(**bare))


def test_without_a_default_term_any_last_day_is_allowed() -> None:
    law = list_type(term=None, maximum_term=None)
    assert ruled(law, effective_until=date(2099, 12, 31)).effective_until == date(2099, 12, 31)


def test_the_last_day_is_not_before_the_first() -> None:
    assert ruled(effective_until=DECIDED).effective_until == DECIDED
    before = DECIDED - timedelta(days=1)
    assert faults(effective_until=before) == {"dates_out_of_order": "/effective_until"}


# --- the 5 years of Art 38 -----------------------------------------------


def test_an_entry_ends_five_years_after_the_conduct() -> None:
    assert ruled().cap_ends_on == date(2031, 10, 31)
    assert ruled(conduct_ended_on=date(2024, 2, 29)).cap_ends_on == date(2029, 2, 28)
    record = list_type(kind=ListKind.record, severity=Severity.general)
    assert ruled(record).cap_ends_on == date(2031, 10, 31)


def test_continuing_conduct_has_no_cap() -> None:
    assert ruled(conduct_ended_on=None, conduct_continues=True).cap_ends_on is None


def test_exempt_list_types_and_red_lists_have_no_cap() -> None:
    assert ruled(list_type(cap_exempt=True)).cap_ends_on is None
    assert ruled(list_type(kind=ListKind.red)).cap_ends_on is None


def test_the_ruling_gives_the_term_of_the_status() -> None:
    assert ruled().term == Term(
        effective_from=DECIDED,
        effective_until=date(2029, 11, 20),
        cap_ends_on=date(2031, 10, 31),
    )


# --- subjects ------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "acted_on", "minor"),
    [
        (date(2008, 10, 31), date(2026, 10, 31), False),
        (date(2008, 11, 1), date(2026, 10, 31), True),
        (date(2008, 10, 30), date(2026, 10, 31), False),
        (date(2008, 2, 29), date(2026, 2, 27), True),
        (date(2008, 2, 29), date(2026, 2, 28), False),
        (date(1985, 6, 12), date(2003, 6, 11), True),
        (date(1985, 6, 12), date(2003, 6, 12), False),
    ],
)
def test_conduct_before_the_18th_birthday_is_refused(
    born: date, acted_on: date, *, minor: bool
) -> None:
    facts = person(born, conduct_ended_on=acted_on)
    if minor:
        with pytest.raises(MinorSubject):
            ruled(**facts)
    else:
        ruled(**facts)


def test_a_minor_at_the_time_of_conduct_is_refused() -> None:
    with pytest.raises(MinorSubject):
        ruled(**person(date(2008, 11, 10), conduct_ended_on=date(2026, 10, 31)))


def test_for_continuing_conduct_the_decision_day_counts() -> None:
    continuing = {"conduct_ended_on": None, "conduct_continues": True}
    ruled(**person(date(2008, 11, 20), **continuing))
    with pytest.raises(MinorSubject):
        ruled(**person(date(2008, 11, 21), **continuing))


def test_minors_are_refused_for_red_lists_too() -> None:
    red = list_type(kind=ListKind.red)
    with pytest.raises(MinorSubject):
        ruled(red, **person(date(2013, 5, 5), conduct_ended_on=None))


def test_a_person_without_birth_date_is_refused() -> None:
    found = faults(**person(DECIDED) | {"birth_date": None})
    assert found == {"birth_date_missing": "/subject/birth_date"}


def test_a_list_type_limits_the_kinds_of_subjects() -> None:
    with pytest.raises(SubjectKindNotAllowed) as refusal:
        ruled(list_type(subject_kinds=(ORGANISATION,)), **person(date(1985, 6, 12)))
    assert refusal.value.members["allowed"] == ["legal_person"]


def test_a_subject_without_identifier_needs_a_list_type_that_allows_it() -> None:
    assert faults(has_identifier=False) == {"identifier_missing": "/subject/identifiers"}
    ruled(list_type(requires_identifier=False), has_identifier=False)


@pytest.mark.parametrize("role", PersonRole)
def test_a_serious_black_entry_needs_the_head_of_an_organisation(role: PersonRole) -> None:
    facts = {"severity": Severity.serious, "person_roles": frozenset({role})}
    if role in HEAD_ROLES:
        ruled(**facts)
    else:
        assert faults(**facts) == {"responsible_person_missing": "/responsible_persons"}


@pytest.mark.parametrize(
    ("changes", "law"),
    [
        ({"severity": Severity.general}, {}),
        ({}, {"severity": Severity.minor}),
        ({}, {"kind": ListKind.red}),
        ({"severity": Severity.serious}, {"kind": ListKind.record}),
        ({"subject_kind": SubjectKind.individual_business}, {}),
        (person(date(1985, 6, 12)), {}),
    ],
)
def test_other_entries_need_no_head(changes: dict[str, Any], law: dict[str, Any]) -> None:
    ruled(list_type(**law), **({"person_roles": frozenset()} | changes))


# --- facts ---------------------------------------------------------------


def test_the_default_class_of_a_black_entry_is_serious() -> None:
    assert ruled().severity is Severity.serious
    assert ruled(list_type(severity=Severity.minor)).severity is Severity.minor
    assert ruled(list_type(severity=Severity.minor), severity=Severity.general).severity is (
        Severity.general
    )
    assert ruled(list_type(kind=ListKind.red)).severity is None


def test_a_black_entry_needs_the_end_of_the_conduct() -> None:
    assert faults(conduct_ended_on=None) == {"conduct_end_missing": "/conduct_ended_on"}
    assert faults(conduct_continues=True) == {"conduct_contradicts": "/conduct_continues"}
    ruled(list_type(kind=ListKind.record), conduct_ended_on=None)
    ruled(list_type(kind=ListKind.red), conduct_ended_on=None)


def test_a_decision_is_not_of_a_future_day() -> None:
    assert ruled(decided_on=TODAY).effective_from == TODAY
    tomorrow = TODAY + timedelta(days=1)
    assert faults(decided_on=tomorrow) == {"decision_in_future": "/decision/decided_on"}


def test_conduct_ends_by_the_decision_day() -> None:
    ruled(conduct_ended_on=DECIDED)
    after = DECIDED + timedelta(days=1)
    assert faults(conduct_ended_on=after) == {"dates_out_of_order": "/conduct_ended_on"}


def test_all_faults_are_given_at_once() -> None:
    found = faults(
        decided_on=TODAY + timedelta(days=3),
        effective_until=TODAY,
        conduct_ended_on=None,
        has_identifier=False,
        person_roles=frozenset(),
        exemption="trade_secret",
    )
    assert set(found) == {
        "decision_in_future",
        "dates_out_of_order",
        "conduct_end_missing",
        "identifier_missing",
        "responsible_person_missing",
        "exemption_incomplete",
    }


@pytest.mark.parametrize("kind", ListKind)
def test_public_security_penalties_are_always_refused(kind: ListKind) -> None:
    with pytest.raises(SealedRecord):
        ruled(list_type(kind=kind), penalty_law=PenaltyLaw.public_security)
    ruled(list_type(kind=kind), penalty_law=PenaltyLaw.administrative)


# --- in force ------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"in_force": False},
        {"legal_reference": None},
        {"valid_until": TODAY - timedelta(days=1)},
        {"valid_from": TODAY + timedelta(days=1)},
    ],
)
def test_a_list_type_out_of_force_allows_only_corrections(
    changes: dict[str, Any],
) -> None:
    law = list_type(**changes)
    with pytest.raises(ListTypeNotInForce) as refusal:
        apply_law(decision_facts(), law, TODAY)
    assert refusal.value.members["list_type"] == law.code
    assert apply_law(decision_facts(), law, TODAY, is_correction=True) == ruled()


def test_a_list_type_applies_on_its_first_and_on_its_last_day() -> None:
    ruled(list_type(valid_from=TODAY, valid_until=TODAY))


# --- disclosure ----------------------------------------------------------

BORN = date(1985, 6, 12)
PRIVATE = {"exemption": "personal_privacy", "exemption_basis": "an article"}


def test_the_default_disclosure_is_that_of_the_list_type() -> None:
    for default in (DisclosureClass.public, DisclosureClass.restricted):
        law = list_type(default_disclosure=default)
        assert ruled(law).disclosure_class is default


def test_natural_persons_are_published_only_by_state_rule() -> None:
    public = {"disclosure_class": DisclosureClass.public}
    with pytest.raises(PublicationNotAllowed):
        ruled(**person(BORN, **public))
    assert ruled(**person(BORN)).disclosure_class is DisclosureClass.restricted
    law = list_type(publishes_natural_persons=True)
    assert ruled(law, **person(BORN)).disclosure_class is DisclosureClass.public
    assert ruled(law, **person(BORN, **public)).disclosure_class is DisclosureClass.public


def test_an_allowed_disclosure_class_is_kept() -> None:
    assert ruled(disclosure_class=DisclosureClass.restricted).disclosure_class is (
        DisclosureClass.restricted
    )
    exempt = ruled(disclosure_class=DisclosureClass.exempt, **PRIVATE)
    assert exempt.disclosure_class is DisclosureClass.exempt


@pytest.mark.parametrize(
    "sent",
    [
        {"disclosure_class": DisclosureClass.exempt},
        {"disclosure_class": DisclosureClass.exempt, "exemption": "other"},
        {"disclosure_class": DisclosureClass.exempt, "exemption_basis": "an article"},
        {"disclosure_class": DisclosureClass.public, **PRIVATE},
        {"disclosure_class": DisclosureClass.restricted, **PRIVATE},
        PRIVATE,
    ],
)
def test_an_exemption_needs_reason_and_basis(sent: dict[str, Any]) -> None:
    assert faults(**sent) == {"exemption_incomplete": "/disclosure"}


# --- sealed facts --------------------------------------------------------


def test_facts_are_built_from_sealed_facts() -> None:
    facts = {
        "subject": {"kind": "legal_person", "name": "-", "identifiers": [{"scheme": "uscc"}]},
        "decision": {"kind": "list_decision", "number": "-", "decided_on": "2026-11-20"},
        "responsible_persons": [{"role": "legal_representative", "name": "-"}],
        "conduct_ended_on": "2026-10-31",
    }
    assert DecisionFacts.from_facts(facts, None) == decision_facts()


def test_an_open_term_differs_from_an_absent_one() -> None:
    facts = {
        "subject": {"kind": "legal_person", "name": "-"},
        "decision": {"kind": "list_decision", "number": "-", "decided_on": "2026-11-20"},
    }
    assert DecisionFacts.from_facts(facts, None).effective_until is UNSET
    assert (
        DecisionFacts.from_facts({**facts, "effective_until": None}, None).effective_until is None
    )
    read = DecisionFacts.from_facts({**facts, "effective_until": "2027-01-01"}, None)
    assert read.effective_until == date(2027, 1, 1)
