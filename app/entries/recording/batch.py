"""Recording decisions in one transaction: read, decide by the rules, write.

Every write keeps one order, which prevents deadlocks and protects the red/black cross-check: lock
the subjects in the order of their ids; read and decide; insert new subjects and numbers (after a
conflict the transaction runs again); take the sequence numbers last; insert; commit.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from uuid_utils.compat import uuid7

from app.catalogue.queries import Law, read_law
from app.db.engines import Connection
from app.entries import status_changes
from app.entries.recording import proposals
from app.entries.recording.accepted import (
    AcceptedProposal,
    AcceptedProposals,
    write_accepted_proposals,
)
from app.entries.recording.metering import refuse_sweeps, require_no_sweep
from app.entries.recording.proposals import Proposal
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
from app.rules.admission import apply_law, require_in_force
from app.rules.consecutive_terms import apply_consecutive_cap
from app.rules.cross_check import require_no_black_entry
from app.rules.decision import DecisionFacts
from app.rules.identifiers import Identifier, Scheme
from app.rules.identity import LookupKey
from app.rules.law import Catalogue, ListKind, ListType
from app.rules.permissions import Caller, Role
from app.subjects.queries import read_profiles
from app.subjects.records import RecordedSubject, SubjectClaim
from app.subjects.service import find_recorded_subjects

MAX_PROPOSALS_PER_READ = 1_000  # a database limits the number of values in one statement
# A subject has one number of each of these schemes for life. A second one belongs to another
# subject; if it were accepted, it would attach the entries of that subject to this one.
PERMANENT_SCHEMES = {Scheme.uscc.value, Scheme.org_code.value, Scheme.resident_id.value}
ENTRY_VOID_MESSAGE = Sentence(
    "The entry of this source_ref was revoked as void (wrong or minor subject); if the decision is"
    " on somebody else, push it under a new source_ref with replaces",
    "该 source_ref 的条目已因主体错误或未成年而自始撤销；如认定对象另有其人，请以新的 source_ref"
    " 报送并注明 replaces",
)


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The entry of a push; `replayed` if the same push was recorded before."""

    entry_id: UUID
    replayed: bool


def record_entry(registry: Registry, caller: Caller, push: EntryPush) -> RecordingResult:
    """Record one decision.

    Raises:
        RegistryError: the reason of the refusal; nothing was written.
    """
    status_changes.record_status_changes_until_today(registry)
    proposal = _prepare_proposal(registry, caller, push, registry.clock.today())
    require_no_sweep(registry, caller, proposal)
    [outcome] = registry.write(
        lambda connection: record_proposals(registry, connection, caller, [proposal])
    )
    if isinstance(outcome, RegistryError):
        raise outcome
    return outcome


def record_entries(
    registry: Registry, caller: Caller, pushes: Sequence[EntryPush]
) -> list[RecordingResult | RegistryError]:
    """Record decisions in one transaction; return one result or refusal for each, in order."""
    prepared = prepare_proposals(registry, caller, pushes)
    status_changes.record_status_changes_until_today(registry)
    return registry.write(
        lambda connection: record_proposals(registry, connection, caller, prepared)
    )


def prepare_proposals(
    registry: Registry,
    caller: Caller,
    pushes: Sequence[EntryPush | RegistryError],
    *,
    is_dry_run: bool = False,
) -> list[Proposal | RegistryError]:
    """Turn pushes into proposals; a refusal takes the place of a push that cannot be read.

    The personal numbers are counted by the meter of sweeps (`refuse_sweeps`).
    """
    today = registry.clock.today()
    prepared: list[Proposal | RegistryError] = []
    for push in pushes:
        if isinstance(push, RegistryError):
            prepared.append(push)
            continue
        try:
            prepared.append(_prepare_proposal(registry, caller, push, today))
        except RegistryError as refusal:
            prepared.append(refusal)
    return refuse_sweeps(registry, caller, prepared, "dry_run" if is_dry_run else "file")


def record_proposals(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    prepared: Sequence[Proposal | RegistryError],
    *,
    stop_at_refusal: bool = False,
) -> list[RecordingResult | RegistryError]:
    """Record proposals in the caller's transaction; return a result or refusal for each, in order.

    With `stop_at_refusal` the result list ends with the first refusal, and the proposals after it
    are not examined.
    """
    batch = _ProposalBatch(registry, caller)
    outcomes = batch.decide_all(connection, prepared, stop_at_refusal=stop_at_refusal)
    batch.write_accepted()
    return outcomes


class DryRun:
    """Proposals that are decided without locks and without a write.

    Each is decided as if the accepted ones before it had been recorded.
    """

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self._batch = _ProposalBatch(registry, caller, for_update=False)

    def decide_all(
        self, prepared: Sequence[Proposal | RegistryError], *, stop_at_refusal: bool = False
    ) -> list[RecordingResult | RegistryError]:
        """Return the results that recording would give; ids of new entries are not kept."""
        with self._registry.database.reading() as connection:
            outcomes = self._batch.decide_all(connection, prepared, stop_at_refusal=stop_at_refusal)
        self._batch.accepted.clear()
        return outcomes

    @property
    def recorded_subject_ids(self) -> Collection[UUID]:
        """The ids of the recorded subjects that the proposals concern."""
        return self._batch.recorded_subjects.keys()


def _prepare_proposal(registry: Registry, caller: Caller, push: EntryPush, today: date) -> Proposal:
    department = _determine_issuing_department(caller, push.department)
    return proposals.build_proposal(push, department, registry.secrets, today)


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
class _ProposalBatch:
    """Proposals of one transaction, the state that was read for them, and the accepted ones.

    A dry run (`for_update=False`) takes no locks; it keeps this state from one call to the next.
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
    accepted: list[AcceptedProposal] = field(default_factory=list)

    def decide_all(
        self,
        connection: Connection,
        prepared: Sequence[Proposal | RegistryError],
        *,
        stop_at_refusal: bool,
    ) -> list[RecordingResult | RegistryError]:
        """Decide on each proposal, in order; with `stop_at_refusal` up to the first refusal."""
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
        """Lock the subjects and read the state that the decisions need."""
        keys = {key for item in valid_proposals for key in item.keys}
        subject_ids_by_key, recorded_subjects = find_recorded_subjects(
            self.connection, keys - self.subject_ids_by_key.keys(), for_update=self.for_update
        )
        self.subject_ids_by_key |= subject_ids_by_key
        new_subject_ids = recorded_subjects.keys() - self.recorded_subjects.keys()
        self.recorded_subjects |= recorded_subjects
        # After the lock, so that a push which was committed just before is visible.
        references = {(item.department, item.source_ref) for item in valid_proposals}
        self.recorded_references |= writes.find_recorded_references(
            self.connection, references - self.recorded_references.keys()
        )
        self.listed_entries |= reads.read_listed_entries(self.connection, new_subject_ids)

    def _decide(self, proposal: Proposal) -> RecordingResult | RegistryError:
        """Accept a proposal, or return the reason of its refusal."""
        reference = (proposal.department, proposal.source_ref)
        recorded = self.recorded_references.get(reference)
        # Before all other rules: a retry gets the first result even if the law has changed.
        if recorded is not None:
            if recorded.void:  # a retry neither restores a sealed entry nor reads it
                return EntryConflict(ENTRY_VOID_MESSAGE, entry_id=str(recorded.entry_id))
            if proposal.has_digest_in(recorded.digests):
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

    def _accept(self, proposal: Proposal) -> AcceptedProposal:
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
        # Accepted: the proposals after this one see its effects.
        if proposal.replaces is not None:
            self.replaced_ids.add(proposal.replaces)
        if subject_id not in self.recorded_subjects:
            earlier_claim = self.new_subjects.get(subject_id, proposal.claim)
            # Of two decisions of one day the later gives the name, as in `record_subject_names`.
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
                    entry_id,
                    list_type.kind,
                    list_type.code,
                    proposal.department,
                    ruling.disclosure_class,
                    ruling.term,
                )
            )
        return AcceptedProposal(proposal, ruling, entry_id, subject_id)

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
        """Write the accepted proposals, if there are any."""
        if self.accepted:
            write_accepted_proposals(
                self.registry,
                self.connection,
                self.caller,
                self.law,
                AcceptedProposals(
                    self.accepted,
                    self.new_subjects,
                    self.new_keys,
                    self.recorded_subjects,
                    self.listed_entries,
                ),
            )


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
