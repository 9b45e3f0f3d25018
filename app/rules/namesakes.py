"""Sex and age of a natural person, which some laws publish to tell namesakes apart."""

from datetime import date
from typing import NamedTuple

from app.rules.calendar import add_years
from app.rules.identifiers import Sex
from app.rules.law import ListType, NamesakeField, SubjectKind


class NamesakeDetails(NamedTuple):
    """Sex and age as an entry shows them; None where the list type does not publish them.

    `age` is in full years on the day of the decision, so it does not change from day to day.
    """

    sex: Sex | None = None
    age: int | None = None


NO_DETAILS = NamesakeDetails()


def determine_namesake_details(
    list_type: ListType,
    kind: SubjectKind,
    *,
    sex: Sex | None,
    birth_date: date | None,
    decided_on: date,
) -> NamesakeDetails:
    """Return sex and age as far as the list type publishes them by a law that it names."""
    if kind is not SubjectKind.natural_person or not list_type.namesake_reference:
        return NO_DETAILS
    fields = list_type.namesake_fields
    return NamesakeDetails(
        sex if NamesakeField.sex in fields else None,
        compute_age(birth_date, decided_on)
        if NamesakeField.age in fields and birth_date is not None
        else None,
    )


def compute_age(birth_date: date, day: date) -> int:
    """Return the age in full years on a day."""
    age = day.year - birth_date.year
    return age if add_years(birth_date, age) <= day else age - 1
