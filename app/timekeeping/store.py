"""SQL of repairs after a wrong clock: numbers with wrong instants, and the entries concerned."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Subquery, func, select, union_all

from app.db.clock_corrections import Series, read_corrections
from app.db.tables import CalendarVersion, CatalogueVersion, EntryStatusChange, EntryVersion


class WrongNumbers(NamedTuple):
    """Consecutive numbers of a series with wrong instants: the first and the last of both."""

    first_number: int
    last_number: int
    wrong_from: datetime
    wrong_until: datetime


def find_numbers_after(connection: Connection, instant: datetime) -> dict[Series, WrongNumbers]:
    """Find the numbers of each series that were recorded after an instant, without correction."""
    found = {}
    for series in Series:
        last_corrected = max(
            (item.last_number for item in read_corrections(connection, series)), default=0
        )
        numbers = _select_numbers(series)
        first = connection.scalar(
            select(func.min(numbers.c.number)).where(
                numbers.c.instant > instant, numbers.c.number > last_corrected
            )
        )
        if first is not None:
            found[series] = read_numbers(connection, series, first, None)
    return found


def read_numbers(
    connection: Connection, series: Series, first: int, last: int | None
) -> WrongNumbers:
    """Read the instants of the numbers from the first to the last; None is the newest."""
    numbers = _select_numbers(series)
    ordered = select(numbers.c.number, numbers.c.instant).where(numbers.c.number >= first)
    if last is not None:
        ordered = ordered.where(numbers.c.number <= last)
    oldest = connection.execute(ordered.order_by(numbers.c.number).limit(1)).one()
    newest = connection.execute(ordered.order_by(numbers.c.number.desc()).limit(1)).one()
    return WrongNumbers(oldest.number, newest.number, oldest.instant, newest.instant)


def find_law_numbers_between(
    connection: Connection, first: datetime, last: datetime
) -> dict[Series, WrongNumbers]:
    """Find the versions of catalogue and calendar that were loaded between two instants."""
    found = {}
    for series in (Series.catalogue, Series.calendar):
        numbers = _select_numbers(series)
        row = connection.execute(
            select(
                func.min(numbers.c.number).label("first"), func.max(numbers.c.number).label("last")
            ).where(numbers.c.instant.between(first, last))
        ).one()
        if row.first is not None:
            found[series] = read_numbers(connection, series, row.first, row.last)
    return found


def find_instant_before(connection: Connection, series: Series, number: int) -> datetime | None:
    """Find the right instant of the number before; None before the first."""
    numbers = _select_numbers(series)
    row = connection.execute(
        select(numbers.c.number, numbers.c.instant)
        .where(numbers.c.number < number)
        .order_by(numbers.c.number.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    instant: datetime = row.instant
    for correction in read_corrections(connection, series):
        if correction.first_number <= row.number <= correction.last_number:
            return correction.correct_instant(instant)
    return instant


def find_instant_after(connection: Connection, series: Series, number: int) -> datetime | None:
    """Find the recorded instant of the number after; None after the last."""
    numbers = _select_numbers(series)
    return connection.scalar(
        select(numbers.c.instant)
        .where(numbers.c.number > number)
        .order_by(numbers.c.number)
        .limit(1)
    )


def find_entries_changed_by(connection: Connection, first: int, last: int) -> list[UUID]:
    """Find the entries of which a version has one of the numbers, in the order of their ids."""
    return list(
        connection.scalars(
            select(EntryVersion.entry_id)
            .where(EntryVersion.seq.between(first, last))
            .distinct()
            .order_by(EntryVersion.entry_id)
        )
    )


def find_entries_received_by(connection: Connection, first: int, last: int) -> set[UUID]:
    """Find the entries whose first version has one of the numbers."""
    return set(
        connection.scalars(
            select(EntryVersion.entry_id).where(
                EntryVersion.seq.between(first, last), EntryVersion.version == 1
            )
        )
    )


def _select_numbers(series: Series) -> Subquery:
    if series is Series.changes:
        return union_all(
            *(
                select(table.seq.label("number"), table.recorded_at.label("instant"))
                for table in (EntryVersion, EntryStatusChange)
            )
        ).subquery()
    table = CatalogueVersion if series is Series.catalogue else CalendarVersion
    return select(table.version.label("number"), table.loaded_at.label("instant")).subquery()
