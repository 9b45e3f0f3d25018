"""Correcting, revoking and ending entries: what each of them makes of the facts."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_catalogue_at
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import store
from app.entries.changes.next_version import Change, change, require_within
from app.entries.recording import proposals
from app.entries.recording.version_values import (
    barred_from,
    channel_values,
    clock_values,
    decided_values,
    ended_values,
)
from app.entries.schemas import Correction, Exit, Extension, Revocation, RevocationCode
from app.entries.store import EntryRow
from app.errors import IdentifierConflict, InvalidPayload, TransitionRefused
from app.http.schemas import FIRST_DAY
from app.registry import Registry
from app.rules.admission import DecisionFacts, Ruling, apply_law
from app.rules.consecutive_terms import (
    apply_consecutive_cap,
    require_within_consecutive_cap,
    validate_extended_last_day,
)
from app.rules.cross_check import require_no_black_entry
from app.rules.disclosure import apply_new_deadline
from app.rules.identity import SubjectDescription, build_name_only_key, derive_identity
from app.rules.law import ListKind, ListType, SubjectKind
from app.rules.permissions import Caller
from app.rules.transitions import Action
from app.subjects.queries import find_subject_ids, read_birth_date, read_subject_descriptions
from app.subjects.service import add_name_only_key, apply_identity


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
        return corrected(registry, connection, row, law, sent)

    body = {"action": "correct", "reason": order.reason, "changes": sent}
    change(
        registry,
        caller,
        entry_id,
        Change(
            action=Action.correct,
            audit_action=AuditAction.entry_corrected,
            reason=order.reason,
            digest=fingerprint(body),
            expected=expected,
            apply=apply,
            persons=persons,
        ),
    )


def corrected(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    law: Law,
    sent: Mapping[str, Any],
    place: str = "/changes",
) -> dict[str, Any] | None:
    """The columns that differ once sealed changes stand in the place of facts; None if none do.

    Raises:
        RegistryError: what stands against the corrected facts.
    """
    return with_facts(registry, connection, row, law, proposals.amend(row.facts, sent), place)


def with_facts(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    law: Law,
    facts: dict[str, Any],
    place: str,
    *,
    rehearsing: bool = False,
) -> dict[str, Any] | None:
    """The columns that differ once other facts stand in the place of the recorded ones, if any do.

    `place` is where they stand in what was sent. A rehearsal leaves the subject's name as it is.

    Raises:
        RegistryError: what stands against them.
    """
    if facts == row.facts:
        return None
    # By the law that the entry was decided by: a typing slip put right is no new sentence.
    then = read_catalogue_at(registry, connection, row.catalogue_version)
    law = replace(law, catalogue=then, catalogue_version=row.catalogue_version)
    list_type = then.list_types[row.list_type]
    police = then.is_police_department(row.department)
    born = _birth_date(registry, connection, row, law)
    case = DecisionFacts.from_facts(
        facts, born, issued_by_police=police, restored_on=row.lapsed_until
    )
    ruling = _examine_changes(case, list_type, law.today, row, place)
    others = store.neighbours(connection, [row.subject_id]).get(row.subject_id, [])
    same_list = store.others_on_the_list(row, others)
    ruling = apply_consecutive_cap(
        ruling, list_type, same_list, is_last_day_given="effective_until" in facts
    )
    for ended_on in (row.exited_on, row.revoked_on, row.repaired_on, row.lapsed_from):
        if ended_on is not None:
            require_within(case.decided_on, FIRST_DAY, ended_on, f"{place}/decision/decided_on")
    term = replace(
        row.term,
        effective_from=ruling.effective_from,
        effective_until=ruling.effective_until,
        cap_ends_on=ruling.cap_ends_on,
    )
    # A suspended entry stays correctable; only another term needs days without a black entry.
    if list_type.kind is ListKind.red and term != row.term:
        blacks = [other.term for other in others if other.kind is ListKind.black]
        require_no_black_entry(term, blacks, law.today)
    _require_free_name(connection, row, facts)
    if not rehearsing:
        _rename(registry, connection, row, facts, case.decided_on)
    decided = decided_values(law, facts, ruling, row.list_type)
    barred = barred_from(row, ruling.disclosure_class, law.today)
    if case.decided_on == row.decided_on:
        # The clock stands as it was judged, with any grace that a calendar notice gave it.
        return decided | channel_values(row.publications, term, barred)
    published = [item.published_on for item in row.publications.values() if item.published_on]
    if published:
        decided_at = f"{place}/decision/decided_on"
        require_within(case.decided_on, FIRST_DAY, min(published), decided_at)
    started_on = row.lapsed_until or case.decided_on
    due = law.calendar.compute_deadline(started_on)
    channels = apply_new_deadline(row.publications, due.deadline, keep_later_deadline=False)
    received_on = civil_day(row.received_at)
    return (
        decided
        | clock_values(law, started_on, received_on=received_on)
        | channel_values(channels, term, barred)
    )


def _examine_changes(
    case: DecisionFacts, list_type: ListType, today: date, row: EntryRow, place: str
) -> Ruling:
    try:
        went_on = bool(row.facts.get("conduct_continues"))
        return apply_law(case, list_type, today, is_correction=True, conduct_was_continuing=went_on)
    except InvalidPayload as wrong:
        # Places in the body that brings the correction.
        raise InvalidPayload(
            faults=[replace(item, pointer=f"{place}{item.pointer}") for item in wrong.faults]
        ) from wrong


def _birth_date(registry: Registry, connection: Connection, row: EntryRow, law: Law) -> date | None:
    subject = row.facts["subject"]
    if subject["kind"] != SubjectKind.natural_person:
        return None
    shown = read_birth_date(connection, registry.secrets, row.subject_id, law.today)
    sent = subject.get("birth_date")
    return shown or (sent and date.fromisoformat(sent))


def _require_free_name(connection: Connection, row: EntryRow, facts: Mapping[str, Any]) -> None:
    subject = facts["subject"]
    if subject.get("identifiers") or subject["name"] == row.facts["subject"]["name"]:
        return
    key = build_name_only_key(SubjectKind(subject["kind"]), subject["name"])
    if find_subject_ids(connection, [key]).get(key, row.subject_id) != row.subject_id:
        raise IdentifierConflict


def _rename(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    facts: Mapping[str, Any],
    decided_on: date,
) -> None:
    """Let the subject bear the name that the corrected facts give it, if they give another.

    Another day of decision may do so, too: the latest decision names the subject.
    """
    subject, before = facts["subject"], row.facts["subject"]
    if (subject["name"], decided_on) == (before["name"], row.decided_on):
        return
    if not subject.get("identifiers"):
        kind = SubjectKind(subject["kind"])
        add_name_only_key(connection, registry.secrets, row.subject_id, kind, subject["name"])
    said = read_subject_descriptions(connection, [row.subject_id])[row.subject_id]
    anew = SubjectDescription(row.id, void=False, decided_on=decided_on, subject=subject)
    apply_identity(connection, row.subject_id, derive_identity([*said, anew]))


def revoke(
    registry: Registry, caller: Caller, entry_id: UUID, order: Revocation, expected: int
) -> None:
    """Take an entry back because its decision does not stand.

    Where it stood on the wrong subject, or on a minor, it is void from the start and sealed to all
    but auditors.

    Raises:
        RegistryError: what stands against it (see `change`).
    """

    def apply(connection: Connection, row: EntryRow, law: Law) -> dict[str, Any]:
        require_within(order.revoked_on, row.decided_on, law.today, "/revoked_on")
        return revoked(connection, row, law, order.reason_code, order.revoked_on)

    _carry_out(
        registry, caller, entry_id, Action.revoke, AuditAction.entry_revoked, order, expected, apply
    )


def revoked(
    connection: Connection, row: EntryRow, law: Law, code: RevocationCode, revoked_on: date
) -> dict[str, Any]:
    """The columns that differ once the entry is taken back.

    Where that makes it void, its subject keeps no number or name that no other decision gave it.

    Raises:
        TransitionRefused: it was taken back before; only that it is void is a further finding.
    """
    if row.revoked_on is not None and not code.voids:
        raise TransitionRefused
    if code.voids:
        said = read_subject_descriptions(connection, [row.subject_id])[row.subject_id]
        others = [one for one in said if one.entry_id != row.id]
        apply_identity(connection, row.subject_id, derive_identity(others))
    return ended_values(row, law.today, revoked_on=revoked_on, void=code.voids)


def exit_early(
    registry: Registry, caller: Caller, entry_id: UUID, order: Exit, expected: int
) -> None:
    """End an entry before its term does.

    Raises:
        RegistryError: what stands against it (see `change`).
    """

    def apply(_: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        require_within(order.exited_on, row.decided_on, law.today, "/exited_on")
        return ended_values(row, law.today, exited_on=order.exited_on)

    _carry_out(
        registry, caller, entry_id, Action.exit, AuditAction.entry_exited, order, expected, apply
    )


def extend(
    registry: Registry, caller: Caller, entry_id: UUID, order: Extension, expected: int
) -> None:
    """Lengthen a running term by a further decision, as far as the list type allows it, once.

    Raises:
        TermNotAllowed: the list type stands against it.
        RegistryError: what else does (see `change`).
    """

    def apply(connection: Connection, row: EntryRow, law: Law) -> dict[str, Any] | None:
        decided_on = order.decision.decided_on
        require_within(decided_on, row.decided_on, law.today, "/decision/decided_on")
        list_type = law.catalogue.list_types[row.list_type]
        last_day = validate_extended_last_day(
            row.term,
            order.effective_until,
            list_type,
            was_extended="extension" in row.facts,
            term_start=row.lapsed_until or row.effective_from,
        )
        told = order.model_dump(mode="json")
        facts = {
            **row.facts,
            "effective_until": told["effective_until"],
            "extension": {**told["decision"], "legal_basis": order.legal_basis},
        }
        others = store.neighbours(connection, [row.subject_id]).get(row.subject_id, [])
        term = replace(row.term, effective_until=last_day)
        require_within_consecutive_cap(term, list_type, store.others_on_the_list(row, others))
        barred = barred_from(row, row.disclosure, law.today)
        return {
            "facts": facts,
            "facts_digest": fingerprint(facts),
            "effective_until": last_day,
            **channel_values(row.publications, term, barred),
        }

    _carry_out(
        registry,
        caller,
        entry_id,
        Action.extend,
        AuditAction.entry_extended,
        order,
        expected,
        apply,
    )


def _carry_out(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    action: Action,
    audit_action: AuditAction,
    order: Revocation | Exit | Extension,
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
            audit_action=audit_action,
            reason=order.reason,
            digest=fingerprint(body),
            expected=expected,
            apply=apply,
        ),
    )
