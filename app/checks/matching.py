"""Which recorded subjects are meant, by number or by name, now or at a past state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.checks import store
from app.checks.questions import Question
from app.checks.store import Matched
from app.database import Connection
from app.registry import Registry
from app.rules.identifiers import Identifier, Scheme
from app.rules.law import SubjectKind
from app.rules.names import name_key
from app.subjects.store import Key, keys_asked, name_only_key, names

ORGANIZATIONS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.natural_person)


class Matching:
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
        # Asked without a name: the recorded one may be known alone, too, and then it is not "none".
        unnamed = {
            key
            for question in questions
            if question.name is None and (found := self.by_number(question)) is not None
            for key in _name_alone(found.name)
        }
        if unnamed:
            self._by_key |= store.match_keys(connection, unnamed)
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
            if question.name is not None:
                yield from self._name_keys(question)

    def _number_keys(self, question: Question) -> list[Key]:
        if question.identifier is None:
            return []
        return keys_asked(question.identifier, self._registry.secrets)

    def _name_keys(self, question: Question) -> list[Key]:
        if question.personal or question.identifier is None:
            return []
        if question.name is not None:
            return _name_alone(question.name)
        found = self.by_number(question)
        return _name_alone(found.name) if found is not None else []

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


def _name_alone(name: str) -> list[Key]:
    return [name_only_key(kind, name) for kind in ORGANIZATIONS]


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
