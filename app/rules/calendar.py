"""Working days, and the clock of seven of them within which a decision is published.

The day of the decision is not counted (民法典 Art 201); 日 in the rules of 双公示 are working days
(国发〔2016〕33号); make-up Saturdays and Sundays are working days. The State Council announces each
year's days off late in the year before, so a path that leads into a year not yet announced is
counted by weekends and statutory holidays, and said to be provisional.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from app.rules.spans import ONE_DAY

DISCLOSURE_WORKING_DAYS = 7
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """What one year has besides plain weeks.

    Attributes:
        off_days: weekdays that are off; holidays on a weekend may be among them.
        working_days: the Saturdays and Sundays worked to make up for them.
        announced: the State Council has settled the year; else only the statute speaks.
        source: the notice, or the table it was taken from.
    """

    year: int
    off_days: frozenset[date]
    working_days: frozenset[date]
    announced: bool
    source: str


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day on which a decision is published in time."""

    decided_on: date
    deadline: date
    provisional: bool


class WorkingDayResult(NamedTuple):
    """Where a count of working days ends, and whether a year on the way is not yet announced."""

    day: date
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """The years that are known, at one version; every deadline names the version it came from."""

    years: Mapping[int, CalendarYear] = field(default_factory=dict)
    version: str = ""
    _last_day_cache: dict[tuple[date, int], date] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _deadline_cache: dict[date, Deadline] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def is_working_day(self, day: date) -> bool:
        """Tell whether offices work; in a year without any row the plain week decides."""
        year = self.years.get(day.year)
        if year is not None and day in year.off_days:
            return False
        return day.weekday() < SATURDAY or (year is not None and day in year.working_days)

    def is_announced(self, day: date) -> bool:
        """Tell whether the day lies in a year whose notice is loaded."""
        year = self.years.get(day.year)
        return year is not None and year.announced

    def add_working_days(self, start: date, count: int) -> WorkingDayResult:
        """Find the `count`-th working day after `start`, which is itself not counted.

        Raises:
            ValueError: `count` is below one, or the days run past the year 9999; whoever takes a
                day from outside bounds it well before that.
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
        """Set the clock of a decision: the seventh working day after it.

        Raises:
            ValueError: the decision is dated at the very end of the year 9999.
        """
        # The decisions of a file share their days, so each is counted once.
        cached = self._deadline_cache.get(decided_on)
        if cached is None:
            result = self.add_working_days(decided_on, DISCLOSURE_WORKING_DAYS)
            cached = Deadline(decided_on, result.day, result.provisional)
            self._deadline_cache[decided_on] = cached
        return cached

    def count_working_days_left(self, today: date, deadline: date) -> int:
        """Count the working days after today, the deadline's own included; 0 on it and after it."""
        return sum(map(self.is_working_day, _iterate_days(today, deadline)))

    def find_last_day_within(self, today: date, count: int) -> date:
        """Find the last day up to which at most `count` working days remain from today.

        The twin of `working_days_left` for queries: what is due from today up to this day has no
        more than `count` working days left.

        Raises:
            ValueError: as `add_working_days`.
        """
        # Asked for every entry of an export with the same day, so it is worked out once.
        key = (today, count)
        if key not in self._last_day_cache:
            self._last_day_cache[key] = self.add_working_days(today, count + 1).day - ONE_DAY
        return self._last_day_cache[key]


def find_changed_days(old: Calendar, new: Calendar) -> frozenset[date]:
    """Find the days that the two calendars count differently, or hold differently for settled."""
    return frozenset(
        day
        for year in old.years.keys() | new.years.keys()
        if old.years.get(year) != new.years.get(year)
        for day in _iterate_days(date(year, 1, 1), date(year, 12, 31), including_start=True)
        if _is_day_changed(day, old, new)
    )


def is_deadline_affected(decided_on: date, deadline: date, old: Calendar, new: Calendar) -> bool:
    """Tell whether a day between decision and deadline changed, so that it must be counted anew.

    Where none did, both calendars give the same deadline, provisional or not.
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
