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

from app.db.clock_corrections import (
    NumberRange,
    Series,
    build_known_ranges,
    build_range_conditions,
    read_corrections,
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

CHANGE_TABLES: tuple[type[EntryVersion], type[EntryStatusChange]] = (
    EntryVersion,
    EntryStatusChange,
)
CAUSED_BY_DISCLOSURE = "disclosure"
"""The status is the same, but its cause became public, or ceased to be."""


def find_seq_at(connection: Connection, instant: datetime) -> int:
    """Return the last sequence number recorded by an instant, by the corrected clock."""
    for found in build_known_ranges(read_corrections(connection, Series.changes), instant):
        seq = max(_find_last_seq(connection, table, found) for table in CHANGE_TABLES)
        if seq:
            return seq
    return 0


def _find_last_seq(
    connection: Connection, table: type[EntryVersion] | type[EntryStatusChange], found: NumberRange
) -> int:
    seq = connection.scalar(
        select(table.seq)
        .where(*build_range_conditions(found, table.seq, table.recorded_at))
        .order_by(table.recorded_at.desc(), table.seq.desc())
        .limit(1)
    )
    return seq or 0


def find_recorded_at(connection: Connection, seq: int) -> datetime | None:
    """Return the time at which a sequence number was recorded, by the corrected clock.

    None before the first number.
    """
    newest: tuple[int, datetime] | None = None
    for table in CHANGE_TABLES:
        row = connection.execute(
            select(table.seq, table.recorded_at)
            .where(table.seq <= seq)
            .order_by(table.seq.desc())
            .limit(1)
        ).one_or_none()
        if row is not None and (newest is None or row.seq > newest[0]):
            newest = (row.seq, row.recorded_at)
    if newest is None:
        return None
    for correction in read_corrections(connection, Series.changes):
        if correction.first_number <= newest[0] <= correction.last_number:
            return correction.correct_instant(newest[1])
    return newest[1]


def find_status_change_candidates(
    connection: Connection, first_day: date, last_day: date
) -> list[StatusChangeCandidate]:
    """Find entries that begin after the first day, up to the last day, or whose term ends then."""
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
                and_(version.effective_from > first_day, version.effective_from <= last_day),
                and_(version.effective_until >= first_day, version.effective_until < last_day),
                and_(version.cap_ends_on >= first_day, version.cap_ends_on < last_day),
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
    """Read the status changes of an entry, oldest first.

    Numbers that only announce that the cause of a suspension became public, or ceased to be, are
    left out: the status is the same.
    """
    columns = [getattr(EntryStatusChange, name) for name in StatusChangeRow._fields]
    rows = connection.execute(
        select(*columns)
        .where(
            EntryStatusChange.entry_id == entry_id, EntryStatusChange.cause != CAUSED_BY_DISCLOSURE
        )
        .order_by(EntryStatusChange.seq)
    )
    return [StatusChangeRow._make(row) for row in rows]
