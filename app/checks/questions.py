"""Questions of a check: the moment that they are about, their parsing, and the matched subjects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from app.catalogue.queries import read_catalogue_at
from app.checks.schemas import AskedSubject, CheckRequest
from app.crypto import Secrets
from app.db.clock_corrections import find_law_versions_at
from app.db.counter import read_head
from app.db.engines import Connection
from app.entries import queries as entries
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.registry import Registry
from app.rules.identifiers import Identifier, InvalidIdentifier, parse_identifier
from app.rules.identity import Identity, LookupKey, build_name_only_key, derive_identity
from app.rules.law import Catalogue, SubjectKind
from app.rules.text import fold_name
from app.subjects import queries as subjects
from app.subjects.lookup_keys import build_query_keys
from app.subjects.records import FoundSubject

ORGANIZATION_KINDS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.natural_person)


@dataclass(frozen=True, slots=True)
class Moment:
    """The day and the state of the registry that a check is about.

    Attributes:
        seq: the sequence number of that state.
        head_seq: the newest sequence number.
        known_seq: equal to `seq` for a past state; None for the present.
    """

    on: date
    epoch: int
    seq: int
    head_seq: int
    known_seq: int | None
    catalogue: Catalogue


class QuestionError(NamedTuple):
    """A defect of one question; the other questions of the check are answered."""

    code: ProblemCode
    sentence: Sentence


NAME_MISSING = QuestionError(
    ProblemCode.name_missing,
    Sentence("A natural person is checked by number and name", "核查自然人须同时填写号码和姓名"),
)


class Question(NamedTuple):
    """One subject of a check: its parsed number, its name, and the keys that find it."""

    ref: str
    identifier: Identifier | None
    name: str | None
    error: QuestionError | None = None
    number_keys: Sequence[LookupKey] = ()
    """The most reliable key first."""
    name_only_keys: Sequence[LookupKey] = ()
    """Keys of organisations that are recorded with this name and no number."""

    @property
    def is_personal(self) -> bool:
        """True if the number is a natural person's."""
        return self.identifier is not None and self.identifier.is_personal


def read_moment(
    registry: Registry,
    connection: Connection,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
) -> Moment:
    """Read the present state, or the past state that the caller names."""
    head = read_head(connection)
    version = head.catalogue_version
    if known_at is not None:
        known_seq = entries.find_seq_at(connection, known_at)
    elif known_seq is not None:
        known_at = entries.find_recorded_at(connection, known_seq)
    if known_at is not None:
        version, _ = find_law_versions_at(connection, known_at)
    elif known_seq is not None:
        version = 1  # before the first change the first catalogue was in force
    return Moment(
        on=on or registry.clock.today(),
        epoch=head.epoch,
        seq=head.seq if known_seq is None else known_seq,
        head_seq=head.seq,
        known_seq=known_seq,
        catalogue=read_catalogue_at(registry, connection, version),
    )


# --- parsing -------------------------------------------------------------


def parse_questions(registry: Registry, request: CheckRequest, today: date) -> list[Question]:
    """Parse the subjects of a check, in their order."""
    subjects_with_refs = zip(request.subjects, request.list_refs(), strict=True)
    return [parse_question(registry, subject, ref, today) for subject, ref in subjects_with_refs]


def parse_question(registry: Registry, subject: AskedSubject, ref: str, today: date) -> Question:
    """Parse one subject; a defect becomes the `error` of its question and fails no other."""
    name = subject.name
    if subject.scheme is None or subject.number is None:
        return Question(ref, None, name)
    try:
        identifier = parse_identifier(subject.scheme, subject.number, today=today)
    except InvalidIdentifier as error:
        return Question(ref, None, name, QuestionError(error.code, error.sentence))
    if identifier.is_personal and name is None:
        return Question(ref, identifier, None, NAME_MISSING)
    return build_question(registry.secrets, ref, identifier, name)


def build_question(
    secrets: Secrets, ref: str, identifier: Identifier, name: str | None
) -> Question:
    """Build the question about a valid number, with its lookup keys."""
    number_keys = build_query_keys(identifier, secrets)
    name_only_keys = (
        () if name is None or identifier.is_personal else build_organization_name_keys(name)
    )
    return Question(ref, identifier, name, None, number_keys, name_only_keys)


def build_organization_name_keys(name: str) -> list[LookupKey]:
    """Build the keys of organisations that are recorded with this name and no number."""
    return [build_name_only_key(kind, name) for kind in ORGANIZATION_KINDS]


# --- conditions ----------------------------------------------------------


def require_known_matter(code: str, catalogue: Catalogue) -> None:
    """Refuse a matter that is not in the catalogue.

    Raises:
        InvalidPayload: the catalogue has no such matter.
    """
    if code not in catalogue.matters:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/matter",
                    ProblemCode.unknown_value,
                    Sentence(
                        "There is no such matter; see GET /v1/matters",
                        "没有该事项类型，请查看 GET /v1/matters",
                    ),
                )
            ]
        )


def require_not_future(
    registry: Registry, on: date | None, known_at: datetime | None, pointer_prefix: str = "/"
) -> None:
    """Refuse a day or an instant in the future.

    Raises:
        InvalidPayload: names the first of the two that is in the future.
    """
    is_future_day = on is not None and on > registry.clock.today()
    if is_future_day or (known_at is not None and known_at > registry.clock.now()):
        name = "on" if is_future_day else "known_at"
        raise build_future_error(f"{pointer_prefix}{name}")


def build_future_error(pointer: str) -> InvalidPayload:
    """Build the refusal of a moment in the future."""
    sentence = Sentence("A re-examination looks at the past", "复核只能针对过去的时点")
    return InvalidPayload(faults=[Fault(pointer, ProblemCode.in_future, sentence)])


class SubjectMatcher:
    """The recorded subjects of all questions of a batch, read with one query for each kind of key.

    `known_seq` names a past state; None is the present.
    """

    def __init__(
        self, connection: Connection, questions: Sequence[Question], known_seq: int | None
    ) -> None:
        keys = [
            key
            for question in questions
            for keys in (question.number_keys, question.name_only_keys)
            for key in keys
        ]
        self._matches_by_key = _find_by_keys(connection, keys, known_seq)
        # A question without a name: organisations with the recorded name and no number count too.
        self._matches_by_key |= _find_by_keys(
            connection,
            {
                key
                for question in questions
                if question.name is None and (match := self.find_by_number(question)) is not None
                for key in build_organization_name_keys(match.name)
            },
            known_seq,
        )
        self._matches_by_name = _find_by_names(
            connection,
            {
                fold_name(question.name)
                for question in questions
                if question.name is not None and question.identifier is None and not question.error
            },
            known_seq,
        )
        # Former names are read only where the current name differs, which is rare.
        self._folded_names_by_subject = _read_folded_names(
            connection,
            {
                match.id
                for question in questions
                if question.name is not None
                and (match := self.find_by_number(question)) is not None
                and match.name_key != fold_name(question.name)
            },
            known_seq,
        )

    def find_by_number(self, question: Question) -> FoundSubject | None:
        """Return the subject with the number, or with the org code inside a USCC."""
        for key in question.number_keys:
            match = self._matches_by_key.get(key)
            if match is not None:
                return match
        return None

    def find_by_name(self, question: Question) -> list[FoundSubject]:
        """Return the organisations with the name, for a question without a number."""
        return self._matches_by_name.get(fold_name(question.name), []) if question.name else []

    def find_name_only_matches(self, question: Question) -> list[FoundSubject]:
        """Return organisations that have the name and no number, for a question with a number."""
        keys = question.name_only_keys
        if question.name is None and not question.is_personal:
            match = self.find_by_number(question)
            keys = () if match is None else build_organization_name_keys(match.name)
        return [self._matches_by_key[key] for key in keys if key in self._matches_by_key]

    def has_name(self, subject: FoundSubject, name: str) -> bool:
        """Return True if the name is the subject's current name or a former one."""
        folded_name = fold_name(name)
        former_names = self._folded_names_by_subject.get(subject.id, ())
        return folded_name == subject.name_key or folded_name in former_names

    def collect_subject_ids(self) -> set[UUID]:
        """Return the ids of all matched subjects."""
        ids_by_name = {match.id for matches in self._matches_by_name.values() for match in matches}
        return ids_by_name | {match.id for match in self._matches_by_key.values()}


def _find_by_keys(
    connection: Connection, keys: Collection[LookupKey], known_seq: int | None
) -> dict[LookupKey, FoundSubject]:
    if not keys:
        return {}
    if known_seq is None:
        return subjects.find_by_keys(connection, keys)
    pairs = subjects.find_historical_by_keys(connection, set(keys))
    identities = _read_identities(connection, {subject_id for _, subject_id in pairs}, known_seq)
    return {
        key: _build_match(subject_id, identities[subject_id])
        for key, subject_id in pairs
        if subject_id in identities and key in identities[subject_id].keys
    }


def _find_by_names(
    connection: Connection, names: Collection[str], known_seq: int | None
) -> dict[str, list[FoundSubject]]:
    if not names:
        return {}
    if known_seq is None:
        return subjects.find_organizations_by_names(connection, names)
    pairs = subjects.find_historical_by_names(connection, names)
    identities = _read_identities(connection, {subject_id for _, subject_id in pairs}, known_seq)
    matches_by_name: dict[str, list[FoundSubject]] = {}
    for name, subject_id in pairs:
        identity = identities.get(subject_id)
        if identity and name in identity.names and identity.kind in ORGANIZATION_KINDS:
            matches_by_name.setdefault(name, []).append(_build_match(subject_id, identity))
    return matches_by_name


def _read_folded_names(
    connection: Connection, ids: Collection[UUID], known_seq: int | None
) -> dict[UUID, set[str]]:
    if not ids:
        return {}
    if known_seq is None:
        return subjects.read_folded_names(connection, ids)
    identities = _read_identities(connection, ids, known_seq)
    return {subject_id: set(identity.names) for subject_id, identity in identities.items()}


def _read_identities(
    connection: Connection, ids: Collection[UUID], seq: int
) -> dict[UUID, Identity]:
    """Derive the identity of subjects from the decisions that were recorded up to `seq`."""
    if not ids:
        return {}
    descriptions = subjects.read_subject_descriptions(connection, ids, seq)
    identities = {
        subject_id: derive_identity(versions) for subject_id, versions in descriptions.items()
    }
    return {subject_id: identity for subject_id, identity in identities.items() if identity}


def _build_match(subject_id: UUID, identity: Identity) -> FoundSubject:
    name = identity.name.name
    return FoundSubject(subject_id, identity.kind, name, fold_name(name))
