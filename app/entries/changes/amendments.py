"""Corrections, revocations, early exits and extensions: the values that each of them changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_catalogue_at
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries.changes.next_version import ChangeCommand, change_entry, require_day_within
from app.entries.recording import proposals
from app.entries.recording.version_values import (
    build_channel_values,
    build_deadline_values,
    build_decision_values,
    build_ending_values,
    build_namesake_values,
    find_first_non_public_day,
)
from app.entries.schemas import Correction, Exit, Extension, Revocation, RevocationCode
from app.entries.store import reads, rows
from app.entries.store.rows import EntryRow
from app.entries.store.values import ChangedValues
from app.errors import IdentifierConflict, InvalidPayload, TransitionRefused
from app.http.schemas import FIRST_DAY
from app.registry import Registry
from app.rules.admission import Ruling, apply_law
from app.rules.consecutive_terms import (
    apply_consecutive_cap,
    require_within_consecutive_cap,
    validate_extended_last_day,
)
from app.rules.cross_check import require_no_black_entry
from app.rules.decision import DecisionFacts
from app.rules.disclosure import apply_new_deadline
from app.rules.former_masks import add_former_masks, remove_masks
from app.rules.identifiers import Sex
from app.rules.identity import SubjectDescription, build_name_only_key, derive_identity
from app.rules.law import ListKind, ListType, SubjectKind
from app.rules.permissions import Caller
from app.rules.stored_json import EntryFacts, FactChanges
from app.rules.transitions import Action
from app.subjects.queries import find_subject_ids, read_birth_date, read_subject_descriptions
from app.subjects.service import add_name_only_key, apply_identity


def correct_facts(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    correction: Correction,
    expected_version: int,
) -> None:
    """Replace wrong facts, and apply the law to the corrected facts.

    Raises:
        RegistryError: the reason of the refusal (see `change_entry` and `replace_facts`).
    """
    today = registry.clock.today()
    sealed = proposals.seal_changes(correction.changes, registry.secrets, today)

    def compute_corrected_values(
        connection: Connection, row: EntryRow, law: Law
    ) -> ChangedValues | None:
        return apply_correction(registry, connection, row, law, sealed.changes)

    body = {"action": "correct", "reason": correction.reason, "changes": sealed.changes}
    change_entry(
        registry,
        caller,
        entry_id,
        ChangeCommand(
            request=correction,
            action=Action.correct,
            audit_action=AuditAction.entry_corrected,
            reason=correction.reason,
            digest=fingerprint(body),
            former_digest=fingerprint(add_former_masks(body, sealed.former_masks)),
            expected_version=expected_version,
            compute_changed_values=compute_corrected_values,
            persons=sealed.persons,
        ),
    )


def apply_correction(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    law: Law,
    sealed_changes: FactChanges,
    pointer: str = "/changes",
) -> ChangedValues | None:
    """Return the columns that a correction changes; None if it changes nothing.

    Raises:
        RegistryError: the corrected facts are refused.
    """
    return replace_facts(
        registry, connection, row, law, proposals.apply_changes(row.facts, sealed_changes), pointer
    )


def replace_facts(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    law: Law,
    facts: EntryFacts,
    pointer: str,
    *,
    is_dry_run: bool = False,
) -> ChangedValues | None:
    """Return the columns that change when other facts replace the recorded ones; None if equal.

    `pointer` is the place of the facts in the request body. A dry run does not rename the subject.

    Raises:
        RegistryError: the new facts are refused.
    """
    facts = remove_masks(facts)
    if facts == remove_masks(row.facts):
        return None
    # The law of the original decision applies: correcting a typing error is no new decision.
    original_catalogue = read_catalogue_at(registry, connection, row.catalogue_version)
    law = replace(law, catalogue=original_catalogue, catalogue_version=row.catalogue_version)
    list_type = original_catalogue.list_types[row.list_type]
    issued_by_police = original_catalogue.is_police_department(row.department)
    birth_date = _read_birth_date(registry, connection, row, law)
    decision_facts = DecisionFacts.from_facts(
        facts, birth_date, issued_by_police=issued_by_police, restored_on=row.lapsed_until
    )
    ruling = _apply_law_to_changes(decision_facts, list_type, law.today, row, pointer)
    listed_entries = reads.read_listed_entries(connection, [row.subject_id]).get(row.subject_id, [])
    same_list_terms = rows.select_other_terms_on_list(row, listed_entries)
    ruling = apply_consecutive_cap(
        ruling, list_type, same_list_terms, is_last_day_given="effective_until" in facts
    )
    for ended_on in (row.exited_on, row.revoked_on, row.repaired_on, row.lapsed_from):
        if ended_on is not None:
            require_day_within(
                decision_facts.decided_on, FIRST_DAY, ended_on, f"{pointer}/decision/decided_on"
            )
    term = replace(
        row.term,
        effective_from=ruling.effective_from,
        effective_until=ruling.effective_until,
        cap_ends_on=ruling.cap_ends_on,
    )
    # A suspended entry can be corrected; only a new term requires days without a black entry.
    if list_type.kind is ListKind.red and term != row.term:
        black_terms = [other.term for other in listed_entries if other.kind is ListKind.black]
        require_no_black_entry(term, black_terms, law.today)
    _require_unused_name(connection, row, facts)
    if not is_dry_run:
        _rename_subject(registry, connection, row, facts, decision_facts.decided_on)
    decision_values = build_decision_values(law, facts, ruling, row.list_type)
    decision_values |= build_namesake_values(
        list_type,
        decision_facts.subject_kind,
        sex=None if row.sex is None else Sex(row.sex),
        birth_date=birth_date,
        decided_on=decision_facts.decided_on,
    )
    not_public_from = find_first_non_public_day(row, ruling.disclosure_class, law.today)
    if decision_facts.decided_on == row.decided_on:
        # The deadline stays, with any extension that a calendar notice gave it.
        return decision_values | build_channel_values(row.publications, term, not_public_from)
    publication_days = [
        item.published_on for item in row.publications.values() if item.published_on
    ]
    if publication_days:
        decided_on_pointer = f"{pointer}/decision/decided_on"
        require_day_within(
            decision_facts.decided_on, FIRST_DAY, min(publication_days), decided_on_pointer
        )
    deadline_start_day = row.lapsed_until or decision_facts.decided_on
    result = law.calendar.compute_deadline(deadline_start_day)
    channels = apply_new_deadline(row.publications, result.deadline, keep_later_deadline=False)
    received_on = civil_day(row.received_at)
    return (
        decision_values
        | build_deadline_values(law, deadline_start_day, received_on=received_on)
        | build_channel_values(channels, term, not_public_from)
    )


def _apply_law_to_changes(
    decision_facts: DecisionFacts, list_type: ListType, today: date, row: EntryRow, pointer: str
) -> Ruling:
    try:
        conduct_was_continuing = bool(row.facts.get("conduct_continues"))
        return apply_law(
            decision_facts,
            list_type,
            today,
            is_correction=True,
            conduct_was_continuing=conduct_was_continuing,
        )
    except InvalidPayload as error:
        # The pointers must refer to the body of the correction.
        raise InvalidPayload(
            faults=[replace(item, pointer=f"{pointer}{item.pointer}") for item in error.faults]
        ) from error


def _read_birth_date(
    registry: Registry, connection: Connection, row: EntryRow, law: Law
) -> date | None:
    subject = row.facts["subject"]
    if subject["kind"] != SubjectKind.natural_person:
        return None
    recorded_birth_date = read_birth_date(connection, registry.secrets, row.subject_id, law.today)
    given_birth_date = subject.get("birth_date")
    if recorded_birth_date is not None or given_birth_date is None:
        return recorded_birth_date
    return date.fromisoformat(given_birth_date)


def _require_unused_name(connection: Connection, row: EntryRow, facts: EntryFacts) -> None:
    subject = facts["subject"]
    if subject.get("identifiers") or subject["name"] == row.facts["subject"]["name"]:
        return
    key = build_name_only_key(SubjectKind(subject["kind"]), subject["name"])
    if find_subject_ids(connection, [key]).get(key, row.subject_id) != row.subject_id:
        raise IdentifierConflict


def _rename_subject(
    registry: Registry,
    connection: Connection,
    row: EntryRow,
    facts: EntryFacts,
    decided_on: date,
) -> None:
    """Rename the subject if the corrected facts change its name.

    A changed day of decision may rename it too: the latest decision names the subject.
    """
    subject, previous_subject = facts["subject"], row.facts["subject"]
    if (subject["name"], decided_on) == (previous_subject["name"], row.decided_on):
        return
    if not subject.get("identifiers"):
        kind = SubjectKind(subject["kind"])
        add_name_only_key(connection, registry.secrets, row.subject_id, kind, subject["name"])
    descriptions = read_subject_descriptions(connection, [row.subject_id])[row.subject_id]
    new_description = SubjectDescription(row.id, void=False, decided_on=decided_on, subject=subject)
    apply_identity(connection, row.subject_id, derive_identity([*descriptions, new_description]))


def revoke_entry(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    revocation: Revocation,
    expected_version: int,
) -> None:
    """Revoke an entry because its decision is not valid.

    An entry on the wrong subject, or on a minor, is void from the start and sealed for all except
    auditors.

    Raises:
        RegistryError: the reason of the refusal (see `change_entry`).
    """

    def compute_revoked_values(connection: Connection, row: EntryRow, law: Law) -> ChangedValues:
        require_day_within(revocation.revoked_on, row.decided_on, law.today, "/revoked_on")
        return apply_revocation(connection, row, law, revocation.reason_code, revocation.revoked_on)

    _change_entry(
        registry,
        caller,
        entry_id,
        Action.revoke,
        AuditAction.entry_revoked,
        revocation,
        expected_version,
        compute_revoked_values,
    )


def apply_revocation(
    connection: Connection, row: EntryRow, law: Law, code: RevocationCode, revoked_on: date
) -> ChangedValues:
    """Return the columns that a revocation changes.

    If it makes the entry void, the subject loses numbers and names that only this entry gave it.

    Raises:
        TransitionRefused: the entry was revoked before; it may still be found void.
    """
    if row.revoked_on is not None and not code.makes_entry_void:
        raise TransitionRefused
    if code.makes_entry_void:
        descriptions = read_subject_descriptions(connection, [row.subject_id])[row.subject_id]
        others = [description for description in descriptions if description.entry_id != row.id]
        apply_identity(connection, row.subject_id, derive_identity(others))
    return build_ending_values(row, law.today, revoked_on=revoked_on, void=code.makes_entry_void)


def exit_early(
    registry: Registry, caller: Caller, entry_id: UUID, early_exit: Exit, expected_version: int
) -> None:
    """End an entry before the end of its term.

    Raises:
        RegistryError: the reason of the refusal (see `change_entry`).
    """

    def compute_exited_values(_: Connection, row: EntryRow, law: Law) -> ChangedValues | None:
        require_day_within(early_exit.exited_on, row.decided_on, law.today, "/exited_on")
        return build_ending_values(row, law.today, exited_on=early_exit.exited_on)

    _change_entry(
        registry,
        caller,
        entry_id,
        Action.exit,
        AuditAction.entry_exited,
        early_exit,
        expected_version,
        compute_exited_values,
    )


def extend_term(
    registry: Registry, caller: Caller, entry_id: UUID, extension: Extension, expected_version: int
) -> None:
    """Extend a running term by a further decision, once, within the limits of the list type.

    Raises:
        TermNotAllowed: the list type does not allow it.
        RegistryError: another reason of refusal (see `change_entry`).
    """

    def compute_extended_values(
        connection: Connection, row: EntryRow, law: Law
    ) -> ChangedValues | None:
        decided_on = extension.decision.decided_on
        require_day_within(decided_on, row.decided_on, law.today, "/decision/decided_on")
        list_type = law.catalogue.list_types[row.list_type]
        last_day = validate_extended_last_day(
            row.term,
            extension.effective_until,
            list_type,
            was_extended="extension" in row.facts,
            term_start=row.lapsed_until or row.effective_from,
        )
        extension_body = extension.model_dump(mode="json")
        facts: EntryFacts = {
            **remove_masks(row.facts),
            "effective_until": extension_body["effective_until"],
            "extension": {
                "number": extension_body["decision"]["number"],
                "decided_on": extension_body["decision"]["decided_on"],
                "legal_basis": extension.legal_basis,
            },
        }
        listed_entries = reads.read_listed_entries(connection, [row.subject_id]).get(
            row.subject_id, []
        )
        term = replace(row.term, effective_until=last_day)
        require_within_consecutive_cap(
            term, list_type, rows.select_other_terms_on_list(row, listed_entries)
        )
        not_public_from = find_first_non_public_day(row, row.disclosure_class_enum, law.today)
        return {
            "facts": facts,
            "facts_digest": fingerprint(facts),
            "effective_until": last_day,
            **build_channel_values(row.publications, term, not_public_from),
        }

    _change_entry(
        registry,
        caller,
        entry_id,
        Action.extend,
        AuditAction.entry_extended,
        extension,
        expected_version,
        compute_extended_values,
    )


def _change_entry(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    action: Action,
    audit_action: AuditAction,
    request: Revocation | Exit | Extension,
    expected_version: int,
    compute_changed_values: Callable[[Connection, EntryRow, Law], ChangedValues | None],
) -> None:
    body = {"action": action.value, **request.model_dump(mode="json")}
    change_entry(
        registry,
        caller,
        entry_id,
        ChangeCommand(
            request=request,
            action=action,
            audit_action=audit_action,
            reason=request.reason,
            digest=fingerprint(body),
            expected_version=expected_version,
            compute_changed_values=compute_changed_values,
        ),
    )
