"""Starting an export: it is pinned and recorded, and its proof is recorded before it ends."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

import orjson

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_current_calendar
from app.db.counter import find_law_versions_at, read_head
from app.entries.queries import find_seq_at
from app.entries.service import record_status_changes_until_today
from app.errors import Fault, FeedGone, InvalidPayload, ProblemCode, Sentence
from app.exports import feed, snapshot
from app.exports.schemas import ExportFormat, ExportScope
from app.exports.snapshot import ExportDigest, SnapshotPin
from app.registry import Registry
from app.rules.permissions import Caller
from app.rules.status import ENDED_STATUSES, Status

SNAPSHOT_PATH = "/v1/changes/snapshot"


def start_export(
    registry: Registry,
    caller: Caller,
    *,
    export_format: ExportFormat,
    scope: ExportScope,
    status: Status | None,
    filters: Mapping[str, str],
    on: date | None = None,
    known_at: datetime | None = None,
) -> tuple[SnapshotPin, Iterator[bytes]]:
    """Pin a snapshot and give its bytes.

    Raises:
        InvalidPayload: the day or instant has not come yet.
    """
    if status in ENDED_STATUSES:
        scope = (
            ExportScope.all
        )  # a filter for ended entries implies scope "all", and the trailer says so
    today = registry.clock.today()
    late = on is not None and on > today
    if late or (known_at is not None and known_at > registry.clock.now()):
        raise InvalidPayload(
            faults=[
                Fault(
                    "?on" if late else "?known_at",
                    ProblemCode.in_future,
                    Sentence("An export shows a day that has come", "导出只能针对已到来的日期"),
                )
            ]
        )
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        head = read_head(connection)
        today = head.current_day or registry.clock.today()  # the day that goes with the numbers
        if known_at is not None:  # what was pinned then, so that the very same export comes out
            catalogue_version, calendar_version = find_law_versions_at(connection, known_at)
            head = head._replace(
                seq=find_seq_at(connection, known_at),
                catalogue_version=catalogue_version,
                calendar_version=calendar_version,
            )
    pin = SnapshotPin(
        epoch=head.epoch,
        seq=head.seq,
        on=on or today,
        catalogue_version=str(head.catalogue_version),
        calendar_version=head.calendar_version,
        scope=scope,
        status=status,
        filters=filters,
        caller=caller,
    )
    audit.record_access(
        registry, caller, AuditAction.export_started, format=export_format, **pin.describe()
    )
    return pin, _record_completion(registry, caller, pin, export_format)


def _record_completion(
    registry: Registry, caller: Caller, pin: SnapshotPin, export_format: ExportFormat
) -> Iterator[bytes]:
    # The last chunk holds the trailer: it leaves only after count and hash are on record.
    tally = ExportDigest()
    held: bytes | None = None
    for chunk in snapshot.stream_export(registry, pin, export_format, tally):
        if held is not None:
            yield held
        held = chunk
    audit.record_access(
        registry,
        caller,
        AuditAction.export_completed,
        seq=pin.seq,
        count=tally.count,
        sha256=tally.sha256,
        format=export_format,
    )
    if held is not None:
        yield held


def read_changes(
    registry: Registry, caller: Caller, *, after: int, limit: int, epoch: int | None
) -> bytes:
    """A page of the change feed, as JSON (`ChangePage`).

    Raises:
        FeedGone: the number is of another epoch, of no epoch at all, or too far back.
    """
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        head = read_head(connection)
        today = head.current_day or registry.clock.today()  # the day that goes with the numbers
        too_old = head.seq - after > registry.settings.feed_reach
        if after > head.seq or too_old or epoch not in {None, head.epoch}:
            raise FeedGone(epoch=head.epoch, head_seq=head.seq, snapshot=SNAPSHOT_PATH)
        calendar = read_current_calendar(registry, connection)
        page = feed.read_change_page(connection, caller, after, limit, head, today, calendar)
    audit.record_access(
        registry, caller, AuditAction.changes_read, after=after, changes=len(page["changes"])
    )
    return orjson.dumps(page)


def start_snapshot(registry: Registry, caller: Caller) -> tuple[SnapshotPin, Iterator[bytes]]:
    """The whole of what the feed, folded, shows the caller today, with its proof at the end."""
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        head = read_head(connection)
        today = head.current_day or registry.clock.today()  # the day that goes with the numbers
    pin = SnapshotPin(
        epoch=head.epoch,
        seq=head.seq,
        on=today,
        catalogue_version=str(head.catalogue_version),
        calendar_version=head.calendar_version,
        scope=ExportScope.all,  # what the caller may see, no less
        status=None,
        filters={},
        caller=caller,
    )
    audit.record_access(registry, caller, AuditAction.snapshot_started, seq=pin.seq, on=pin.on)
    return pin, feed.stream_snapshot(registry, pin)
