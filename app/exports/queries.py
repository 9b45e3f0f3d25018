"""Reads of exports: pages of the change feed, and the newest state of the registry."""

from datetime import date
from typing import NamedTuple

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.counter import Head, read_head
from app.db.engines import Connection
from app.entries.queries import find_public_change_seqs, read_changes_after, read_current_entries
from app.entries.service import record_status_changes_until_today
from app.errors import FeedGone
from app.exports.feed import FeedChange, FeedChangePage, build_feed_entry
from app.registry import Registry
from app.rules.permissions import AccessLevel, Caller

SNAPSHOT_PATH = "/v1/changes/snapshot"


class FeedState(NamedTuple):
    """The newest state of the registry: its head, and the day that belongs to the head."""

    head: Head
    today: date


def read_feed_state(registry: Registry, connection: Connection) -> FeedState:
    """Read the newest state; the status changes until today must be recorded before."""
    head = read_head(connection)
    return FeedState(head, head.current_day or registry.clock.today())


def read_changes(
    registry: Registry, caller: Caller, *, after: int, limit: int, epoch: int | None
) -> FeedChangePage:
    """Read a page of the change feed (`ChangePage`), and record the read.

    Raises:
        FeedGone: the number is of another epoch, of no epoch at all, or too far back.
    """
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        state = read_feed_state(registry, connection)
        head = state.head
        too_old = head.seq - after > registry.settings.feed_reach
        if after > head.seq or too_old or epoch not in {None, head.epoch}:
            raise FeedGone(epoch=head.epoch, head_seq=head.seq, snapshot=SNAPSHOT_PATH)
        page = _read_change_page(connection, caller, after, limit, state)
    audit.record_access(
        registry, caller, AuditAction.changes_read, after=after, changes=len(page["changes"])
    )
    return page


def _read_change_page(
    connection: Connection,
    caller: Caller,
    after: int,
    limit: int,
    state: FeedState,
) -> FeedChangePage:
    """Read the changes after a number.

    Changes of entries that the caller could never see are left out. An entry that the caller could
    see before, and no longer can, is sent as a removal.
    """
    head, today = state
    numbered = read_changes_after(connection, after, limit)
    rows = read_current_entries(connection, {change.entry_id for change in numbered}, today)
    visible = {
        entry_id
        for entry_id, row in rows.items()
        if row.determine_access_level(caller, today) is AccessLevel.full
    }
    # A removal is sent if the entry was public until the change or by it. Changes of an entry that
    # is not public concern no subscriber.
    hidden = {change.seq for change in numbered if change.entry_id not in visible}
    removed = find_public_change_seqs(connection, hidden) if hidden else set()
    return FeedChangePage(
        changes=[
            FeedChange(
                seq=change.seq,
                recorded_at=change.recorded_at,
                op="upsert" if change.entry_id in visible else "remove",
                entry_id=change.entry_id,
                entry=build_feed_entry(rows[change.entry_id], caller, today)
                if change.entry_id in visible
                else None,
            )
            for change in numbered
            if change.entry_id in visible or change.seq in removed
        ],
        next_after=numbered[-1].seq if len(numbered) == limit else head.seq,
        head_seq=head.seq,
        epoch=head.epoch,
        as_of_day=today,
    )
