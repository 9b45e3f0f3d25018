"""Identity: names and numbers by the valid decisions of a subject."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.rules.identity import Identity, SubjectDescription, derive_identity, extract_lookup_keys
from app.rules.law import SubjectKind
from tests.support.numbers import build_org_code, build_uscc

ONE, OTHER = uuid4(), uuid4()
CODE = {"scheme": "org_code", "number": build_org_code(1)}


def describe(
    entry: UUID, day: int, name: str = "甲公司", *numbers: dict[str, Any], void: bool = False
) -> SubjectDescription:
    subject = {"kind": "legal_person", "name": name, "identifiers": [*(numbers or (CODE,))]}
    return SubjectDescription(entry, void=void, decided_on=date(2026, 11, day), subject=subject)


def require_identity(*versions: SubjectDescription) -> Identity:
    identity = derive_identity(versions)
    assert identity is not None
    return identity


def test_without_a_valid_decision_there_is_no_identity() -> None:
    assert derive_identity([]) is None
    assert derive_identity([describe(ONE, 1), describe(ONE, 1, void=True)]) is None


def test_the_latest_decision_gives_the_name() -> None:
    late, early = describe(ONE, 9, "新名"), describe(OTHER, 2, "旧名")
    for order in ([late, early], [early, late]):
        identity = require_identity(*order)
        assert identity.name == ("新名", date(2026, 11, 9))
        assert identity.names.keys() == {"新名", "旧名"}
        assert identity.kind is SubjectKind.legal_person


def test_on_one_day_the_later_record_gives_the_name() -> None:
    first, second = describe(ONE, 2, "甲"), describe(OTHER, 2, "乙")
    assert require_identity(first, second).name.name == "乙"
    # A publication also makes a version, but gives no new name.
    assert require_identity(first, second, first).name.name == "乙"
    assert require_identity(first, second, describe(ONE, 2, "丙")).name.name == "丙"


def test_the_current_version_of_a_decision_counts() -> None:
    other = describe(OTHER, 5, "乙")
    assert require_identity(describe(ONE, 9, "甲"), other, describe(ONE, 2, "甲")).name.name == "乙"
    assert require_identity(describe(ONE, 2, "甲"), other, describe(ONE, 9, "甲")).name.name == "甲"
    corrected = require_identity(describe(ONE, 9, "错"), describe(ONE, 9, "对"))
    assert corrected.name.name == "对"
    assert corrected.names.keys() == {"错", "对"}


def test_a_void_entry_gives_no_numbers_and_names() -> None:
    number = {"scheme": "registration_no", "number": "110108000000016"}
    taught = [describe(ONE, 9, "错", CODE, number), describe(ONE, 9, "又错", CODE, number)]
    other = describe(OTHER, 2, "对")
    assert ("registration_no", "110108000000016") in require_identity(other, *taught).keys
    identity = require_identity(other, *taught, taught[-1]._replace(void=True))
    assert identity.keys == {("org_code", build_org_code(1))}
    assert identity.names.keys() == {"对"}
    assert identity.name.as_of == date(2026, 11, 2)


def test_a_subject_without_number_has_its_current_name() -> None:
    def alone(entry: UUID, name: str) -> SubjectDescription:
        subject = {"kind": "unincorporated_organization", "name": name}
        return SubjectDescription(entry, void=False, decided_on=date(2026, 11, 2), subject=subject)

    renamed = require_identity(alone(ONE, "旧会"), alone(ONE, "新会"))
    assert renamed.keys == {("name", "unincorporated_organization:新会")}
    still = require_identity(alone(ONE, "旧会"), alone(OTHER, "旧会"), alone(ONE, "新会"))
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
            {"scheme": "resident_id", "key": "abc"},
            {("resident_id", "abc")},
        ),
    ],
    ids=["uscc", "person"],
)
def test_recorded_facts_give_the_keys_of_the_push(
    identifier: dict[str, str], keys: set[tuple[str, str]]
) -> None:
    subject = {"kind": "legal_person", "name": "甲", "identifiers": [identifier]}
    assert extract_lookup_keys(subject) == keys
