"""Whom decisions name: the latest that stands, by what it says now."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.rules.identity import Identity, SubjectDescription, derive_identity, extract_lookup_keys
from app.rules.law import SubjectKind
from tests.support.numbers import build_org_code, build_uscc

ONE, OTHER = uuid4(), uuid4()
CODE = {"scheme": "org_code", "number": build_org_code(1)}


def said(
    entry: UUID, day: int, name: str = "甲公司", *numbers: dict[str, Any], void: bool = False
) -> SubjectDescription:
    subject = {"kind": "legal_person", "name": name, "identifiers": [*(numbers or (CODE,))]}
    return SubjectDescription(entry, void=void, decided_on=date(2026, 11, day), subject=subject)


def known(*versions: SubjectDescription) -> Identity:
    identity = derive_identity(versions)
    assert identity is not None
    return identity


def test_nobody_is_named_by_nothing_or_by_void_entries_alone() -> None:
    assert derive_identity([]) is None
    assert derive_identity([said(ONE, 1), said(ONE, 1, void=True)]) is None


def test_the_latest_decision_names_the_subject_whenever_it_was_recorded() -> None:
    late, early = said(ONE, 9, "新名"), said(OTHER, 2, "旧名")
    for order in ([late, early], [early, late]):
        identity = known(*order)
        assert identity.name == ("新名", date(2026, 11, 9))
        assert identity.names.keys() == {"新名", "旧名"}
        assert identity.kind is SubjectKind.legal_person


def test_of_two_decisions_of_one_day_the_one_recorded_later_does() -> None:
    first, second = said(ONE, 2, "甲"), said(OTHER, 2, "乙")
    assert known(first, second).name.name == "乙"
    # A publication makes a version, too, and names nobody anew.
    assert known(first, second, first).name.name == "乙"
    assert known(first, second, said(ONE, 2, "丙")).name.name == "丙"


def test_a_corrected_decision_counts_as_it_reads_now() -> None:
    other = said(OTHER, 5, "乙")
    assert known(said(ONE, 9, "甲"), other, said(ONE, 2, "甲")).name.name == "乙"
    assert known(said(ONE, 2, "甲"), other, said(ONE, 9, "甲")).name.name == "甲"
    corrected = known(said(ONE, 9, "错"), said(ONE, 9, "对"))
    assert corrected.name.name == "对"
    assert corrected.names.keys() == {"错", "对"}


def test_a_void_entry_takes_back_its_numbers_and_all_its_names() -> None:
    number = {"scheme": "registration_no", "number": "110108000000016"}
    taught = [said(ONE, 9, "错", CODE, number), said(ONE, 9, "又错", CODE, number)]
    other = said(OTHER, 2, "对")
    assert ("registration_no", "110108000000016") in known(other, *taught).keys
    identity = known(other, *taught, taught[-1]._replace(void=True))
    assert identity.keys == {("org_code", build_org_code(1))}
    assert identity.names.keys() == {"对"}
    assert identity.name.as_of == date(2026, 11, 2)


def test_a_name_alone_is_known_as_it_reads_now() -> None:
    def alone(entry: UUID, name: str) -> SubjectDescription:
        subject = {"kind": "unincorporated_organization", "name": name}
        return SubjectDescription(entry, void=False, decided_on=date(2026, 11, 2), subject=subject)

    renamed = known(alone(ONE, "旧会"), alone(ONE, "新会"))
    assert renamed.keys == {("name", "unincorporated_organization:新会")}
    still = known(alone(ONE, "旧会"), alone(OTHER, "旧会"), alone(ONE, "新会"))
    assert {number for _, number in still.keys} == {
        "unincorporated_organization:旧会",
        "unincorporated_organization:新会",
    }


@pytest.mark.parametrize(
    ("identifier", "keys"),
    [
        (
            {"scheme": "uscc", "number": build_uscc(1)},
            {("uscc", build_uscc(1)), ("org_code", build_org_code(1))},
        ),
        (
            {"scheme": "resident_id", "masked": "370403************", "key": "abc"},
            {("resident_id", "abc")},
        ),
    ],
    ids=["uscc", "person"],
)
def test_recorded_facts_give_the_keys_that_the_push_gave(
    identifier: dict[str, str], keys: set[tuple[str, str]]
) -> None:
    told = {"kind": "legal_person", "name": "甲", "identifiers": [identifier]}
    assert extract_lookup_keys(told) == keys
