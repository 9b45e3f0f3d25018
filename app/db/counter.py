"""The counter row: the head of the registry, its change numbers, its days and its epoch."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, func, insert, literal, select, update

from app.db.clock_state import create_clock_row
from app.db.engines import POSITION
from app.db.statements import PreparedQuery, as_text
from app.db.tables import RegistryState
from app.db.tables.base import Instant


class ConcurrentChange(Exception):
    """The catalogue, calendar or day changed while a change was decided: decide it again."""


def create_counter_row(connection: Connection) -> bool:
    """Create the counter row of an empty database; return False if it exists."""
    if connection.scalar(select(RegistryState.id)) is not None:
        return False
    create_clock_row(connection)
    connection.execute(
        insert(RegistryState).values(id=1, epoch=1, seq=0, catalogue_version=0, calendar_version=0)
    )
    return True


class Head(NamedTuple):
    """The state of the registry from which an answer was computed."""

    epoch: int
    seq: int
    catalogue_version: int
    calendar_version: int
    current_day: date | None
    """The last day whose day change was recorded; None before the first change."""


HEAD_QUERY = PreparedQuery(
    select(
        RegistryState.epoch,
        RegistryState.seq,
        RegistryState.catalogue_version,
        RegistryState.calendar_version,
        as_text(RegistryState.turned_on),
    )
)


def read_head(connection: Connection) -> Head:
    """Read the newest state."""
    [(epoch, seq, catalogue_version, calendar_version, turned_on)] = HEAD_QUERY.fetch(connection)
    day = None if turned_on is None else date.fromisoformat(turned_on)
    return Head(epoch, seq, catalogue_version, calendar_version, day)


def advance_day(connection: Connection, known_day: date | None, today: date) -> bool:
    """Set the current day; return False if another process did so since `known_day` was read."""
    claimed = connection.execute(
        update(RegistryState)
        .where(RegistryState.turned_on.is_not_distinct_from(known_day))
        .values(turned_on=today)
        .returning(RegistryState.id)
    )
    return claimed.one_or_none() is not None


class SequenceBlock(NamedTuple):
    """A block of change numbers: the first one, and the instant at which they are recorded."""

    first: int
    recorded_at: datetime


def take_sequence(
    connection: Connection,
    count: int,
    *,
    catalogue_version: int,
    calendar_version: int,
    now: datetime,
    today: date,
) -> SequenceBlock:
    """Take `count` change numbers, as the last step before the inserts.

    The counter row serialises commits from here on, so the sequence is gap-free and in commit
    order. The instant is fixed here too and never decreases, although clocks of nodes may differ.
    A change that was decided on an older catalogue or calendar, or for a day (`today`) that another
    process already ended, is detected here.

    Raises:
        ConcurrentChange: the law or the day changed since the caller read it; `Registry.write`
            retries.
    """
    state = connection.execute(
        update(RegistryState)
        .values(
            seq=RegistryState.seq + count,
            recorded_at=case(
                (RegistryState.recorded_at > now, RegistryState.recorded_at),
                else_=literal(now, Instant()),
            ),
            turned_on=func.coalesce(RegistryState.turned_on, today),
        )
        .returning(
            RegistryState.epoch,
            RegistryState.seq,
            RegistryState.recorded_at,
            RegistryState.catalogue_version,
            RegistryState.calendar_version,
            RegistryState.turned_on,
        )
    ).one()
    if state.turned_on > today:
        raise ConcurrentChange
    if (state.catalogue_version, state.calendar_version) != (catalogue_version, calendar_version):
        raise ConcurrentChange
    connection.info[POSITION] = (state.epoch, state.seq)
    return SequenceBlock(state.seq - count + 1, state.recorded_at)


def restore_day(connection: Connection, today: date, now: datetime) -> None:
    """Set day and instant of the counter row back to the present, where a wrong clock is ahead."""
    connection.execute(
        update(RegistryState).values(
            turned_on=case((RegistryState.turned_on > today, today), else_=RegistryState.turned_on),
            recorded_at=case(
                (RegistryState.recorded_at > now, literal(now, Instant())),
                else_=RegistryState.recorded_at,
            ),
        )
    )


def increment_epoch(connection: Connection) -> int:
    """Increment the epoch: after a restore, change numbers are given out a second time."""
    epoch, seq = connection.execute(
        update(RegistryState)
        .values(epoch=RegistryState.epoch + 1)
        .returning(RegistryState.epoch, RegistryState.seq)
    ).one()
    connection.info[POSITION] = (epoch, seq)
    return int(epoch)
