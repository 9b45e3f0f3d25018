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
from app.entries.store.conditions import (
    build_filter_conditions,
    build_status_expression,
    has_active_black_entry,
    is_version_at,
    is_visible_to,
)
from app.entries.store.reads import _ENTRY_COLUMNS, _VERSION_COLUMNS
from app.entries.store.rows import EntryRow, SnapshotPage
from app.rules.permissions import Caller
from app.rules.status import Status

MIN_ID, MAX_ID = UUID(int=0), UUID(int=2**128 - 1)
"""Before and after every id that is given out."""
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
    """What `page` shows, for `stretch` to read; made once, since that takes as long as a page.

    Documents come as text: a page of them read ahead keeps the garbage collector busy for longer
    than it takes to read them.
    """
    columns = [
        cast(column, Text) if column.key in {"facts", "channels"} else column
        for column in _VERSION_COLUMNS
    ]
    query = (
        select(*_ENTRY_COLUMNS, *columns, has_active_black_entry(day, seq))
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(
            is_version_at(EntryVersion, seq),
            is_visible_to(caller, day),
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
    """What a snapshot holds of the next `of` entries, whether it shows them or not.

    The bounds are ids, and not a number of rows that are shown: to find those, a database that
    takes the conditions for rarer than they are would read and sort everything for each page.
    """
    last_id = connection.scalar(_PAGE_END_QUERY, {"after": after, "passed": size - 1}) or MAX_ID
    rows = connection.execute(query, {"after": after, "until": last_id}).all()
    return SnapshotPage(len(rows), map(_parse_documents, rows), last_id)


def _parse_documents(row: Sequence[Any]) -> EntryRow:
    values = [*row]
    for index in _DOCUMENT_INDEXES:
        values[index] = orjson.loads(values[index])
    return EntryRow._make(values)
