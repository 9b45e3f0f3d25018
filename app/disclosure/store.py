"""SQL of disclosure: due publications and withdrawals, entries that a calendar notice affects."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, literal, or_, tuple_

from app.db.tables import Entry, EntryVersion
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    DUE_SOON_WORKING_DAYS,
    DisclosureState,
    TakeDown,
    find_latest_overdue_first_day,
)
from app.rules.law import DisclosureClass
from app.rules.permissions import Caller


def build_disclosure_state_expression(day: date, calendar: Calendar) -> ColumnElement[str]:
    """Compute the state of the duty on a day: the SQL twin of `compute_disclosure_state`."""
    version = EntryVersion
    due_soon_until = calendar.find_last_day_within(day, DUE_SOON_WORKING_DAYS)
    day_before = day - timedelta(days=1)

    def is_ended_by(last_day: date | Any) -> ColumnElement[bool]:  # noqa: ANN401 - day or column
        return or_(
            version.revoked_on <= last_day,
            version.exited_on <= last_day,
            version.repaired_on <= last_day,
        )

    # A term is over on the day after its last day.
    term_ended_before_deadline = and_(
        or_(version.effective_until <= day_before, version.cap_ends_on <= day_before),
        or_(
            version.effective_until < version.deadline,
            version.cap_ends_on < version.deadline,
        ),
    )
    is_no_longer_required = or_(
        and_(is_ended_by(day), is_ended_by(version.deadline)), term_ended_before_deadline
    )
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
        (is_no_longer_required, literal(DisclosureState.not_required.value)),
        (version.deadline < day, literal(DisclosureState.overdue.value)),
        (version.deadline <= due_soon_until, literal(DisclosureState.due_soon.value)),
        else_=literal(DisclosureState.pending.value),
    )


def read_due_entries(
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
    """Read entries by deadline, of one state or of all open states.

    Ended entries are left out of the open states: a missed publication can no longer be made, and
    the timeliness report counts it.
    """
    open_states = (DisclosureState.pending, DisclosureState.due_soon, DisclosureState.overdue)
    states = [state] if state else list(open_states)
    query = (
        entries.select_entries_as_of(day)
        .where(
            entries.is_visible_to(caller, day),
            build_disclosure_state_expression(day, calendar).in_([item.value for item in states]),
        )
        .order_by(EntryVersion.deadline, Entry.id)
        .limit(limit)
    )
    if all(item in open_states for item in states):
        query = query.where(
            EntryVersion.published_on.is_(None), entries.is_not_ended_on(EntryVersion, day)
        )
    for condition in entries.build_filter_conditions(filters):
        query = query.where(condition)
    if after is not None:
        query = query.where(tuple_(EntryVersion.deadline, Entry.id) > after)
    return entries.read_rows(connection, query)


def read_entries_to_take_down(
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
    """Read published entries that may no longer be public, the longest overdue first.

    Sealed entries on a wrong subject are included, because their department has to withdraw them.
    """
    version = EntryVersion
    latest_overdue_day = find_latest_overdue_first_day(day, calendar)
    query = (
        entries.select_entries_as_of(day)
        .where(version.take_down_from <= (latest_overdue_day if state is TakeDown.overdue else day))
        .order_by(version.take_down_from, Entry.id)
        .limit(limit)
    )
    if state is TakeDown.due:
        query = query.where(version.take_down_from > latest_overdue_day)
    if not caller.has_oversight:
        query = query.where(version.department == (caller.department or ""))
    for condition in entries.build_filter_conditions(filters):
        query = query.where(condition)
    if after is not None:
        query = query.where(tuple_(version.take_down_from, Entry.id) > after)
    return entries.read_rows(connection, query)


def read_entries_overlapping_days(
    connection: Connection,
    day: date,
    first_day: date,
    last_day: date,
    *,
    after: UUID | None,
    limit: int,
) -> list[EntryRow]:
    """Read entries with a day from the first to the last between their decision and deadline."""
    query = (
        entries.select_entries_as_of(day)
        .where(EntryVersion.decided_on < last_day, EntryVersion.deadline >= first_day)
        .order_by(Entry.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Entry.id > after)
    return entries.read_rows(connection, query)
