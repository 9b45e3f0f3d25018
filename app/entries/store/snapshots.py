"""Reads of a whole snapshot, page by page."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    select,
)

from app.db.tables import Entry, EntryVersion
from app.entries.store.reads import (
    _ENTRY_COLUMNS,
    _VERSION_COLUMNS,
    build_filter_conditions,
    build_status_expression,
    build_suspension_columns,
    is_version_at,
    is_visible_to,
)
from app.entries.store.rows import EntryRow, SnapshotPage
from app.rules.permissions import Caller
from app.rules.status import Status

MIN_ID, MAX_ID = UUID(int=0), UUID(int=2**128 - 1)
"""Bounds below and above every id."""
_PAGE_END_QUERY = (
    select(Entry.id)
    .where(Entry.id > bindparam("after"))
    .order_by(Entry.id)
    .limit(1)
    .offset(bindparam("passed"))
)
_DOCUMENT_INDEXES = tuple(EntryRow._fields.index(name) for name in ("facts", "channels"))


def build_snapshot_query(
    day: date,
    *,
    filters: Mapping[str, Any],
    caller: Caller,
    statuses: Iterable[Status] = (),
    seq: int | None = None,
) -> Select[Any]:
    """Build the query of a snapshot, once for all its pages: building it takes as long as a page.

    Documents are read as text, because parsed documents of a page that is read ahead would keep the
    garbage collector busy.
    """
    columns = [
        cast(column, Text) if column.key in {"facts", "channels"} else column
        for column in _VERSION_COLUMNS
    ]
    query = (
        select(*_ENTRY_COLUMNS, *columns, *build_suspension_columns(day, seq))
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(
            is_version_at(EntryVersion, seq),
            is_visible_to(caller, day, seq),
            Entry.id > bindparam("after"),
            Entry.id <= bindparam("until"),
            *build_filter_conditions(filters),
        )
        .order_by(Entry.id)
    )
    if status_values := [status.value for status in statuses]:
        query = query.where(build_status_expression(day, seq).in_(status_values))
    return query


def read_snapshot_page(
    connection: Connection, query: Select[Any], *, after: UUID, size: int
) -> SnapshotPage:
    """Read the visible ones of the next `size` entries.

    A page is bounded by ids and not by a number of visible rows: a database that underestimates how
    many rows match would read and sort all entries for each page.
    """
    last_id = connection.scalar(_PAGE_END_QUERY, {"after": after, "passed": size - 1}) or MAX_ID
    rows = connection.execute(query, {"after": after, "until": last_id}).all()
    return SnapshotPage(len(rows), map(_parse_documents, rows), last_id)


def _parse_documents(row: Sequence[Any]) -> EntryRow:
    values = [*row]
    for index in _DOCUMENT_INDEXES:
        values[index] = orjson.loads(values[index])
    return EntryRow._make(values)
