"""Sources of calendar years: shipped notices, statutory holidays of later years, notice files.

The chinesecalendar package has the years that the State Council announced. For later years the
holidays package has the statutory holidays by the lunar calendar. Its substitute days for holidays
on a weekend are not used, because only the notice fixes them. So a provisional deadline is too
early rather than too late.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Annotated, Self

import chinese_calendar
import holidays
import yaml
from chinese_calendar import constants
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.calendar import SATURDAY, CalendarYear

NOTICE_SOURCES: Mapping[int, str] = {
    2025: "国务院办公厅关于2025年部分节假日安排的通知 国办发明电〔2024〕12号 (2024-11-12)",
    2026: "国务院办公厅关于2026年部分节假日安排的通知 国办发明电〔2025〕7号 (2025-11-04)",
}
STATUTE_SOURCE = "全国年节及纪念日放假办法 (2024-11-10), holidays {}"
FIXED_HOLIDAYS = ((1, 1), (5, 1), (10, 1), (10, 2), (10, 3))
"""The same days in every year; other holidays follow the moon and the solar terms."""


def read_announced_years() -> list[CalendarYear]:
    """Return the announced years that ship with the registry, from 2004 on."""
    table = f"chinesecalendar {chinese_calendar.__version__}"
    return [
        CalendarYear(
            year=year,
            off_days=frozenset(day for day in constants.holidays if day.year == year),
            working_days=frozenset(day for day in constants.workdays if day.year == year),
            announced=True,
            source=NOTICE_SOURCES.get(year, table),
        )
        for year in sorted({day.year for day in constants.holidays})
        # A notice may cover some days of the next January; these do not make a year.
        if date(year, 10, 1) in constants.holidays
    ]


def build_statutory_years(first: int, last: int) -> list[CalendarYear]:
    """Return unannounced years with their statutory holidays, without make-up working days.

    Years after 2100 are left out, because the package has no lunar calendar for them.
    """
    years = {year: _find_statutory_days(year) for year in range(first, last + 1)}
    return [
        CalendarYear(
            year=year,
            off_days=days,
            working_days=frozenset(),
            announced=False,
            source=STATUTE_SOURCE.format(version("holidays")),
        )
        for year, days in years.items()
        if days
    ]


def _find_statutory_days(year: int) -> frozenset[date]:
    found = holidays.country_holidays("CN", years=year, observed=False, language="en_US")
    # For announced years the package also contains days that a notice moved.
    return frozenset(day for day, name in found.items() if not name.startswith("Day off"))


def _require_day_text(value: object) -> object:
    # Pydantic reads a number as seconds since 1970.
    if isinstance(value, str | date):
        return value
    raise ValueError('A day is written as "2027-02-05"')


NoticeDay = Annotated[date, BeforeValidator(_require_day_text)]


class CalendarNotice(BaseModel):
    """The notice of one year in a file of `redblack calendar load`; it replaces the whole year.

    `off_days` are all days off except plain weekends, `working_days` the make-up weekend days.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    year: int = Field(ge=2000, le=2100)
    off_days: frozenset[NoticeDay]
    working_days: frozenset[NoticeDay] = frozenset()
    source: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _validate_consistency(self) -> Self:
        found = (
            self._find_days_outside_year(),
            self._find_contradictions(),
            self._find_weekday_working_days(),
            self._find_missing_holidays(),
        )
        if faults := [fault for fault in found if fault]:
            raise ValueError("; ".join(faults))
        return self

    def _find_days_outside_year(self) -> str:
        days = (day for day in chain(self.off_days, self.working_days) if day.year != self.year)
        # A notice may also move days of the December before; these belong to that year.
        return _format_fault(
            days, f"not in {self.year} (amend the other year with a file of its own)"
        )

    def _find_contradictions(self) -> str:
        return _format_fault(self.off_days & self.working_days, "both off and worked")

    def _find_weekday_working_days(self) -> str:
        days = (day for day in self.working_days if day.weekday() < SATURDAY)
        return _format_fault(days, "no Saturday or Sunday (working_days holds make-up days only)")

    def _find_missing_holidays(self) -> str:
        statutory = (date(self.year, month, day) for month, day in FIXED_HOLIDAYS)
        days = (
            day
            for day in statutory
            if day in self.working_days or (day.weekday() < SATURDAY and day not in self.off_days)
        )
        return _format_fault(
            days, "a holiday by law, missing from off_days (the file is a whole year)"
        )

    def to_calendar_year(self) -> CalendarYear:
        """Return the announced year."""
        return CalendarYear(
            year=self.year,
            off_days=self.off_days,
            working_days=self.working_days,
            announced=True,
            source=self.source,
        )


def _format_fault(days: Iterable[date], fault: str) -> str:
    found = ", ".join(day.isoformat() for day in sorted(days))
    return f"{found}: {fault}" if found else ""


def read_calendar_notice(path: Path) -> CalendarYear:
    """Read a year's notice from a YAML or JSON file.

    Raises:
        InvalidPayload: the file cannot be read, or does not describe a year; all faults are given.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # ValueError: not UTF-8, or a day that does not exist, such as 2027-02-30.
        raise InvalidPayload(
            Sentence(
                f"{path} cannot be read as YAML, or holds a day that does not exist",
                f"{path} 不是有效的 YAML 文件，或含有不存在的日期",
            )
        ) from error
    try:
        return CalendarNotice.model_validate(document).to_calendar_year()
    except ValidationError as wrong:
        found = wrong.errors(include_input=False, include_url=False)
        raise InvalidPayload(
            faults=[
                Fault(
                    "/" + "/".join(map(str, item["loc"])),
                    ProblemCode.invalid_notice,
                    Sentence(item["msg"], item["msg"]),
                )
                for item in found
            ]
        ) from wrong
