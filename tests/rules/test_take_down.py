"""Take-down within three working days (行政处罚法 Art 48)."""

from datetime import date, timedelta

import pytest

from app.calendar.notices import build_statutory_years, read_announced_years
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    Channel,
    ChannelPublication,
    compute_take_down_deadline,
    find_latest_overdue_first_day,
    is_published_on_any_channel,
)

YEARS = [*read_announced_years(), *build_statutory_years(2027, 2028)]
CALENDAR = Calendar({year.year: year for year in YEARS}, "1")
DAY = timedelta(days=1)
EVERY_DAY_OF_2026 = [date(2026, 1, 1) + number * DAY for number in range(365)]


@pytest.mark.parametrize(
    ("first", "due"),
    [
        (date(2026, 11, 22), date(2026, 11, 25)),  # a Sunday
        (date(2026, 11, 20), date(2026, 11, 25)),  # a Friday
        (date(2026, 9, 29), date(2026, 10, 9)),  # the holiday begins on the 1st
        (date(2026, 9, 30), date(2026, 10, 10)),  # a worked Saturday
        (date(2026, 10, 3), date(2026, 10, 10)),  # within the holiday
        (date(2026, 2, 13), date(2026, 2, 25)),  # a worked Saturday, then the Spring Festival
        (date(2026, 12, 31), date(2027, 1, 6)),  # into the year that is not announced yet
    ],
)
def test_the_deadline_is_the_third_working_day(first: date, due: date) -> None:
    assert compute_take_down_deadline(first, CALENDAR) == due


def test_the_deadline_has_two_working_days_before_it() -> None:
    for first in EVERY_DAY_OF_2026:
        due = compute_take_down_deadline(first, CALENDAR)
        assert CALENDAR.is_working_day(due)
        assert CALENDAR.count_working_days_left(first, due) == 3


def test_the_latest_overdue_first_day_is_overdue() -> None:
    for today in EVERY_DAY_OF_2026:
        around = [today - number * DAY for number in range(-3, 25)]
        over = [first for first in around if compute_take_down_deadline(first, CALENDAR) < today]
        assert find_latest_overdue_first_day(today, CALENDAR) == max(over), today


def test_later_first_days_are_not_overdue() -> None:
    for today in EVERY_DAY_OF_2026[::5]:
        late = find_latest_overdue_first_day(today, CALENDAR)
        for number in range(25):
            first = today - number * DAY
            overdue = compute_take_down_deadline(first, CALENDAR) < today
            assert overdue is (first <= late), (today, first)


def test_an_entry_is_public_while_it_is_on_any_channel() -> None:
    site, city, enterprise = Channel
    never = ChannelPublication(required=True)
    shown = ChannelPublication(required=False, published_on=date(2026, 11, 2))
    taken = ChannelPublication(
        required=True, published_on=date(2026, 11, 2), withdrawn_on=date(2026, 11, 2)
    )
    assert not is_published_on_any_channel({})
    assert not is_published_on_any_channel({site: never, city: taken, enterprise: never})
    assert is_published_on_any_channel({site: never, city: taken, enterprise: shown})
