"""Reads of entries, as of a state of the registry (`seq`) and for a day, and their conditions."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from app.db.tables import Entry, EntryVersion
from app.entries.store.rows import TERM_COLUMNS, EntryRow, ListedEntry, _build_term
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller, Role
from app.rules.status import Status
from app.subjects.service import lock_subjects

BLACK_VERSION = aliased(EntryVersion)  # built once: an alias costs more than the query of an entry
DayOrParameter = date | BindParameter[date]
SeqOrParameter = int | BindParameter[int] | None


def is_version_at(version: Any, seq: SeqOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match versions that the registry knew at a sequence number; None is now."""
    if seq is None:
        return version.superseded_seq.is_(None)  # type: ignore[no-any-return]
    return and_(
        version.seq <= seq, or_(version.superseded_seq.is_(None), version.superseded_seq > seq)
    )


def is_in_effect_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match entries that are active or suspended on a day."""
    return and_(is_not_ended_on(version, day), version.effective_from <= day)


def is_not_ended_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Match entries that are scheduled, active or suspended on a day."""
    return and_(
        version.void.is_(False),
        or_(version.revoked_on.is_(None), version.revoked_on > day),
        or_(version.exited_on.is_(None), version.exited_on > day),
        or_(version.repaired_on.is_(None), version.repaired_on > day),
        or_(
            version.lapsed_from.is_(None),
            version.lapsed_from > day,
            version.lapsed_until <= day,
        ),
        or_(version.effective_until.is_(None), version.effective_until >= day),
        or_(version.cap_ends_on.is_(None), version.cap_ends_on >= day),
    )


def has_active_black_entry(day: DayOrParameter, seq: SeqOrParameter) -> ColumnElement[bool]:
    """Match red entries whose subject has an active black entry on a day."""
    return _has_black_entry(is_version_at(BLACK_VERSION, seq), is_in_effect_on(BLACK_VERSION, day))


def has_public_black_entry(day: DayOrParameter, seq: SeqOrParameter) -> ColumnElement[bool]:
    """Match red entries whose subject has an active black entry that is public."""
    return _has_black_entry(
        is_version_at(BLACK_VERSION, seq),
        is_in_effect_on(BLACK_VERSION, day),
        BLACK_VERSION.disclosure_class == DisclosureClass.public,
    )


def _has_black_entry(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        EntryVersion.kind == ListKind.red,
        exists().where(
            BLACK_VERSION.subject_id == EntryVersion.subject_id,
            BLACK_VERSION.kind == ListKind.black,
            *conditions,
        ),
    )


def is_visible_to(caller: Caller, day: date, seq: SeqOrParameter = None) -> ColumnElement[bool]:
    """Match entries that the caller sees whole: the SQL twin of `determine_access_level`."""
    version = EntryVersion
    if caller.can_read_sealed:
        return true()
    if caller.has_oversight:
        return version.void.is_(False)
    if caller.role is Role.subscriber:
        # A scheduled entry is not suspended yet.
        has_hidden_cause = and_(
            version.effective_from <= day,
            has_active_black_entry(day, seq),
            not_(has_public_black_entry(day, seq)),
        )
        return and_(
            version.disclosure_class == DisclosureClass.public,
            is_not_ended_on(version, day),
            not_(has_hidden_cause),
        )
    return and_(version.void.is_(False), version.department == (caller.department or ""))


def build_status_expression(day: DayOrParameter, seq: SeqOrParameter = None) -> ColumnElement[str]:
    """Compute the status on a day: the SQL twin of `compute_status` (`app/rules/status.py`)."""
    version = EntryVersion
    removed = or_(
        version.void.is_(True),
        version.revoked_on <= day,
        version.exited_on <= day,
        version.repaired_on <= day,
        and_(version.lapsed_from <= day, version.lapsed_until > day),
    )
    expired = or_(version.effective_until < day, version.cap_ends_on < day)
    return case(
        (removed, literal(Status.removed.value)),
        (expired, literal(Status.expired.value)),
        (version.effective_from > day, literal(Status.scheduled.value)),
        (has_active_black_entry(day, seq), literal(Status.suspended.value)),
        else_=literal(Status.active.value),
    )


def build_filter_conditions(filters: Mapping[str, Any]) -> Iterable[ColumnElement[bool]]:
    """Build the conditions of filters by name: field = value."""
    for name, value in filters.items():
        if name == "domain":
            yield EntryVersion.list_type.startswith(f"{value}.", autoescape=True)
        elif name == "list":
            yield EntryVersion.kind == value
        elif name == "within":
            yield EntryVersion.department == value
        elif name == "source_ref":
            yield or_(Entry.source_ref == value, Entry.freed_ref == value)
        else:
            yield getattr(EntryVersion, name) == value


_ENTRY_COLUMNS = (
    Entry.id,
    func.coalesce(Entry.freed_ref, Entry.source_ref).label("source_ref"),
    Entry.replaces,
    func.coalesce(EntryVersion.corrected_received_at, Entry.received_at).label("received_at"),
)
_VERSION_COLUMNS = tuple(
    getattr(EntryVersion, name) for name in EntryRow._fields[len(_ENTRY_COLUMNS) : -2]
)


def build_suspension_columns(day: date, seq: int | None) -> tuple[ColumnElement[bool], ...]:
    """Build the last columns of a row: whether black entries suspend it, and public ones do."""
    return (
        has_active_black_entry(day, seq).label("black_active"),
        has_public_black_entry(day, seq).label("public_black_active"),
    )


def select_entries_as_of(day: date, seq: int | None = None) -> Select[Any]:
    """Select entries as the registry knew them at `seq`, read for `day`."""
    return (
        select(
            *_ENTRY_COLUMNS,
            *_VERSION_COLUMNS,
            *build_suspension_columns(day, seq),
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(is_version_at(EntryVersion, seq))
    )


def read_rows(connection: Connection, query: Select[Any]) -> list[EntryRow]:
    """Read the rows of a query that begins with `select_entries_as_of`."""
    return [EntryRow._make(row) for row in connection.execute(query)]


def read_entry(
    connection: Connection, entry_id: UUID, day: date, seq: int | None = None
) -> EntryRow | None:
    """Read one entry as of a state and a day; None if there is none."""
    rows = read_rows(connection, select_entries_as_of(day, seq).where(Entry.id == entry_id))
    return rows[0] if rows else None


def read_entry_page(
    connection: Connection,
    day: date,
    *,
    after: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
    caller: Caller,
    statuses: Iterable[Status] = (),
    seq: int | None = None,
) -> list[EntryRow]:
    """Read entries that the caller sees whole, in the order of their ids (the order of recording).

    Names of filters: list_type, domain, department, list, source_ref, subject_id.
    """
    query = (
        select_entries_as_of(day, seq)
        .where(is_visible_to(caller, day, seq))
        .order_by(Entry.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Entry.id > after)
    for condition in build_filter_conditions(filters):
        query = query.where(condition)
    if status_values := [status.value for status in statuses]:
        query = query.where(build_status_expression(day, seq).in_(status_values))
    return read_rows(connection, query)


def read_subject_entries(
    connection: Connection, subject_ids: Iterable[UUID], day: date, seq: int | None = None
) -> list[EntryRow]:
    """Read all entries of subjects, oldest first."""
    unique_ids = set(subject_ids)
    if not unique_ids:
        return []
    return read_rows(
        connection,
        select_entries_as_of(day, seq)
        .where(EntryVersion.subject_id.in_(unique_ids))
        .order_by(Entry.id),
    )


def read_versions(connection: Connection, entry_id: UUID, day: date) -> list[EntryRow]:
    """Read every version of an entry, oldest first."""
    query = (
        select(
            *_ENTRY_COLUMNS,
            *_VERSION_COLUMNS,
            *build_suspension_columns(day, None),
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(Entry.id == entry_id)
        .order_by(EntryVersion.version)
    )
    return read_rows(connection, query)


def read_current_entries(
    connection: Connection, entry_ids: Iterable[UUID], day: date
) -> dict[UUID, EntryRow]:
    """Read entries by id, as the registry knows them now."""
    return {
        row.id: row
        for row in read_rows(
            connection, select_entries_as_of(day).where(Entry.id.in_(set(entry_ids)))
        )
    }


def read_listed_entries(
    connection: Connection, subject_ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[ListedEntry]]:
    """Read the red and black entries of subjects. A decision on them needs locked subjects."""
    version = EntryVersion
    unique_ids = set(subject_ids)
    found: dict[UUID, list[ListedEntry]] = {}
    if not unique_ids:
        return found
    rows = connection.execute(
        select(
            version.entry_id,
            version.subject_id,
            version.kind,
            version.list_type,
            version.department,
            version.disclosure_class,
            *(getattr(version, name) for name in TERM_COLUMNS),
        )
        .where(
            is_version_at(version, seq),
            version.subject_id.in_(unique_ids),
            version.kind != ListKind.record,
        )
        .order_by(version.entry_id)
    )
    for row in rows:
        found.setdefault(row.subject_id, []).append(
            ListedEntry(
                row.entry_id,
                ListKind(row.kind),
                row.list_type,
                row.department,
                DisclosureClass(row.disclosure_class),
                _build_term(row),
            )
        )
    return found


def lock_entry(connection: Connection, entry_id: UUID, day: date) -> EntryRow | None:
    """Read one entry after locking its subject; None if there is none."""
    return lock_entries(connection, [entry_id], day).get(entry_id)


def lock_entries(
    connection: Connection, entry_ids: Iterable[UUID], day: date
) -> dict[UUID, EntryRow]:
    """Read entries by id after locking their subjects, so that concurrent changes are visible."""
    has_wanted_id = Entry.id.in_(set(entry_ids))
    lock_subjects(connection, connection.scalars(select(Entry.subject_id).where(has_wanted_id)))
    return {
        row.id: row for row in read_rows(connection, select_entries_as_of(day).where(has_wanted_id))
    }
