"""Publications and withdrawals, and what a calendar notice does to deadlines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_calendar_at
from app.calendar.service import record_year
from app.catalogue.queries import Law, read_law
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.engines import Connection
from app.disclosure import store
from app.disclosure.schemas import Publication, Withdrawal
from app.entries import store as entries
from app.entries.changes.next_version import (
    Change,
    NextVersion,
    append_versions,
    change,
    require_within,
)
from app.entries.recording.version_values import barred_from, channel_values
from app.entries.store import EntryRow
from app.errors import (
    AlreadyPublished,
    EntryNotFound,
    NotPublished,
    PublicationNotAllowed,
)
from app.registry import Registry
from app.rules.calendar import CalendarYear, find_changed_days, is_deadline_affected
from app.rules.disclosure import ChannelPublication as Published
from app.rules.disclosure import apply_new_deadline
from app.rules.law import DisclosureClass
from app.rules.permissions import COMMAND_LINE_CALLER, Caller
from app.rules.transitions import Action, require_transition_allowed

RECOMPUTED_AT_ONCE = 500


def publish(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    order: Publication,
    expected: int | None,
) -> None:
    """Record that an entry was published on a channel.

    Raises:
        PublicationNotAllowed: it is restricted or exempt.
        AlreadyPublished: with other particulars.
        RegistryError: see `change`.
    """

    def apply(_: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        return _published(row, order, law)

    _tell(
        registry,
        caller,
        entry_id,
        expected,
        Action.publish,
        AuditAction.disclosure_recorded,
        order,
        order.published_on,
        apply,
    )


def publish_all(
    registry: Registry, caller: Caller, orders: Sequence[tuple[UUID, Publication]]
) -> None:
    """Record publications in one transaction, each as `publish` would; all of them or none.

    Raises:
        RegistryError: what stands against one of them.
    """

    def work(connection: Connection) -> None:
        law = read_law(registry, connection)
        rows = entries.lock_all(connection, {entry_id for entry_id, _ in orders}, law.today)
        made = []
        for entry_id, order in orders:
            row = rows.get(entry_id)
            if row is None or row.void or not caller.acts_for(row.department):
                raise EntryNotFound
            # The row is read for today; active and suspended alone may differ, and both pass.
            require_transition_allowed(
                Action.publish, row.status(order.published_on), caller, row.department
            )
            differing = _published(row, order, law)
            if differing is None:
                continue
            made.append(
                NextVersion(
                    row=row,
                    action=Action.publish,
                    audit_action=AuditAction.disclosure_recorded,
                    reason=None,
                    digest=_digest(Action.publish, order),
                    differing=differing,
                )
            )
            rows[entry_id] = row._replace(version=row.version + 1, **differing)
        append_versions(registry, connection, caller, law, made)

    registry.write(work)


def _published(row: EntryRow, order: Publication, law: Law) -> dict[str, Any] | None:
    """The columns that differ once it is published; None where it is so already."""
    if row.disclosure is not DisclosureClass.public:
        raise PublicationNotAllowed
    require_within(order.published_on, row.decided_on, law.today, "/published_on")
    channels = dict(row.publications)
    known = channels[order.channel]
    stands = known.published_on is not None and known.withdrawn_on is None
    # A retry that comes after the withdrawal must not put back what was taken down.
    belated = known.withdrawn_on is not None and order.published_on < known.withdrawn_on
    if stands or belated:
        if (known.published_on, known.url) == (order.published_on, order.url):
            return None
        raise AlreadyPublished
    channels[order.channel] = Published(
        required=known.required,
        published_on=order.published_on,
        url=order.url,
        recorded_at=law.at.isoformat().replace("+00:00", "Z"),
        applicable_deadline=row.deadline,
    )
    return channel_values(channels, row.term)  # a public entry: only its term ends that


def withdraw(
    registry: Registry, caller: Caller, entry_id: UUID, order: Withdrawal, expected: int | None
) -> None:
    """Record that an entry was taken off a channel.

    Raises:
        NotPublished: it is not on that channel.
        RegistryError: see `change`.
    """

    def apply(_: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        channels = dict(row.publications)
        known = channels[order.channel]
        if known.published_on is None:
            raise NotPublished
        if known.withdrawn_on is not None:
            if known.withdrawn_on == order.withdrawn_on:
                return None
            raise NotPublished
        require_within(order.withdrawn_on, known.published_on, law.today, "/withdrawn_on")
        channels[order.channel] = replace(known, withdrawn_on=order.withdrawn_on)
        return channel_values(channels, row.term, barred_from(row, row.disclosure, law.today))

    _tell(
        registry,
        caller,
        entry_id,
        expected,
        Action.withdraw,
        AuditAction.withdrawal_recorded,
        order,
        None,
        apply,
    )


def _tell(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    expected: int | None,
    action: Action,
    audit_action: AuditAction,
    order: Publication | Withdrawal,
    status_on: date | None,
    apply: Callable[[Connection, EntryRow, Law], dict[str, Any] | None],
) -> None:
    change(
        registry,
        caller,
        entry_id,
        Change(
            action=action,
            audit_action=audit_action,
            reason=None,
            digest=_digest(action, order),
            expected=expected,
            status_on=status_on,
            apply=apply,
        ),
    )


def _digest(action: Action, order: Publication | Withdrawal) -> str:
    return fingerprint({"action": action.value, **order.model_dump(mode="json")})


# --- a calendar notice ---------------------------------------------------


def load_year(registry: Registry, year: CalendarYear) -> tuple[int, int]:
    """Load or amend a year's day-off notice, and recompute every deadline that it touches.

    The new calendar and the recomputed entries are one change: nobody reads the one without the
    other. Each touched entry gets a new version with the reason `calendar`, whatever its state.

    Returns:
        the new calendar version, and how many entries were recomputed.
    """

    def work(connection: Connection) -> tuple[int, int]:
        at = registry.clock.now()
        version = record_year(registry, connection, year)
        # Read only now, holding the counter: another notice may have come in just before.
        before = read_calendar_at(registry, connection, version - 1)
        law = replace(read_law(registry, connection), at=at)
        registry.calendars.pop(version, None)  # not to be remembered before it is committed
        days = find_changed_days(before, law.calendar)
        count = 0
        after: UUID | None = None
        while days:
            rows = store.touched(
                connection,
                law.today,
                min(days),
                max(days),
                after=after,
                limit=RECOMPUTED_AT_ONCE,
            )
            if not rows:
                break
            after = rows[-1].id
            made = [
                _recomputed(row, law)
                for row in rows
                if is_deadline_affected(row.clock_started_on, row.deadline, before, law.calendar)
            ]
            append_versions(registry, connection, COMMAND_LINE_CALLER, law, made)
            count += len(made)
        record = audit.build_record(
            COMMAND_LINE_CALLER,
            at,
            AuditAction.calendar_loaded,
            "done",
            f"calendar/{version}",
            recomputed=count,
        )
        audit.record_changes(connection, [record])
        return version, count

    return registry.write(work)


def _recomputed(row: EntryRow, law: Law) -> NextVersion:
    due = law.calendar.compute_deadline(row.clock_started_on)
    channels = apply_new_deadline(row.publications, due.deadline, keep_later_deadline=True)
    return NextVersion(
        row=row,
        action=Action.recompute,
        audit_action=AuditAction.deadline_recomputed,
        reason="calendar",
        digest=fingerprint({"calendar": law.calendar_version}),
        differing={
            "deadline": due.deadline,
            "provisional": due.provisional,
            "calendar_version": law.calendar_version,
            # A report that was in time by the deadline then shown stays in time.
            "reported_late": row.reported_late and civil_day(row.received_at) > due.deadline,
            **channel_values(channels, row.term, barred_from(row, row.disclosure, law.today)),
        },
    )
