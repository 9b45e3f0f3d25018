"""Types of subjects: a claim of a decision, and rows that the registry stores."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypedDict
from uuid import UUID

from app.rules.identifiers import Identifier
from app.rules.law import SubjectKind


@dataclass(frozen=True, slots=True)
class SubjectClaim:
    """The subject that a decision names, and the day of the decision."""

    kind: SubjectKind
    name: str
    identifiers: tuple[Identifier, ...]
    decided_on: date


class FoundSubject(NamedTuple):
    """A subject found by number, name or id."""

    id: UUID
    kind: SubjectKind
    name: str
    name_key: str


@dataclass(frozen=True, slots=True)
class RecordedSubject:
    """A subject that a change is about, with the date of its current name."""

    id: UUID
    kind: SubjectKind
    name_key: str
    name_as_of: date


class RecordedIdentifier(NamedTuple):
    """A stored number of a subject.

    Attributes:
        lookup_key: the number itself for organisations, a blind index for persons.
        shown: the number of an organisation; of persons a mask, which earlier releases showed.
        ciphertext: the sealed number of a person; None for organisations.
        current: False where only void decisions gave the number.
    """

    id: UUID
    scheme: str
    lookup_key: str
    shown: str
    ciphertext: bytes | None
    key_id: str | None
    current: bool


class RecordedName(NamedTuple):
    """A stored name of a subject; not `current` where only void decisions gave it."""

    name: str
    name_key: str
    current: bool


class SubjectProfile(TypedDict):
    """A subject as responses show it; each identifier has a scheme and `number` or `masked`."""

    id: UUID
    kind: str
    name: str
    former_names: list[str]
    identifiers: list[dict[str, str]]
