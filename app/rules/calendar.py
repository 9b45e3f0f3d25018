"""Working days, and the deadline of seven working days for publishing a decision.

The day of the decision does not count (民法典 Art 201). 日 in the rules of 双公示 are working days
(国发〔2016〕33号). Make-up Saturdays and Sundays are working days. The State Council announces the
days off of a year late in the year before. A count that reaches an unannounced year uses weekends
and statutory holidays, and its result is provisional.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from app.rules.law import Span

ONE_DAY = timedelta(days=1)
MAX_DATE = date(2199, 12, 31)
"""The last date that requests may send and that the registry writes."""


def add_span(day: date, span: Span) -> date:
    """Return the corresponding day a span later, or the last of the month where there is none."""
    return add_years(day, span.years, span.months)


# The decisions of one file share their days.
@lru_cache(maxsize=4096)
def add_years(day: date, years: int, months: int = 0) -> date:
    """Return the corresponding day years and months later, as `add_span` does."""
    return day + relativedelta(years=years, months=months)


DISCLOSURE_WORKING_DAYS = 7
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """The exceptions of one year from the plain week.

    Attributes:
        off_days: days off; holidays on a weekend may be among them.
        working_days: make-up Saturdays and Sundays.
        announced: True with a notice of the State Council, False with statutory holidays only.
        source: the notice or the table of origin.
    """

    year: int
    off_days: frozenset[date]
    working_days: frozenset[date]
    announced: bool
    source: str


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day for publishing a decision in time; provisional as in `WorkingDayResult`."""

    decided_on: date
    deadline: date
    provisional: bool


class WorkingDayResult(NamedTuple):
    """The last day of a count; provisional where the count reaches an unannounced year."""

    day: date
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """The years of one calendar version; every deadline names its version."""

    years: Mapping[int, CalendarYear] = field(default_factory=dict)
    version: str = ""
    _last_day_cache: dict[tuple[date, int], date] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _deadline_cache: dict[date, Deadline] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def is_working_day(self, day: date) -> bool:
        """Return True for a working day; a year without a row has plain weeks."""
        year = self.years.get(day.year)
        if year is not None and day in year.off_days:
            return False
        return day.weekday() < SATURDAY or (year is not None and day in year.working_days)

    def is_announced(self, day: date) -> bool:
        """Return True where the notice of the day's year is loaded."""
        year = self.years.get(day.year)
        return year is not None and year.announced

    def add_working_days(self, start: date, count: int) -> WorkingDayResult:
        """Return the `count`-th working day after `start`; `start` itself does not count.

        Raises:
            ValueError: `count` is below one, or the days run past the year 9999 (requests cannot
                send such dates).
        """
        if count < 1:
            raise ValueError("At least one working day is counted")
        announced = True
        for day in _iterate_days_after(start):
            announced = announced and self.is_announced(day)
            count -= self.is_working_day(day)
            if count == 0:
                return WorkingDayResult(day, not announced)
        raise ValueError("The working days run past the end of the calendar")

    def compute_deadline(self, decided_on: date) -> Deadline:
        """Return the deadline of a decision: the seventh working day after it.

        Raises:
            ValueError: the decision is dated at the very end of the year 9999.
        """
        # The decisions of one file share their days.
        cached = self._deadline_cache.get(decided_on)
        if cached is None:
            result = self.add_working_days(decided_on, DISCLOSURE_WORKING_DAYS)
            cached = Deadline(decided_on, result.day, result.provisional)
            self._deadline_cache[decided_on] = cached
        return cached

    def count_working_days_left(self, today: date, deadline: date) -> int:
        """Return the number of working days after today, up to and including the deadline."""
        return sum(map(self.is_working_day, _iterate_days(today, deadline)))

    def find_last_day_within(self, today: date, count: int) -> date:
        """Return the last day with at most `count` working days left from today.

        The counterpart of `count_working_days_left` for SQL: a deadline from today up to this day
        has at most `count` working days left.

        Raises:
            ValueError: as `add_working_days`.
        """
        # An export calls this for every entry with the same day.
        key = (today, count)
        if key not in self._last_day_cache:
            self._last_day_cache[key] = self.add_working_days(today, count + 1).day - ONE_DAY
        return self._last_day_cache[key]


def find_changed_days(old: Calendar, new: Calendar) -> frozenset[date]:
    """Return the days that are working or announced in only one of the two calendars."""
    return frozenset(
        day
        for year in old.years.keys() | new.years.keys()
        if old.years.get(year) != new.years.get(year)
        for day in _iterate_days(date(year, 1, 1), date(year, 12, 31), including_start=True)
        if _is_day_changed(day, old, new)
    )


def is_deadline_affected(decided_on: date, deadline: date, old: Calendar, new: Calendar) -> bool:
    """Return True where a day between decision and deadline changed.

    Otherwise both calendars give the same deadline with the same `provisional`.
    """
    return any(_is_day_changed(day, old, new) for day in _iterate_days(decided_on, deadline))


def _is_day_changed(day: date, old: Calendar, new: Calendar) -> bool:
    return old.is_working_day(day) != new.is_working_day(day) or (
        old.is_announced(day) != new.is_announced(day)
    )


def _iterate_days(start: date, end: date, *, including_start: bool = False) -> Iterator[date]:
    first = 0 if including_start else 1
    return (start + timedelta(days=days) for days in range(first, (end - start).days + 1))


def _iterate_days_after(start: date) -> Iterator[date]:
    return _iterate_days(start, date.max)
