"""Matching of questions to recorded subjects, by number or by name, now or at a past state."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.checks.questions import ORGANIZATION_KINDS, Question, build_organization_name_keys
from app.db.engines import Connection
from app.rules.identity import Identity, LookupKey, derive_identity
from app.rules.text import fold_name
from app.subjects.queries import (
    find_by_keys,
    find_historical_by_keys,
    find_historical_by_names,
    find_organizations_by_names,
    read_folded_names,
    read_subject_descriptions,
)
from app.subjects.records import FoundSubject


class SubjectMatcher:
    """The recorded subjects of the questions."""

    def __init__(
        self, connection: Connection, questions: Sequence[Question], known_seq: int | None
    ) -> None:
        source = (
            _CurrentSubjects(connection)
            if known_seq is None
            else _PastSubjects(connection, known_seq)
        )
        keys = [
            key
            for question in questions
            for keys in (question.number_keys, question.name_only_keys)
            for key in keys
        ]
        self._matches_by_key = source.find_by_keys(keys) if keys else {}
        # Asked without a name: the recorded one may be known alone, too, and then it is not "none".
        recorded_name_keys = {
            key
            for question in questions
            if question.name is None and (number_match := self.find_by_number(question)) is not None
            for key in build_organization_name_keys(number_match.name)
        }
        if recorded_name_keys:
            self._matches_by_key |= source.find_by_keys(recorded_name_keys)
        folded_names = {
            fold_name(question.name)
            for question in questions
            if question.name is not None and question.identifier is None and not question.error
        }
        self._matches_by_name = source.find_by_names(folded_names) if folded_names else {}
        # Only where the present name is not the one asked with: mostly it is, and costs nothing.
        subject_ids = {
            match.id
            for question in questions
            if question.name is not None
            and (match := self.find_by_number(question)) is not None
            and match.name_key != fold_name(question.name)
        }
        self._folded_names_by_subject = source.read_folded_names(subject_ids) if subject_ids else {}

    def find_by_number(self, question: Question) -> FoundSubject | None:
        """The subject that bears the number, or (a USCC) the org code inside it."""
        for key in question.number_keys:
            match = self._matches_by_key.get(key)
            if match is not None:
                return match
        return None

    def find_by_name(self, question: Question) -> list[FoundSubject]:
        """Organisations that bear the name, where that is all that was asked with."""
        return self._matches_by_name.get(fold_name(question.name), []) if question.name else []

    def find_name_only_matches(self, question: Question) -> list[FoundSubject]:
        """Find organisations known by this name alone, apart from the one with the number."""
        keys = question.name_only_keys
        if question.name is None and not question.is_personal:
            number_match = self.find_by_number(question)
            keys = () if number_match is None else build_organization_name_keys(number_match.name)
        return [self._matches_by_key[key] for key in keys if key in self._matches_by_key]

    def has_name(self, subject: FoundSubject, name: str) -> bool:
        """Tell whether the subject has, or had, the name."""
        folded_name = fold_name(name)
        return folded_name == subject.name_key or folded_name in self._folded_names_by_subject.get(
            subject.id, ()
        )

    def collect_subject_ids(self) -> set[UUID]:
        """Every subject that was matched."""
        ids_by_name = {match.id for matches in self._matches_by_name.values() for match in matches}
        return ids_by_name | {matched.id for matched in self._matches_by_key.values()}


class _CurrentSubjects:
    """Numbers and names of subjects as known today."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, FoundSubject]:
        """The subject behind each key."""
        return find_by_keys(self._connection, keys)

    def find_by_names(self, names: Collection[str]) -> dict[str, list[FoundSubject]]:
        """Organisations by the keys of their names."""
        return find_organizations_by_names(self._connection, names)

    def read_folded_names(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """The keys of every name, old and new, of subjects."""
        return read_folded_names(self._connection, ids)


class _PastSubjects:
    """Numbers and names as known at a sequence number, whoever has them today."""

    def __init__(self, connection: Connection, seq: int) -> None:
        self._connection = connection
        self._seq = seq

    def find_by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, FoundSubject]:
        """The subject behind each key."""
        key_subject_pairs = find_historical_by_keys(self._connection, set(keys))
        past_identities = self._read_identities({subject_id for _, subject_id in key_subject_pairs})
        return {
            key: _build_match(subject_id, past_identities[subject_id])
            for key, subject_id in key_subject_pairs
            if subject_id in past_identities and key in past_identities[subject_id].keys
        }

    def find_by_names(self, names: Collection[str]) -> dict[str, list[FoundSubject]]:
        """Organisations by the keys of their names."""
        name_subject_pairs = find_historical_by_names(self._connection, names)
        past_identities = self._read_identities(
            {subject_id for _, subject_id in name_subject_pairs}
        )
        matches_by_name: dict[str, list[FoundSubject]] = {}
        for name, subject_id in name_subject_pairs:
            identity = past_identities.get(subject_id)
            if identity and name in identity.names and identity.kind in ORGANIZATION_KINDS:
                matches_by_name.setdefault(name, []).append(_build_match(subject_id, identity))
        return matches_by_name

    def read_folded_names(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """The keys of every name, old and new, of subjects."""
        return {
            subject_id: set(identity.names)
            for subject_id, identity in self._read_identities(ids).items()
        }

    def _read_identities(self, ids: Collection[UUID]) -> dict[UUID, Identity]:
        if not ids:
            return {}
        descriptions = read_subject_descriptions(self._connection, ids, self._seq)
        identities = {
            subject_id: derive_identity(versions) for subject_id, versions in descriptions.items()
        }
        return {subject_id: identity for subject_id, identity in identities.items() if identity}


def _build_match(subject_id: UUID, identity: Identity) -> FoundSubject:
    name = identity.name.name
    return FoundSubject(subject_id, identity.kind, name, fold_name(name))
