"""Sex and age of natural persons, shown only where a law publishes them."""

from datetime import date

import pytest

from app.catalogue.loading.files import read_shipped_sections
from app.rules.identifiers import Sex
from app.rules.law import ListKind, ListType, NamesakeField, SubjectKind
from app.rules.namesakes import NO_DETAILS, compute_age, determine_namesake_details

LAW = "某规定第六条"
BOTH = (NamesakeField.sex, NamesakeField.age)


def build_list_type(fields: tuple[NamesakeField, ...], law: str | None = LAW) -> ListType:
    return ListType(
        code="a.black",
        domain="a",
        kind=ListKind.black,
        name="甲",
        issuers=(),
        subject_kinds=(SubjectKind.natural_person,),
        namesake_fields=fields,
        namesake_reference=law,
    )


@pytest.mark.parametrize(
    ("fields", "law", "kind", "expected"),
    [
        (BOTH, LAW, SubjectKind.natural_person, (Sex.male, 41)),
        (BOTH[:1], LAW, SubjectKind.natural_person, (Sex.male, None)),
        (BOTH[1:], LAW, SubjectKind.natural_person, (None, 41)),
        ((), LAW, SubjectKind.natural_person, NO_DETAILS),
        (BOTH, None, SubjectKind.natural_person, NO_DETAILS),
        (BOTH, LAW, SubjectKind.individual_business, NO_DETAILS),
    ],
)
def test_a_list_type_publishes_the_fields_that_its_law_names(
    fields: tuple[NamesakeField, ...], law: str | None, kind: SubjectKind, expected: object
) -> None:
    found = determine_namesake_details(
        build_list_type(fields, law),
        kind,
        sex=Sex.male,
        birth_date=date(1985, 6, 12),
        decided_on=date(2026, 11, 20),
    )
    assert found == expected


def test_an_age_is_in_full_years() -> None:
    birth_date = date(1985, 6, 12)
    assert compute_age(birth_date, date(2026, 6, 11)) == 40
    assert compute_age(birth_date, date(2026, 6, 12)) == 41
    assert compute_age(date(2000, 2, 29), date(2026, 3, 1)) == 26


def test_every_shipped_list_type_with_such_fields_names_the_law() -> None:
    publishing = [item for item in read_shipped_sections()["list_types"] if item.namesake_fields]
    assert [item.code for item in publishing] == ["judgment_defaulting.black"]
    assert all(item.namesake_reference and item.publishes_natural_persons for item in publishing)
