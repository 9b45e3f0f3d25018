"""The counter row: the head of the registry, its change numbers, its days and its epoch."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, case, func, insert, literal, select, update

from app.db.prepared import Prepared, as_text
from app.db.tables import CalendarVersion, CatalogueVersion, RegistryState
from app.db.tables.base import Instant


class LawMoved(Exception):
    """The catalogue, the calendar or the day changed while a change was decided: decide again."""


def begin_counting(connection: Connection) -> bool:
    """Give an empty database its counters; False where it has them."""
    if connection.scalar(select(RegistryState.id)) is not None:
        return False
    connection.execute(
        insert(RegistryState).values(id=1, epoch=1, seq=0, catalogue_version=0, calendar_version=0)
    )
    return True


class Head(NamedTuple):
    """The state of the registry that an answer was made from."""

    epoch: int
    seq: int
    catalogue_version: int
    calendar_version: int
    turned_on: date | None
    """The last day whose turn was written down; None before the first change."""


HEAD = Prepared(
    select(
        RegistryState.epoch,
        RegistryState.seq,
        RegistryState.catalogue_version,
        RegistryState.calendar_version,
        as_text(RegistryState.turned_on),
    )
)


def read_head(connection: Connection) -> Head:
    """The newest state."""
    [(epoch, seq, catalogue_version, calendar_version, turned_on)] = HEAD.rows(connection)
    day = None if turned_on is None else date.fromisoformat(turned_on)
    return Head(epoch, seq, catalogue_version, calendar_version, day)


def claim_day(connection: Connection, since: date | None, today: date) -> bool:
    """Move the last turned day on; False where somebody else did so since it was read."""
    claimed = connection.execute(
        update(RegistryState)
        .where(RegistryState.turned_on.is_not_distinct_from(since))
        .values(turned_on=today)
        .returning(RegistryState.id)
    )
    return claimed.one_or_none() is not None


def law_known_at(connection: Connection, instant: datetime) -> tuple[int, int]:
    """The catalogue and calendar versions in use at an instant; before the first, the first."""
    found = [
        connection.scalar(select(func.max(table.version)).where(table.loaded_at <= instant)) or 1
        for table in (CatalogueVersion, CalendarVersion)
    ]
    return found[0], found[1]


class Numbers(NamedTuple):
    """Change numbers that were taken: the first of a block, and when they are recorded."""

    first: int
    at: datetime


def take_sequence(
    connection: Connection,
    count: int,
    *,
    catalogue_version: int,
    calendar_version: int,
    now: datetime,
    today: date,
) -> Numbers:
    """Take `count` change numbers, last before the inserts.

    The counter row serialises commits from here on, which is what makes the sequence gap-free and
    commit-ordered. The instant is settled here too, never before that of an earlier number, though
    nodes' clocks may differ. And here a change that was decided on an older catalogue or calendar,
    or for a day (`today`) that is over by what others were told, finds out.

    Raises:
        LawMoved: the law or the day changed since the caller read it; `Registry.write` starts over.
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
            RegistryState.seq,
            RegistryState.recorded_at,
            RegistryState.catalogue_version,
            RegistryState.calendar_version,
            RegistryState.turned_on,
        )
    ).one()
    if state.turned_on > today:
        raise LawMoved
    if (state.catalogue_version, state.calendar_version) != (catalogue_version, calendar_version):
        raise LawMoved
    return Numbers(state.seq - count + 1, state.recorded_at)


def next_epoch(connection: Connection) -> int:
    """Begin a new epoch: after a restore, numbers are given out that were given out before."""
    started = connection.execute(
        update(RegistryState).values(epoch=RegistryState.epoch + 1).returning(RegistryState.epoch)
    )
    return int(started.scalar_one())
