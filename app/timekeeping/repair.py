"""Repair of a registry that a wrong clock hurt; nothing that was recorded is rewritten.

The wrong clock was ahead: one that is behind records nothing, because the day changes of later days
are recorded already. The repair is one transaction:

- a correction for each series of numbers, by which `known_at` reads;
- a new version of each entry whose day of receipt, publication or end came from the wrong clock;
- the day changes back to today, announced as status changes;
- leases and waiting periods that would end in years;
- a new epoch, so that followers of the feed read the snapshot again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.clock_corrections import InstantCorrection, Series, add_correction, read_corrections
from app.db.clock_state import record_confirmation
from app.db.counter import Head, read_head, restore_day
from app.db.engines import Connection
from app.entries import service as entries
from app.entries.service import ChangedValues, EndingValues, EntryRow, NextVersion
from app.epoch.service import record_epoch
from app.errors import InvalidPayload, Sentence
from app.registry import Registry
from app.rules.clock_trust import MAX_STEP_BACK, is_day_ahead
from app.rules.disclosure import ChannelPublication, serialize_channels
from app.rules.permissions import COMMAND_LINE_CALLER
from app.rules.transitions import Action
from app.submissions.service import shorten_waiting_periods
from app.timekeeping import store
from app.timekeeping.store import WrongNumbers

BATCH_SIZE = 500


class Damage(NamedTuple):
    """The records of a wrong clock: wrong instants by series, and a day that has not come yet."""

    numbers: Mapping[Series, WrongNumbers]
    day: date | None

    @property
    def wrong_from(self) -> datetime | None:
        """The first wrong instant."""
        return min((item.wrong_from for item in self.numbers.values()), default=None)


class Repair(NamedTuple):
    """The command of a person: the right instant of the first wrong one, and the reason.

    Without numbers the repair finds what was recorded after the present.
    """

    right_from: datetime
    reason: str
    first_number: int | None = None
    last_number: int | None = None


class RepairResult(NamedTuple):
    """The effect of a repair."""

    damage: Damage
    versions: int
    status_changes: int
    epoch: int


def find_damage(
    connection: Connection, now: datetime, first: int | None = None, last: int | None = None
) -> Damage:
    """Find what a wrong clock recorded: after the present, or under the numbers given."""
    head = read_head(connection)
    day = head.current_day if is_day_ahead(head.current_day, civil_day(now)) else None
    if first is None:
        return Damage(store.find_numbers_after(connection, now + MAX_STEP_BACK), day)
    if not 1 <= first <= (last or head.seq) <= head.seq:
        raise _refuse(
            f"The numbers lie between 1 and {head.seq}, the first before the last",
            f"序号须在 1 与 {head.seq} 之间，且起始不大于终止",
        )
    changes = store.read_numbers(connection, Series.changes, first, last)
    law = store.find_law_numbers_between(connection, changes.wrong_from, changes.wrong_until)
    return Damage({Series.changes: changes, **law}, day)


def repair(registry: Registry, connection: Connection, command: Repair) -> RepairResult:
    """Repair the registry in the transaction of the caller.

    Raises:
        InvalidPayload: nothing is wrong, or the right instant cannot be the right one.
    """
    now = registry.clock.now()
    today = civil_day(now)
    damage = find_damage(connection, now, command.first_number, command.last_number)
    if not damage.numbers and damage.day is None:
        raise _refuse("Nothing was recorded after the present", "没有晚于当前时间的记录")
    corrections = _build_corrections(connection, damage, command.right_from, now)
    changes = corrections.get(Series.changes)
    # Subjects before the counter row, as every change locks them.
    rows = [] if changes is None else _lock_rows(connection, changes, today)
    head = read_head(connection)
    restore_day(connection, today, now)
    for series, correction in corrections.items():
        add_correction(
            connection,
            series,
            correction,
            now=now,
            actor=COMMAND_LINE_CALLER.name,
            reason=command.reason,
        )
    record_confirmation(connection, now)
    shorten_waiting_periods(registry, connection, now)
    epoch = record_epoch(registry, connection)
    versions = 0
    if changes is not None:
        versions = _append_versions(registry, connection, changes, rows)
    status_changes = 0
    if damage.day is not None:
        status_changes = entries.record_status_changes_back(registry, connection, damage.day, today)
    result = RepairResult(damage, versions, status_changes, epoch)
    audit.record_changes(connection, [_build_record(now, head, command, corrections, result)])
    return result


def _build_corrections(
    connection: Connection, damage: Damage, right_from: datetime, now: datetime
) -> dict[Series, InstantCorrection]:
    wrong_from = damage.wrong_from
    if wrong_from is None:
        return {}
    if right_from > now:
        raise _refuse("The right instant is not in the future", "正确时间不得晚于当前时间")
    if right_from >= wrong_from:
        raise _refuse(
            f"The right instant is before the wrong one, {wrong_from.isoformat()}",
            f"正确时间须早于错误时间 {wrong_from.isoformat()}",
        )
    corrections = {
        series: InstantCorrection(
            numbers.first_number,
            numbers.last_number,
            numbers.wrong_from,
            min(right_from + (numbers.wrong_from - wrong_from), now),
            now,
        )
        for series, numbers in damage.numbers.items()
    }
    for series, correction in corrections.items():
        corrections[series] = _limit_by_neighbours(connection, series, correction)
    return corrections


def _limit_by_neighbours(
    connection: Connection, series: Series, correction: InstantCorrection
) -> InstantCorrection:
    for other in read_corrections(connection, series):
        if (
            other.first_number <= correction.last_number
            and correction.first_number <= other.last_number
        ):
            raise _refuse(
                f"Numbers {other.first_number} to {other.last_number} are corrected already",
                f"序号 {other.first_number} 至 {other.last_number} 已经更正",
            )
    before = store.find_instant_before(connection, series, correction.first_number)
    if before is not None and correction.right_from < before:
        raise _refuse(
            f"The right instant is not before {before.isoformat()}, the one of the number before",
            f"正确时间不得早于前一序号的时间 {before.isoformat()}",
        )
    after = store.find_instant_after(connection, series, correction.last_number)
    right_until = correction.right_until if after is None else min(after, correction.right_until)
    if right_until < correction.right_from:
        raise _refuse(
            f"The right instant is not after {right_until.isoformat()}",
            f"正确时间不得晚于 {right_until.isoformat()}",
        )
    return correction._replace(right_until=right_until)


def _lock_rows(connection: Connection, changes: InstantCorrection, today: date) -> list[EntryRow]:
    entry_ids = store.find_entries_changed_by(connection, changes.first_number, changes.last_number)
    return [
        row
        for batch in _split(entry_ids)
        for row in entries.lock_entries(connection, batch, today).values()
    ]


def _append_versions(
    registry: Registry, connection: Connection, changes: InstantCorrection, rows: Sequence[EntryRow]
) -> int:
    law = read_law(registry, connection)
    received_ids = store.find_entries_received_by(
        connection, changes.first_number, changes.last_number
    )
    next_versions = []
    for row in rows:
        changed_values = _correct_row(row, changes, law, is_received_wrong=row.id in received_ids)
        if changed_values:
            next_versions.append(
                NextVersion(
                    row=row,
                    action=Action.recompute,
                    audit_action=AuditAction.receipt_redated,
                    reason="clock",
                    digest=fingerprint({"clock": changes.first_number}),
                    changed_values=changed_values,
                )
            )
    for start in range(0, len(next_versions), BATCH_SIZE):
        batch = next_versions[start : start + BATCH_SIZE]
        entries.append_versions(registry, connection, COMMAND_LINE_CALLER, law, batch)
    return len(next_versions)


def _correct_row(
    row: EntryRow, changes: InstantCorrection, law: Law, *, is_received_wrong: bool
) -> ChangedValues:
    """Return the columns that came from the wrong clock, with their right values."""
    changed_values: ChangedValues = {}
    if is_received_wrong:
        received_at = changes.correct_instant(row.received_at)
        changed_values["corrected_received_at"] = received_at
        # A report that met the deadline of its time stays in time.
        changed_values["reported_late"] = (
            row.reported_late and civil_day(received_at) > row.deadline
        )
    # No day of a publication or an end is in the future: the wrong clock allowed it.
    is_recorded_wrong = changes.first_number <= row.seq <= changes.last_number
    right_day = (
        civil_day(changes.correct_instant(row.recorded_at)) if is_recorded_wrong else law.today
    )
    ending_days: EndingValues = {}
    if row.exited_on is not None and row.exited_on > law.today:
        ending_days["exited_on"] = right_day
    if row.revoked_on is not None and row.revoked_on > law.today:
        ending_days["revoked_on"] = right_day
    if row.repaired_on is not None and row.repaired_on > law.today:
        ending_days["repaired_on"] = right_day
    channels = {
        channel: _correct_publication(item, right_day, law.today)
        for channel, item in row.publications.items()
    }
    if ending_days or channels != row.publications:
        corrected_row = row._replace(channels=serialize_channels(channels))
        changed_values |= entries.build_ending_values(corrected_row, law.today, **ending_days)
    return changed_values


def _correct_publication(
    item: ChannelPublication, right_day: date, today: date
) -> ChannelPublication:
    published_on, withdrawn_on = item.published_on, item.withdrawn_on
    if published_on is not None and published_on > today:
        published_on = right_day
    if withdrawn_on is not None and withdrawn_on > today:
        withdrawn_on = right_day
    return replace(item, published_on=published_on, withdrawn_on=withdrawn_on)


def _build_record(
    now: datetime,
    head: Head,
    command: Repair,
    corrections: Mapping[Series, InstantCorrection],
    result: RepairResult,
) -> audit.AuditValues:
    return audit.build_record(
        COMMAND_LINE_CALLER,
        now,
        AuditAction.clock_repaired,
        "done",
        f"epoch/{result.epoch}",
        reason=command.reason,
        corrections={
            series.value: {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in correction._asdict().items()
            }
            for series, correction in corrections.items()
        },
        day=None if head.current_day is None else head.current_day.isoformat(),
        versions=result.versions,
        status_changes=result.status_changes,
    )


def _split(entry_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(entry_ids), BATCH_SIZE):
        yield entry_ids[start : start + BATCH_SIZE]


def _refuse(english: str, chinese: str) -> InvalidPayload:
    return InvalidPayload(Sentence(english, chinese))
