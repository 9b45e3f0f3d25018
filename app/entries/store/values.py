"""Typed values of entries: the facts of a decision, and the columns that are written."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID


class IdentifierFacts(TypedDict):
    """An identifier in facts: `number` of an organisation, or `masked` and `key` of a person."""

    scheme: str
    number: NotRequired[str]
    masked: NotRequired[str]
    key: NotRequired[str]


class SubjectFacts(TypedDict):
    """The subject as the decision names it."""

    kind: str
    name: str
    identifiers: NotRequired[list[IdentifierFacts]]
    birth_date: NotRequired[str]


class ResponsiblePersonFacts(TypedDict):
    """A responsible person of an organisation."""

    role: str
    name: str
    identifier: NotRequired[IdentifierFacts]


class DecisionDetails(TypedDict):
    """The decision behind the entry."""

    number: str
    kind: str
    decided_on: str
    penalty_law: NotRequired[str]


class ExtensionFacts(TypedDict):
    """The decision that extended the term."""

    number: str
    decided_on: str
    legal_basis: str


DisclosureFacts = TypedDict(
    "DisclosureFacts",
    {"class": str, "exemption": NotRequired[str], "basis": NotRequired[str]},
)


class EntryFacts(TypedDict):
    """The facts of a decision, as the department sent them, without empty values."""

    list_type: str
    subject: SubjectFacts
    decision: DecisionDetails
    reason: str
    legal_basis: str
    replaces: NotRequired[str]
    case_ref: NotRequired[str]
    responsible_persons: NotRequired[list[ResponsiblePersonFacts]]
    severity: NotRequired[str]
    conduct_ended_on: NotRequired[str]
    conduct_continues: NotRequired[bool]
    effective_from: NotRequired[str]
    effective_until: NotRequired[str | None]
    disclosure: NotRequired[DisclosureFacts]
    penalty: NotRequired[Mapping[str, Any]]
    licence: NotRequired[Mapping[str, Any]]
    remark: NotRequired[str]
    unintentional: NotRequired[bool]
    extension: NotRequired[ExtensionFacts]


class ChangedValues(TypedDict, total=False):
    """The columns of a version that a change may set."""

    kind: str
    catalogue_version: int
    facts: EntryFacts
    facts_digest: str
    severity: str | None
    decided_on: date
    effective_from: date
    effective_until: date | None
    cap_ends_on: date | None
    exited_on: date | None
    revoked_on: date | None
    repaired_on: date | None
    lapsed_from: date | None
    lapsed_until: date | None
    void: bool
    disputed: bool
    disclosure_class: str
    deadline: date
    provisional: bool
    calendar_version: int
    reported_late: bool
    channels: dict[str, Any]
    published_on: date | None
    published_late: bool | None
    take_down_from: date | None


class VersionValues(ChangedValues, total=False):
    """The columns of a version."""

    entry_id: UUID
    version: int
    seq: int
    superseded_seq: int | None
    subject_id: UUID
    list_type: str
    department: str
    action: str
    action_digest: str
    change_reason: str | None
    actor_id: UUID | None
    actor_name: str
    recorded_at: datetime


class EntryValues(TypedDict):
    """The columns of an entry that never change."""

    id: UUID
    subject_id: UUID
    list_type: str
    kind: str
    department: str
    source_ref: str
    replaces: UUID | None
    received_at: datetime


class PersonValues(TypedDict):
    """The columns of the sealed number of a responsible person."""

    entry_id: UUID
    scheme: str
    lookup_key: str
    ciphertext: bytes
    key_id: str


class StatusChangeValues(TypedDict):
    """The columns of a status change."""

    seq: int
    entry_id: UUID
    day: date
    status: str
    cause: str
    cause_entry_id: UUID | None
    recorded_at: datetime
