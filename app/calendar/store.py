"""SQL of the calendar: years of days off, by calendar version."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from app.db.tables import CalendarVersion, CalendarYearRow, RegistryState
from app.rules.calendar import CalendarYear


def read_years(connection: Connection, version: int) -> dict[int, CalendarYear]:
    """Return the newest row of each year, up to a calendar version."""
    rows = connection.execute(
        select(CalendarYearRow)
        .where(CalendarYearRow.version <= version)
        .order_by(CalendarYearRow.version)
        .with_only_columns(*CalendarYearRow.__table__.columns)
    )
    # A newer row of a year comes later and replaces the older one.
    return {row.year: _build_year(row) for row in rows}


def _build_year(row: Any) -> CalendarYear:  # noqa: ANN401 - a row of calendar_years
    return CalendarYear(
        year=row.year,
        off_days=frozenset(date.fromisoformat(day) for day in row.off_days),
        working_days=frozenset(date.fromisoformat(day) for day in row.working_days),
        announced=row.announced,
        source=row.source,
    )


def add_version(
    connection: Connection, years: Iterable[CalendarYear], *, at: datetime, actor: str, note: str
) -> int:
    """Insert years as the next calendar version and make it the current one.

    Updating the state row blocks every writer that is about to take a sequence number. These
    writers then find that the calendar changed, and decide again.
    """
    version = connection.execute(
        update(RegistryState)
        .values(calendar_version=RegistryState.calendar_version + 1)
        .returning(RegistryState.calendar_version)
    ).scalar_one()
    connection.execute(
        insert(CalendarVersion).values(version=version, loaded_at=at, actor=actor, note=note)
    )
    connection.execute(
        insert(CalendarYearRow),
        [
            {
                "year": year.year,
                "version": version,
                "off_days": sorted(day.isoformat() for day in year.off_days),
                "working_days": sorted(day.isoformat() for day in year.working_days),
                "announced": year.announced,
                "source": year.source,
            }
            for year in years
        ],
    )
    return int(version)
