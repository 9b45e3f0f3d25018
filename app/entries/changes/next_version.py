"""How an entry gets its next version: under its subject's lock, numbered, with its audit record.

What may be done in which status stands in `app/rules/transitions.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.db.engines import Connection
from app.entries import store
from app.entries.changes import status_changes
from app.entries.changes.status_changes import Turn
from app.entries.recording.proposals import Person
from app.entries.recording.version_values import person_values
from app.entries.store import EntryRow
from app.errors import EntryNotFound, Fault, InvalidPayload, ProblemCode, Sentence, StaleVersion
from app.registry import Registry, take_sequence
from app.rules.law import ListKind
from app.rules.permissions import Caller
from app.rules.transitions import Action, require_transition_allowed


@dataclass(frozen=True, slots=True)
class Change:
    """An order to make the next version of an entry.

    Attributes:
        digest: of the action and its body, to tell a retry from a second order.
        expected: the version it was made from; None where the action needs none.
        status_on: the day whose status must allow it (a publication of last week was lawful if the
            entry stood last week); today where None.
        apply: gives the columns that differ, or None where the entry is so already.
    """

    action: Action
    audit_action: AuditAction
    reason: str | None
    digest: str
    apply: Callable[[Connection, EntryRow, Law], dict[str, Any] | None]
    expected: int | None = None
    status_on: date | None = None
    persons: tuple[Person, ...] = ()


def change(registry: Registry, caller: Caller, entry_id: UUID, order: Change) -> None:
    """Make the next version of an entry, or none where the very same was done before.

    Raises:
        EntryNotFound: no such entry of the caller's department.
        StaleVersion: it was changed since; says the present version.
        TransitionRefused: its status does not allow the action.
    """

    def work(connection: Connection) -> None:
        law = read_law(registry, connection)
        row = store.lock(connection, entry_id, law.today)
        if row is None or not caller.acts_for(row.department):
            raise EntryNotFound
        if _done_before(connection, row, order):
            return
        if row.void and order.action is not Action.withdraw:
            raise EntryNotFound  # sealed; but what was published by mistake must come down
        if order.expected is not None and order.expected != row.version:
            raise StaleVersion(current_version=row.version)
        day = order.status_on or law.today
        then = row if day == law.today else store.get(connection, entry_id, day)
        require_transition_allowed(order.action, (then or row).status(day), caller, row.department)
        differing = order.apply(connection, row, law)
        if differing is None:
            return
        add_persons(registry, connection, row.id, order.persons)
        made = NextVersion(
            row=row,
            action=order.action,
            audit_action=order.audit_action,
            reason=order.reason,
            digest=order.digest,
            differing=differing,
        )
        append_versions(registry, connection, caller, law, [made])

    status_changes.turn_to_today(registry)
    registry.write(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVersion:
    """What comes behind a row: the columns that differ, and what was done to make them so."""

    row: EntryRow
    action: Action
    audit_action: AuditAction
    reason: str | None
    digest: str
    differing: Mapping[str, Any]


def append_versions(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    law: Law,
    made: Sequence[NextVersion],
) -> None:
    """Number the next versions, put each behind its row, and write down who made them.

    They are taken in order, so a row may be one that an earlier of them makes. Red entries that a
    changed black one suspends, or lets come back, are announced behind them.
    """
    if not made:
        return
    turned = _turned(connection, made, law)
    first, at = take_sequence(
        connection,
        len(made) + len(turned),
        catalogue_version=law.catalogue_version,
        calendar_version=law.calendar_version,
        now=registry.clock.now(),
        today=law.today,
    )
    versions: dict[tuple[UUID, int], dict[str, Any]] = {}
    ended: list[tuple[UUID, int, int]] = []
    records = []
    for seq, item in enumerate(made, start=first):
        entry_id, known = item.row.id, item.row.version
        if (entry_id, known) in versions:
            versions[entry_id, known]["superseded_seq"] = seq
        else:
            ended.append((entry_id, known, seq))
        versions[entry_id, known + 1] = store.version_values(item.row) | {
            **item.differing,
            "version": known + 1,
            "seq": seq,
            "superseded_seq": None,
            "action": item.action.value,
            "action_digest": item.digest,
            "change_reason": item.reason,
            "actor_id": caller.id,
            "actor_name": caller.name,
            "recorded_at": at,
        }
        record = audit.build_record(
            caller, at, item.audit_action, "done", entry_id, version=known + 1
        )
        records.append(record | {"seq": seq})
    store.supersede_all(connection, ended)
    store.add(connection, [], [*versions.values()], [])
    status_changes.add(connection, turned, law.today, first + len(made), at)
    audit.record_changes(connection, records)


def _turned(connection: Connection, made: Sequence[NextVersion], law: Law) -> list[Turn]:
    terms = {
        item.row.id: item.row._replace(**item.differing).term
        for item in made
        if item.row.kind == ListKind.black
    }
    moved = {
        item.row.subject_id
        for item in made
        if terms.get(item.row.id, item.row.term) != item.row.term
    }
    return [
        turn
        for others in store.neighbours(connection, moved).values()
        for turn in status_changes.suspended_or_back(
            others, status_changes.changed(others, terms), law.today
        )
    ]


def _done_before(connection: Connection, row: EntryRow, order: Change) -> bool:
    # A retry names the version that it was made from, or the one that it made. An older version
    # that the same action made does not count: facts may be changed, changed away, and back again.
    # Of a void entry, which is sealed, only what was done since is told again.
    made = store.made_by(connection, row.id, order.digest, void=row.void)
    if order.expected is None:
        return row.version in made
    return any(version > order.expected or version == row.version for version in made)


def add_persons(
    registry: Registry, connection: Connection, entry_id: UUID, persons: tuple[Person, ...]
) -> None:
    """Keep the sealed numbers of persons whom a change newly names."""
    known = store.persons_of(connection, entry_id) if persons else set()
    new = [person for person in persons if person.lookup_key not in known]
    if new:
        store.add_persons(
            connection, [person_values(registry.secrets, entry_id, person) for person in new]
        )


def require_within(day: date, first: date, last: date, pointer: str) -> None:
    """Refuse a day that lies before the first or after the last.

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
