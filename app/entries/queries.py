"""Reads of entries for the other rooms: rows, lists, histories and the sequence of changes.

The SQL conditions are here for the stores of other rooms, which join their own tables to entries.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app import errors
from app.calendar.queries import read_calendar_at, read_current_calendar
from app.db.clock_corrections import find_law_versions_at
from app.db.engines import Connection
from app.entries import history, projections, schemas
from app.entries.projections import EntryJson
from app.entries.store import reads, sequence
from app.entries.store.checked_entries import CheckedEntryRow, read_checked_entries
from app.entries.store.reads import (
    build_filter_conditions,
    build_status_expression,
    is_not_ended_on,
    is_version_at,
    is_visible_to,
    read_current_entries,
    read_entry,
    read_entry_page,
    read_listed_entries,
    read_rows,
    read_subject_entries,
    read_versions,
    select_entries_as_of,
)
from app.entries.store.rows import EntryRow, ListedEntry, select_other_terms_on_list
from app.entries.store.sequence import (
    find_public_change_seqs,
    find_recorded_at,
    find_seq_at,
    read_changes_after,
)
from app.entries.store.snapshots import MAX_ID, MIN_ID, build_snapshot_query, read_snapshot_page
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.law import ListKind
from app.rules.permissions import AccessLevel, Caller
from app.rules.status import Status
from app.rules.stored_json import ResponsiblePersonFacts

__all__ = [
    "MAX_ID",
    "MIN_ID",
    "CheckedEntryRow",
    "EntryRow",
    "ListedEntry",
    "ResponsiblePersonFacts",
    "build_filter_conditions",
    "build_snapshot_query",
    "build_status_expression",
    "can_read_fully",
    "find_public_change_seqs",
    "find_recorded_at",
    "find_seq_at",
    "is_not_ended_on",
    "is_version_at",
    "is_visible_to",
    "read_changes_after",
    "read_checked_entries",
    "read_current_entries",
    "read_entry",
    "read_entry_page",
    "read_entry_view",
    "read_history",
    "read_listed_entries",
    "read_rows",
    "read_snapshot_page",
    "read_subject_entries",
    "read_versions",
    "read_view_page",
    "select_entries_as_of",
    "select_other_terms_on_list",
]


def read_entry_view(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
    is_own_change: bool = False,
) -> EntryJson:
    """Read one entry as a caller may see it, as of a day and a state of the registry.

    A department that has just changed an entry (`is_own_change`) sees the result, even where the
    change seals the entry.

    Raises:
        EntryNotFound: there is no such entry, or the caller may not read it whole today.
    """
    today = registry.clock.today()
    day = on or today
    with registry.database.reading() as connection:
        seq = known_seq
        if known_at is not None:
            seq = sequence.find_seq_at(connection, known_at)
        elif known_seq is not None:
            known_at = sequence.find_recorded_at(connection, known_seq)
        row = reads.read_entry(connection, entry_id, day, seq)
        if row is None:
            raise errors.EntryNotFound
        is_current = day == today and seq is None
        current_row = row if is_current else reads.read_entry(connection, entry_id, today) or row
        may_read_own_change = is_own_change and caller.acts_for(current_row.department)
        if not may_read_own_change and not can_read_fully(caller, current_row, today):
            raise errors.EntryNotFound
        calendar = _read_calendar_known_at(registry, connection, known_at)
        [view] = _build_entry_views(connection, [row], day, calendar, caller, seq)
    if current_row.void and not caller.can_read_sealed:
        # The department of a sealed entry still has to withdraw it from its channels.
        return projections.redact_sealed_view(view)
    return view


def read_view_page(
    registry: Registry,
    caller: Caller,
    filters: Mapping[str, Any],
    *,
    status: Status | None,
    on: date | None,
    known_at: datetime | None,
    after: UUID | None,
    limit: int,
) -> tuple[list[EntryJson], bool]:
    """Read a page of entries that the caller sees whole; return also whether there are more."""
    day = on or registry.clock.today()
    with registry.database.reading() as connection:
        seq = None if known_at is None else sequence.find_seq_at(connection, known_at)
        rows = reads.read_entry_page(
            connection,
            day,
            after=after,
            limit=limit + 1,
            filters=filters,
            caller=caller,
            statuses=[status] if status else [],
            seq=seq,
        )
        calendar = _read_calendar_known_at(registry, connection, known_at)
        views = _build_entry_views(connection, rows[:limit], day, calendar, caller, seq)
    return views, len(rows) > limit


def read_history(registry: Registry, caller: Caller, entry_id: UUID) -> schemas.History:
    """Read every version of an entry, and every change of its status that no version made.

    Raises:
        EntryNotFound: there is no such entry, or the caller may not read it whole today.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        rows = reads.read_versions(connection, entry_id, today)
        status_changes = sequence.read_status_changes(connection, entry_id)
        cause_ids = [item.cause_entry_id for item in status_changes if item.cause_entry_id]
        cause_entries = reads.read_current_entries(connection, cause_ids, today)
        calendar = read_current_calendar(registry, connection)
    if not rows or not can_read_fully(caller, rows[-1], today):
        raise errors.EntryNotFound
    views = [projections.build_entry_view(row, today, calendar) for row in rows]
    previous_views: list[EntryJson | None] = [None, *views[:-1]]
    readable_cause_ids = {
        row.id for row in cause_entries.values() if can_read_fully(caller, row, today)
    }
    return schemas.History(
        entry_id=entry_id,
        versions=[
            schemas.VersionView(
                version=row.version,
                seq=row.seq,
                recorded_at=row.recorded_at,
                action=row.action,
                actor=row.actor_name,
                reason=row.change_reason,
                changes=history.find_field_changes(old, new),
            )
            for row, old, new in zip(rows, previous_views, views, strict=True)
        ],
        turns=[
            schemas.TurnView(
                seq=item.seq,
                recorded_at=item.recorded_at,
                day=item.day,
                status=Status(item.status),
                because=history.determine_cause(item),
                entry_id=item.cause_entry_id if item.cause_entry_id in readable_cause_ids else None,
            )
            for item in status_changes
        ],
    )


def can_read_fully(caller: Caller, row: EntryRow, day: date) -> bool:
    """Return whether a caller may read an entry whole, with its history and its cases."""
    is_responsible = caller.has_oversight or caller.acts_for(row.department)
    return row.determine_access_level(caller, day) is AccessLevel.full and is_responsible


def _read_calendar_known_at(
    registry: Registry, connection: Connection, known_at: datetime | None
) -> Calendar:
    """Return the calendar that was known at an instant: a past view shows the deadlines of then."""
    if known_at is None:
        return read_current_calendar(registry, connection)
    return read_calendar_at(registry, connection, find_law_versions_at(connection, known_at)[1])


def _build_entry_views(
    connection: Connection,
    rows: list[EntryRow],
    day: date,
    calendar: Calendar,
    caller: Caller,
    seq: int | None = None,
) -> list[EntryJson]:
    black_subject_ids = {row.subject_id for row in rows if row.kind == ListKind.black}
    listed_entries = reads.read_listed_entries(connection, black_subject_ids, seq)
    return [
        projections.build_entry_view(
            row,
            day,
            calendar,
            projections.build_effect_views(
                row, day, listed_entries.get(row.subject_id, ()), caller
            ),
        )
        for row in rows
    ]
