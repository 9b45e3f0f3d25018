"""Correcting, revoking and ending entries: what each of them makes of the facts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from app.catalogue.store import Law, catalogue_at
from app.clock import civil_day
from app.crypto import fingerprint
from app.database import Connection
from app.entries import proposals, store
from app.entries.columns import channel_values, clock_values, decided_values
from app.entries.schemas import Correction, Exit, Revocation, RevocationCode
from app.entries.store import EntryRow
from app.entries.versions import Change, change, require_within
from app.errors import (
    InvalidPayload,
    TransitionRefused,
)
from app.registry import Registry
from app.rules.admission import Case, Ruling, examine
from app.rules.cross_check import require_no_black
from app.rules.disclosure import rejudged
from app.rules.law import ListKind, ListType, SubjectKind
from app.rules.permissions import Caller
from app.rules.transitions import Action
from app.subjects import store as subjects
from app.subjects.store import Claim
from app.wire import FIRST_DAY


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
    # By the law that the entry was decided by: a typing slip put right is no new sentence.
    then = catalogue_at(registry, connection, row.catalogue_version)
    law = replace(law, catalogue=then, catalogue_version=row.catalogue_version)
    list_type = then.list_types[row.list_type]
    police = then.is_police(row.department)
    case = Case.of(facts, _birth_date(registry, connection, row, law), police=police)
    ruling = _examine_changes(case, list_type, law.today, row)
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


def _examine_changes(case: Case, list_type: ListType, today: date, row: EntryRow) -> Ruling:
    try:
        went_on = bool(row.facts.get("conduct_continues"))
        return examine(case, list_type, today, correcting=True, conduct_went_on=went_on)
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
        if not subject.get("identifiers"):
            old = row.facts["subject"]["name"]
            subjects.rename_unidentified(
                connection, row.subject_id, claim.kind, old, subject["name"]
            )


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
