"""Typed values of entries: the columns that are written."""

from datetime import date, datetime
from typing import TypedDict
from uuid import UUID

from app.rules.stored_json import EntryFacts, StoredChannels


class ChangedValues(TypedDict, total=False):
    """The columns of a version that a change may set."""

    kind: str
    catalogue_version: int
    facts: EntryFacts
    facts_digest: str
    severity: str | None
    sex: str | None
    age: int | None
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
    channels: StoredChannels
    published_on: date | None
    published_late: bool | None
    take_down_from: date | None
    corrected_received_at: datetime | None


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
    epoch: int | None
