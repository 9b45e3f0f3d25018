import json
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import chinese_calendar
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from app.calendar.notices import CalendarNotice, build_statutory_years, read_announced_years
from app.rules.calendar import (
    DISCLOSURE_WORKING_DAYS,
    Calendar,
    CalendarYear,
    find_changed_days,
    is_deadline_affected,
)

ONE_DAY = timedelta(days=1)
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "deadlines.json").read_text(encoding="utf-8")
)
# The tests use the state at the end of 2026, also with a newer table.
PAST = [year for year in read_announced_years() if year.year <= 2026]
SHIPPED = Calendar({year.year: year for year in [*PAST, *build_statutory_years(2027, 2031)]}, "1")
NOTICE_2027: dict[str, Any] = {
    "year": 2027,
    # Invented for the tests; the real notice is not announced yet.
    "off_days": [
        *("2027-01-01", "2027-02-05", "2027-02-08", "2027-02-09", "2027-02-10", "2027-02-11"),
        *("2027-04-05", "2027-05-03", "2027-05-04", "2027-06-09", "2027-09-15"),
        *("2027-10-01", "2027-10-04", "2027-10-05", "2027-10-06", "2027-10-07"),
    ],
    "working_days": ["2027-02-14", "2027-10-10"],
    "source": "a notice for tests",
}
AMENDED = Calendar(
    {**SHIPPED.years, 2027: CalendarNotice.model_validate(NOTICE_2027).to_calendar_year()}, "2"
)
DAYS = some.dates(date(2004, 1, 1), date(2032, 12, 31))


def path(start: date, end: date) -> list[date]:
    return [start + timedelta(days=days) for days in range(1, (end - start).days + 1)]


def notice_with(**changes: object) -> CalendarNotice:
    return CalendarNotice.model_validate({**NOTICE_2027, **changes})


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["decided_on"])
def test_deadlines_of_the_test_vectors(case: dict[str, str]) -> None:
    deadline = SHIPPED.compute_deadline(date.fromisoformat(case["decided_on"]))
    assert deadline.deadline == date.fromisoformat(case["deadline"])
    assert deadline.decided_on == date.fromisoformat(case["decided_on"])
    assert not deadline.provisional


def test_a_count_into_an_unannounced_year_is_provisional() -> None:
    assert not SHIPPED.compute_deadline(date(2026, 12, 22)).provisional
    provisional = SHIPPED.compute_deadline(date(2026, 12, 23))
    assert provisional.provisional
    assert provisional.deadline == date(2027, 1, 4)


@given(DAYS)
def test_a_deadline_is_the_seventh_working_day(decided_on: date) -> None:
    deadline = SHIPPED.compute_deadline(decided_on).deadline
    assert SHIPPED.is_working_day(deadline)
    assert sum(map(SHIPPED.is_working_day, path(decided_on, deadline))) == 7
    assert SHIPPED.count_working_days_left(decided_on, deadline) == DISCLOSURE_WORKING_DAYS == 7


@given(DAYS)
def test_a_later_decision_never_has_an_earlier_deadline(decided_on: date) -> None:
    assert (
        SHIPPED.compute_deadline(decided_on).deadline
        <= SHIPPED.compute_deadline(decided_on + ONE_DAY).deadline
    )


@given(DAYS)
def test_only_unannounced_years_make_a_deadline_provisional(
    decided_on: date,
) -> None:
    found = SHIPPED.compute_deadline(decided_on)
    announced = all(map(SHIPPED.is_announced, path(decided_on, found.deadline)))
    assert found.provisional is not announced


def test_the_decision_day_itself_may_lie_in_an_unannounced_year() -> None:
    # Only the days after it are counted.
    only_2026 = Calendar({2026: SHIPPED.years[2026]})
    assert not only_2026.compute_deadline(date(2025, 12, 31)).provisional
    assert only_2026.compute_deadline(date(2025, 12, 30)).provisional


@given(DAYS)
def test_working_days_equal_the_published_table(day: date) -> None:
    if day.year <= 2026:
        assert SHIPPED.is_working_day(day) == chinese_calendar.is_workday(day)


def test_a_year_without_a_row_has_plain_weeks() -> None:
    empty = Calendar()
    assert empty.is_working_day(date(2026, 10, 1))
    assert not empty.is_working_day(date(2026, 10, 3))
    assert not empty.is_announced(date(2026, 10, 1))
    assert empty.compute_deadline(date(2026, 10, 1)).provisional


@given(DAYS, some.integers(1, 30))
def test_working_days_add_up(start: date, count: int) -> None:
    day = start
    for _ in range(count):
        day = SHIPPED.add_working_days(day, 1).day
    assert SHIPPED.add_working_days(start, count).day == day


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="At least one"):
        SHIPPED.add_working_days(date(2026, 1, 1), count)


@pytest.mark.parametrize("decided_on", [date.max, date(9999, 12, 30), date(9999, 12, 23)])
def test_a_count_beyond_the_year_9999_is_a_value_error(decided_on: date) -> None:
    with pytest.raises(ValueError, match="past the end"):
        SHIPPED.compute_deadline(decided_on)


def test_the_first_and_almost_the_last_date_have_a_deadline() -> None:
    assert Calendar().compute_deadline(date.min).deadline == date(1, 1, 10)
    assert Calendar().compute_deadline(date(9999, 12, 22)).deadline == date.max


def test_no_working_day_is_left_on_the_last_day_and_after_it() -> None:
    deadline = date(2026, 3, 2)
    assert SHIPPED.count_working_days_left(deadline, deadline) == 0
    assert SHIPPED.count_working_days_left(deadline + ONE_DAY, deadline) == 0
    assert SHIPPED.count_working_days_left(date.max, deadline) == 0
    # 2026-02-28 is a make-up Saturday.
    assert SHIPPED.count_working_days_left(date(2026, 2, 27), deadline) == 2


@given(DAYS, some.integers(0, 8), some.integers(0, 40))
def test_last_day_within_agrees_with_working_days_left(today: date, count: int, ahead: int) -> None:
    deadline = today + timedelta(days=ahead)
    near = SHIPPED.count_working_days_left(today, deadline) <= count
    assert near is (deadline <= SHIPPED.find_last_day_within(today, count))


def test_an_announcement_changes_all_days_of_its_year() -> None:
    changed = find_changed_days(SHIPPED, AMENDED)
    assert len(changed) == 365
    assert {day.year for day in changed} == {2027}
    assert changed == find_changed_days(AMENDED, SHIPPED)


def test_an_amendment_changes_only_the_amended_days() -> None:
    earlier = AMENDED.years[2027]
    amended = CalendarYear(
        2027, earlier.off_days | {date(2027, 3, 1)}, earlier.working_days, True, "amended"  # noqa: FBT003
    )  # fmt: skip
    assert find_changed_days(AMENDED, Calendar({**AMENDED.years, 2027: amended})) == {
        date(2027, 3, 1)
    }


def test_another_source_or_version_alone_changes_nothing() -> None:
    earlier = AMENDED.years[2027]
    renamed = CalendarYear(2027, earlier.off_days, earlier.working_days, True, "renamed")  # noqa: FBT003
    assert not find_changed_days(AMENDED, Calendar({**AMENDED.years, 2027: renamed}, "3"))


@given(some.dates(date(2026, 10, 1), date(2028, 3, 1)))
def test_only_changed_days_before_a_deadline_affect_it(decided_on: date) -> None:
    changed = find_changed_days(SHIPPED, AMENDED)
    deadline = SHIPPED.compute_deadline(decided_on).deadline
    expected = not changed.isdisjoint(path(decided_on, deadline))
    assert is_deadline_affected(decided_on, deadline, SHIPPED, AMENDED) is expected


@given(some.dates(date(2026, 10, 1), date(2028, 3, 1)))
def test_an_unaffected_deadline_stays_the_same(decided_on: date) -> None:
    before = SHIPPED.compute_deadline(decided_on)
    if not is_deadline_affected(decided_on, before.deadline, SHIPPED, AMENDED):
        assert AMENDED.compute_deadline(decided_on) == before


def test_the_shipped_years_are_announced_and_name_their_notices() -> None:
    years = {year.year: year for year in read_announced_years()}
    assert sorted(years) == list(range(2004, max(years) + 1))
    assert max(years) >= 2026
    assert all(year.announced for year in years.values())
    assert "国办发明电〔2025〕7号" in years[2026].source
    assert "2024-11-12" in years[2025].source
    assert years[2004].source == f"chinesecalendar {version('chinesecalendar')}"
    assert all(day.weekday() >= 5 for year in years.values() for day in year.working_days)


def test_the_shipped_year_2026_is_the_notice() -> None:
    year = SHIPPED.years[2026]
    assert year.working_days == {
        *(date(2026, 1, 4), date(2026, 2, 14), date(2026, 2, 28)),
        *(date(2026, 5, 9), date(2026, 9, 20), date(2026, 10, 10)),
    }
    assert {date(2026, 2, 15) + timedelta(days=days) for days in range(9)} <= year.off_days


def test_later_years_have_only_statutory_holidays() -> None:
    (year,) = build_statutory_years(2027, 2027)
    assert not year.announced
    assert not year.working_days
    assert sorted(year.off_days) == [
        date(2027, 1, 1),
        *(date(2027, 2, 5), date(2027, 2, 6), date(2027, 2, 7), date(2027, 2, 8)),
        date(2027, 4, 5),
        *(date(2027, 5, 1), date(2027, 5, 2)),
        date(2027, 6, 9),
        date(2027, 9, 15),
        *(date(2027, 10, 1), date(2027, 10, 2), date(2027, 10, 3)),
    ]


def test_later_years_have_twelve_or_thirteen_statutory_days() -> None:
    for year in build_statutory_years(2027, 2100):
        assert len(year.off_days) in {12, 13}, year.year


def test_statutory_days_of_an_announced_year_are_all_off_in_it() -> None:
    for year in build_statutory_years(2025, 2026):
        assert year.off_days < SHIPPED.years[year.year].off_days
        assert len(year.off_days) == 13


def test_years_without_a_lunar_calendar_are_left_out() -> None:
    assert build_statutory_years(2101, 2105) == []


def test_a_notice_reads_the_same_from_json_and_from_yaml() -> None:
    from_json = CalendarNotice.model_validate_json(json.dumps(NOTICE_2027))
    days = NOTICE_2027["off_days"]
    unquoted = f"year: 2027\nsource: a notice for tests\noff_days: [{', '.join(days)}]\n"
    from_yaml = CalendarNotice.model_validate(
        yaml.safe_load(unquoted + "working_days: [2027-02-14, 2027-10-10]")
    )
    assert from_yaml == from_json
    assert from_json.to_calendar_year().announced
    assert from_json.to_calendar_year().source == "a notice for tests"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"working_days": ["2027-02-14", "2026-12-26"]}, "2026-12-26: not in 2027"),
        ({"off_days": [*NOTICE_2027["off_days"], "2028-01-03"]}, "2028-01-03: not in 2027"),
        (
            {"off_days": [*NOTICE_2027["off_days"], "2027-02-14"]},
            "2027-02-14: both off and worked",
        ),
        ({"working_days": ["2027-02-15"]}, "2027-02-15: no Saturday or Sunday"),
        ({"working_days": ["2027-10-02"]}, "2027-10-02: a holiday by law"),
        ({"off_days": ["2027-01-01"]}, "2027-10-01: a holiday by law"),
        ({"off_days": [20270101]}, 'written as "2027-02-05"'),
        ({"off_days": ["2027-02-30"]}, "off_days"),
        ({"source": ""}, "source"),
        ({"year": 1927}, "year"),
        ({"workdays": []}, "workdays"),
    ],
)
def test_a_faulty_notice_is_refused_with_day_and_reason(
    changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        notice_with(**changes)
    assert expected in str(caught.value)
