"""The next version of an entry: under the lock of its subject, numbered, with its audit record.

`app/rules/transitions.py` lists the actions that each status allows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.db.counter import take_sequence
from app.db.engines import Connection
from app.entries import status_changes
from app.entries.recorded_numbers import require_recorded_numbers_absent
from app.entries.recording.proposals import ResponsiblePersonNumber
from app.entries.recording.version_values import build_person_values
from app.entries.status_changes import StatusChange
from app.entries.store import reads, rows, writes
from app.entries.store.rows import EntryRow
from app.entries.store.values import ChangedValues, VersionValues
from app.errors import EntryNotFound, Fault, InvalidPayload, ProblemCode, Sentence, StaleVersion
from app.http.schemas import Model
from app.registry import Registry
from app.rules.law import ListKind
from app.rules.permissions import Caller
from app.rules.transitions import Action, require_transition_allowed


@dataclass(frozen=True, slots=True)
class ChangeCommand:
    """A command to make the next version of an entry.

    Attributes:
        request: the body that was sent; none of its texts may hold a number of the entry.
        digest: digest of action and body; it distinguishes a retry from a second command.
        former_digest: the digest of the same by releases before 0.3, if it differs.
        expected_version: the version that the caller has read; None if the action needs none.
        status_day: the day on which the status must allow the action; None for today. A publication
            of last week was lawful if the entry was in force last week.
        compute_changed_values: returns the columns that differ, or None if nothing would change.
        persons: the numbers of responsible persons that the change names.
    """

    request: Model
    action: Action
    audit_action: AuditAction
    reason: str | None
    digest: str
    compute_changed_values: Callable[[Connection, EntryRow, Law], ChangedValues | None]
    expected_version: int | None = None
    status_day: date | None = None
    persons: tuple[ResponsiblePersonNumber, ...] = ()
    former_digest: str | None = None


def change_entry(
    registry: Registry, caller: Caller, entry_id: UUID, command: ChangeCommand
) -> None:
    """Make the next version of an entry; do nothing if the command is a retry.

    Raises:
        EntryNotFound: the caller's department has no such entry.
        StaleVersion: the entry has changed since; the error carries its current version.
        TransitionRefused: the status of the entry does not allow the action.
        InvalidPayload: a text of the request holds a personal number of the entry.
    """

    def write_change(connection: Connection) -> None:
        law = read_law(registry, connection)
        row = reads.lock_entry(connection, entry_id, law.today)
        if row is None or not caller.acts_for(row.department):
            raise EntryNotFound
        require_recorded_numbers_absent(registry, connection, [row], command.request)
        if _is_already_done(connection, row, command):
            return
        if row.void and command.action is not Action.withdraw:
            raise EntryNotFound  # sealed; only a wrong publication can still be withdrawn
        if command.expected_version is not None and command.expected_version != row.version:
            raise StaleVersion(current_version=row.version)
        day = command.status_day or law.today
        row_on_day = row if day == law.today else reads.read_entry(connection, entry_id, day)
        require_transition_allowed(
            command.action, (row_on_day or row).compute_status(day), caller, row.department
        )
        changed_values = command.compute_changed_values(connection, row, law)
        if changed_values is None:
            return
        add_new_persons(registry, connection, row.id, command.persons)
        next_version = NextVersion(
            row=row,
            action=command.action,
            audit_action=command.audit_action,
            reason=command.reason,
            digest=command.digest,
            changed_values=changed_values,
        )
        append_versions(registry, connection, caller, law, [next_version])

    status_changes.record_status_changes_until_today(registry)
    registry.write(write_change)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVersion:
    """The version after a row: the columns that differ, and the action that changes them."""

    row: EntryRow
    action: Action
    audit_action: AuditAction
    reason: str | None
    digest: str
    changed_values: ChangedValues


def append_versions(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    law: Law,
    next_versions: Sequence[NextVersion],
) -> None:
    """Number and insert the next versions, with their audit records, in order.

    A row may be a version that an earlier item of the sequence makes. The status changes of red
    entries, which a changed black entry suspends or releases, follow after the versions.
    """
    if not next_versions:
        return
    found_changes = _find_status_changes(connection, next_versions, law)
    first_seq, recorded_at = take_sequence(
        connection,
        len(next_versions) + len(found_changes),
        catalogue_version=law.catalogue_version,
        calendar_version=law.calendar_version,
        now=registry.clock.now(),
        today=law.today,
    )
    versions: dict[tuple[UUID, int], VersionValues] = {}
    superseded: list[tuple[UUID, int, int]] = []
    records = []
    for seq, item in enumerate(next_versions, start=first_seq):
        entry_id, base_version = item.row.id, item.row.version
        if (entry_id, base_version) in versions:
            versions[entry_id, base_version]["superseded_seq"] = seq
        else:
            superseded.append((entry_id, base_version, seq))
        versions[entry_id, base_version + 1] = {
            **rows.build_version_values(item.row),
            **item.changed_values,
            "version": base_version + 1,
            "seq": seq,
            "superseded_seq": None,
            "action": item.action.value,
            "action_digest": item.digest,
            "change_reason": item.reason,
            "actor_id": caller.id,
            "actor_name": caller.name,
            "recorded_at": recorded_at,
        }
        record = audit.build_record(
            caller, recorded_at, item.audit_action, "done", entry_id, version=base_version + 1
        )
        records.append(record | {"seq": seq})
    writes.supersede_versions(connection, superseded)
    writes.add_entries(connection, [], [*versions.values()], [])
    status_changes.add_status_changes(
        connection, found_changes, law.today, first_seq + len(next_versions), recorded_at
    )
    audit.record_changes(connection, records)


def _find_status_changes(
    connection: Connection, next_versions: Sequence[NextVersion], law: Law
) -> list[StatusChange]:
    changed = {
        item.row.id: (after.term, after.disclosure_class_enum)
        for item in next_versions
        if item.row.kind == ListKind.black
        for after in [item.row._replace(**item.changed_values)]
    }
    affected_subject_ids = {
        item.row.subject_id
        for item in next_versions
        if item.row.id in changed
        and changed[item.row.id] != (item.row.term, item.row.disclosure_class_enum)
    }
    return [
        status_change
        for listed_entries in reads.read_listed_entries(connection, affected_subject_ids).values()
        for status_change in status_changes.find_red_status_changes(
            listed_entries, status_changes.replace_changed(listed_entries, changed), law.today
        )
    ]


def _is_already_done(connection: Connection, row: EntryRow, command: ChangeCommand) -> bool:
    # A retry names the version that it changed, or the version that it made. An older version of
    # the same action does not count: facts may be changed, changed away, and changed back.
    # A void entry is sealed: only actions after that are confirmed again.
    digests = {command.digest, command.former_digest or command.digest}
    versions_made = writes.find_versions_made_by(connection, row.id, digests, void=row.void)
    if command.expected_version is None:
        return row.version in versions_made
    return any(
        version > command.expected_version or version == row.version for version in versions_made
    )


def add_new_persons(
    registry: Registry,
    connection: Connection,
    entry_id: UUID,
    persons: tuple[ResponsiblePersonNumber, ...],
) -> None:
    """Insert the sealed numbers of responsible persons that a change adds."""
    known_keys = writes.read_person_lookup_keys(connection, entry_id) if persons else set()
    new_persons = [person for person in persons if person.lookup_key not in known_keys]
    if new_persons:
        writes.add_person_rows(
            connection,
            [build_person_values(registry.secrets, entry_id, person) for person in new_persons],
        )


def require_day_within(day: date, first: date, last: date, pointer: str) -> None:
    """Refuse a day outside the period from the first to the last day.

    Raises:
        InvalidPayload: `dates_out_of_order` at the pointer.
    """
    if not first <= day <= last:
        raise InvalidPayload(
            faults=[
                Fault(
                    pointer,
                    ProblemCode.dates_out_of_order,
                    Sentence(
                        f"The day lies between {first} and {last}",
                        f"日期须在 {first} 与 {last} 之间",
                    ),
                )
            ]
        )
