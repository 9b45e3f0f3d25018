"""Match questions with recorded subjects, by number or by name, at present or at a past state."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.checks.questions import ORGANIZATION_KINDS, Question, build_organization_name_keys
from app.db.engines import Connection
from app.rules.identity import Identity, LookupKey, derive_identity
from app.rules.text import fold_name
from app.subjects import queries as subjects
from app.subjects.records import FoundSubject


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
