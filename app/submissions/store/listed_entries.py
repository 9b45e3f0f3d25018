"""SQL of entries, as far as a full replace or a reversal needs it."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, select, update

from app.db.tables import Entry, EntryVersion
from app.entries.queries import is_not_ended_on, is_version_at


def read_standing_entries(
    connection: Connection, department: str, list_type: str, day: date
) -> list[UUID]:
    """The entries of a department's list that have not ended on a day."""
    version = EntryVersion
    return list(
        connection.scalars(
            select(version.entry_id)
            .where(
                is_version_at(version, None),
                version.list_type == list_type,
                version.department == department,
                is_not_ended_on(version, day),
            )
            .order_by(version.entry_id)
        )
    )


def release_references(connection: Connection, source_ref_by_entry: Mapping[UUID, str]) -> None:
    """Let references that entries bore be used again."""
    for entry_id, source_ref in source_ref_by_entry.items():
        connection.execute(
            update(Entry)
            .where(Entry.id == entry_id)
            # No client can send a control character, so no other entry has this reference.
            .values(source_ref=f"\x1freversed:{entry_id}", freed_ref=source_ref)
        )


def find_built_upon(
    connection: Connection, version_by_entry: Mapping[UUID, int], action_digest: str
) -> list[UUID]:
    """Entries that have another version now than the one given, but one that an action made."""
    version = EntryVersion
    current = connection.execute(
        select(version.entry_id, version.version).where(
            is_version_at(version, None),
            version.entry_id.in_(version_by_entry.keys()),
            version.action_digest != action_digest,
        )
    )
    return [row.entry_id for row in current if row.version != version_by_entry[row.entry_id]]
