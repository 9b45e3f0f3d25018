"""Which recorded subjects are meant, by number or by name, now or at a past state."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.checks.questions import ORGANIZATIONS, Question, name_alone
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


class Matching:
    """Which recorded subjects the questions mean."""

    def __init__(
        self, connection: Connection, questions: Sequence[Question], known_seq: int | None
    ) -> None:
        known = _Now(connection) if known_seq is None else _Then(connection, known_seq)
        keys = [
            key
            for question in questions
            for keys in (question.number_keys, question.name_keys)
            for key in keys
        ]
        self._by_key = known.by_keys(keys) if keys else {}
        # Asked without a name: the recorded one may be known alone, too, and then it is not "none".
        unnamed = {
            key
            for question in questions
            if question.name is None and (found := self.by_number(question)) is not None
            for key in name_alone(found.name)
        }
        if unnamed:
            self._by_key |= known.by_keys(unnamed)
        by_name_alone = {
            fold_name(question.name)
            for question in questions
            if question.name is not None and question.identifier is None and not question.error
        }
        self._by_name = known.by_names(by_name_alone) if by_name_alone else {}
        # Only where the present name is not the one asked with: mostly it is, and costs nothing.
        unsure = {
            matched.id
            for question in questions
            if question.name is not None
            and (matched := self.by_number(question)) is not None
            and matched.name_key != fold_name(question.name)
        }
        self._old_names = known.names(unsure) if unsure else {}

    def by_number(self, question: Question) -> FoundSubject | None:
        """The subject that bears the number, or (a USCC) the org code inside it."""
        for key in question.number_keys:
            matched = self._by_key.get(key)
            if matched is not None:
                return matched
        return None

    def by_name(self, question: Question) -> list[FoundSubject]:
        """Organisations that bear the name, where that is all that was asked with."""
        return self._by_name.get(fold_name(question.name), []) if question.name else []

    def by_name_beside(self, question: Question) -> list[FoundSubject]:
        """Organisations known by this name alone, beside the one that bears the number."""
        keys = question.name_keys
        if question.name is None and not question.personal:
            bearer = self.by_number(question)
            keys = () if bearer is None else name_alone(bearer.name)
        return [self._by_key[key] for key in keys if key in self._by_key]

    def bears_name(self, subject: FoundSubject, name: str) -> bool:
        """Tell whether the subject has, or had, the name."""
        key = fold_name(name)
        return key == subject.name_key or key in self._old_names.get(subject.id, ())

    def subject_ids(self) -> set[UUID]:
        """Every subject that was matched."""
        by_name = {matched.id for found in self._by_name.values() for matched in found}
        return by_name | {matched.id for matched in self._by_key.values()}


class _Now:
    """Who bears numbers and names today."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, FoundSubject]:
        """The subject behind each key."""
        return find_by_keys(self._connection, keys)

    def by_names(self, names: Collection[str]) -> dict[str, list[FoundSubject]]:
        """Organisations by the keys of their names."""
        return find_organizations_by_names(self._connection, names)

    def names(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """The keys of every name, old and new, of subjects."""
        return read_folded_names(self._connection, ids)


class _Then:
    """Who bore them by what was known at a sequence number, whoever bears them today."""

    def __init__(self, connection: Connection, seq: int) -> None:
        self._connection = connection
        self._seq = seq

    def by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, FoundSubject]:
        """The subject behind each key."""
        found = find_historical_by_keys(self._connection, set(keys))
        then = self._identities({subject_id for _, subject_id in found})
        return {
            key: _as_known(subject_id, then[subject_id])
            for key, subject_id in found
            if subject_id in then and key in then[subject_id].keys
        }

    def by_names(self, names: Collection[str]) -> dict[str, list[FoundSubject]]:
        """Organisations by the keys of their names."""
        found = find_historical_by_names(self._connection, names)
        then = self._identities({subject_id for _, subject_id in found})
        matched: dict[str, list[FoundSubject]] = {}
        for name, subject_id in found:
            identity = then.get(subject_id)
            if identity and name in identity.names and identity.kind in ORGANIZATIONS:
                matched.setdefault(name, []).append(_as_known(subject_id, identity))
        return matched

    def names(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """The keys of every name, old and new, of subjects."""
        return {
            subject_id: set(identity.names)
            for subject_id, identity in self._identities(ids).items()
        }

    def _identities(self, ids: Collection[UUID]) -> dict[UUID, Identity]:
        if not ids:
            return {}
        said = read_subject_descriptions(self._connection, ids, self._seq)
        found = {subject_id: derive_identity(versions) for subject_id, versions in said.items()}
        return {subject_id: identity for subject_id, identity in found.items() if identity}


def _as_known(subject_id: UUID, identity: Identity) -> FoundSubject:
    name = identity.name.name
    return FoundSubject(subject_id, identity.kind, name, fold_name(name))
