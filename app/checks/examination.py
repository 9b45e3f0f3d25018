"""Answering for subjects: match them, read their entries, judge. Reads only; no record is made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.catalogue.store import catalogue_at
from app.checks import store
from app.checks.schemas import NOT_FOUND_NOTE, AskedSubject
from app.checks.store import Matched
from app.crypto import fingerprint
from app.database import Connection
from app.entries import store as entries
from app.entries.store import EntryRow
from app.errors import Sentence
from app.registry import Registry, read_head
from app.rules.identifiers import Identifier, InvalidIdentifier, Scheme, parse
from app.rules.law import Catalogue, ListKind, Severity, SubjectKind
from app.rules.names import name_key
from app.rules.permissions import Caller
from app.rules.verdict import Fact, Standing, Verdict, judge
from app.rules.visibility import Sight, sight
from app.subjects.store import Key, keys_asked, name_only_key, names

ORGANIZATIONS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.natural_person)

NAME_MISMATCH = Sentence("The name differs from the recorded ones", "名称与登记名称不一致,请核实")
DISPUTED = Sentence("An entry is under objection", "有条目正处于异议处理中")
NAME_ONLY = Sentence(
    "Matched by name alone; make sure that it is the same subject",
    "仅按名称匹配,请核实是否为同一主体",
)
AMBIGUOUS = Sentence(
    "Several subjects bear this name; ask with a number", "存在多个同名主体,请使用证件号码查询"
)
NAME_MISSING = Sentence(
    "A natural person is checked by number and name", "核查自然人须同时填写号码和姓名"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """As of which day and which state of the registry is answered."""

    on: date
    epoch: int
    seq: int
    head_seq: int
    known_seq: int | None
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Question:
    """One subject asked for, its number parsed."""

    ref: str
    identifier: Identifier | None
    name: str | None
    error: tuple[str, Sentence] | None = None

    @property
    def personal(self) -> bool:
        """True where a natural person's number is asked for."""
        return self.identifier is not None and self.identifier.personal


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for a question, in the shapes of `app/checks/schemas.py`."""

    ref: str
    subject: Matched | None
    candidates: tuple[Matched, ...]
    standing: Standing
    entries: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    suppressed: list[dict[str, Any]]
    warnings: list[tuple[str, Sentence]]
    error: tuple[str, Sentence] | None = None

    @property
    def found(self) -> bool:
        """At least one entry is visible to the caller."""
        return bool(self.entries)

    def digest(self, matter: str | None) -> str:
        """Moves only when a decision-relevant fact does: records and disclosures do not count."""
        listed = [
            {
                name: entry[name]
                for name in (
                    "id",
                    "list",
                    "severity",
                    "status",
                    "disputed",
                    "effective_from",
                    "effective_until",
                )
            }
            for entry in self.entries
            if entry["list"] != ListKind.record
        ]
        return fingerprint(
            {
                "matter": matter,
                "standing": self.standing,
                "entries": listed,
                "measures": self.measures,
                "suppressed": self.suppressed,
                "warnings": [code for code, _ in self.warnings],
                "error": self.error and self.error[0],
            }
        )


def moment_of(
    registry: Registry,
    connection: Connection,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
) -> Moment:
    """The present, or the past that a re-examination asks for."""
    head = read_head(connection)
    version = head.catalogue_version
    if known_seq is not None:
        known_at = known_at or store.instant_of(connection, known_seq)
    elif known_at is not None:
        known_seq = entries.seq_known_at(connection, known_at)
    if known_at is not None:
        version = store.catalogue_version_at(connection, known_at) or 1
    return Moment(
        on=on or registry.clock.today(),
        epoch=head.epoch,
        seq=head.seq if known_seq is None else known_seq,
        head_seq=head.seq,
        known_seq=known_seq,
        catalogue=catalogue_at(registry, connection, version),
    )


def read_question(asked: AskedSubject, ref: str, today: date) -> Question:
    """Parse one subject; what is wrong with it becomes its answer, not everybody's."""
    if asked.scheme is None or asked.number is None:
        return Question(ref, None, asked.name)
    try:
        identifier = parse(asked.scheme, asked.number, today=today)
    except InvalidIdentifier as wrong:
        return Question(ref, None, asked.name, ("invalid_identifier", wrong.sentence))
    if identifier.personal and asked.name is None:
        return Question(ref, identifier, None, ("name_missing", NAME_MISSING))
    return Question(ref, identifier, asked.name)


def answer_all(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    questions: Sequence[Question],
    moment: Moment,
    matter: str | None,
) -> list[Answer]:
    """Answer every question from one snapshot, with one indexed query for all their entries."""
    matching = _Matching(registry, connection, questions, moment.known_seq)
    by_subject = _entries_by_subject(connection, matching.subject_ids(), moment)
    viewer = _Viewer(caller, moment, matter, by_subject)
    return [_answer(question, matching, viewer) for question in questions]


def answer_known(
    connection: Connection, caller: Caller, subject: Matched, moment: Moment
) -> Answer:
    """Answer for a subject that needs no matching."""
    by_subject = _entries_by_subject(connection, [subject.id], moment)
    viewer = _Viewer(caller, moment, None, by_subject)
    return _judged(Question("1", None, subject.name), subject, viewer, [])


class _Matching:
    """Which recorded subjects the questions mean."""

    def __init__(
        self,
        registry: Registry,
        connection: Connection,
        questions: Sequence[Question],
        known_seq: int | None,
    ) -> None:
        self._registry = registry
        keys = {key for question in questions for key in self._keys(question)}
        self._by_key = store.match_keys(connection, keys) if keys else {}
        by_name_alone = [
            question.name
            for question in questions
            if question.name is not None and question.identifier is None and not question.error
        ]
        self._by_name = store.match_names(connection, by_name_alone) if by_name_alone else {}
        if known_seq is None:
            self._old_names = self._read_old_names(connection, questions)
        else:
            self._go_back_to(connection, known_seq)

    def _go_back_to(self, connection: Connection, known_seq: int) -> None:
        """Forget the numbers and names that later decisions gave the subjects."""
        then = identities_at(connection, self.subject_ids(), known_seq)
        self._by_key = {
            key: then[subject.id].renamed(subject)
            for key, subject in self._by_key.items()
            if subject.id in then and key in then[subject.id].keys
        }
        self._by_name = {
            name: [
                then[subject.id].renamed(subject)
                for subject in found
                if subject.id in then and name in then[subject.id].names
            ]
            for name, found in self._by_name.items()
        }
        self._old_names = {subject_id: identity.names for subject_id, identity in then.items()}

    def by_number(self, question: Question) -> Matched | None:
        """The subject that bears the number, or (a USCC) the org code inside it."""
        found = (self._by_key.get(key) for key in self._number_keys(question))
        return next((matched for matched in found if matched is not None), None)

    def by_name(self, question: Question) -> list[Matched]:
        """Organisations that bear the name, where that is all that was asked with."""
        return self._by_name.get(name_key(question.name), []) if question.name else []

    def by_name_beside(self, question: Question) -> list[Matched]:
        """Organisations known by this name alone, beside the one that bears the number."""
        found = (self._by_key.get(key) for key in self._name_keys(question))
        return [matched for matched in found if matched is not None]

    def bears_name(self, subject: Matched, name: str) -> bool:
        """Tell whether the subject has, or had, the name."""
        key = name_key(name)
        return key == subject.name_key or key in self._old_names.get(subject.id, ())

    def subject_ids(self) -> set[UUID]:
        """Every subject that was matched."""
        by_name = {matched.id for found in self._by_name.values() for matched in found}
        return by_name | {matched.id for matched in self._by_key.values()}

    def _keys(self, question: Question) -> Iterable[Key]:
        if question.identifier is not None:
            yield from self._number_keys(question)
            yield from self._name_keys(question)

    def _number_keys(self, question: Question) -> list[Key]:
        if question.identifier is None:
            return []
        return keys_asked(question.identifier, self._registry.secrets)

    def _name_keys(self, question: Question) -> list[Key]:
        if question.personal or question.identifier is None or question.name is None:
            return []
        return [name_only_key(kind, question.name) for kind in ORGANIZATIONS]

    def _read_old_names(
        self, connection: Connection, questions: Sequence[Question]
    ) -> dict[UUID, set[str]]:
        # Only where the present name is not the one asked with: mostly it is, and costs nothing.
        unsure = {
            matched.id
            for question in questions
            if question.name is not None
            and (matched := self.by_number(question)) is not None
            and matched.name_key != name_key(question.name)
        }
        return names(connection, unsure) if unsure else {}


@dataclass(slots=True)
class _Identity:
    """A subject as the decisions known at some time had named it."""

    keys: set[Key] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    name: str = ""

    def renamed(self, subject: Matched) -> Matched:
        """The subject under the name that it had then."""
        return subject._replace(name=self.name, name_key=name_key(self.name))


def identities_at(
    connection: Connection, subject_ids: Iterable[UUID], seq: int
) -> dict[UUID, _Identity]:
    """Numbers and names of subjects, from the decisions recorded by a sequence number."""
    found: dict[UUID, _Identity] = {}
    for subject_id, told in store.named_until(connection, subject_ids, seq):
        identity = found.setdefault(subject_id, _Identity())
        identity.name = told["name"]
        identity.names.add(name_key(told["name"]))
        for item in told.get("identifiers", ()):
            identity.keys.add((item["scheme"], item.get("key") or item["number"]))
            if item["scheme"] == Scheme.uscc:
                inner = Identifier(Scheme.uscc, item["number"]).org_code
                identity.keys.add((Scheme.org_code.value, str(inner)))
        if not told.get("identifiers"):
            identity.keys.add(name_only_key(SubjectKind(told["kind"]), told["name"]))
    return found


def _entries_by_subject(
    connection: Connection, subject_ids: Iterable[UUID], moment: Moment
) -> dict[UUID, list[EntryRow]]:
    found: dict[UUID, list[EntryRow]] = {}
    for row in entries.of_subjects(connection, subject_ids, moment.on, moment.known_seq):
        found.setdefault(row.subject_id, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class _Viewer:
    """What one caller sees of subjects' entries, and the verdict on them."""

    caller: Caller
    moment: Moment
    matter: str | None
    by_subject: dict[UUID, list[EntryRow]]

    def visible(self, subjects: Iterable[Matched]) -> list[tuple[EntryRow, Sight]]:
        """The entries that the caller may see, with how much of each."""
        rows = [row for subject in subjects for row in self.by_subject.get(subject.id, ())]
        seen = [(row, self._sight(row)) for row in rows]
        return [(row, sees) for row, sees in seen if sees is not Sight.hidden]

    def verdict(self, rows: Iterable[EntryRow]) -> Verdict:
        """What follows from entries for the matter."""
        facts = [
            Fact(
                entry_id=str(row.id),
                list_type=row.list_type,
                kind=ListKind(row.kind),
                severity=None if row.severity is None else Severity(row.severity),
                status=row.status(self.moment.on),
                disputed=row.disputed,
            )
            for row in rows
        ]
        return judge(facts, self.matter, self.moment.catalogue, self.moment.on)

    def _sight(self, row: EntryRow) -> Sight:
        return sight(
            self.caller,
            department=row.department,
            disclosure_class=row.disclosure,
            status=row.status(self.moment.on),
            void=row.void,
        )


def _answer(question: Question, matching: _Matching, viewer: _Viewer) -> Answer:
    if question.error is not None:
        return _unresolved(question, error=question.error)
    subject = matching.by_number(question)
    if question.identifier is None:
        named = matching.by_name(question)
        visible = [one for one in named if viewer.visible([one])]
        if len(visible) > 1:
            warning = ("ambiguous_name", AMBIGUOUS)
            return _unresolved(question, candidates=tuple(visible), warnings=[warning])
        subject = visible[0] if visible else None
        warnings = [("name_only_match", NAME_ONLY)] if subject else []
        return _judged(question, subject, viewer, warnings)
    warnings = []
    named_otherwise = (
        subject is not None
        and question.name is not None
        and bool(viewer.visible([subject]))
        and not matching.bears_name(subject, question.name)
    )
    if named_otherwise:
        warnings.append(("name_mismatch", NAME_MISMATCH))
        if question.personal:
            return _unresolved(question, warnings=warnings)
    answer = _judged(question, subject, viewer, warnings)
    return _with_name_only(answer, matching.by_name_beside(question), viewer)


def _judged(
    question: Question,
    subject: Matched | None,
    viewer: _Viewer,
    warnings: list[tuple[str, Sentence]],
) -> Answer:
    seen = viewer.visible([subject]) if subject else []
    verdict = viewer.verdict(row for row, _ in seen)
    if verdict.disputed:
        warnings = [*warnings, ("disputed", DISPUTED)]
    return Answer(
        ref=question.ref,
        subject=subject if seen else None,
        candidates=(),
        standing=verdict.standing,
        entries=[_entry(row, sees, viewer.moment.on) for row, sees in seen],
        measures=[
            {
                "code": item.code,
                "name": item.name,
                "kind": item.kind,
                "obligation": item.obligation,
                "entry_id": item.entry_id,
                "legal_basis": item.legal_basis,
            }
            for item in verdict.measures
        ],
        suppressed=[
            {
                "code": item.code,
                "entry_id": item.entry_id,
                "because": f"black entry {item.black_entry_id}",
            }
            for item in verdict.suppressed
        ],
        warnings=warnings,
    )


def _with_name_only(answer: Answer, others: list[Matched], viewer: _Viewer) -> Answer:
    """Entries on somebody known by this name alone are shown, but never count as the same subject.

    Where one of them is black the answer is not "none": an officer has to look.
    """
    seen = viewer.visible(others)
    if not seen:
        return answer
    black = viewer.verdict(row for row, _ in seen).standing is Standing.black
    doubtful = black and answer.standing is not Standing.black
    return Answer(
        ref=answer.ref,
        subject=answer.subject,
        candidates=tuple(others),
        standing=Standing.unresolved if doubtful else answer.standing,
        entries=[*answer.entries, *(_entry(row, sees, viewer.moment.on) for row, sees in seen)],
        measures=[] if doubtful else answer.measures,
        suppressed=answer.suppressed,
        warnings=[*answer.warnings, ("name_only_match", NAME_ONLY)],
    )


def _unresolved(
    question: Question,
    *,
    candidates: tuple[Matched, ...] = (),
    warnings: list[tuple[str, Sentence]] | None = None,
    error: tuple[str, Sentence] | None = None,
) -> Answer:
    return Answer(
        ref=question.ref,
        subject=None,
        candidates=candidates,
        standing=Standing.unresolved,
        entries=[],
        measures=[],
        suppressed=[],
        warnings=warnings or [],
        error=error,
    )


def _entry(row: EntryRow, sees: Sight, day: date) -> dict[str, Any]:
    whole = sees is Sight.full
    facts = row.facts
    decision = facts["decision"]
    return {
        "id": str(row.id),
        "list": row.kind,
        "list_type": row.list_type if whole else None,
        "domain": row.domain if whole else None,
        "department": row.department if whole else None,
        "decision": {
            "number": decision["number"],
            "kind": decision["kind"],
            "decided_on": decision["decided_on"],
        }
        if whole
        else None,
        "reason": facts["reason"] if whole else None,
        "legal_basis": facts["legal_basis"] if whole else None,
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in (facts.get("responsible_persons") or () if whole else ())
        ],
        "severity": row.severity,
        "effective_from": row.effective_from.isoformat(),
        "effective_until": row.effective_until and row.effective_until.isoformat(),
        "status": row.status(day),
        "disputed": row.disputed,
        "disclosure_class": row.disclosure_class,
    }


def matched_view(matched: Matched | None) -> dict[str, Any] | None:
    """A matched subject on the wire."""
    if matched is None:
        return None
    return {"id": str(matched.id), "kind": matched.kind, "name": matched.name}


def warning_views(answer: Answer, *, chinese: bool) -> list[dict[str, str]]:
    """Warnings in the reader's language."""
    return [
        {"code": code, "detail": sentence.zh if chinese else sentence.en}
        for code, sentence in answer.warnings
    ]


def note_of(answer: Answer, *, chinese: bool) -> str | None:
    """What "nothing found" does not mean."""
    if answer.found or answer.standing is not Standing.none:
        return None
    return NOT_FOUND_NOTE.zh if chinese else NOT_FOUND_NOTE.en
