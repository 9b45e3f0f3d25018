"""Reads of the sequence of changes: versions and status changes in the order of their numbers."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    Connection,
    and_,
    or_,
    select,
    union_all,
)

from app.db.tables import EntryStatusChange, EntryVersion
from app.entries.store.reads import is_version_at
from app.entries.store.rows import (
    TERM_COLUMNS,
    SequencedChangeRow,
    StatusChangeCandidate,
    StatusChangeRow,
    _build_term,
)
from app.rules.law import DisclosureClass


def find_seq_at(connection: Connection, instant: datetime) -> int:
    """Return the last sequence number recorded by an instant (`recorded_at` never decreases)."""
    return max(
        connection.scalar(
            select(table.seq)
            .where(table.recorded_at <= instant)
            .order_by(table.recorded_at.desc(), table.seq.desc())
            .limit(1)
        )
        or 0
        for table in (EntryVersion, EntryStatusChange)
    )


def find_recorded_at(connection: Connection, seq: int) -> datetime | None:
    """Return the time at which a sequence number was recorded; None before the first."""
    instants = (
        connection.scalar(
            select(table.recorded_at).where(table.seq <= seq).order_by(table.seq.desc()).limit(1)
        )
        for table in (EntryVersion, EntryStatusChange)
    )
    return max((instant for instant in instants if instant is not None), default=None)


def find_status_change_candidates(
    connection: Connection, since: date, today: date
) -> list[StatusChangeCandidate]:
    """Find entries that began after `since` and by `today`, or whose term ended in that time."""
    version = EntryVersion
    rows = connection.execute(
        select(
            version.entry_id,
            version.subject_id,
            version.kind,
            *(getattr(version, name) for name in TERM_COLUMNS),
        )
        .where(
            is_version_at(version, None),
            or_(
                and_(version.effective_from > since, version.effective_from <= today),
                and_(version.effective_until >= since, version.effective_until < today),
                and_(version.cap_ends_on >= since, version.cap_ends_on < today),
            ),
        )
        .order_by(version.entry_id)
    )
    return [
        StatusChangeCandidate(row.entry_id, row.subject_id, row.kind, _build_term(row))
        for row in rows
    ]


def read_changes_after(connection: Connection, after: int, limit: int) -> list[SequencedChangeRow]:
    """Read versions and status changes after a sequence number, in order."""
    tables = (EntryVersion, EntryStatusChange)
    all_changes = union_all(
        *(
            select(table.seq, table.entry_id, table.recorded_at).where(table.seq > after)
            for table in tables
        )
    ).subquery()
    rows = connection.execute(select(all_changes).order_by(all_changes.c.seq).limit(limit))
    return [SequencedChangeRow._make(row) for row in rows]


def find_public_change_seqs(connection: Connection, seqs: Iterable[int]) -> set[int]:
    """Find the changes whose entry was public before the change or after it."""
    version, seq_set = EntryVersion, set(seqs)
    public = version.disclosure_class == DisclosureClass.public
    created = select(version.seq).where(version.seq.in_(seq_set), public)
    superseded = select(version.superseded_seq).where(version.superseded_seq.in_(seq_set), public)
    status_changed = (
        select(EntryStatusChange.seq)
        .join(
            version,
            and_(
                version.entry_id == EntryStatusChange.entry_id,
                version.seq <= EntryStatusChange.seq,
                or_(
                    version.superseded_seq.is_(None), version.superseded_seq > EntryStatusChange.seq
                ),
            ),
        )
        .where(EntryStatusChange.seq.in_(seq_set), public)
    )
    return set(connection.scalars(union_all(created, superseded, status_changed)))


def read_status_changes(connection: Connection, entry_id: UUID) -> list[StatusChangeRow]:
    """Read the status changes of an entry, oldest first."""
    columns = [getattr(EntryStatusChange, name) for name in StatusChangeRow._fields]
    rows = connection.execute(
        select(*columns)
        .where(EntryStatusChange.entry_id == entry_id)
        .order_by(EntryStatusChange.seq)
    )
    return [StatusChangeRow._make(row) for row in rows]
