"""SQL of the clock: what is owed, and which entries a calendar notice touches."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, literal, or_, tuple_

from app.db.tables import Entry, EntryVersion
from app.entries import store as entries
from app.entries.store import EntryRow
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    DUE_SOON_WORKING_DAYS,
    DisclosureState,
    TakeDown,
    find_latest_overdue_first_day,
)
from app.rules.law import DisclosureClass
from app.rules.permissions import Caller


def state_expression(day: date, calendar: Calendar) -> ColumnElement[str]:
    """The state of the duty on a day, in SQL; twin of `app.rules.disclosure.state_on`."""
    version = EntryVersion
    due_soon_until = calendar.find_last_day_within(day, DUE_SOON_WORKING_DAYS)
    eve = day - timedelta(days=1)

    def ended_by(limit: date | Any) -> ColumnElement[bool]:  # noqa: ANN401 - day or column
        return or_(
            version.revoked_on <= limit,
            version.exited_on <= limit,
            version.repaired_on <= limit,
        )

    # A term's first day of being over is the day after its last: over by a day means last < day.
    lapsed = and_(
        or_(version.effective_until <= eve, version.cap_ends_on <= eve),
        or_(
            version.effective_until < version.deadline,
            version.cap_ends_on < version.deadline,
        ),
    )
    no_longer = or_(and_(ended_by(day), ended_by(version.deadline)), lapsed)
    return case(
        (
            or_(
                version.disclosure_class != DisclosureClass.public.value,
                version.void.is_(True),
            ),
            literal(DisclosureState.not_required.value),
        ),
        (
            and_(version.published_on.is_not(None), version.published_late.is_(True)),
            literal(DisclosureState.late.value),
        ),
        (version.published_on.is_not(None), literal(DisclosureState.on_time.value)),
        (no_longer, literal(DisclosureState.not_required.value)),
        (version.deadline < day, literal(DisclosureState.overdue.value)),
        (version.deadline <= due_soon_until, literal(DisclosureState.due_soon.value)),
        else_=literal(DisclosureState.pending.value),
    )


def due(
    connection: Connection,
    day: date,
    calendar: Calendar,
    *,
    state: DisclosureState | None,
    filters: Mapping[str, Any],
    caller: Caller,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[EntryRow]:
    """Entries by deadline, of one state or of those that are still owed.

    Entries that are over are left out: what was missed for them can no longer be done, and the
    timeliness report counts it.
    """
    open_states = (DisclosureState.pending, DisclosureState.due_soon, DisclosureState.overdue)
    wanted = [state] if state else list(open_states)
    query = (
        entries.rows_as_of(day)
        .where(
            entries.visible_to(caller, day),
            state_expression(day, calendar).in_([item.value for item in wanted]),
        )
        .order_by(EntryVersion.deadline, Entry.id)
        .limit(limit)
    )
    if all(item in open_states for item in wanted):
        query = query.where(
            EntryVersion.published_on.is_(None), entries.not_ended(EntryVersion, day)
        )
    for condition in entries.conditions(filters):
        query = query.where(condition)
    if after is not None:
        query = query.where(tuple_(EntryVersion.deadline, Entry.id) > after)
    return entries.fetch(connection, query)


def to_take_down(
    connection: Connection,
    day: date,
    calendar: Calendar,
    *,
    state: TakeDown | None,
    filters: Mapping[str, Any],
    caller: Caller,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[EntryRow]:
    """Entries on show that may not be public any more, the longest first.

    Entries on the wrong subject are among them: sealed as they are, their department must know what
    it has to take down.
    """
    version = EntryVersion
    late = find_latest_overdue_first_day(day, calendar)
    query = (
        entries.rows_as_of(day)
        .where(version.take_down_from <= (late if state is TakeDown.overdue else day))
        .order_by(version.take_down_from, Entry.id)
        .limit(limit)
    )
    if state is TakeDown.due:
        query = query.where(version.take_down_from > late)
    if not caller.has_oversight:
        query = query.where(version.department == (caller.department or ""))
    for condition in entries.conditions(filters):
        query = query.where(condition)
    if after is not None:
        query = query.where(tuple_(version.take_down_from, Entry.id) > after)
    return entries.fetch(connection, query)


def touched(
    connection: Connection, day: date, first: date, last: date, *, after: UUID | None, limit: int
) -> list[EntryRow]:
    """Entries whose way from decision to deadline crosses the days from first to last."""
    query = (
        entries.rows_as_of(day)
        .where(EntryVersion.decided_on < last, EntryVersion.deadline >= first)
        .order_by(Entry.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Entry.id > after)
    return entries.fetch(connection, query)
