"""The change feed: the changes that a caller applies to its copy, and the snapshot of that copy.

A sequence number announces an entry, and the feed sends the entry as it is known today. A consumer
that has applied everything up to the head therefore holds the snapshot, whatever happened between
two pages. In the feed form of an entry only its status depends on the day, and every change of it
has a number (`app/entries/changes/status_changes.py`).
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import orjson

from app.db.counter import Head
from app.db.engines import Connection
from app.entries.projections import build_auditor_feed_entry, build_public_feed_entry
from app.entries.queries import (
    EntryRow,
    find_public_change_seqs,
    read_changes_after,
    read_current_entries,
)
from app.exports.snapshot import (
    PAGE_ROWS,
    ExportDigest,
    SnapshotPin,
    read_pages,
)
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.permissions import AccessLevel, Caller, Role


def read_change_page(
    connection: Connection,
    caller: Caller,
    after: int,
    limit: int,
    head: Head,
    today: date,
    calendar: Calendar,
) -> dict[str, Any]:
    """A page of changes (`ChangePage`).

    What the caller never could see is left out; what it could, and cannot any more, is a removal.
    """
    numbered = read_changes_after(connection, after, limit)
    rows = read_current_entries(connection, {change.entry_id for change in numbered}, today)
    shown = {
        entry_id
        for entry_id, row in rows.items()
        if row.determine_access_level(caller, today) is AccessLevel.full
    }
    # A removal is sent if the entry was public until the change or by it. Changes of an entry that
    # is not public concern no subscriber.
    hidden = {change.seq for change in numbered if change.entry_id not in shown}
    removed = find_public_change_seqs(connection, hidden) if hidden else set()
    return {
        "changes": [
            {
                "seq": change.seq,
                "recorded_at": change.recorded_at,
                "op": "upsert" if change.entry_id in shown else "remove",
                "entry_id": change.entry_id,
                "entry": build_feed_entry(rows[change.entry_id], caller, today, calendar)
                if change.entry_id in shown
                else None,
            }
            for change in numbered
            if change.entry_id in shown or change.seq in removed
        ],
        "next_after": numbered[-1].seq if len(numbered) == limit else head.seq,
        "head_seq": head.seq,
        "epoch": head.epoch,
        "as_of_day": today,
    }


def stream_snapshot(registry: Registry, pin: SnapshotPin) -> Iterator[bytes]:
    """Stream the entries that the caller may see, one per line by id, then the trailer."""
    digest, tally = hashlib.sha256(), ExportDigest()
    for rows, calendar in read_pages(registry, pin, PAGE_ROWS, tally):
        chunk = b"".join(
            orjson.dumps(
                build_feed_entry(row, pin.caller, pin.on, calendar),
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for row in rows
        )
        digest.update(chunk)
        yield chunk
    trailer = {
        "count": tally.count,
        "epoch": pin.epoch,
        "seq": pin.seq,
        "on": pin.on,
        "sha256": digest.hexdigest(),
    }
    yield orjson.dumps({"trailer": trailer}, option=orjson.OPT_APPEND_NEWLINE)


def build_feed_entry(
    row: EntryRow, caller: Caller, day: date, calendar: Calendar
) -> dict[str, Any]:
    """Build an entry for a consumer's copy: whole for auditors, else its public form."""
    if caller.role is Role.auditor:
        return build_auditor_feed_entry(row, day, calendar)
    return build_public_feed_entry(row, day)
