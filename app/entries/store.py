"""SQL of entries: versions are added, never changed; reading is always as of a state and a day."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Date,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from app.db.bulk import insert_many
from app.db.prepared import PreparedQuery, as_text, in_array
from app.db.tables import Entry, EntryPerson, EntryTurn, EntryVersion
from app.rules.disclosure import Channels, Fulfilment, parse_channels
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller, Role
from app.rules.status import Status, Term, compute_status
from app.rules.visibility import AccessLevel, determine_access_level
from app.subjects.service import lock_subjects


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


_ENTRY_COLUMNS = (
    Entry.id,
    func.coalesce(Entry.freed_ref, Entry.source_ref).label("source_ref"),
    Entry.replaces,
    Entry.received_at,
)
_VERSION_COLUMNS = tuple(
    getattr(EntryVersion, name) for name in EntryRow._fields[len(_ENTRY_COLUMNS) : -1]
)

BLACK_VERSION = aliased(EntryVersion)  # once: making one costs more than asking for an entry

DayOrParameter = date | BindParameter[date]
SeqOrParameter = int | BindParameter[int] | None

# --- conditions ----------------------------------------------------------


def is_version_at(version: Any, seq: SeqOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Versions that the registry knew at a sequence number; None is now."""
    if seq is None:
        return version.superseded_seq.is_(None)  # type: ignore[no-any-return]
    return and_(
        version.seq <= seq, or_(version.superseded_seq.is_(None), version.superseded_seq > seq)
    )


def is_in_effect_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Entries neither ended nor yet to begin on a day, suspension aside."""
    return and_(is_not_ended_on(version, day), version.effective_from <= day)


def is_not_ended_on(version: Any, day: DayOrParameter) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Entries that are scheduled, active or suspended on a day."""
    return and_(
        version.void.is_(False),
        or_(version.revoked_on.is_(None), version.revoked_on > day),
        or_(version.exited_on.is_(None), version.exited_on > day),
        or_(version.repaired_on.is_(None), version.repaired_on > day),
        or_(
            version.lapsed_from.is_(None),
            version.lapsed_from > day,
            version.lapsed_until <= day,
        ),
        or_(version.effective_until.is_(None), version.effective_until >= day),
        or_(version.cap_ends_on.is_(None), version.cap_ends_on >= day),
    )


def has_active_black_entry(day: DayOrParameter, seq: SeqOrParameter) -> ColumnElement[bool]:
    """Red entries whose subject has a black entry active on a day."""
    return and_(
        EntryVersion.kind == ListKind.red,
        exists().where(
            BLACK_VERSION.subject_id == EntryVersion.subject_id,
            BLACK_VERSION.kind == ListKind.black,
            is_version_at(BLACK_VERSION, seq),
            is_in_effect_on(BLACK_VERSION, day),
        ),
    )


def is_visible_to(caller: Caller, day: date) -> ColumnElement[bool]:
    """The entries of lists and snapshots that the caller sees whole; twin of `visibility.sight`."""
    version = EntryVersion
    if caller.can_read_sealed:
        return true()
    if caller.has_oversight:
        return version.void.is_(False)
    if caller.role is Role.subscriber:
        return and_(
            version.disclosure_class == DisclosureClass.public, is_not_ended_on(version, day)
        )
    return and_(version.void.is_(False), version.department == (caller.department or ""))


def build_status_expression(day: DayOrParameter, seq: SeqOrParameter = None) -> ColumnElement[str]:
    """The status on a day, in SQL; twin of `app.rules.status.status_on`, order and all."""
    version = EntryVersion
    removed = or_(
        version.void.is_(True),
        version.revoked_on <= day,
        version.exited_on <= day,
        version.repaired_on <= day,
        and_(version.lapsed_from <= day, version.lapsed_until > day),
    )
    expired = or_(version.effective_until < day, version.cap_ends_on < day)
    return case(
        (removed, literal(Status.removed.value)),
        (expired, literal(Status.expired.value)),
        (version.effective_from > day, literal(Status.scheduled.value)),
        (has_active_black_entry(day, seq), literal(Status.suspended.value)),
        else_=literal(Status.active.value),
    )


# --- reading -------------------------------------------------------------


def select_entries_as_of(day: date, seq: int | None = None) -> Select[Any]:
    """Entries as the registry knew them at `seq`, read for `day`."""
    return (
        select(
            *_ENTRY_COLUMNS,
            *_VERSION_COLUMNS,
            has_active_black_entry(day, seq).label("black_active"),
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(is_version_at(EntryVersion, seq))
    )


def read_rows(connection: Connection, query: Select[Any]) -> list[EntryRow]:
    """The rows of a query that began with `rows_as_of`."""
    return [EntryRow._make(row) for row in connection.execute(query)]


def read_entry(
    connection: Connection, entry_id: UUID, day: date, seq: int | None = None
) -> EntryRow | None:
    """One entry as of a state and a day."""
    rows = read_rows(connection, select_entries_as_of(day, seq).where(Entry.id == entry_id))
    return rows[0] if rows else None


def read_entry_page(
    connection: Connection,
    day: date,
    *,
    after: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
    caller: Caller,
    statuses: Iterable[Status] = (),
    seq: int | None = None,
) -> list[EntryRow]:
    """Entries that the caller sees whole, in the order of their ids (of recording).

    `filters` are equalities by name: list_type, domain, department, list, source_ref, subject_id.
    """
    query = (
        select_entries_as_of(day, seq)
        .where(is_visible_to(caller, day))
        .order_by(Entry.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Entry.id > after)
    for condition in build_filter_conditions(filters):
        query = query.where(condition)
    if status_values := [status.value for status in statuses]:
        query = query.where(build_status_expression(day, seq).in_(status_values))
    return read_rows(connection, query)


def build_filter_conditions(filters: Mapping[str, Any]) -> Iterable[ColumnElement[bool]]:
    """The equalities of a filter as SQL."""
    for name, value in filters.items():
        if name == "domain":
            yield EntryVersion.list_type.startswith(f"{value}.", autoescape=True)
        elif name == "list":
            yield EntryVersion.kind == value
        elif name == "within":
            yield EntryVersion.department == value
        elif name == "source_ref":
            yield or_(Entry.source_ref == value, Entry.freed_ref == value)
        else:
            yield getattr(EntryVersion, name) == value


def read_subject_entries(
    connection: Connection, subject_ids: Iterable[UUID], day: date, seq: int | None = None
) -> list[EntryRow]:
    """All entries of subjects, oldest first."""
    unique_ids = set(subject_ids)
    if not unique_ids:
        return []
    return read_rows(
        connection,
        select_entries_as_of(day, seq)
        .where(EntryVersion.subject_id.in_(unique_ids))
        .order_by(Entry.id),
    )


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


def _build_checked_entries_query(seq: BindParameter[int] | None) -> PreparedQuery:
    version = EntryVersion
    day = bindparam("day", type_=Date)
    return PreparedQuery(
        select(
            as_text(version.entry_id),
            as_text(version.subject_id),
            version.kind,
            version.list_type,
            version.department,
            version.severity,
            as_text(version.effective_from),
            as_text(version.effective_until),
            build_status_expression(day, seq),
            version.disputed,
            version.disclosure_class,
            version.void,
            as_text(version.facts),
        )
        .where(is_version_at(version, seq), in_array(version.subject_id, "subjects"))
        .order_by(version.entry_id)
    )


CURRENT_CHECKED_ENTRIES = _build_checked_entries_query(None)
CHECKED_ENTRIES_AT_SEQ = _build_checked_entries_query(bindparam("seq", type_=BigInteger))


def read_checked_entries(
    connection: Connection, subject_ids: Iterable[UUID], day: date, seq: int | None = None
) -> list[CheckedEntryRow]:
    """All entries of subjects as a check reads them, oldest first; `seq` as for `known`."""
    subject_list = list(subject_ids)
    if not subject_list:
        return []
    parameters = {"subjects": subject_list, "day": day.isoformat()}
    if seq is None:
        rows = CURRENT_CHECKED_ENTRIES.fetch(connection, **parameters)
    else:
        rows = CHECKED_ENTRIES_AT_SEQ.fetch(connection, **parameters, seq=seq)
    return list(map(CheckedEntryRow._make, rows))


def read_versions(connection: Connection, entry_id: UUID, day: date) -> list[EntryRow]:
    """Every version of an entry, oldest first."""
    query = (
        select(
            *_ENTRY_COLUMNS,
            *_VERSION_COLUMNS,
            has_active_black_entry(day, None).label("black_active"),
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(Entry.id == entry_id)
        .order_by(EntryVersion.version)
    )
    return read_rows(connection, query)


def find_seq_at(connection: Connection, instant: datetime) -> int:
    """The last change that was recorded by an instant; `recorded_at` never decreases with seq."""
    return max(
        connection.scalar(
            select(table.seq)
            .where(table.recorded_at <= instant)
            .order_by(table.recorded_at.desc(), table.seq.desc())
            .limit(1)
        )
        or 0
        for table in (EntryVersion, EntryTurn)
    )


def find_recorded_at(connection: Connection, seq: int) -> datetime | None:
    """When a change was recorded; None before the first."""
    instants = (
        connection.scalar(
            select(table.recorded_at).where(table.seq <= seq).order_by(table.seq.desc()).limit(1)
        )
        for table in (EntryVersion, EntryTurn)
    )
    return max((instant for instant in instants if instant is not None), default=None)


class StatusChangeCandidate(NamedTuple):
    """An entry whose first day came, or whose last day passed."""

    entry_id: UUID
    subject_id: UUID
    kind: str
    term: Term


def find_status_change_candidates(
    connection: Connection, since: date, today: date
) -> list[StatusChangeCandidate]:
    """Entries that began after `since` and by `today`, or ended by themselves meanwhile."""
    version = EntryVersion
    rows = connection.execute(
        select(
            version.entry_id,
            version.subject_id,
            version.kind,
            *(getattr(version, name) for name in TERM_COLUMNS),
        )
        .where(
            is_version_at(version, None),
            or_(
                and_(version.effective_from > since, version.effective_from <= today),
                and_(version.effective_until >= since, version.effective_until < today),
                and_(version.cap_ends_on >= since, version.cap_ends_on < today),
            ),
        )
        .order_by(version.entry_id)
    )
    return [
        StatusChangeCandidate(row.entry_id, row.subject_id, row.kind, _build_term(row))
        for row in rows
    ]


class SequencedChangeRow(NamedTuple):
    """A number of the sequence, and the entry that it announces."""

    seq: int
    entry_id: UUID
    recorded_at: datetime


def read_changes_after(connection: Connection, after: int, limit: int) -> list[SequencedChangeRow]:
    """Versions and turns in the order of their numbers."""
    tables = (EntryVersion, EntryTurn)
    all_changes = union_all(
        *(
            select(table.seq, table.entry_id, table.recorded_at).where(table.seq > after)
            for table in tables
        )
    ).subquery()
    rows = connection.execute(select(all_changes).order_by(all_changes.c.seq).limit(limit))
    return [SequencedChangeRow._make(row) for row in rows]


def read_current_entries(
    connection: Connection, entry_ids: Iterable[UUID], day: date
) -> dict[UUID, EntryRow]:
    """Entries by id, as they are known now."""
    return {
        row.id: row
        for row in read_rows(
            connection, select_entries_as_of(day).where(Entry.id.in_(set(entry_ids)))
        )
    }


def find_public_change_seqs(connection: Connection, seqs: Iterable[int]) -> set[int]:
    """Those changes whose entry was of the public class before them, or by them."""
    version, seq_set = EntryVersion, set(seqs)
    public = version.disclosure_class == DisclosureClass.public
    created = select(version.seq).where(version.seq.in_(seq_set), public)
    superseded = select(version.superseded_seq).where(version.superseded_seq.in_(seq_set), public)
    status_changed = (
        select(EntryTurn.seq)
        .join(
            version,
            and_(
                version.entry_id == EntryTurn.entry_id,
                version.seq <= EntryTurn.seq,
                or_(version.superseded_seq.is_(None), version.superseded_seq > EntryTurn.seq),
            ),
        )
        .where(EntryTurn.seq.in_(seq_set), public)
    )
    return set(connection.scalars(union_all(created, superseded, status_changed)))


class StatusChangeRow(NamedTuple):
    """What a day, or another entry, did to an entry."""

    seq: int
    recorded_at: datetime
    day: date
    status: str
    cause_entry_id: UUID | None


def read_status_changes(connection: Connection, entry_id: UUID) -> list[StatusChangeRow]:
    """What days and other entries did to an entry, oldest first."""
    columns = [getattr(EntryTurn, name) for name in StatusChangeRow._fields]
    rows = connection.execute(
        select(*columns).where(EntryTurn.entry_id == entry_id).order_by(EntryTurn.seq)
    )
    return [StatusChangeRow._make(row) for row in rows]


# --- whole snapshots -----------------------------------------------------

MIN_ID, MAX_ID = UUID(int=0), UUID(int=2**128 - 1)
"""Before and after every id that is given out."""
_PAGE_END_QUERY = (
    select(Entry.id)
    .where(Entry.id > bindparam("after"))
    .order_by(Entry.id)
    .limit(1)
    .offset(bindparam("passed"))
)
_DOCUMENT_INDEXES = tuple(EntryRow._fields.index(name) for name in ("facts", "channels"))


def build_snapshot_query(
    day: date,
    *,
    filters: Mapping[str, Any],
    caller: Caller,
    statuses: Iterable[Status] = (),
    seq: int | None = None,
) -> Select[Any]:
    """What `page` shows, for `stretch` to read; made once, since that takes as long as a page.

    Documents come as text: a page of them read ahead keeps the garbage collector busy for longer
    than it takes to read them.
    """
    columns = [
        cast(column, Text) if column.key in {"facts", "channels"} else column
        for column in _VERSION_COLUMNS
    ]
    query = (
        select(*_ENTRY_COLUMNS, *columns, has_active_black_entry(day, seq))
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(
            is_version_at(EntryVersion, seq),
            is_visible_to(caller, day),
            Entry.id > bindparam("after"),
            Entry.id <= bindparam("until"),
            *build_filter_conditions(filters),
        )
        .order_by(Entry.id)
    )
    if status_values := [status.value for status in statuses]:
        query = query.where(build_status_expression(day, seq).in_(status_values))
    return query


class SnapshotPage(NamedTuple):
    """Some of a snapshot, in the order of ids."""

    row_count: int
    rows: Iterator[EntryRow]
    """As many as are shown, each made as it is taken."""
    last_id: UUID
    """After which to go on; `LAST_ID` at the end."""


def read_snapshot_page(
    connection: Connection, query: Select[Any], *, after: UUID, size: int
) -> SnapshotPage:
    """What a snapshot holds of the next `of` entries, whether it shows them or not.

    The bounds are ids, and not a number of rows that are shown: to find those, a database that
    takes the conditions for rarer than they are would read and sort everything for each page.
    """
    last_id = connection.scalar(_PAGE_END_QUERY, {"after": after, "passed": size - 1}) or MAX_ID
    rows = connection.execute(query, {"after": after, "until": last_id}).all()
    return SnapshotPage(len(rows), map(_parse_documents, rows), last_id)


def _parse_documents(row: Sequence[Any]) -> EntryRow:
    values = [*row]
    for index in _DOCUMENT_INDEXES:
        values[index] = orjson.loads(values[index])
    return EntryRow._make(values)


# --- writing -------------------------------------------------------------


class RecordedReference(NamedTuple):
    """An entry that is recorded under a reference, and the bodies that were accepted for it."""

    entry_id: UUID
    digests: frozenset[str]
    void: bool


def find_recorded_references(
    connection: Connection, references: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], RecordedReference]:
    """What is recorded under (department, source_ref) already."""
    by_department: dict[str, list[str]] = {}
    for department, source_ref in references:
        by_department.setdefault(department, []).append(source_ref)
    # Not pairs in one list: for those SQLite reads every version there is.
    matches_any = or_(
        false(),
        *(
            and_(Entry.department == department, Entry.source_ref.in_(source_refs))
            for department, source_refs in by_department.items()
        ),
    )
    rows = connection.execute(
        select(
            Entry.department,
            Entry.source_ref,
            Entry.id,
            EntryVersion.facts_digest,
            EntryVersion.void,
        )
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(matches_any)
    )
    found: dict[tuple[str, str], RecordedReference] = {}
    for row in rows:
        key = (row.department, row.source_ref)
        earlier = found.get(key, RecordedReference(row.id, frozenset(), void=False))
        digests = earlier.digests | {row.facts_digest}
        found[key] = RecordedReference(row.id, digests, void=earlier.void or row.void)
    return found


class ListedEntry(NamedTuple):
    """A red or black entry of a subject, as the cross-check reads it."""

    entry_id: UUID
    kind: ListKind
    list_type: str
    department: str
    term: Term


def read_listed_entries(
    connection: Connection, subject_ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[ListedEntry]]:
    """The red and black entries of subjects (locked ones, where something is decided by them)."""
    version = EntryVersion
    unique_ids = set(subject_ids)
    found: dict[UUID, list[ListedEntry]] = {}
    if not unique_ids:
        return found
    rows = connection.execute(
        select(
            version.entry_id,
            version.subject_id,
            version.kind,
            version.list_type,
            version.department,
            *(getattr(version, name) for name in TERM_COLUMNS),
        )
        .where(
            is_version_at(version, seq),
            version.subject_id.in_(unique_ids),
            version.kind != ListKind.record,
        )
        .order_by(version.entry_id)
    )
    for row in rows:
        found.setdefault(row.subject_id, []).append(
            ListedEntry(
                row.entry_id, ListKind(row.kind), row.list_type, row.department, _build_term(row)
            )
        )
    return found


def select_other_terms_on_list(row: EntryRow, listed_entries: Iterable[ListedEntry]) -> list[Term]:
    """The terms of the subject's other entries on the list of an entry."""
    return [
        other.term
        for other in listed_entries
        if other.list_type == row.list_type and other.entry_id != row.id
    ]


def lock_entry(connection: Connection, entry_id: UUID, day: date) -> EntryRow | None:
    """One entry, locked."""
    return lock_entries(connection, [entry_id], day).get(entry_id)


def lock_entries(
    connection: Connection, entry_ids: Iterable[UUID], day: date
) -> dict[UUID, EntryRow]:
    """Entries by id, their subjects locked first so that no change beside this one is missed."""
    has_wanted_id = Entry.id.in_(set(entry_ids))
    lock_subjects(connection, connection.scalars(select(Entry.subject_id).where(has_wanted_id)))
    return {
        row.id: row for row in read_rows(connection, select_entries_as_of(day).where(has_wanted_id))
    }


def is_replaced(connection: Connection, entry_id: UUID, *, for_update: bool) -> bool:
    """Tell whether an entry that stands replaces it; locked, two cannot replace it at once."""
    if for_update:
        connection.execute(
            select(Entry.id).where(Entry.id == entry_id).with_for_update(key_share=True)
        )
    replacement_id = connection.scalar(
        select(EntryVersion.entry_id)
        .join(Entry, Entry.id == EntryVersion.entry_id)
        .where(Entry.replaces == entry_id, is_version_at(EntryVersion, None), ~EntryVersion.void)
        .limit(1)
    )
    return replacement_id is not None


def find_versions_made_by(
    connection: Connection, entry_id: UUID, action_digest: str, *, void: bool
) -> list[int]:
    """The versions that this very action made, oldest first; of a void entry, those made void."""
    return list(
        connection.scalars(
            select(EntryVersion.version)
            .where(
                EntryVersion.entry_id == entry_id,
                EntryVersion.action_digest == action_digest,
                EntryVersion.void.is_(void),
            )
            .order_by(EntryVersion.version)
        )
    )


def add_entries(
    connection: Connection,
    entries: Sequence[Mapping[str, Any]],
    versions: Sequence[Mapping[str, Any]],
    persons: Sequence[Mapping[str, Any]],
) -> None:
    """Add new entries, versions and sealed numbers of responsible persons."""
    insert_many(connection, Entry, entries)
    insert_many(connection, EntryVersion, versions)
    add_person_rows(connection, persons)


def add_person_rows(connection: Connection, persons: Sequence[Mapping[str, Any]]) -> None:
    """Add sealed numbers of responsible persons."""
    insert_many(connection, EntryPerson, persons)


def add_status_changes(connection: Connection, status_changes: Sequence[Mapping[str, Any]]) -> None:
    """Add turns."""
    insert_many(connection, EntryTurn, status_changes)


SUPERSEDE_STATEMENT = (
    update(EntryVersion)
    .where(EntryVersion.entry_id == bindparam("entry"), EntryVersion.version == bindparam("known"))
    .values(superseded_seq=bindparam("next"))
)


def supersede_versions(connection: Connection, superseded: Sequence[tuple[UUID, int, int]]) -> None:
    """End versions (entry, version), each at the sequence number of the next one."""
    rows = [{"entry": entry, "known": version, "next": seq} for entry, version, seq in superseded]
    connection.execute(SUPERSEDE_STATEMENT, rows)


def read_person_lookup_keys(connection: Connection, entry_id: UUID) -> set[str]:
    """The look-up keys of the responsible persons that were sealed for an entry."""
    return set(
        connection.scalars(select(EntryPerson.lookup_key).where(EntryPerson.entry_id == entry_id))
    )


def build_version_values(row: EntryRow) -> dict[str, Any]:
    """The columns of a version, to make the next one from."""
    values = row._asdict()
    values["entry_id"] = values.pop("id")
    for name in ("source_ref", "replaces", "received_at", "black_active"):
        del values[name]
    return values
