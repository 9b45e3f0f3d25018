"""SQL of redress cases."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, and_, exists, insert, select, tuple_, update
from sqlalchemy.orm import aliased

from app.db.tables import EntryVersion, RedressCase
from app.entries import queries as entries
from app.rules.calendar import WorkingDayResult
from app.rules.permissions import Caller
from app.rules.redress import CaseKind, CaseState
from app.rules.stored_json import JsonObject, StoredCaseStep


class CaseRow(NamedTuple):
    """A case."""

    id: UUID
    kind: str
    entry_id: UUID
    subject_id: UUID
    department: str
    state: str
    received_at: datetime
    received_on: date
    due_on: date | None
    due_provisional: bool
    content: JsonObject
    digest: str
    steps: list[StoredCaseStep]


_COLUMNS = tuple(getattr(RedressCase, name) for name in CaseRow._fields)


def _read_cases(connection: Connection, query: Select[Any]) -> list[CaseRow]:
    return [CaseRow._make(row) for row in connection.execute(query)]


def read_entry_cases(connection: Connection, entry_id: UUID, kind: CaseKind) -> list[CaseRow]:
    """The cases of an entry, oldest first; steady where its subject is locked."""
    return _read_cases(
        connection,
        select(*_COLUMNS)
        .where(RedressCase.entry_id == entry_id, RedressCase.kind == kind)
        .order_by(RedressCase.id),
    )


def read_case_page(
    connection: Connection,
    kind: CaseKind,
    *,
    state: CaseState | None,
    today: date,
    overdue: bool,
    filters: Mapping[str, Any],
    caller: Caller,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[CaseRow]:
    """Cases by the day on which they are due; with a closed state, by the day of receipt."""
    case = RedressCase
    is_closed = state is not None and state not in {CaseState.received, CaseState.accepted}
    sort_column = case.received_on if is_closed else case.due_on
    has_void_entry = exists().where(
        EntryVersion.entry_id == case.entry_id,
        EntryVersion.superseded_seq.is_(None),
        EntryVersion.void.is_(True),
    )
    has_entry_not_ended = exists().where(
        EntryVersion.entry_id == case.entry_id,
        entries.is_version_at(EntryVersion, None),
        entries.is_not_ended_on(EntryVersion, today),
    )
    query = select(*_COLUMNS).where(case.kind == kind).order_by(sort_column, case.id).limit(limit)
    if state is None or not caller.can_read_sealed:
        query = query.where(~has_void_entry)  # on an entry that never stood nothing is due any more
    if not caller.has_oversight:
        query = query.where(case.department == (caller.department or ""))
    query = query.where(case.due_on.is_not(None) if state is None else case.state == state)
    if state is None and kind is CaseKind.repair:
        query = query.where(has_entry_not_ended)  # what is over needs no repair any more
    if overdue:
        query = query.where(case.due_on < today)
    for name, value in filters.items():
        query = query.where(getattr(case, name) == value)
    if after is not None:
        query = query.where(tuple_(sort_column, case.id) > after)
    return _read_cases(connection, query)


def read_open_cases(connection: Connection) -> list[tuple[CaseRow, str, date]]:
    """Every open case, with its entry's list type and day of decision."""
    version = EntryVersion
    rows = connection.execute(
        select(*_COLUMNS, version.list_type, version.decided_on)
        .join(version, version.entry_id == RedressCase.entry_id)
        .where(RedressCase.due_on.is_not(None), entries.is_version_at(version, None))
        .order_by(RedressCase.id)
    )
    return [(CaseRow._make(row[:-2]), row.list_type, row.decided_on) for row in rows]


def add_case(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a new case."""
    connection.execute(insert(RedressCase).values(**values))


def update_case(connection: Connection, case_id: UUID, values: Mapping[str, Any]) -> None:
    """Put a case forward; its entry's subject must be locked."""
    connection.execute(update(RedressCase).where(RedressCase.id == case_id).values(**values))


def lock_open_cases(connection: Connection) -> None:
    """Lock every open case in the order of the ids."""
    connection.execute(
        select(RedressCase.id)
        .where(RedressCase.due_on.is_not(None))
        .order_by(RedressCase.id)
        .with_for_update()
    )


def update_due_day(connection: Connection, case: CaseRow, due_day: WorkingDayResult) -> bool:
    """Update the due day of an open case; return False if a step was taken meanwhile."""
    updated = connection.execute(
        update(RedressCase)
        .where(
            RedressCase.id == case.id,
            RedressCase.state == case.state,
            RedressCase.due_on == case.due_on,
        )
        .values(due_on=due_day.day, due_provisional=due_day.provisional)
        .returning(RedressCase.id)
    )
    return updated.one_or_none() is not None


def find_entry_ids_of_same_case(connection: Connection, entry_id: UUID) -> set[UUID]:
    """Other entries of the same department, list and case."""
    own_version, version = aliased(EntryVersion), EntryVersion
    return set(
        connection.scalars(
            select(version.entry_id)
            .join(
                own_version,
                and_(
                    own_version.entry_id == entry_id,
                    entries.is_version_at(own_version, None),
                    own_version.list_type == version.list_type,
                    own_version.department == version.department,
                    own_version.facts["case_ref"].as_string()
                    == version.facts["case_ref"].as_string(),
                ),
            )
            .where(
                entries.is_version_at(version, None),
                version.void.is_(False),
                version.entry_id != entry_id,
            )
        )
    )
