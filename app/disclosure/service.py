"""Writes of publications and withdrawals, and of deadlines that a calendar notice changes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.engines import Connection
from app.disclosure import store
from app.disclosure.schemas import Publication, Withdrawal
from app.entries import service as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangeCommand,
    ChangedValues,
    NextVersion,
    append_versions,
    build_channel_values,
    change_entry,
    find_first_non_public_day,
    require_day_within,
)
from app.errors import (
    AlreadyPublished,
    EntryNotFound,
    NotPublished,
    PublicationNotAllowed,
)
from app.registry import Registry
from app.rules.calendar import Calendar, find_changed_days, is_deadline_affected
from app.rules.disclosure import ChannelPublication as Published
from app.rules.disclosure import apply_new_deadline
from app.rules.law import DisclosureClass
from app.rules.permissions import COMMAND_LINE_CALLER, Caller
from app.rules.transitions import Action, require_transition_allowed

MAX_ENTRIES_PER_RECOMPUTATION = 500


def record_publication(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    publication: Publication,
    expected_version: int | None,
) -> None:
    """Record that an entry was published on a channel.

    Raises:
        PublicationNotAllowed: the entry is restricted or exempt.
        AlreadyPublished: it is published on the channel with another day or address.
        RegistryError: see `change_entry`.
    """

    def compute_published_values(_: Connection, row: EntryRow, law: Law) -> ChangedValues | None:
        return _apply_publication(row, publication, law)

    _change_entry(
        registry,
        caller,
        entry_id,
        expected_version,
        Action.publish,
        AuditAction.disclosure_recorded,
        publication,
        publication.published_on,
        compute_published_values,
    )


def record_publications(
    registry: Registry, caller: Caller, publications: Sequence[tuple[UUID, Publication]]
) -> None:
    """Record publications in one transaction: all of them or none.

    Raises:
        RegistryError: one of them is refused (see `record_publication`).
    """

    def write_publications(connection: Connection) -> None:
        law = read_law(registry, connection)
        rows = entries.lock_entries(
            connection, {entry_id for entry_id, _ in publications}, law.today
        )
        next_versions = []
        for entry_id, publication in publications:
            row = rows.get(entry_id)
            if row is None or row.void or not caller.acts_for(row.department):
                raise EntryNotFound
            # The row is read for today. Only active and suspended may differ, and both are allowed.
            require_transition_allowed(
                Action.publish, row.compute_status(publication.published_on), caller, row.department
            )
            changed_values = _apply_publication(row, publication, law)
            if changed_values is None:
                continue
            next_versions.append(
                NextVersion(
                    row=row,
                    action=Action.publish,
                    audit_action=AuditAction.disclosure_recorded,
                    reason=None,
                    digest=_compute_digest(Action.publish, publication),
                    changed_values=changed_values,
                )
            )
            rows[entry_id] = row._replace(version=row.version + 1, **changed_values)
        append_versions(registry, connection, caller, law, next_versions)

    registry.write(write_publications)


def _apply_publication(row: EntryRow, publication: Publication, law: Law) -> ChangedValues | None:
    """Return the columns that a publication changes; None if it is recorded already."""
    if row.disclosure_class_enum is not DisclosureClass.public:
        raise PublicationNotAllowed
    require_day_within(publication.published_on, row.decided_on, law.today, "/published_on")
    channels = dict(row.publications)
    recorded = channels[publication.channel]
    is_published = recorded.published_on is not None and recorded.withdrawn_on is None
    # A late retry must not undo a withdrawal.
    is_late_retry = (
        recorded.withdrawn_on is not None and publication.published_on < recorded.withdrawn_on
    )
    if is_published or is_late_retry:
        if (recorded.published_on, recorded.url) == (publication.published_on, publication.url):
            return None
        raise AlreadyPublished
    channels[publication.channel] = Published(
        required=recorded.required,
        published_on=publication.published_on,
        url=publication.url,
        recorded_at=law.at.isoformat().replace("+00:00", "Z"),
        applicable_deadline=row.deadline,
    )
    return build_channel_values(channels, row.term)  # public: only the term ends it


def record_withdrawal(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    withdrawal: Withdrawal,
    expected_version: int | None,
) -> None:
    """Record that an entry was taken off a channel.

    Raises:
        NotPublished: the entry is not on that channel.
        RegistryError: see `change_entry`.
    """

    def compute_withdrawn_values(_: Connection, row: EntryRow, law: Law) -> ChangedValues | None:
        channels = dict(row.publications)
        recorded = channels[withdrawal.channel]
        if recorded.published_on is None:
            raise NotPublished
        if recorded.withdrawn_on is not None:
            if recorded.withdrawn_on == withdrawal.withdrawn_on:
                return None
            raise NotPublished
        require_day_within(
            withdrawal.withdrawn_on, recorded.published_on, law.today, "/withdrawn_on"
        )
        channels[withdrawal.channel] = replace(recorded, withdrawn_on=withdrawal.withdrawn_on)
        return build_channel_values(
            channels, row.term, find_first_non_public_day(row, row.disclosure_class_enum, law.today)
        )

    _change_entry(
        registry,
        caller,
        entry_id,
        expected_version,
        Action.withdraw,
        AuditAction.withdrawal_recorded,
        withdrawal,
        None,
        compute_withdrawn_values,
    )


def _change_entry(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    expected_version: int | None,
    action: Action,
    audit_action: AuditAction,
    request: Publication | Withdrawal,
    status_day: date | None,
    compute_changed_values: Callable[[Connection, EntryRow, Law], ChangedValues | None],
) -> None:
    change_entry(
        registry,
        caller,
        entry_id,
        ChangeCommand(
            request=request,
            action=action,
            audit_action=audit_action,
            reason=None,
            digest=_compute_digest(action, request),
            expected_version=expected_version,
            status_day=status_day,
            compute_changed_values=compute_changed_values,
        ),
    )


def _compute_digest(action: Action, request: Publication | Withdrawal) -> str:
    return fingerprint({"action": action.value, **request.model_dump(mode="json")})


# --- a calendar notice ---------------------------------------------------


def recompute_deadlines(
    registry: Registry, connection: Connection, law: Law, previous_calendar: Calendar
) -> int:
    """Recompute every deadline that a new calendar changes; return the number of entries.

    `law` has the new calendar. Runs in the transaction that records the calendar,
    `MAX_ENTRIES_PER_RECOMPUTATION` entries at a time.
    """
    days = find_changed_days(previous_calendar, law.calendar)
    count = 0
    after: UUID | None = None
    while days:
        rows = store.read_entries_overlapping_days(
            connection,
            law.today,
            min(days),
            max(days),
            after=after,
            limit=MAX_ENTRIES_PER_RECOMPUTATION,
        )
        if not rows:
            break
        after = rows[-1].id
        next_versions = [
            _build_recomputed_version(row, law)
            for row in rows
            if is_deadline_affected(
                row.deadline_start_day, row.deadline, previous_calendar, law.calendar
            )
        ]
        append_versions(registry, connection, COMMAND_LINE_CALLER, law, next_versions)
        count += len(next_versions)
    return count


def _build_recomputed_version(row: EntryRow, law: Law) -> NextVersion:
    result = law.calendar.compute_deadline(row.deadline_start_day)
    channels = apply_new_deadline(row.publications, result.deadline, keep_later_deadline=True)
    return NextVersion(
        row=row,
        action=Action.recompute,
        audit_action=AuditAction.deadline_recomputed,
        reason="calendar",
        digest=fingerprint({"calendar": law.calendar_version}),
        changed_values={
            "deadline": result.deadline,
            "provisional": result.provisional,
            "calendar_version": law.calendar_version,
            # A report that met the deadline of its time stays in time.
            "reported_late": row.reported_late and civil_day(row.received_at) > result.deadline,
            **build_channel_values(
                channels,
                row.term,
                find_first_non_public_day(row, row.disclosure_class_enum, law.today),
            ),
        },
    )
