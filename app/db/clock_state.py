"""The traces of the clock in the database: the last instant seen, confirmations, the server."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, or_, select, update

from app.db.tables import ClockState, RegistryState


class ClockRecord(NamedTuple):
    """The traces of the clock, as a process compares its own clock with them."""

    seen_at: datetime | None
    confirmations: int
    current_day: date | None
    """The last day whose day change was recorded."""


def create_clock_row(connection: Connection) -> None:
    """Create the row of an empty database."""
    if connection.scalar(select(ClockState.id)) is None:
        connection.execute(insert(ClockState).values(id=1, seen_at=None, confirmations=0))


def read_clock_record(connection: Connection) -> ClockRecord:
    """Read the traces of the clock; an empty database has none."""
    row = connection.execute(
        select(ClockState.seen_at, ClockState.confirmations, RegistryState.turned_on).join_from(
            ClockState, RegistryState, RegistryState.id == ClockState.id
        )
    ).one_or_none()
    return ClockRecord(None, 0, None) if row is None else ClockRecord._make(row)


def record_sighting(connection: Connection, now: datetime) -> None:
    """Record that a process with a trusted clock saw this instant."""
    connection.execute(
        update(ClockState)
        .where(or_(ClockState.seen_at.is_(None), ClockState.seen_at < now))
        .values(seen_at=now)
    )


def record_confirmation(connection: Connection, now: datetime) -> None:
    """Record that a person confirmed the clock: `now` is the last instant seen, even if earlier."""
    connection.execute(
        update(ClockState).values(seen_at=now, confirmations=ClockState.confirmations + 1)
    )


def read_server_time(connection: Connection) -> datetime:
    """Read the clock of the PostgreSQL server."""
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found
