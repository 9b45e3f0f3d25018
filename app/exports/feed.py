"""Entries in the form of the change feed, and the snapshot of all of them.

A sequence number announces an entry, and the feed sends the entry as it is known today. A consumer
that has applied everything up to the head therefore holds the snapshot, whatever happened between
two pages. In the feed form of an entry only its status depends on the day, and every change of it
has a number (`app/entries/status_changes.py`).
"""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal, TypedDict
from uuid import UUID

import orjson

from app.entries.projections import (
    AuditorFeedEntryJson,
    PublicFeedEntryJson,
    build_auditor_feed_entry,
    build_public_feed_entry,
)
from app.entries.queries import EntryRow
from app.exports.snapshot import (
    PAGE_ROWS,
    ExportDigest,
    SnapshotPin,
    read_pages,
)
from app.registry import Registry
from app.rules.permissions import Caller, Role


class FeedChange(TypedDict):
    """One change of a page (`Change`)."""

    seq: int
    recorded_at: datetime
    op: Literal["upsert", "remove"]
    entry_id: UUID
    entry: AuditorFeedEntryJson | PublicFeedEntryJson | None


class FeedChangePage(TypedDict):
    """A page of changes (`ChangePage`)."""

    changes: list[FeedChange]
    next_after: int
    head_seq: int
    epoch: int
    as_of_day: date


def stream_snapshot(registry: Registry, pin: SnapshotPin) -> Iterator[bytes]:
    """Stream the entries that the caller may see, one per line by id, then the trailer."""
    digest, tally = hashlib.sha256(), ExportDigest()
    for rows, _ in read_pages(registry, pin, PAGE_ROWS, tally):
        chunk = b"".join(
            orjson.dumps(
                build_feed_entry(row, pin.caller, pin.on),
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
    row: EntryRow, caller: Caller, day: date
) -> AuditorFeedEntryJson | PublicFeedEntryJson:
    """Build an entry for a consumer's copy: whole for auditors, else its public form."""
    if caller.role is Role.auditor:
        return build_auditor_feed_entry(row, day)
    return build_public_feed_entry(row, day)
