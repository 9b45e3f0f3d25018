"""Starting an export or a snapshot: both are pinned and recorded.

The proof of an export is recorded before its last line is sent.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.clock_corrections import find_law_versions_at
from app.entries.queries import find_seq_at
from app.entries.service import record_status_changes_until_today
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.exports import feed, snapshot
from app.exports.queries import read_feed_state
from app.exports.schemas import ExportFormat, ExportScope
from app.exports.snapshot import ExportDigest, SnapshotPin
from app.registry import Registry
from app.rules.permissions import Caller
from app.rules.status import ENDED_STATUSES, Status


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
        # A filter for ended entries implies scope "all", and the trailer shows it.
        scope = ExportScope.all
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
        head, today = read_feed_state(registry, connection)
        if known_at is not None:  # the state of that moment, so that the same export comes out
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


def start_snapshot(registry: Registry, caller: Caller) -> tuple[SnapshotPin, Iterator[bytes]]:
    """Pin a snapshot of all entries that the feed shows the caller today, and give its bytes."""
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        head, today = read_feed_state(registry, connection)
    pin = SnapshotPin(
        epoch=head.epoch,
        seq=head.seq,
        on=today,
        catalogue_version=str(head.catalogue_version),
        calendar_version=head.calendar_version,
        scope=ExportScope.all,  # everything that the caller may see
        status=None,
        filters={},
        caller=caller,
    )
    audit.record_access(registry, caller, AuditAction.snapshot_started, seq=pin.seq, on=pin.on)
    return pin, feed.stream_snapshot(registry, pin)
