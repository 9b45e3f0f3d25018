"""Writes of entries, and the reads that decide about a write: versions are added, never changed."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    false,
    or_,
    select,
    update,
)

from app.db.statements import insert_many
from app.db.tables import Entry, EntryPerson, EntryStatusChange, EntryVersion
from app.entries.store.reads import is_version_at
from app.entries.store.rows import RecordedReference
from app.entries.store.values import EntryValues, PersonValues, StatusChangeValues, VersionValues


def find_recorded_references(
    connection: Connection, references: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], RecordedReference]:
    """Find the entries that are recorded under (department, source_ref)."""
    by_department: dict[str, list[str]] = {}
    for department, source_ref in references:
        by_department.setdefault(department, []).append(source_ref)
    # A list of pairs would make SQLite read every version.
    matches_any = or_(
        false(),
        *(
            and_(Entry.department == department, Entry.source_ref.in_(source_refs))
            for department, source_refs in by_department.items()
        ),
    )
    rows = connection.execute(
        select(
            Entry.department,
            Entry.source_ref,
            Entry.id,
            EntryVersion.facts_digest,
            EntryVersion.void,
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(matches_any)
    )
    found: dict[tuple[str, str], RecordedReference] = {}
    for row in rows:
        key = (row.department, row.source_ref)
        earlier = found.get(key, RecordedReference(row.id, frozenset(), void=False))
        digests = earlier.digests | {row.facts_digest}
        found[key] = RecordedReference(row.id, digests, void=earlier.void or row.void)
    return found


def is_replaced(connection: Connection, entry_id: UUID, *, for_update: bool) -> bool:
    """Return whether a valid entry replaces this one; `for_update` locks it for a replacement."""
    if for_update:
        connection.execute(
            select(Entry.id).where(Entry.id == entry_id).with_for_update(key_share=True)
        )
    replacement_id = connection.scalar(
        select(EntryVersion.entry_id)
        .join(Entry, Entry.id == EntryVersion.entry_id)
        .where(Entry.replaces == entry_id, is_version_at(EntryVersion, None), ~EntryVersion.void)
        .limit(1)
    )
    return replacement_id is not None


def find_versions_made_by(
    connection: Connection, entry_id: UUID, action_digests: Collection[str], *, void: bool
) -> list[int]:
    """Find the versions that an action with such a digest made, with that `void`, oldest first."""
    return list(
        connection.scalars(
            select(EntryVersion.version)
            .where(
                EntryVersion.entry_id == entry_id,
                EntryVersion.action_digest.in_(action_digests),
                EntryVersion.void.is_(void),
            )
            .order_by(EntryVersion.version)
        )
    )


def add_entries(
    connection: Connection,
    entries: Sequence[EntryValues],
    versions: Sequence[VersionValues],
    persons: Sequence[PersonValues],
) -> None:
    """Insert entries, versions and sealed numbers of responsible persons."""
    insert_many(connection, Entry, entries)
    insert_many(connection, EntryVersion, versions)
    add_person_rows(connection, persons)


def add_person_rows(connection: Connection, persons: Sequence[PersonValues]) -> None:
    """Insert sealed numbers of responsible persons."""
    insert_many(connection, EntryPerson, persons)


def add_status_changes(
    connection: Connection, status_changes: Sequence[StatusChangeValues]
) -> None:
    """Insert status changes."""
    insert_many(connection, EntryStatusChange, status_changes)


SUPERSEDE_STATEMENT = (
    update(EntryVersion)
    .where(EntryVersion.entry_id == bindparam("entry"), EntryVersion.version == bindparam("known"))
    .values(superseded_seq=bindparam("next"))
)


def supersede_versions(connection: Connection, superseded: Sequence[tuple[UUID, int, int]]) -> None:
    """Set the sequence number at which a next version replaced (entry, version)."""
    rows = [{"entry": entry, "known": version, "next": seq} for entry, version, seq in superseded]
    connection.execute(SUPERSEDE_STATEMENT, rows)


class SealedPerson(NamedTuple):
    """The sealed number of a responsible person."""

    entry_id: UUID
    scheme: str
    ciphertext: bytes
    key_id: str


def read_person_rows(connection: Connection, entry_ids: Collection[UUID]) -> list[SealedPerson]:
    """Read the sealed numbers of the responsible persons of entries."""
    columns = [EntryPerson.__table__.columns[name] for name in SealedPerson._fields]
    rows = connection.execute(select(*columns).where(EntryPerson.entry_id.in_(entry_ids)))
    return [SealedPerson(*row) for row in rows]


def read_person_lookup_keys(connection: Connection, entry_id: UUID) -> set[str]:
    """Read the lookup keys of the responsible persons of an entry."""
    return set(
        connection.scalars(select(EntryPerson.lookup_key).where(EntryPerson.entry_id == entry_id))
    )
