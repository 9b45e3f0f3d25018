"""Which recorded subjects are meant, by number or by name, now or at a past state."""

from collections.abc import Collection, Sequence
from uuid import UUID

from app.checks import store
from app.checks.questions import ORGANIZATIONS, Question, name_alone
from app.checks.store import Matched
from app.db.engines import Connection
from app.rules.identity import Identity, LookupKey, derive_identity
from app.rules.text import fold_name
from app.subjects import store as subjects


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

    def by_number(self, question: Question) -> Matched | None:
        """The subject that bears the number, or (a USCC) the org code inside it."""
        for key in question.number_keys:
            matched = self._by_key.get(key)
            if matched is not None:
                return matched
        return None

    def by_name(self, question: Question) -> list[Matched]:
        """Organisations that bear the name, where that is all that was asked with."""
        return self._by_name.get(fold_name(question.name), []) if question.name else []

    def by_name_beside(self, question: Question) -> list[Matched]:
        """Organisations known by this name alone, beside the one that bears the number."""
        keys = question.name_keys
        if question.name is None and not question.personal:
            bearer = self.by_number(question)
            keys = () if bearer is None else name_alone(bearer.name)
        return [self._by_key[key] for key in keys if key in self._by_key]

    def bears_name(self, subject: Matched, name: str) -> bool:
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

    def by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, Matched]:
        """The subject behind each key."""
        return store.match_keys(self._connection, keys)

    def by_names(self, names: Collection[str]) -> dict[str, list[Matched]]:
        """Organisations by the keys of their names."""
        return store.match_names(self._connection, names)

    def names(self, ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """The keys of every name, old and new, of subjects."""
        return subjects.read_folded_names(self._connection, ids)


class _Then:
    """Who bore them by what was known at a sequence number, whoever bears them today."""

    def __init__(self, connection: Connection, seq: int) -> None:
        self._connection = connection
        self._seq = seq

    def by_keys(self, keys: Collection[LookupKey]) -> dict[LookupKey, Matched]:
        """The subject behind each key."""
        found = subjects.find_historical_by_keys(self._connection, set(keys))
        then = self._identities({subject_id for _, subject_id in found})
        return {
            key: _as_known(subject_id, then[subject_id])
            for key, subject_id in found
            if subject_id in then and key in then[subject_id].keys
        }

    def by_names(self, names: Collection[str]) -> dict[str, list[Matched]]:
        """Organisations by the keys of their names."""
        found = subjects.find_historical_by_names(self._connection, names)
        then = self._identities({subject_id for _, subject_id in found})
        matched: dict[str, list[Matched]] = {}
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
        said = subjects.read_subject_descriptions(self._connection, ids, self._seq)
        found = {subject_id: derive_identity(versions) for subject_id, versions in said.items()}
        return {subject_id: identity for subject_id, identity in found.items() if identity}


def _as_known(subject_id: UUID, identity: Identity) -> Matched:
    name = identity.name.name
    return Matched(subject_id, identity.kind, name, fold_name(name))
