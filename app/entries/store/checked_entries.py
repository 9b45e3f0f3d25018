"""Reads of a check, prepared: they run many times a second."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Date,
    bindparam,
    select,
)

from app.db.statements import PreparedQuery, as_text, in_array
from app.db.tables import EntryVersion
from app.entries.store.reads import build_status_expression, is_version_at


class CheckedEntryRow(NamedTuple):
    """The columns of an entry that a check reads; the database computes the status."""

    id: str
    subject_id: str
    kind: str
    list_type: str
    department: str
    severity: str | None
    effective_from: str
    effective_until: str | None
    status: str
    disputed: bool
    disclosure_class: str
    void: bool
    facts: str
    """JSON."""

    @property
    def domain(self) -> str:
        """The governance domain: the first part of the code of the list type."""
        return self.list_type.partition(".")[0]


def _build_checked_entries_query(seq: BindParameter[int] | None) -> PreparedQuery:
    version = EntryVersion
    day = bindparam("day", type_=Date)
    return PreparedQuery(
        select(
            as_text(version.entry_id),
            as_text(version.subject_id),
            version.kind,
            version.list_type,
            version.department,
            version.severity,
            as_text(version.effective_from),
            as_text(version.effective_until),
            build_status_expression(day, seq),
            version.disputed,
            version.disclosure_class,
            version.void,
            as_text(version.facts),
        )
        .where(is_version_at(version, seq), in_array(version.subject_id, "subjects"))
        .order_by(version.entry_id)
    )


CURRENT_CHECKED_ENTRIES = _build_checked_entries_query(None)
CHECKED_ENTRIES_AT_SEQ = _build_checked_entries_query(bindparam("seq", type_=BigInteger))


def read_checked_entries(
    connection: Connection, subject_ids: Iterable[UUID], day: date, seq: int | None = None
) -> list[CheckedEntryRow]:
    """Read all entries of subjects for a check, oldest first; `seq` as in `is_version_at`."""
    subject_list = list(subject_ids)
    if not subject_list:
        return []
    parameters = {"subjects": subject_list, "day": day.isoformat()}
    if seq is None:
        rows = CURRENT_CHECKED_ENTRIES.fetch(connection, **parameters)
    else:
        rows = CHECKED_ENTRIES_AT_SEQ.fetch(connection, **parameters, seq=seq)
    return list(map(CheckedEntryRow._make, rows))
