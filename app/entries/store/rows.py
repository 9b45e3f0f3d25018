"""Rows of entries, as the store returns them."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.rules.disclosure import Channels, Fulfilment, parse_channels
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller
from app.rules.status import Status, Term, compute_status
from app.rules.visibility import AccessLevel, determine_access_level


class EntryRow(NamedTuple):
    """One version of an entry beside what never changes about it."""

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
    facts: dict[str, Any]
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
    black_active: bool

    @property
    def domain(self) -> str:
        """The governance domain, which begins the list type's code."""
        return self.list_type.partition(".")[0]

    @property
    def term(self) -> Term:
        """The dates that decide the status."""
        return _build_term(self)

    @property
    def deadline_start_day(self) -> date:
        """The day from which its working days run: of the decision, or of its restoration."""
        return self.lapsed_until or self.decided_on

    def compute_status(self, day: date) -> Status:
        """The status on the day that the row was read for."""
        return compute_status(
            self.term, ListKind(self.kind), day, has_active_black_entry=bool(self.black_active)
        )

    def determine_access_level(self, caller: Caller, day: date) -> AccessLevel:
        """How much of it the caller sees, the row being read for that day."""
        return determine_access_level(
            caller,
            department=self.department,
            disclosure_class=self.disclosure_class_enum,
            status=self.compute_status(day),
            void=self.void,
        )

    @property
    def disclosure_class_enum(self) -> DisclosureClass:
        """Who may read it."""
        return DisclosureClass(self.disclosure_class)

    @property
    def fulfilment(self) -> Fulfilment:
        """How far the duty to publish was met."""
        return Fulfilment(published_on=self.published_on, published_late=self.published_late)

    @property
    def publications(self) -> Channels:
        """What is known of each channel."""
        return parse_channels(self.channels)


TERM_COLUMNS = tuple(item.name for item in fields(Term))


def _build_term(row: Any) -> Term:  # noqa: ANN401 - any row with the columns of a term
    return Term(**{name: getattr(row, name) for name in TERM_COLUMNS})


class CheckedEntryRow(NamedTuple):
    """What a check reads of an entry: its status is worked out by the database (see `Prepared`)."""

    id: str
    subject_id: str
    kind: str
    list_type: str
    department: str
    severity: str | None
    effective_from: str
    effective_until: str | None
    status: str
    disputed: bool
    disclosure_class: str
    void: bool
    facts: str
    """JSON."""

    @property
    def domain(self) -> str:
        """The governance domain, which begins the list type's code."""
        return self.list_type.partition(".")[0]


class StatusChangeCandidate(NamedTuple):
    """An entry whose first day came, or whose last day passed."""

    entry_id: UUID
    subject_id: UUID
    kind: str
    term: Term


class SequencedChangeRow(NamedTuple):
    """A number of the sequence, and the entry that it announces."""

    seq: int
    entry_id: UUID
    recorded_at: datetime


class StatusChangeRow(NamedTuple):
    """What a day, or another entry, did to an entry."""

    seq: int
    recorded_at: datetime
    day: date
    status: str
    cause_entry_id: UUID | None


class SnapshotPage(NamedTuple):
    """Some of a snapshot, in the order of ids."""

    row_count: int
    rows: Iterator[EntryRow]
    """As many as are shown, each made as it is taken."""
    last_id: UUID
    """After which to go on; `LAST_ID` at the end."""


class RecordedReference(NamedTuple):
    """An entry that is recorded under a reference, and the bodies that were accepted for it."""

    entry_id: UUID
    digests: frozenset[str]
    void: bool


class ListedEntry(NamedTuple):
    """A red or black entry of a subject, as the cross-check reads it."""

    entry_id: UUID
    kind: ListKind
    list_type: str
    department: str
    term: Term


def select_other_terms_on_list(row: EntryRow, listed_entries: Iterable[ListedEntry]) -> list[Term]:
    """The terms of the subject's other entries on the list of an entry."""
    return [
        other.term
        for other in listed_entries
        if other.list_type == row.list_type and other.entry_id != row.id
    ]


def build_version_values(row: EntryRow) -> dict[str, Any]:
    """The columns of a version, to make the next one from."""
    values = row._asdict()
    values["entry_id"] = values.pop("id")
    for name in ("source_ref", "replaces", "received_at", "black_active"):
        del values[name]
    return values
