from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.rules.identifiers import Identifier, Scheme, parse_identifier
from app.rules.sweeps import (
    AskedNumber,
    Sighting,
    SweepMeasure,
    compute_window_end,
    find_passed_measure,
    get_alike_part,
    is_past_limit,
    list_distinct_members,
)
from tests.support.numbers import build_resident_id

SHANGHAI = timezone(timedelta(hours=8))
LIMITS = {
    SweepMeasure.other_name: 1,
    SweepMeasure.one_name: 2,
    SweepMeasure.alike: 3,
    SweepMeasure.unmatched: 4,
}


def member(serial: int) -> str:
    return f"{serial:012d}"


class TestAlikePart:
    def test_a_resident_id_is_alike_up_to_the_month_of_birth(self) -> None:
        number = build_resident_id(7, date(1985, 6, 12))
        identifier = parse_identifier(Scheme.resident_id, number, today=date(2026, 1, 1))
        assert get_alike_part(identifier) == "370403198506"
        same_month = build_resident_id(9, date(1985, 6, 30))
        assert get_alike_part(Identifier(Scheme.resident_id, same_month)) == "370403198506"
        next_month = build_resident_id(9, date(1985, 7, 1))
        assert get_alike_part(Identifier(Scheme.resident_id, next_month)) == "370403198507"

    @pytest.mark.parametrize(
        ("scheme", "number", "alike_part"),
        [
            (Scheme.passport, "E12345678", "E1234"),
            (Scheme.hk_macao_permit, "H12345678", "H1234"),
            (Scheme.taiwan_permit, "12345678", "1234"),
            (Scheme.foreign_permanent_resident, "CAN110099010112", "CAN11009901"),
        ],
    )
    def test_other_numbers_are_alike_up_to_their_last_four_characters(
        self, scheme: Scheme, number: str, alike_part: str
    ) -> None:
        assert get_alike_part(Identifier(scheme, number)) == alike_part


@pytest.mark.parametrize(
    ("measure", "at", "end"),
    [
        (SweepMeasure.other_name, "2026-11-22T02:00:00", "2026-11-22T03:00:00"),
        (SweepMeasure.other_name, "2026-11-22T02:59:59", "2026-11-22T03:00:00"),
        (SweepMeasure.other_name, "2026-11-22T15:30:00", "2026-11-22T16:00:00"),
        (SweepMeasure.one_name, "2026-11-22T15:59:59", "2026-11-22T16:00:00"),
        (SweepMeasure.alike, "2026-11-22T16:00:00", "2026-11-23T16:00:00"),
        (SweepMeasure.unmatched, "2026-11-22T02:00:00", "2026-11-22T16:00:00"),
    ],
)
def test_windows_are_full_hours_and_civil_days(measure: SweepMeasure, at: str, end: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert compute_window_end(measure, instant, SHANGHAI) == expected


def test_members_count_once_in_their_order() -> None:
    members = member(1) + member(2) + member(1) + member(3)
    assert list_distinct_members(members) == [member(1), member(2), member(3)]
    assert not is_past_limit(members, member(2), 2)
    assert is_past_limit(members, member(3), 2)
    assert not is_past_limit(members, member(3), 3)
    assert is_past_limit(member(1), member(1), 0)


def test_the_first_measure_past_its_limit_is_found() -> None:
    members = {"name": member(1) + member(2) + member(3), "alike": member(3), "other": member(9)}

    def ask(serial: int, *, other: int | None = None) -> AskedNumber:
        sightings = [
            Sighting(SweepMeasure.one_name, "name", member(serial)),
            Sighting(SweepMeasure.alike, "alike", member(serial)),
        ]
        if other is not None:
            sightings.append(Sighting(SweepMeasure.other_name, "other", member(other)))
        return AskedNumber(sightings, is_unmatched=False)

    assert find_passed_measure([], members, LIMITS) is None
    assert find_passed_measure([ask(1), ask(2)], members, LIMITS) is None
    assert find_passed_measure([ask(1, other=9)], members, LIMITS) is None
    assert find_passed_measure([ask(1), ask(3)], members, LIMITS) is SweepMeasure.one_name
    members["other"] += member(8)
    assert find_passed_measure([ask(1, other=8)], members, LIMITS) is SweepMeasure.other_name
