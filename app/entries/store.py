"""SQL of entries: versions are added, never changed; reading is always as of a state and a day."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from app.rules.disclosure import Channels, Fulfilment, read_channels
from app.rules.law import DisclosureClass, ListKind
from app.rules.status import Status, Term, status_on
from app.subjects import store as subjects
from app.tables import Entry, EntryPerson, EntryVersion


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
    black_active: bool

    @property
    def domain(self) -> str:
        """The governance domain, which begins the list type's code."""
        return self.list_type.partition(".")[0]

    @property
    def term(self) -> Term:
        """The dates that decide the status."""
        return Term(
            effective_from=self.effective_from,
            effective_until=self.effective_until,
            cap_ends_on=self.cap_ends_on,
            exited_on=self.exited_on,
            revoked_on=self.revoked_on,
            void=self.void,
        )

    def status(self, day: date) -> Status:
        """The status on the day that the row was read for."""
        return status_on(self.term, ListKind(self.kind), day, black_active=bool(self.black_active))

    @property
    def disclosure(self) -> DisclosureClass:
        """Who may read it."""
        return DisclosureClass(self.disclosure_class)

    @property
    def fulfilled(self) -> Fulfilment:
        """How far the duty to publish was met."""
        return Fulfilment(published_on=self.published_on, published_late=self.published_late)

    @property
    def publications(self) -> Channels:
        """What is known of each channel."""
        return read_channels(self.channels)


_ENTRY_COLUMNS = (Entry.id, Entry.source_ref, Entry.replaces, Entry.received_at)
_VERSION_COLUMNS = tuple(
    getattr(EntryVersion, name) for name in EntryRow._fields[len(_ENTRY_COLUMNS) : -1]
)

BLACK = aliased(EntryVersion)  # once: making one costs more than asking for an entry

# --- conditions ----------------------------------------------------------


def known(version: Any, seq: int | None) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Versions that the registry knew at a sequence number; None is now."""
    if seq is None:
        return version.superseded_seq.is_(None)  # type: ignore[no-any-return]
    return and_(
        version.seq <= seq, or_(version.superseded_seq.is_(None), version.superseded_seq > seq)
    )


def running(version: Any, day: date) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Entries neither ended nor yet to begin on a day, suspension aside."""
    return and_(not_ended(version, day), version.effective_from <= day)


def not_ended(version: Any, day: date) -> ColumnElement[bool]:  # noqa: ANN401 - class or alias
    """Entries that are scheduled, active or suspended on a day."""
    return and_(
        version.void.is_(False),
        or_(version.revoked_on.is_(None), version.revoked_on > day),
        or_(version.exited_on.is_(None), version.exited_on > day),
        or_(version.effective_until.is_(None), version.effective_until >= day),
        or_(version.cap_ends_on.is_(None), version.cap_ends_on >= day),
    )


def black_active(day: date, seq: int | None) -> ColumnElement[bool]:
    """Red entries whose subject has a black entry active on a day."""
    return and_(
        EntryVersion.kind == ListKind.red,
        exists().where(
            BLACK.subject_id == EntryVersion.subject_id,
            BLACK.kind == ListKind.black,
            known(BLACK, seq),
            running(BLACK, day),
        ),
    )


def status_expression(day: date, seq: int | None = None) -> ColumnElement[str]:
    """The status on a day, in SQL; twin of `app.rules.status.status_on`, order and all."""
    version = EntryVersion
    removed = or_(version.void.is_(True), version.revoked_on <= day, version.exited_on <= day)
    expired = or_(version.effective_until < day, version.cap_ends_on < day)
    return case(
        (removed, literal(Status.removed.value)),
        (expired, literal(Status.expired.value)),
        (version.effective_from > day, literal(Status.scheduled.value)),
        (black_active(day, seq), literal(Status.suspended.value)),
        else_=literal(Status.active.value),
    )


# --- reading -------------------------------------------------------------


def rows_as_of(day: date, seq: int | None = None) -> Select[Any]:
    """Entries as the registry knew them at `seq`, read for `day`."""
    return (
        select(*_ENTRY_COLUMNS, *_VERSION_COLUMNS, black_active(day, seq).label("black_active"))
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(known(EntryVersion, seq))
    )


def fetch(connection: Connection, query: Select[Any]) -> list[EntryRow]:
    """The rows of a query that began with `rows_as_of`."""
    return [EntryRow._make(row) for row in connection.execute(query)]


def get(
    connection: Connection, entry_id: UUID, day: date, seq: int | None = None
) -> EntryRow | None:
    """One entry as of a state and a day."""
    found = fetch(connection, rows_as_of(day, seq).where(Entry.id == entry_id))
    return found[0] if found else None


def page(
    connection: Connection,
    day: date,
    *,
    after: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
    statuses: Iterable[Status] = (),
    seq: int | None = None,
) -> list[EntryRow]:
    """Entries in the order of their ids (of recording), from after an id on.

    `filters` are equalities by name: list_type, domain, department, list, source_ref, subject_id.
    """
    query = rows_as_of(day, seq).order_by(Entry.id).limit(limit)
    if after is not None:
        query = query.where(Entry.id > after)
    for condition in conditions(filters):
        query = query.where(condition)
    if wanted := [status.value for status in statuses]:
        query = query.where(status_expression(day, seq).in_(wanted))
    return fetch(connection, query)


def conditions(filters: Mapping[str, Any]) -> Iterable[ColumnElement[bool]]:
    """The equalities of a filter as SQL."""
    for name, value in filters.items():
        if name == "domain":
            yield EntryVersion.list_type.startswith(f"{value}.", autoescape=True)
        elif name == "list":
            yield EntryVersion.kind == value
        elif name == "within":
            yield EntryVersion.department == value
        elif name == "source_ref":
            yield Entry.source_ref == value
        else:
            yield getattr(EntryVersion, name) == value


def of_subjects(
    connection: Connection, ids: Iterable[UUID], day: date, seq: int | None = None
) -> list[EntryRow]:
    """All entries of subjects, oldest first."""
    wanted = set(ids)
    if not wanted:
        return []
    return fetch(
        connection,
        rows_as_of(day, seq).where(EntryVersion.subject_id.in_(wanted)).order_by(Entry.id),
    )


def versions(connection: Connection, entry_id: UUID, day: date) -> list[EntryRow]:
    """Every version of an entry, oldest first."""
    query = (
        select(*_ENTRY_COLUMNS, *_VERSION_COLUMNS, black_active(day, None).label("black_active"))
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(Entry.id == entry_id)
        .order_by(EntryVersion.version)
    )
    return fetch(connection, query)


def seq_known_at(connection: Connection, instant: datetime) -> int:
    """The last change that was recorded by an instant; `recorded_at` never decreases with seq."""
    return (
        connection.scalar(
            select(EntryVersion.seq)
            .where(EntryVersion.recorded_at <= instant)
            .order_by(EntryVersion.recorded_at.desc(), EntryVersion.seq.desc())
            .limit(1)
        )
        or 0
    )


# --- writing -------------------------------------------------------------


class Replay(NamedTuple):
    """An entry that is recorded under a reference, and the bodies that were accepted for it."""

    entry_id: UUID
    digests: frozenset[str]


def find_replays(
    connection: Connection, references: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Replay]:
    """What is recorded under (department, source_ref) already."""
    by_department: dict[str, list[str]] = {}
    for department, source_ref in references:
        by_department.setdefault(department, []).append(source_ref)
    # Not pairs in one list: for those SQLite reads every version there is.
    one_of_them = or_(
        false(),
        *(
            and_(Entry.department == department, Entry.source_ref.in_(source_refs))
            for department, source_refs in by_department.items()
        ),
    )
    rows = connection.execute(
        select(Entry.department, Entry.source_ref, Entry.id, EntryVersion.facts_digest)
        .join(EntryVersion, EntryVersion.entry_id == Entry.id)
        .where(one_of_them)
    )
    found: dict[tuple[str, str], Replay] = {}
    for row in rows:
        key = (row.department, row.source_ref)
        before = found.get(key, Replay(row.id, frozenset()))
        found[key] = Replay(row.id, before.digests | {row.facts_digest})
    return found


class Neighbour(NamedTuple):
    """A red or black entry of a subject, as the cross-check reads it."""

    entry_id: UUID
    kind: ListKind
    department: str
    term: Term


def neighbours(
    connection: Connection, subject_ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[Neighbour]]:
    """The red and black entries of subjects (locked ones, where something is decided by them)."""
    version = EntryVersion
    wanted = set(subject_ids)
    found: dict[UUID, list[Neighbour]] = {}
    if not wanted:
        return found
    rows = connection.execute(
        select(
            version.entry_id,
            version.subject_id,
            version.kind,
            version.department,
            version.effective_from,
            version.effective_until,
            version.cap_ends_on,
            version.exited_on,
            version.revoked_on,
            version.void,
        )
        .where(
            known(version, seq),
            version.subject_id.in_(wanted),
            version.kind != ListKind.record,
        )
        .order_by(version.entry_id)
    )
    for row in rows:
        term = Term(
            effective_from=row.effective_from,
            effective_until=row.effective_until,
            cap_ends_on=row.cap_ends_on,
            exited_on=row.exited_on,
            revoked_on=row.revoked_on,
            void=row.void,
        )
        found.setdefault(row.subject_id, []).append(
            Neighbour(row.entry_id, ListKind(row.kind), row.department, term)
        )
    return found


def lock(connection: Connection, entry_id: UUID, day: date) -> EntryRow | None:
    """One entry, locked."""
    return lock_all(connection, [entry_id], day).get(entry_id)


def lock_all(connection: Connection, ids: Iterable[UUID], day: date) -> dict[UUID, EntryRow]:
    """Entries by id, their subjects locked first so that no change beside this one is missed."""
    wanted = Entry.id.in_(set(ids))
    subjects.lock(connection, connection.scalars(select(Entry.subject_id).where(wanted)))
    return {row.id: row for row in fetch(connection, rows_as_of(day).where(wanted))}


def made_by(connection: Connection, entry_id: UUID, action_digest: str) -> list[int]:
    """The versions that this very action made, oldest first."""
    return list(
        connection.scalars(
            select(EntryVersion.version)
            .where(EntryVersion.entry_id == entry_id, EntryVersion.action_digest == action_digest)
            .order_by(EntryVersion.version)
        )
    )


def add(
    connection: Connection,
    entries: Sequence[Mapping[str, Any]],
    versions: Sequence[Mapping[str, Any]],
    persons: Sequence[Mapping[str, Any]],
) -> None:
    """Add new entries, versions and sealed numbers of responsible persons."""
    if entries:
        connection.execute(insert(Entry), entries)
    connection.execute(insert(EntryVersion), versions)
    add_persons(connection, persons)


def add_persons(connection: Connection, persons: Sequence[Mapping[str, Any]]) -> None:
    """Add sealed numbers of responsible persons."""
    if persons:
        connection.execute(insert(EntryPerson), persons)


SUPERSEDE = (
    update(EntryVersion)
    .where(EntryVersion.entry_id == bindparam("entry"), EntryVersion.version == bindparam("known"))
    .values(superseded_seq=bindparam("next"))
)


def supersede_all(connection: Connection, ended: Sequence[tuple[UUID, int, int]]) -> None:
    """End versions (entry, version), each at the sequence number of the next one."""
    rows = [{"entry": entry, "known": version, "next": seq} for entry, version, seq in ended]
    connection.execute(SUPERSEDE, rows)


def persons_of(connection: Connection, entry_id: UUID) -> set[str]:
    """The look-up keys of the responsible persons that were sealed for an entry."""
    return set(
        connection.scalars(select(EntryPerson.lookup_key).where(EntryPerson.entry_id == entry_id))
    )


def version_values(row: EntryRow) -> dict[str, Any]:
    """The columns of a version, to make the next one from."""
    values = row._asdict()
    values["entry_id"] = values.pop("id")
    for name in ("source_ref", "replaces", "received_at", "black_active"):
        del values[name]
    return values
