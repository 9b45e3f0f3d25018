"""Within three working days what may not be public comes down (行政处罚法 Art 48)."""

from datetime import date, timedelta

import pytest

from app.calendar.notices import announced_years, statutory_years
from app.rules.calendar import Calendar
from app.rules.disclosure import Channel, Publication, on_show, overdue_since, take_down_by

YEARS = [*announced_years(), *statutory_years(2027, 2028)]
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
def test_it_comes_down_by_the_third_working_day(first: date, due: date) -> None:
    assert take_down_by(first, CALENDAR) == due


def test_the_last_day_is_a_working_day_with_two_others_before_it() -> None:
    for first in EVERY_DAY_OF_2026:
        due = take_down_by(first, CALENDAR)
        assert CALENDAR.is_working_day(due)
        assert CALENDAR.working_days_left(first, due) == 3


def test_what_is_overdue_since_is_the_latest_first_day_whose_time_is_over() -> None:
    for today in EVERY_DAY_OF_2026:
        around = [today - number * DAY for number in range(-3, 25)]
        over = [first for first in around if take_down_by(first, CALENDAR) < today]
        assert overdue_since(today, CALENDAR) == max(over), today


def test_overdue_and_due_divide_all_first_days_by_that_day() -> None:
    for today in EVERY_DAY_OF_2026[::5]:
        late = overdue_since(today, CALENDAR)
        for number in range(25):
            first = today - number * DAY
            overdue = take_down_by(first, CALENDAR) < today
            assert overdue is (first <= late), (today, first)


def test_an_entry_is_on_show_while_it_can_be_read_on_any_channel_required_or_not() -> None:
    site, city, enterprise = Channel
    never = Publication(required=True)
    shown = Publication(required=False, published_on=date(2026, 11, 2))
    taken = Publication(
        required=True, published_on=date(2026, 11, 2), withdrawn_on=date(2026, 11, 2)
    )
    assert not on_show({})
    assert not on_show({site: never, city: taken, enterprise: never})
    assert on_show({site: never, city: taken, enterprise: shown})
