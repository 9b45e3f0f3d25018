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
from app.db.engines import Connection
from app.entries import store
from app.entries.changes import status_changes
from app.entries.changes.status_changes import Turn
from app.entries.recording import proposals
from app.entries.recording.proposals import Proposal
from app.entries.recording.version_values import (
    clock_values,
    decided_values,
    first_channel_values,
    person_values,
)
from app.entries.schemas import EntryPush
from app.entries.store import Neighbour
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
from app.registry import Registry, take_sequence
from app.rules.admission import DecisionFacts, Ruling, apply_law, require_in_force
from app.rules.consecutive_terms import apply_consecutive_cap
from app.rules.cross_check import require_no_black_entry
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
MOST_READ = 1_000  # proposals looked up by one statement: databases take so many values, no more
LIFELONG = {Scheme.uscc.value, Scheme.org_code.value, Scheme.resident_id.value}
ENTRY_VOID = Sentence(
    "The entry of this source_ref was revoked as void (wrong or minor subject); if the decision is"
    " on somebody else, push it under a new source_ref with replaces",
    "该 source_ref 的条目已因主体错误或未成年而自始撤销；如认定对象另有其人，请以新的 source_ref"
    " 报送并注明 replaces",
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a push; `replayed` where the same had been recorded before."""

    entry_id: UUID
    replayed: bool


def record(registry: Registry, caller: Caller, push: EntryPush) -> Recorded:
    """Record one decision.

    Raises:
        RegistryError: what stands against it; nothing was written.
    """
    [outcome] = record_all(registry, caller, [push])
    if isinstance(outcome, RegistryError):
        raise outcome
    return outcome


def record_all(
    registry: Registry, caller: Caller, pushes: Sequence[EntryPush]
) -> list[Recorded | RegistryError]:
    """Record decisions in one transaction, each answered for itself, in order."""
    proposed = propose_all(registry, caller, pushes)
    status_changes.turn_to_today(registry)
    return registry.write(lambda connection: record_in(registry, connection, caller, proposed))


def propose_all(
    registry: Registry, caller: Caller, pushes: Sequence[EntryPush | RegistryError]
) -> list[Proposal | RegistryError]:
    """Read pushes, each for itself; what is refused already stays where it stands."""
    today = registry.clock.today()
    return [
        push if isinstance(push, RegistryError) else _propose(registry, caller, push, today)
        for push in pushes
    ]


def record_in(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    proposed: Sequence[Proposal | RegistryError],
    *,
    stop: bool = False,
) -> list[Recorded | RegistryError]:
    """Record proposals in a transaction of the caller's, each answered for itself, in order.

    With `stop` nothing behind the first refused one is looked at: the answers end with it.
    """
    batch = _Batch(registry, caller)
    outcomes = batch.answer(connection, proposed, stop=stop)
    batch.write()
    return outcomes


class Rehearsal:
    """Proposals decided as if those before them had been recorded; nothing is, and nobody waits."""

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self._batch = _Batch(registry, caller, locking=False)

    def answer(
        self, proposed: Sequence[Proposal | RegistryError], *, stop: bool = False
    ) -> list[Recorded | RegistryError]:
        """What would become of them; the ids of new entries are made up."""
        with self._registry.database.reading() as connection:
            outcomes = self._batch.answer(connection, proposed, stop=stop)
        self._batch.accepted.clear()
        return outcomes

    @property
    def subjects(self) -> Collection[UUID]:
        """The recorded subjects that they are about."""
        return self._batch.locked.keys()


def _propose(
    registry: Registry, caller: Caller, push: EntryPush, today: date
) -> Proposal | RegistryError:
    try:
        department = _issuing_department(caller, push.department)
        return proposals.propose(push, department, registry.secrets, today)
    except RegistryError as refusal:
        return refusal


def _issuing_department(caller: Caller, named: str | None) -> str:
    if caller.role is Role.department and caller.department is not None:
        if named is not None and named != caller.department:
            raise NotYourDepartment
        return caller.department
    if named is None:
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
    return named


@dataclass(slots=True)
class _Accepted:
    """A proposal that passed, with what the law made of it."""

    proposal: Proposal
    ruling: Ruling
    entry_id: UUID
    subject_id: UUID


@dataclass(slots=True)
class _Batch:
    """Pushes of one transaction: what was read for them, and what is to be written.

    A rehearsal reads on and on without locking or writing, and remembers what it let pass.
    """

    registry: Registry
    caller: Caller
    locking: bool = True
    connection: Connection = field(init=False)
    law: Law = field(init=False)
    replays: dict[tuple[str, str], store.Replay] = field(default_factory=dict)
    owners: dict[LookupKey, UUID] = field(default_factory=dict)
    locked: dict[UUID, RecordedSubject] = field(default_factory=dict)
    neighbours: dict[UUID, list[Neighbour]] = field(default_factory=dict)
    new_subjects: dict[UUID, SubjectClaim] = field(default_factory=dict)
    new_keys: dict[LookupKey, tuple[UUID, Identifier | None]] = field(default_factory=dict)
    replaced: set[UUID] = field(default_factory=set)
    accepted: list[_Accepted] = field(default_factory=list)

    def answer(
        self,
        connection: Connection,
        proposed: Sequence[Proposal | RegistryError],
        *,
        stop: bool,
    ) -> list[Recorded | RegistryError]:
        """Decide on each, in order; with `stop` up to the first refusal."""
        self.connection = connection
        self.law = read_law(self.registry, connection)
        sound = [item for item in proposed if isinstance(item, Proposal)]
        for start in range(0, len(sound), MOST_READ):
            self._read(sound[start : start + MOST_READ])
        outcomes: list[Recorded | RegistryError] = []
        for item in proposed:
            outcomes.append(self._decide(item) if isinstance(item, Proposal) else item)
            if stop and isinstance(outcomes[-1], RegistryError):
                break
        return outcomes

    def _read(self, proposed: Sequence[Proposal]) -> None:
        """Everything that the decisions need, with the subjects locked."""
        keys = {key for item in proposed for key in item.keys}
        owners, known = find_recorded_subjects(
            self.connection, keys - self.owners.keys(), for_update=self.locking
        )
        self.owners |= owners
        new = known.keys() - self.locked.keys()
        self.locked |= known
        # Behind the lock, so that a push that came just before is seen.
        references = {(item.department, item.source_ref) for item in proposed}
        self.replays |= store.find_replays(self.connection, references - self.replays.keys())
        self.neighbours |= store.neighbours(self.connection, new)

    def _decide(self, proposal: Proposal) -> Recorded | RegistryError:
        """Accept one push, or say what stands against it."""
        reference = (proposal.department, proposal.source_ref)
        known = self.replays.get(reference)
        if known is not None:  # before every other rule: a retry gets its answer whatever changed
            if known.void:  # no retry may bring it back, nor read what is sealed
                return EntryConflict(ENTRY_VOID, entry_id=str(known.entry_id))
            if proposal.facts_digest in known.digests:
                return Recorded(known.entry_id, replayed=True)
            return EntryConflict(entry_id=str(known.entry_id))
        try:
            accepted = self._examine(proposal)
        except RegistryError as refusal:
            return refusal
        self.accepted.append(accepted)
        self.replays[reference] = store.Replay(
            accepted.entry_id, frozenset({proposal.facts_digest}), void=False
        )
        return Recorded(accepted.entry_id, replayed=False)

    def _examine(self, proposal: Proposal) -> _Accepted:
        list_type = _require_list_type(self.law.catalogue, proposal.list_type)
        require_in_force(list_type, self.law.today)
        _require_issuer(self.law, proposal.department, list_type)
        police = self.law.catalogue.is_police_department(proposal.department)
        case = DecisionFacts.from_facts(
            proposal.facts, proposal.birth_date, issued_by_police=police
        )
        ruling = apply_law(case, list_type, self.law.today)
        if proposal.replaces is not None:
            self._require_replaced(proposal, proposal.replaces)
        subject_id = self._subject_of(proposal)
        entry_id = uuid7()
        others = self.neighbours.setdefault(subject_id, [])
        ruling = apply_consecutive_cap(
            ruling,
            list_type,
            [other.term for other in others if other.list_type == list_type.code],
            is_last_day_given="effective_until" in proposal.facts,
        )
        if list_type.kind is ListKind.red:
            require_no_black_entry(
                ruling.term,
                [other.term for other in others if other.kind is ListKind.black],
                self.law.today,
            )
        # From here on it is accepted: remember what it adds, for the pushes behind it.
        if proposal.replaces is not None:
            self.replaced.add(proposal.replaces)
        if subject_id not in self.locked:
            before = self.new_subjects.get(subject_id, proposal.claim)
            # Of two decisions of one day the one behind names it, as in `name_subjects`.
            self.new_subjects[subject_id] = max(
                proposal.claim, before, key=lambda claim: claim.decided_on
            )
        for key, identifier in proposal.keys.items():
            if key not in self.owners:
                self.owners[key] = subject_id
                self.new_keys[key] = (subject_id, identifier)
        if list_type.kind is not ListKind.record:
            others.append(
                Neighbour(
                    entry_id, list_type.kind, list_type.code, proposal.department, ruling.term
                )
            )
        return _Accepted(proposal, ruling, entry_id, subject_id)

    def _require_replaced(self, proposal: Proposal, replaced_id: UUID) -> None:
        replaced = store.get(self.connection, replaced_id, self.law.today)
        own = replaced is not None and replaced.department == proposal.department
        if (
            not (own and replaced and replaced.void)
            or replaced_id in self.replaced
            or store.is_replaced(self.connection, replaced_id, locking=self.locking)
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

    def _subject_of(self, proposal: Proposal) -> UUID:
        keys = proposal.keys
        owners = {self.owners[key] for key in keys if key in self.owners}
        if len(owners) > 1:
            raise IdentifierConflict
        if not owners:
            return uuid7()
        [subject_id] = owners
        kind = (
            self.locked[subject_id].kind
            if subject_id in self.locked
            else self.new_subjects[subject_id].kind
        )
        if kind is not proposal.claim.kind:
            raise SubjectKindConflict(recorded_kind=kind)
        added = {scheme for scheme, number in keys if (scheme, number) not in self.owners}
        if added & LIFELONG and added & LIFELONG & self._schemes_of(subject_id):
            raise IdentifierConflict
        return subject_id

    def _schemes_of(self, subject_id: UUID) -> set[str]:
        added = {scheme for (scheme, _), (owner, _) in self.new_keys.items() if owner == subject_id}
        recorded = read_profiles(self.connection, [subject_id]).get(subject_id)
        return added | {item["scheme"] for item in (recorded or {"identifiers": ()})["identifiers"]}

    def write(self) -> None:
        """Write what was accepted; nothing where nothing was."""
        if not self.accepted:
            return
        connection, law = self.connection, self.law
        add_subjects(connection, self.registry.secrets, self.new_subjects, self.new_keys, law.at)
        named = [(item.subject_id, item.proposal.claim) for item in self.accepted]
        record_subject_names(connection, named, self.locked)
        turned = self._turned()
        first, at = take_sequence(
            connection,
            len(self.accepted) + len(turned),
            catalogue_version=law.catalogue_version,
            calendar_version=law.calendar_version,
            now=self.registry.clock.now(),
            today=law.today,
        )
        numbered, received_on = list(enumerate(self.accepted, start=first)), civil_day(at)
        store.add(
            connection,
            [_entry_values(item, law, at) for _, item in numbered],
            [self._version_values(item, seq, at, received_on) for seq, item in numbered],
            [
                person_values(self.registry.secrets, item.entry_id, person)
                for item in self.accepted
                for person in item.proposal.persons
            ],
        )
        status_changes.add(connection, turned, law.today, first + len(self.accepted), at)
        audit.record_changes(
            connection,
            [
                audit.build_record(
                    self.caller,
                    at,
                    AuditAction.entry_recorded,
                    "done",
                    item.entry_id,
                    list_type=item.proposal.list_type,
                    source_ref=item.proposal.source_ref,
                    version=1,
                )
                | {"seq": seq}
                for seq, item in numbered
            ],
        )

    def _turned(self) -> list[Turn]:
        """Red entries that a new black one suspends."""
        new = {item.entry_id for item in self.accepted}
        touched = {
            item.subject_id
            for item in self.accepted
            if any(other.kind is ListKind.red for other in self.neighbours[item.subject_id])
        }
        return [
            turn
            for subject_id in sorted(touched)
            for others in [self.neighbours[subject_id]]
            for turn in status_changes.suspended_or_back(
                [other for other in others if other.entry_id not in new], others, self.law.today
            )
        ]

    def _version_values(
        self, item: _Accepted, seq: int, at: datetime, received_on: date
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
            "recorded_at": at,
            "exited_on": None,
            "revoked_on": None,
            "repaired_on": None,
            "lapsed_from": None,
            "lapsed_until": None,
            "void": False,
            "disputed": False,
            **decided_values(
                self.law,
                proposal.facts,
                item.ruling,
                proposal.list_type,
                proposal.facts_digest,
            ),
            **clock_values(self.law, proposal.claim.decided_on, received_on=received_on),
            **first_channel_values(enterprise=is_enterprise(usccs)),
        }


def _require_list_type(catalogue: Catalogue, code: str) -> ListType:
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


def _entry_values(item: _Accepted, law: Law, at: datetime) -> dict[str, Any]:
    proposal = item.proposal
    return {
        "id": item.entry_id,
        "subject_id": item.subject_id,
        "list_type": proposal.list_type,
        "kind": law.catalogue.list_types[proposal.list_type].kind.value,
        "department": proposal.department,
        "source_ref": proposal.source_ref,
        "replaces": proposal.replaces,
        "received_at": at,
    }
