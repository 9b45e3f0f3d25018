"""Recording decisions: read, decide by the rules, write, in one transaction.

The write order is the same everywhere, for the obvious others were seen to hang or to lose the
red/black cross-check: lock the subjects in the order of their ids; read and decide; insert subjects
and numbers that are new (a lost race starts over); take the change numbers last; insert; commit.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.clock import civil_day
from app.db.counter import take_sequence
from app.db.engines import Connection
from app.entries.changes import status_changes
from app.entries.changes.status_changes import StatusChange
from app.entries.recording import proposals
from app.entries.recording.proposals import Proposal
from app.entries.recording.version_values import (
    build_deadline_values,
    build_decision_values,
    build_initial_channel_values,
    build_person_values,
)
from app.entries.schemas import EntryPush
from app.entries.store import reads, rows, writes
from app.entries.store.rows import ListedEntry
from app.errors import (
    EntryConflict,
    Fault,
    IdentifierConflict,
    InvalidPayload,
    NotYourDepartment,
    NotYourList,
    ProblemCode,
    RegistryError,
    Sentence,
    SubjectKindConflict,
)
from app.registry import Registry
from app.rules.admission import Ruling, apply_law, require_in_force
from app.rules.consecutive_terms import apply_consecutive_cap
from app.rules.cross_check import require_no_black_entry
from app.rules.decision import DecisionFacts
from app.rules.disclosure import is_enterprise
from app.rules.identifiers import Identifier, Scheme
from app.rules.identity import LookupKey
from app.rules.law import Catalogue, ListKind, ListType
from app.rules.permissions import Caller, Role
from app.rules.transitions import Action
from app.subjects.queries import read_profiles
from app.subjects.records import RecordedSubject, SubjectClaim
from app.subjects.service import add_subjects, find_recorded_subjects, record_subject_names

# A subject has one of each for life, so a second one is somebody else's: taken in, it would draw
# that one's entries to this subject.
MAX_PROPOSALS_PER_READ = (
    1_000  # proposals looked up by one statement: databases take so many values, no more
)
PERMANENT_SCHEMES = {Scheme.uscc.value, Scheme.org_code.value, Scheme.resident_id.value}
ENTRY_VOID_MESSAGE = Sentence(
    "The entry of this source_ref was revoked as void (wrong or minor subject); if the decision is"
    " on somebody else, push it under a new source_ref with replaces",
    "该 source_ref 的条目已因主体错误或未成年而自始撤销；如认定对象另有其人，请以新的 source_ref"
    " 报送并注明 replaces",
)


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """What became of a push; `replayed` where the same had been recorded before."""

    entry_id: UUID
    replayed: bool


def record_entry(registry: Registry, caller: Caller, push: EntryPush) -> RecordingResult:
    """Record one decision.

    Raises:
        RegistryError: what stands against it; nothing was written.
    """
    [outcome] = record_entries(registry, caller, [push])
    if isinstance(outcome, RegistryError):
        raise outcome
    return outcome


def record_entries(
    registry: Registry, caller: Caller, pushes: Sequence[EntryPush]
) -> list[RecordingResult | RegistryError]:
    """Record decisions in one transaction, each answered for itself, in order."""
    prepared = prepare_proposals(registry, caller, pushes)
    status_changes.record_status_changes_until_today(registry)
    return registry.write(
        lambda connection: record_proposals(registry, connection, caller, prepared)
    )


def prepare_proposals(
    registry: Registry, caller: Caller, pushes: Sequence[EntryPush | RegistryError]
) -> list[Proposal | RegistryError]:
    """Read pushes, each for itself; what is refused already stays where it stands."""
    today = registry.clock.today()
    return [
        push
        if isinstance(push, RegistryError)
        else _prepare_proposal(registry, caller, push, today)
        for push in pushes
    ]


def record_proposals(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    prepared: Sequence[Proposal | RegistryError],
    *,
    stop_at_refusal: bool = False,
) -> list[RecordingResult | RegistryError]:
    """Record proposals in a transaction of the caller's, each answered for itself, in order.

    With `stop` nothing behind the first refused one is looked at: the answers end with it.
    """
    batch = _ProposalBatch(registry, caller)
    outcomes = batch.decide_all(connection, prepared, stop_at_refusal=stop_at_refusal)
    batch.write_accepted()
    return outcomes


class DryRun:
    """Proposals decided as if those before them had been recorded; nothing is, and nobody waits."""

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self._batch = _ProposalBatch(registry, caller, for_update=False)

    def decide_all(
        self, prepared: Sequence[Proposal | RegistryError], *, stop_at_refusal: bool = False
    ) -> list[RecordingResult | RegistryError]:
        """What would become of them; the ids of new entries are made up."""
        with self._registry.database.reading() as connection:
            outcomes = self._batch.decide_all(connection, prepared, stop_at_refusal=stop_at_refusal)
        self._batch.accepted.clear()
        return outcomes

    @property
    def recorded_subject_ids(self) -> Collection[UUID]:
        """The recorded subjects that they are about."""
        return self._batch.recorded_subjects.keys()


def _prepare_proposal(
    registry: Registry, caller: Caller, push: EntryPush, today: date
) -> Proposal | RegistryError:
    try:
        department = _determine_issuing_department(caller, push.department)
        return proposals.build_proposal(push, department, registry.secrets, today)
    except RegistryError as refusal:
        return refusal


def _determine_issuing_department(caller: Caller, requested_department: str | None) -> str:
    if caller.role is Role.department and caller.department is not None:
        if requested_department is not None and requested_department != caller.department:
            raise NotYourDepartment
        return caller.department
    if requested_department is None:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/department",
                    ProblemCode.missing,
                    Sentence(
                        "An operator names the issuing department", "管理员报送须填写认定部门"
                    ),
                )
            ]
        )
    return requested_department


@dataclass(slots=True)
class _AcceptedProposal:
    """A proposal that passed, with what the law made of it."""

    proposal: Proposal
    ruling: Ruling
    entry_id: UUID
    subject_id: UUID


@dataclass(slots=True)
class _ProposalBatch:
    """Pushes of one transaction: what was read for them, and what is to be written.

    A rehearsal reads on and on without locking or writing, and remembers what it let pass.
    """

    registry: Registry
    caller: Caller
    for_update: bool = True
    connection: Connection = field(init=False)
    law: Law = field(init=False)
    recorded_references: dict[tuple[str, str], rows.RecordedReference] = field(default_factory=dict)
    subject_ids_by_key: dict[LookupKey, UUID] = field(default_factory=dict)
    recorded_subjects: dict[UUID, RecordedSubject] = field(default_factory=dict)
    listed_entries: dict[UUID, list[ListedEntry]] = field(default_factory=dict)
    new_subjects: dict[UUID, SubjectClaim] = field(default_factory=dict)
    new_keys: dict[LookupKey, tuple[UUID, Identifier | None]] = field(default_factory=dict)
    replaced_ids: set[UUID] = field(default_factory=set)
    accepted: list[_AcceptedProposal] = field(default_factory=list)

    def decide_all(
        self,
        connection: Connection,
        prepared: Sequence[Proposal | RegistryError],
        *,
        stop_at_refusal: bool,
    ) -> list[RecordingResult | RegistryError]:
        """Decide on each, in order; with `stop` up to the first refusal."""
        self.connection = connection
        self.law = read_law(self.registry, connection)
        valid_proposals = [item for item in prepared if isinstance(item, Proposal)]
        for start in range(0, len(valid_proposals), MAX_PROPOSALS_PER_READ):
            self._read_recorded_state(valid_proposals[start : start + MAX_PROPOSALS_PER_READ])
        outcomes: list[RecordingResult | RegistryError] = []
        for item in prepared:
            outcomes.append(self._decide(item) if isinstance(item, Proposal) else item)
            if stop_at_refusal and isinstance(outcomes[-1], RegistryError):
                break
        return outcomes

    def _read_recorded_state(self, valid_proposals: Sequence[Proposal]) -> None:
        """Everything that the decisions need, with the subjects locked."""
        keys = {key for item in valid_proposals for key in item.keys}
        subject_ids_by_key, recorded_subjects = find_recorded_subjects(
            self.connection, keys - self.subject_ids_by_key.keys(), for_update=self.for_update
        )
        self.subject_ids_by_key |= subject_ids_by_key
        new_subject_ids = recorded_subjects.keys() - self.recorded_subjects.keys()
        self.recorded_subjects |= recorded_subjects
        # Behind the lock, so that a push that came just before is seen.
        references = {(item.department, item.source_ref) for item in valid_proposals}
        self.recorded_references |= writes.find_recorded_references(
            self.connection, references - self.recorded_references.keys()
        )
        self.listed_entries |= reads.read_listed_entries(self.connection, new_subject_ids)

    def _decide(self, proposal: Proposal) -> RecordingResult | RegistryError:
        """Accept one push, or say what stands against it."""
        reference = (proposal.department, proposal.source_ref)
        recorded = self.recorded_references.get(reference)
        if (
            recorded is not None
        ):  # before every other rule: a retry gets its answer whatever changed
            if recorded.void:  # no retry may bring it back, nor read what is sealed
                return EntryConflict(ENTRY_VOID_MESSAGE, entry_id=str(recorded.entry_id))
            if proposal.facts_digest in recorded.digests:
                return RecordingResult(recorded.entry_id, replayed=True)
            return EntryConflict(entry_id=str(recorded.entry_id))
        try:
            accepted = self._accept(proposal)
        except RegistryError as refusal:
            return refusal
        self.accepted.append(accepted)
        self.recorded_references[reference] = rows.RecordedReference(
            accepted.entry_id, frozenset({proposal.facts_digest}), void=False
        )
        return RecordingResult(accepted.entry_id, replayed=False)

    def _accept(self, proposal: Proposal) -> _AcceptedProposal:
        list_type = _require_known_list_type(self.law.catalogue, proposal.list_type)
        require_in_force(list_type, self.law.today)
        _require_issuer(self.law, proposal.department, list_type)
        issued_by_police = self.law.catalogue.is_police_department(proposal.department)
        decision_facts = DecisionFacts.from_facts(
            proposal.facts, proposal.birth_date, issued_by_police=issued_by_police
        )
        ruling = apply_law(decision_facts, list_type, self.law.today)
        if proposal.replaces is not None:
            self._require_replaceable(proposal, proposal.replaces)
        subject_id = self._determine_subject_id(proposal)
        entry_id = uuid7()
        listed_entries = self.listed_entries.setdefault(subject_id, [])
        ruling = apply_consecutive_cap(
            ruling,
            list_type,
            [other.term for other in listed_entries if other.list_type == list_type.code],
            is_last_day_given="effective_until" in proposal.facts,
        )
        if list_type.kind is ListKind.red:
            require_no_black_entry(
                ruling.term,
                [other.term for other in listed_entries if other.kind is ListKind.black],
                self.law.today,
            )
        # From here on it is accepted: remember what it adds, for the pushes behind it.
        if proposal.replaces is not None:
            self.replaced_ids.add(proposal.replaces)
        if subject_id not in self.recorded_subjects:
            earlier_claim = self.new_subjects.get(subject_id, proposal.claim)
            # Of two decisions of one day the one behind names it, as in `name_subjects`.
            self.new_subjects[subject_id] = max(
                proposal.claim, earlier_claim, key=lambda claim: claim.decided_on
            )
        for key, identifier in proposal.keys.items():
            if key not in self.subject_ids_by_key:
                self.subject_ids_by_key[key] = subject_id
                self.new_keys[key] = (subject_id, identifier)
        if list_type.kind is not ListKind.record:
            listed_entries.append(
                ListedEntry(
                    entry_id, list_type.kind, list_type.code, proposal.department, ruling.term
                )
            )
        return _AcceptedProposal(proposal, ruling, entry_id, subject_id)

    def _require_replaceable(self, proposal: Proposal, replaced_id: UUID) -> None:
        replaced_entry = reads.read_entry(self.connection, replaced_id, self.law.today)
        is_own_entry = (
            replaced_entry is not None and replaced_entry.department == proposal.department
        )
        if (
            not (is_own_entry and replaced_entry and replaced_entry.void)
            or replaced_id in self.replaced_ids
            or writes.is_replaced(self.connection, replaced_id, for_update=self.for_update)
        ):
            raise InvalidPayload(
                faults=[
                    Fault(
                        "/replaces",
                        ProblemCode.nothing_to_replace,
                        Sentence(
                            "replaces names an entry of your department that was revoked as"
                            " wrong_subject or minor_subject, and that no other entry replaces",
                            "replaces 须为本部门以 wrong_subject 或 minor_subject 撤销、且尚无其他"
                            "条目替代的条目",
                        ),
                    )
                ]
            )

    def _determine_subject_id(self, proposal: Proposal) -> UUID:
        keys = proposal.keys
        subject_ids = {
            self.subject_ids_by_key[key] for key in keys if key in self.subject_ids_by_key
        }
        if len(subject_ids) > 1:
            raise IdentifierConflict
        if not subject_ids:
            return uuid7()
        [subject_id] = subject_ids
        kind = (
            self.recorded_subjects[subject_id].kind
            if subject_id in self.recorded_subjects
            else self.new_subjects[subject_id].kind
        )
        if kind is not proposal.claim.kind:
            raise SubjectKindConflict(recorded_kind=kind)
        added_schemes = {
            scheme for scheme, number in keys if (scheme, number) not in self.subject_ids_by_key
        }
        if (
            added_schemes & PERMANENT_SCHEMES
            and added_schemes & PERMANENT_SCHEMES & self._read_schemes(subject_id)
        ):
            raise IdentifierConflict
        return subject_id

    def _read_schemes(self, subject_id: UUID) -> set[str]:
        added_schemes = {
            scheme for (scheme, _), (owner, _) in self.new_keys.items() if owner == subject_id
        }
        profile = read_profiles(self.connection, [subject_id]).get(subject_id)
        return added_schemes | {
            item["scheme"] for item in (profile or {"identifiers": ()})["identifiers"]
        }

    def write_accepted(self) -> None:
        """Write what was accepted; nothing where nothing was."""
        if not self.accepted:
            return
        connection, law = self.connection, self.law
        add_subjects(connection, self.registry.secrets, self.new_subjects, self.new_keys, law.at)
        claims = [(item.subject_id, item.proposal.claim) for item in self.accepted]
        record_subject_names(connection, claims, self.recorded_subjects)
        found_changes = self._find_status_changes()
        first_seq, recorded_at = take_sequence(
            connection,
            len(self.accepted) + len(found_changes),
            catalogue_version=law.catalogue_version,
            calendar_version=law.calendar_version,
            now=self.registry.clock.now(),
            today=law.today,
        )
        numbered_proposals, received_on = (
            list(enumerate(self.accepted, start=first_seq)),
            civil_day(recorded_at),
        )
        writes.add_entries(
            connection,
            [_build_entry_values(item, law, recorded_at) for _, item in numbered_proposals],
            [
                self._build_version_values(item, seq, recorded_at, received_on)
                for seq, item in numbered_proposals
            ],
            [
                build_person_values(self.registry.secrets, item.entry_id, person)
                for item in self.accepted
                for person in item.proposal.persons
            ],
        )
        status_changes.add_status_changes(
            connection, found_changes, law.today, first_seq + len(self.accepted), recorded_at
        )
        audit.record_changes(
            connection,
            [
                audit.build_record(
                    self.caller,
                    recorded_at,
                    AuditAction.entry_recorded,
                    "done",
                    item.entry_id,
                    list_type=item.proposal.list_type,
                    source_ref=item.proposal.source_ref,
                    version=1,
                )
                | {"seq": seq}
                for seq, item in numbered_proposals
            ],
        )

    def _find_status_changes(self) -> list[StatusChange]:
        """Red entries that a new black one suspends."""
        new_entry_ids = {item.entry_id for item in self.accepted}
        affected_subject_ids = {
            item.subject_id
            for item in self.accepted
            if any(other.kind is ListKind.red for other in self.listed_entries[item.subject_id])
        }
        return [
            status_change
            for subject_id in sorted(affected_subject_ids)
            for listed_entries in [self.listed_entries[subject_id]]
            for status_change in status_changes.find_red_status_changes(
                [other for other in listed_entries if other.entry_id not in new_entry_ids],
                listed_entries,
                self.law.today,
            )
        ]

    def _build_version_values(
        self, item: _AcceptedProposal, seq: int, recorded_at: datetime, received_on: date
    ) -> dict[str, Any]:
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
            "actor_id": self.caller.id,
            "actor_name": self.caller.name,
            "recorded_at": recorded_at,
            "exited_on": None,
            "revoked_on": None,
            "repaired_on": None,
            "lapsed_from": None,
            "lapsed_until": None,
            "void": False,
            "disputed": False,
            **build_decision_values(
                self.law,
                proposal.facts,
                item.ruling,
                proposal.list_type,
                proposal.facts_digest,
            ),
            **build_deadline_values(self.law, proposal.claim.decided_on, received_on=received_on),
            **build_initial_channel_values(is_enterprise_subject=is_enterprise(usccs)),
        }


def _require_known_list_type(catalogue: Catalogue, code: str) -> ListType:
    list_type = catalogue.list_types.get(code)
    if list_type is None:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/list_type",
                    ProblemCode.unknown_value,
                    Sentence(
                        "There is no such list type; see GET /v1/list-types",
                        "没有该名单类型，请查看 GET /v1/list-types",
                    ),
                )
            ]
        )
    return list_type


def _require_issuer(law: Law, code: str, list_type: ListType) -> None:
    department = law.catalogue.departments.get(code)
    if department is None or not department.is_valid_on(law.today):
        raise NotYourList(
            Sentence(
                "The department is not in the catalogue, or no longer exists",
                "部门不在目录中，或已撤销",
            )
        )
    if not law.catalogue.is_issuer(department, list_type):
        raise NotYourList


def _build_entry_values(item: _AcceptedProposal, law: Law, received_at: datetime) -> dict[str, Any]:
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
