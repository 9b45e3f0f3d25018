"""Writing the proposals that were accepted in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law
from app.clock import civil_day
from app.db.counter import take_sequence
from app.db.engines import Connection
from app.entries import status_changes
from app.entries.recording.proposals import Proposal
from app.entries.recording.version_values import (
    build_deadline_values,
    build_decision_values,
    build_initial_channel_values,
    build_namesake_values,
    build_person_values,
)
from app.entries.status_changes import StatusChange
from app.entries.store import writes
from app.entries.store.rows import ListedEntry
from app.entries.store.values import EntryValues, VersionValues
from app.registry import Registry
from app.rules.admission import Ruling
from app.rules.disclosure import is_enterprise
from app.rules.identifiers import Identifier, Scheme
from app.rules.identity import LookupKey
from app.rules.law import ListKind
from app.rules.permissions import Caller
from app.rules.transitions import Action
from app.subjects.records import RecordedSubject, SubjectClaim
from app.subjects.service import add_subjects, record_subject_names


@dataclass(slots=True)
class AcceptedProposal:
    """A proposal that the rules accepted, with the ruling of the law on it."""

    proposal: Proposal
    ruling: Ruling
    entry_id: UUID
    subject_id: UUID


@dataclass(frozen=True, slots=True)
class AcceptedProposals:
    """The accepted proposals of a transaction and the subjects that they concern."""

    items: Sequence[AcceptedProposal]
    new_subjects: Mapping[UUID, SubjectClaim]
    new_keys: Mapping[LookupKey, tuple[UUID, Identifier | None]]
    recorded_subjects: Mapping[UUID, RecordedSubject]
    listed_entries: Mapping[UUID, Sequence[ListedEntry]]
    """Red and black entries by subject, the accepted ones among them."""


def write_accepted_proposals(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    law: Law,
    accepted: AcceptedProposals,
) -> None:
    """Insert subjects, entries, persons, status changes and audit records of accepted proposals."""
    items = accepted.items
    add_subjects(connection, registry.secrets, accepted.new_subjects, accepted.new_keys, law.at)
    claims = [(item.subject_id, item.proposal.claim) for item in items]
    record_subject_names(connection, claims, accepted.recorded_subjects)
    found_changes = _find_status_changes(accepted, law.today)
    first_seq, recorded_at = take_sequence(
        connection,
        len(items) + len(found_changes),
        catalogue_version=law.catalogue_version,
        calendar_version=law.calendar_version,
        now=registry.clock.now(),
        today=law.today,
    )
    numbered_items = list(enumerate(items, start=first_seq))
    writes.add_entries(
        connection,
        [_build_entry_values(item, law, recorded_at) for item in items],
        [
            _build_version_values(item, law, caller, seq, recorded_at)
            for seq, item in numbered_items
        ],
        [
            build_person_values(registry.secrets, item.entry_id, person)
            for item in items
            for person in item.proposal.persons
        ],
    )
    status_changes.add_status_changes(
        connection, found_changes, law.today, first_seq + len(items), recorded_at
    )
    audit.record_changes(
        connection,
        [
            audit.build_record(
                caller,
                recorded_at,
                AuditAction.entry_recorded,
                "done",
                item.entry_id,
                list_type=item.proposal.list_type,
                source_ref=item.proposal.source_ref,
                version=1,
            )
            | {"seq": seq}
            for seq, item in numbered_items
        ],
    )


def _find_status_changes(accepted: AcceptedProposals, today: date) -> list[StatusChange]:
    """Find the red entries that a new black entry suspends."""
    new_entry_ids = {item.entry_id for item in accepted.items}
    affected_subject_ids = {
        item.subject_id
        for item in accepted.items
        if any(other.kind is ListKind.red for other in accepted.listed_entries[item.subject_id])
    }
    return [
        status_change
        for subject_id in sorted(affected_subject_ids)
        for listed_entries in [accepted.listed_entries[subject_id]]
        for status_change in status_changes.find_red_status_changes(
            [other for other in listed_entries if other.entry_id not in new_entry_ids],
            listed_entries,
            today,
        )
    ]


def _build_entry_values(item: AcceptedProposal, law: Law, received_at: datetime) -> EntryValues:
    proposal = item.proposal
    return {
        "id": item.entry_id,
        "subject_id": item.subject_id,
        "list_type": proposal.list_type,
        "kind": law.catalogue.list_types[proposal.list_type].kind.value,
        "department": proposal.department,
        "source_ref": proposal.source_ref,
        "replaces": proposal.replaces,
        "received_at": received_at,
    }


def _build_version_values(
    item: AcceptedProposal, law: Law, caller: Caller, seq: int, recorded_at: datetime
) -> VersionValues:
    proposal = item.proposal
    identifiers = proposal.claim.identifiers
    usccs = [one.number for one in identifiers if one.scheme is Scheme.uscc]
    return {
        "entry_id": item.entry_id,
        "version": 1,
        "seq": seq,
        "superseded_seq": None,
        "subject_id": item.subject_id,
        "list_type": proposal.list_type,
        "department": proposal.department,
        "action": Action.record.value,
        "action_digest": proposal.facts_digest,
        "change_reason": None,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "recorded_at": recorded_at,
        "exited_on": None,
        "revoked_on": None,
        "repaired_on": None,
        "lapsed_from": None,
        "lapsed_until": None,
        "void": False,
        "disputed": False,
        "corrected_received_at": None,
        **build_decision_values(
            law, proposal.facts, item.ruling, proposal.list_type, proposal.facts_digest
        ),
        **build_namesake_values(
            law.catalogue.list_types[proposal.list_type],
            proposal.claim.kind,
            sex=proposal.sex,
            birth_date=proposal.birth_date,
            decided_on=proposal.claim.decided_on,
        ),
        **build_deadline_values(law, proposal.claim.decided_on, received_on=civil_day(recorded_at)),
        **build_initial_channel_values(is_enterprise_subject=is_enterprise(usccs)),
    }
