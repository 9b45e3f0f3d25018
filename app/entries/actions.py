"""Changing entries: each change is a new version, made under the subject's lock.

What may be done in which status stands in `app/rules/transitions.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from app.audit import store as audit
from app.catalogue.store import Law, read_law
from app.clock import civil_day
from app.crypto import fingerprint
from app.database import Connection
from app.entries import proposals, store
from app.entries.columns import channel_values, clock_values, decided_values, person_values
from app.entries.proposals import Person
from app.entries.schemas import Correction, Exit, Revocation, RevocationCode
from app.entries.store import EntryRow
from app.errors import (
    EntryNotFound,
    Fault,
    InvalidPayload,
    Sentence,
    StaleVersion,
    TransitionRefused,
)
from app.registry import Registry, take_sequence
from app.rules.admission import Case, Ruling, examine
from app.rules.cross_check import require_no_black
from app.rules.disclosure import rejudged
from app.rules.law import ListKind, ListType, SubjectKind
from app.rules.permissions import Caller
from app.rules.transitions import Action, require
from app.subjects import store as subjects
from app.subjects.store import Claim
from app.wire import FIRST_DAY


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
    audit_name: str
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
        require(order.action, (then or row).status(day))
        differing = order.apply(connection, row, law)
        if differing is None:
            return
        _add_persons(registry, connection, row.id, order.persons)
        made = NextVersion(
            row=row,
            action=order.action,
            audit_name=order.audit_name,
            reason=order.reason,
            digest=order.digest,
            differing=differing,
        )
        append_versions(registry, connection, caller, law, [made])

    registry.write(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextVersion:
    """What comes behind a row: the columns that differ, and what was done to make them so."""

    row: EntryRow
    action: Action
    audit_name: str
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

    They are taken in order, so a row may be one that an earlier of them makes.
    """
    if not made:
        return
    first, at = take_sequence(
        connection,
        len(made),
        catalogue_version=law.catalogue_version,
        calendar_version=law.calendar_version,
        now=registry.clock.now(),
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
        record = audit.row(caller, at, item.audit_name, "done", entry_id, version=known + 1)
        records.append(record | {"seq": seq})
    store.supersede_all(connection, ended)
    store.add(connection, [], [*versions.values()], [])
    audit.record_changes(connection, records)


def _done_before(connection: Connection, row: EntryRow, order: Change) -> bool:
    # A retry names the version that it was made from, or the one that it made. An older version
    # that the same action made does not count: facts may be changed, changed away, and back again.
    made = store.made_by(connection, row.id, order.digest)
    if order.expected is None:
        return row.version in made
    return any(version > order.expected or version == row.version for version in made)


def _add_persons(
    registry: Registry, connection: Connection, entry_id: UUID, persons: tuple[Person, ...]
) -> None:
    known = store.persons_of(connection, entry_id) if persons else set()
    new = [person for person in persons if person.lookup_key not in known]
    if new:
        store.add_persons(
            connection, [person_values(registry.secrets, entry_id, person) for person in new]
        )


def correct(
    registry: Registry, caller: Caller, entry_id: UUID, order: Correction, expected: int
) -> None:
    """Replace wrong facts; the law is applied to the corrected ones anew.

    Raises:
        RegistryError: what stands against it (see `change` and `examine`).
    """
    today = registry.clock.today()
    sent, persons = proposals.seal_changes(order.changes, registry.secrets, today)

    def apply(connection: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        facts = proposals.amend(row.facts, sent)
        if facts == row.facts:
            return None
        return _redecide(registry, connection, row, law, facts)

    body = {"action": "correct", "reason": order.reason, "changes": sent}
    change(
        registry,
        caller,
        entry_id,
        Change(
            action=Action.correct,
            audit_name="entry_corrected",
            reason=order.reason,
            digest=fingerprint(body),
            expected=expected,
            apply=apply,
            persons=persons,
        ),
    )


def _redecide(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    law: Law,
    facts: dict[str, Any],
) -> dict[str, Any]:
    list_type = law.catalogue.list_types[row.list_type]
    case = Case.of(facts, _birth_date(registry, connection, row, law))
    ruling = _examine_changes(case, list_type, law.today)
    for ended_on in (row.exited_on, row.revoked_on):
        if ended_on is not None:
            require_within(case.decided_on, FIRST_DAY, ended_on, "/changes/decision/decided_on")
    term = replace(
        row.term,
        effective_from=ruling.effective_from,
        effective_until=ruling.effective_until,
        cap_ends_on=ruling.cap_ends_on,
    )
    # A suspended entry stays correctable; only another term needs days without a black entry.
    if list_type.kind is ListKind.red and term != row.term:
        others = store.neighbours(connection, [row.subject_id])[row.subject_id]
        blacks = [other.term for other in others if other.kind is ListKind.black]
        require_no_black(term, blacks, law.today)
    _rename(connection, row, facts, case.decided_on)
    decided = decided_values(law, facts, ruling, row.list_type)
    if case.decided_on == row.decided_on:
        # The clock stands as it was judged, with any grace that a calendar notice gave it.
        return decided | channel_values(row.publications, term)
    published = [item.published_on for item in row.publications.values() if item.published_on]
    if published:
        place = "/changes/decision/decided_on"
        require_within(case.decided_on, FIRST_DAY, min(published), place)
    due = law.calendar.deadline(case.decided_on)
    channels = rejudged(row.publications, due.deadline, grace=False)
    received_on = civil_day(row.received_at)
    return decided | clock_values(law, case.decided_on, term, channels, received_on=received_on)


def _examine_changes(case: Case, list_type: ListType, today: date) -> Ruling:
    try:
        return examine(case, list_type, today, correcting=True)
    except InvalidPayload as wrong:
        # Places in the body of a correction, where facts stand under `changes`.
        raise InvalidPayload(
            faults=[replace(item, pointer=f"/changes{item.pointer}") for item in wrong.faults]
        ) from wrong


def _birth_date(registry: Registry, connection: Connection, row: EntryRow, law: Law) -> date | None:
    subject = row.facts["subject"]
    if subject["kind"] != SubjectKind.natural_person:
        return None
    shown = subjects.birth_date(connection, registry.secrets, row.subject_id, law.today)
    sent = subject.get("birth_date")
    return shown or (sent and date.fromisoformat(sent))


def _rename(
    connection: Connection, row: EntryRow, facts: Mapping[str, Any], decided_on: date
) -> None:
    subject = facts["subject"]
    if subject["name"] != row.facts["subject"]["name"]:
        claim = Claim(SubjectKind(subject["kind"]), subject["name"], (), decided_on)
        locked = subjects.lock(connection, [row.subject_id])
        subjects.name_subjects(connection, [(row.subject_id, claim)], locked)


def revoke(
    registry: Registry, caller: Caller, entry_id: UUID, order: Revocation, expected: int
) -> None:
    """Take an entry back because its decision does not stand.

    `wrong_subject` makes it void from the start, and seals it to all but auditors.

    Raises:
        RegistryError: what stands against it (see `change`).
    """

    def apply(_: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        require_within(order.revoked_on, row.decided_on, law.today, "/revoked_on")
        void = order.reason_code is RevocationCode.wrong_subject
        if row.revoked_on is not None and not void:
            raise TransitionRefused  # once is enough; only the wrong subject is a further finding
        return {"revoked_on": order.revoked_on, "void": void} | channel_values(
            row.publications, replace(row.term, revoked_on=order.revoked_on, void=void)
        )

    _end(registry, caller, entry_id, Action.revoke, "entry_revoked", order, expected, apply)


def exit_early(
    registry: Registry, caller: Caller, entry_id: UUID, order: Exit, expected: int
) -> None:
    """End an entry before its term does.

    Raises:
        RegistryError: what stands against it (see `change`).
    """

    def apply(_: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        require_within(order.exited_on, row.decided_on, law.today, "/exited_on")
        return {"exited_on": order.exited_on} | channel_values(
            row.publications, replace(row.term, exited_on=order.exited_on)
        )

    _end(registry, caller, entry_id, Action.exit, "entry_exited", order, expected, apply)


def _end(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    action: Action,
    audit_name: str,
    order: Revocation | Exit,
    expected: int,
    apply: Callable[[Connection, EntryRow, Law], dict[str, Any] | None],
) -> None:
    body = {"action": action.value, **order.model_dump(mode="json")}
    change(
        registry,
        caller,
        entry_id,
        Change(
            action=action,
            audit_name=audit_name,
            reason=order.reason,
            digest=fingerprint(body),
            expected=expected,
            apply=apply,
        ),
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
                    "dates_out_of_order",
                    Sentence(
                        f"The day lies between {first} and {last}",
                        f"日期须在 {first} 与 {last} 之间",
                    ),
                )
            ]
        )
