"""Status changes without a new version: a day or another entry causes them.

They have sequence numbers like versions, so the feed announces them and the history shows the cause
of a suspension or its end. The status of an entry on a day never depends on these records.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from app.db.counter import Head, advance_day, read_head, take_sequence
from app.db.engines import Connection
from app.entries.store import reads, sequence, writes
from app.entries.store.rows import ListedEntry
from app.entries.store.sequence import CAUSED_BY_DISCLOSURE
from app.registry import Registry
from app.rules.law import DisclosureClass, ListKind
from app.rules.status import Status, Term, compute_status
from app.rules.suspension import Suspension, determine_suspension

CAUSED_BY_DAY = "day"
CAUSED_BY_ENTRY = "entry"


class StatusChange(NamedTuple):
    """The new status of an entry, and its cause."""

    entry_id: UUID
    status: Status
    cause: str
    cause_entry_id: UUID | None


def find_red_status_changes(
    before: Iterable[ListedEntry], after: Sequence[ListedEntry], day: date
) -> list[StatusChange]:
    """Find the red entries of a subject that a change of its black entries suspends or releases.

    Entries that stay suspended are among them if subscribers begin or cease to see a cause: they
    follow the feed, and the entry appears or disappears for them.
    """
    black_before, black_after = (
        _find_active_black_entries(before, day),
        _find_active_black_entries(after, day),
    )
    if _determine_suspension(black_before) is _determine_suspension(black_after):
        return []
    is_status_changed = bool(black_before) != bool(black_after)
    [first_black_entry, *_] = black_after or black_before
    return [
        StatusChange(
            item.entry_id,
            _compute_red_status(item.term, day, has_active_black_entry=bool(black_after)),
            CAUSED_BY_ENTRY if is_status_changed else CAUSED_BY_DISCLOSURE,
            first_black_entry.entry_id if is_status_changed else None,
        )
        for item in after
        if item.kind is ListKind.red
        and _compute_red_status(item.term, day, has_active_black_entry=False) is Status.active
    ]


def _determine_suspension(black_entries: Iterable[ListedEntry]) -> Suspension:
    return determine_suspension(item.disclosure_class for item in black_entries)


def _find_active_black_entries(
    listed_entries: Iterable[ListedEntry], day: date
) -> list[ListedEntry]:
    return [
        item
        for item in listed_entries
        if item.kind is ListKind.black
        and compute_status(item.term, ListKind.black, day, has_active_black_entry=False)
        is Status.active
    ]


def _compute_red_status(term: Term, day: date, *, has_active_black_entry: bool) -> Status:
    return compute_status(term, ListKind.red, day, has_active_black_entry=has_active_black_entry)


def record_status_changes_until_today(registry: Registry) -> None:
    """Record the status changes of all days since the last recorded day, once per day.

    Every change and some reads begin with this call, because the effect of a change on other
    entries is computed from their last recorded status.

    The entries are read before the transaction begins. An entry that changes in between is also
    announced by its own version, and both announcements lead to the same entry.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        last_day = read_head(connection).current_day
    if last_day is not None and last_day >= today:
        return
    with registry.day_change:  # the first call of a day reads all entries; the others wait
        _record_status_changes_until(registry, today)


def _record_status_changes_until(registry: Registry, today: date) -> None:
    with registry.database.reading() as connection:
        last_day = read_head(connection).current_day
        if last_day is not None and last_day >= today:
            return
        status_changes = (
            [] if last_day is None else _find_status_changes_between(connection, last_day, today)
        )

    def write_status_changes(connection: Connection) -> None:
        head = read_head(connection)
        if not advance_day(connection, last_day, today) or not status_changes:
            return  # another process was first, or no status changed
        _announce(registry, connection, head, status_changes, today)

    registry.write(write_status_changes)


def record_status_changes_back(
    registry: Registry, connection: Connection, wrong_day: date, today: date
) -> int:
    """Announce again what a day that a wrong clock began had changed; return the number.

    Runs in the transaction that has set the counter row back to today.
    """
    status_changes = _find_status_changes_between(connection, wrong_day, today)
    if status_changes:
        _announce(registry, connection, read_head(connection), status_changes, today)
    return len(status_changes)


def _announce(
    registry: Registry,
    connection: Connection,
    head: Head,
    status_changes: Sequence[StatusChange],
    today: date,
) -> None:
    """Write status changes under new sequence numbers."""
    sequence = take_sequence(
        connection,
        len(status_changes),
        catalogue_version=head.catalogue_version,
        calendar_version=head.calendar_version,
        now=registry.clock.now(),
        today=today,
    )
    add_status_changes(
        connection,
        status_changes,
        today,
        sequence.first,
        sequence.recorded_at,
        epoch=head.epoch,
    )


def add_status_changes(
    connection: Connection,
    status_changes: Iterable[StatusChange],
    day: date,
    first_seq: int,
    recorded_at: datetime,
    *,
    epoch: int | None = None,
) -> None:
    """Insert status changes under consecutive sequence numbers from `first_seq`.

    Those of a day change name their epoch: within it a day changes the status of an entry once.
    """
    writes.add_status_changes(
        connection,
        [
            {
                "entry_id": status_change.entry_id,
                "status": status_change.status,
                "cause": status_change.cause,
                "cause_entry_id": status_change.cause_entry_id,
                "seq": seq,
                "day": day,
                "recorded_at": recorded_at,
                "epoch": epoch,
            }
            for seq, status_change in enumerate(status_changes, start=first_seq)
        ],
    )


def _find_status_changes_between(
    connection: Connection, last_day: date, today: date
) -> list[StatusChange]:
    # After a wrong clock the last day is later than today.
    first_day, later_day = sorted((last_day, today))
    candidates = sequence.find_status_change_candidates(connection, first_day, later_day)
    subject_ids = {item.subject_id for item in candidates if item.kind != ListKind.record}
    listed_entries = reads.read_listed_entries(connection, subject_ids)
    status_changes = [
        StatusChange(item.entry_id, status_after, CAUSED_BY_DAY, None)
        for item in candidates
        if item.kind == ListKind.record
        for status_before, status_after in [
            _compute_statuses(item.term, ListKind.record, (last_day, today), (False, False))
        ]
        if status_before is not status_after
    ]
    for subject_entries in listed_entries.values():
        status_changes += _find_subject_status_changes(subject_entries, last_day, today)
    return status_changes


def _find_subject_status_changes(
    listed_entries: Sequence[ListedEntry], last_day: date, today: date
) -> Iterable[StatusChange]:
    black_before, black_after = (
        _find_active_black_entries(listed_entries, last_day),
        _find_active_black_entries(listed_entries, today),
    )
    has_black_by_day = (bool(black_before), bool(black_after))
    is_cause_changed = _determine_suspension(black_before) is not _determine_suspension(black_after)
    for item in listed_entries:
        status_before, status_after = _compute_statuses(
            item.term, item.kind, (last_day, today), has_black_by_day
        )
        if status_before is status_after:
            if status_after is Status.suspended and is_cause_changed:
                yield StatusChange(item.entry_id, status_after, CAUSED_BY_DISCLOSURE, None)
            continue
        # A black entry that began or ended causes a suspension or its end.
        is_caused_by_black_entry = Status.suspended in {
            status_before,
            status_after,
        } and status_after in {Status.suspended, Status.active}
        cause = next(iter(black_after or black_before), None) if is_caused_by_black_entry else None
        yield StatusChange(
            item.entry_id, status_after, CAUSED_BY_DAY, None if cause is None else cause.entry_id
        )


def _compute_statuses(
    term: Term, kind: ListKind, days: tuple[date, date], has_black_by_day: tuple[bool, bool]
) -> tuple[Status, Status]:
    status_before, status_after = (
        compute_status(term, kind, day, has_active_black_entry=active)
        for day, active in zip(days, has_black_by_day, strict=True)
    )
    return status_before, status_after


def replace_changed(
    listed_entries: Iterable[ListedEntry], changed: Mapping[UUID, tuple[Term, DisclosureClass]]
) -> list[ListedEntry]:
    """Return the entries of a subject with the terms and classes that a change gives some."""
    replaced = []
    for item in listed_entries:
        term, disclosure_class = changed.get(item.entry_id, (item.term, item.disclosure_class))
        replaced.append(item._replace(term=term, disclosure_class=disclosure_class))
    return replaced
