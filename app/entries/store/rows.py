"""Rows of entries, as the store returns them."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.entries.store.values import VersionValues
from app.rules.disclosure import Channels, Fulfilment, parse_channels
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import AccessLevel, Caller, determine_access_level
from app.rules.status import Status, Term, compute_status
from app.rules.stored_json import EntryFacts, StoredChannels


class EntryRow(NamedTuple):
    """One version of an entry, with the columns of the entry that never change."""

    id: UUID
    source_ref: str
    replaces: UUID | None
    received_at: datetime
    version: int
    seq: int
    superseded_seq: int | None
    subject_id: UUID
    list_type: str
    kind: str
    department: str
    action: str
    action_digest: str
    change_reason: str | None
    actor_name: str
    recorded_at: datetime
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
    black_active: bool
    """An active black entry suspends this red entry."""
    public_black_active: bool
    """Such a black entry is public."""

    @property
    def domain(self) -> str:
        """The governance domain: the first part of the code of the list type."""
        return self.list_type.partition(".")[0]

    @property
    def term(self) -> Term:
        """The dates that decide the status."""
        return _build_term(self)

    @property
    def deadline_start_day(self) -> date:
        """The first day of the deadline: the day of the decision, or of its restoration."""
        return self.lapsed_until or self.decided_on

    def compute_status(self, day: date) -> Status:
        """Return the status on the day for which the row was read."""
        return compute_status(
            self.term, ListKind(self.kind), day, has_active_black_entry=bool(self.black_active)
        )

    def determine_access_level(self, caller: Caller, day: date) -> AccessLevel:
        """Return how much of the entry the caller sees, on the day for which the row was read."""
        return determine_access_level(
            caller,
            department=self.department,
            disclosure_class=self.disclosure_class_enum,
            status=self.compute_status(day),
            void=self.void,
            is_suspension_public=bool(self.public_black_active),
        )

    @property
    def disclosure_class_enum(self) -> DisclosureClass:
        """The disclosure class: the readers of the entry."""
        return DisclosureClass(self.disclosure_class)

    @property
    def fulfilment(self) -> Fulfilment:
        """The fulfilment of the duty to publish."""
        return Fulfilment(published_on=self.published_on, published_late=self.published_late)

    @property
    def publications(self) -> Channels:
        """The publication on each channel."""
        return parse_channels(self.channels)


TERM_COLUMNS = tuple(item.name for item in fields(Term))


def _build_term(row: Any) -> Term:  # noqa: ANN401 - any row with the columns of a term
    return Term(**{name: getattr(row, name) for name in TERM_COLUMNS})


class StatusChangeCandidate(NamedTuple):
    """An entry that began, or whose term ended, since the last recorded day."""

    entry_id: UUID
    subject_id: UUID
    kind: str
    term: Term


class SequencedChangeRow(NamedTuple):
    """A sequence number and the entry that it announces."""

    seq: int
    entry_id: UUID
    recorded_at: datetime


class StatusChangeRow(NamedTuple):
    """A recorded status change, caused by a day or by another entry."""

    seq: int
    recorded_at: datetime
    day: date
    status: str
    cause_entry_id: UUID | None


class SnapshotPage(NamedTuple):
    """A page of a snapshot, in the order of ids."""

    row_count: int
    rows: Iterator[EntryRow]
    """The visible rows; each is built when it is read."""
    last_id: UUID
    """The last id of the page; `MAX_ID` at the end of the snapshot."""


class RecordedReference(NamedTuple):
    """A recorded reference: its entry, and the digests of all bodies that were accepted for it."""

    entry_id: UUID
    digests: frozenset[str]
    void: bool


class ListedEntry(NamedTuple):
    """A red or black entry of a subject, as the cross-check reads it."""

    entry_id: UUID
    kind: ListKind
    list_type: str
    department: str
    disclosure_class: DisclosureClass
    term: Term


def select_other_terms_on_list(row: EntryRow, listed_entries: Iterable[ListedEntry]) -> list[Term]:
    """Select the terms of the other entries of the subject on the list of an entry."""
    return [
        other.term
        for other in listed_entries
        if other.list_type == row.list_type and other.entry_id != row.id
    ]


def build_version_values(row: EntryRow) -> VersionValues:
    """Build the columns of a version from its row, as the base of the next version."""
    return {
        "entry_id": row.id,
        "version": row.version,
        "seq": row.seq,
        "superseded_seq": row.superseded_seq,
        "subject_id": row.subject_id,
        "list_type": row.list_type,
        "kind": row.kind,
        "department": row.department,
        "action": row.action,
        "action_digest": row.action_digest,
        "change_reason": row.change_reason,
        "actor_name": row.actor_name,
        "recorded_at": row.recorded_at,
        "catalogue_version": row.catalogue_version,
        "facts": row.facts,
        "facts_digest": row.facts_digest,
        "severity": row.severity,
        "sex": row.sex,
        "age": row.age,
        "decided_on": row.decided_on,
        "effective_from": row.effective_from,
        "effective_until": row.effective_until,
        "cap_ends_on": row.cap_ends_on,
        "exited_on": row.exited_on,
        "revoked_on": row.revoked_on,
        "repaired_on": row.repaired_on,
        "lapsed_from": row.lapsed_from,
        "lapsed_until": row.lapsed_until,
        "void": row.void,
        "disputed": row.disputed,
        "disclosure_class": row.disclosure_class,
        "deadline": row.deadline,
        "provisional": row.provisional,
        "calendar_version": row.calendar_version,
        "reported_late": row.reported_late,
        "channels": row.channels,
        "published_on": row.published_on,
        "published_late": row.published_late,
        "take_down_from": row.take_down_from,
        "corrected_received_at": row.corrected_received_at,
    }
