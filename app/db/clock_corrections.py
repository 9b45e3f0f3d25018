"""Corrections of instants that a wrong clock recorded, and the numbers known at an instant."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, insert, select

from app.db.tables import CalendarVersion, CatalogueVersion, ClockCorrection


class Series(StrEnum):
    """A series of numbers, each with the instant at which it was recorded."""

    changes = "changes"
    catalogue = "catalogue"
    calendar = "calendar"


class InstantCorrection(NamedTuple):
    """The right instants of consecutive numbers; see `ClockCorrection`."""

    first_number: int
    last_number: int
    wrong_from: datetime
    right_from: datetime
    right_until: datetime

    def correct_instant(self, instant: datetime) -> datetime:
        """Return the right instant for an instant that the wrong clock recorded."""
        moved = self.right_from + (instant - self.wrong_from)
        return min(max(moved, self.right_from), self.right_until)


class NumberRange(NamedTuple):
    """Consecutive numbers, and the recorded instant up to which they were known; None is all."""

    first: int
    last: int | None
    recorded_until: datetime | None


def add_correction(
    connection: Connection,
    series: Series,
    correction: InstantCorrection,
    *,
    now: datetime,
    actor: str,
    reason: str,
) -> None:
    """Insert a correction."""
    connection.execute(
        insert(ClockCorrection).values(
            series=series, **correction._asdict(), recorded_at=now, actor=actor, reason=reason
        )
    )


def read_corrections(connection: Connection, series: Series) -> list[InstantCorrection]:
    """Read the corrections of a series, the newest numbers first."""
    columns = [getattr(ClockCorrection, name) for name in InstantCorrection._fields]
    rows = connection.execute(
        select(*columns)
        .where(ClockCorrection.series == series)
        .order_by(ClockCorrection.first_number.desc())
    )
    return [InstantCorrection._make(row) for row in rows]


def build_known_ranges(
    corrections: Sequence[InstantCorrection], instant: datetime
) -> Iterator[NumberRange]:
    """Yield the ranges that may hold the newest number known at an instant, newest first.

    Inside one range the recorded instants never decrease.
    """
    last: int | None = None
    for item in corrections:
        yield NumberRange(item.last_number + 1, last, instant)
        if instant >= item.right_until:
            yield NumberRange(item.first_number, item.last_number, None)
        elif instant >= item.right_from:
            recorded_until = item.wrong_from + (instant - item.right_from)
            yield NumberRange(item.first_number, item.last_number, recorded_until)
        last = item.first_number - 1
    yield NumberRange(1, last, instant)


def build_range_conditions(
    found: NumberRange,
    number: Any,  # noqa: ANN401 - a mapped column
    recorded_at: Any,  # noqa: ANN401 - a mapped column
) -> list[ColumnElement[bool]]:
    """Build the conditions of a range; one without bounds has only its instant."""
    conditions: list[ColumnElement[bool]] = []
    if found.first > 1:
        conditions.append(number >= found.first)
    if found.last is not None:
        conditions.append(number <= found.last)
    if found.recorded_until is not None:
        conditions.append(recorded_at <= found.recorded_until)
    return conditions


def find_law_versions_at(connection: Connection, instant: datetime) -> tuple[int, int]:
    """Find the catalogue and calendar versions in use at an instant; the first ones before that."""
    return (
        _find_version_at(connection, Series.catalogue, CatalogueVersion, instant),
        _find_version_at(connection, Series.calendar, CalendarVersion, instant),
    )


def _find_version_at(
    connection: Connection,
    series: Series,
    table: type[CatalogueVersion] | type[CalendarVersion],
    instant: datetime,
) -> int:
    for found in build_known_ranges(read_corrections(connection, series), instant):
        version = connection.scalar(
            select(table.version)
            .where(*build_range_conditions(found, table.version, table.loaded_at))
            .order_by(table.version.desc())
            .limit(1)
        )
        if version is not None:
            return version
    return 1
