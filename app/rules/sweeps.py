"""Rules of the meter that tells a search for personal numbers from the work of an office.

A key that asks about many numbers learns which of them are listed. Three measures limit this, each
by key and window of time (个人信息保护法 Art 6 and 51: no more than the purpose needs, and measures
against unauthorised access). A fourth one only raises an alarm: numbers that match nobody are the
usual case, because most people are on no list.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from app.rules.identifiers import Identifier, Scheme

MEMBER_LENGTH = 12
"""Characters of a member: 48 bits of a keyed digest, so that 200 of them never collide."""
BIRTH_DATE_SCHEMES = (Scheme.resident_id, Scheme.foreign_permanent_resident)
BIRTH_DATE_NUMBER_LENGTH = 18
BIRTH_MONTH_LENGTH = 12
"""Region (6 digits), year and month of birth in a personal number of 18 characters."""
OPEN_END_LENGTH = 4
"""Last characters that differ in a row of numbers without a birth date, such as passports."""


class SweepMeasure(StrEnum):
    """A quantity that the meter counts for each key."""

    other_name = "other_name"
    """Listed personal numbers that are asked under another name."""
    one_name = "one_name"
    """Different personal numbers that are asked under one name."""
    alike = "alike_numbers"
    """Different personal numbers that are alike up to the month of birth."""
    unmatched = "unmatched"
    """Personal numbers that match nobody: an alarm, never a refusal."""


REFUSED_MEASURES = (SweepMeasure.other_name, SweepMeasure.one_name, SweepMeasure.alike)
MEASURES_BY_HOUR = {SweepMeasure.other_name}
"""Measures of an hour; the others are measures of a day."""

Limits = Mapping[SweepMeasure, int]
"""The largest count of each measure that is no sweep."""


class Sighting(NamedTuple):
    """One personal number in one count, in keyed digests.

    Attributes:
        group: the key of the caller, with the name or the part of the number that is counted.
        member: the number; for `other_name` the number together with the name.
    """

    measure: SweepMeasure
    group: str
    member: str


class AskedNumber(NamedTuple):
    """One personal number of a request, with the counts that it belongs to."""

    sightings: Sequence[Sighting]
    is_unmatched: bool


def get_alike_part(identifier: Identifier) -> str:
    """Return the part of a personal number that all numbers of a row have in common.

    It ends with the month of birth. A number that shows no birth date lacks its last four
    characters.
    """
    number = identifier.number
    if identifier.scheme in BIRTH_DATE_SCHEMES and len(number) == BIRTH_DATE_NUMBER_LENGTH:
        return number[:BIRTH_MONTH_LENGTH]
    return number[:-OPEN_END_LENGTH]


def compute_window_end(measure: SweepMeasure, at: datetime, zone: tzinfo) -> datetime:
    """Return the end of the window that contains `at`: the full hour, or midnight of the zone."""
    local = at.astimezone(zone)
    if measure in MEASURES_BY_HOUR:
        return local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def list_distinct_members(members: str) -> list[str]:
    """Return the different members of a stored text, in the order in which they came."""
    starts = range(0, len(members), MEMBER_LENGTH)
    return list(dict.fromkeys(members[start : start + MEMBER_LENGTH] for start in starts))


def is_past_limit(members: str, member: str, limit: int) -> bool:
    """Return True if more than `limit` different members had come when this one came first."""
    if len(members) <= limit * MEMBER_LENGTH:
        return False
    return member not in list_distinct_members(members)[:limit]


def find_passed_measure(
    numbers: Sequence[AskedNumber], members_by_group: Mapping[str, str], limits: Limits
) -> SweepMeasure | None:
    """Return the first measure of which a number is past the limit; None if none is.

    `members_by_group` holds the members of each group of the window in the order in which they
    came, the ones of `numbers` included.
    """
    for number in numbers:
        for measure, group, member in number.sightings:
            if is_past_limit(members_by_group[group], member, limits[measure]):
                return measure
    return None
