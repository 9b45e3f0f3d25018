"""SQL of subjects: reads by key or id, locks, inserts and updates."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.db.counter import ConcurrentChange
from app.db.statements import PreparedQuery, as_text, in_array, insert_in_dialect, insert_many
from app.db.tables import EntryVersion, Subject, SubjectIdentifier, SubjectName
from app.rules.identity import NAME_SCHEME, DatedName, LookupKey
from app.rules.law import SubjectKind
from app.rules.text import fold_name
from app.subjects.records import RecordedSubject, SubjectClaim

AnySelect = Select[*tuple[Any, ...]]


class IdentifierValues(TypedDict):
    """The columns of an identifier; a personal number is encrypted."""

    id: UUID
    subject_id: UUID
    scheme: str
    lookup_key: str
    shown: str
    ciphertext: bytes | None
    key_id: str | None
    current: bool


class NameValues(TypedDict):
    """The columns of a name of a subject."""

    subject_id: UUID
    name_key: str
    name: str
    as_of: date
    current: bool


BY_KEYS = PreparedQuery(
    select(
        SubjectIdentifier.lookup_key,
        as_text(Subject.id),
        Subject.kind,
        Subject.name,
        Subject.name_key,
    )
    .join(Subject, Subject.id == SubjectIdentifier.subject_id)
    .where(
        SubjectIdentifier.scheme == bindparam("scheme"),
        in_array(SubjectIdentifier.lookup_key, "numbers"),
        SubjectIdentifier.current,
    )
)
BY_IDS = PreparedQuery(
    select(as_text(Subject.id), Subject.kind, Subject.name, Subject.name_key).where(
        in_array(Subject.id, "ids")
    )
)
CURRENT_NAMES = PreparedQuery(
    select(as_text(Subject.id), Subject.kind, Subject.name).where(in_array(Subject.id, "ids"))
)
CURRENT_IDENTIFIERS = PreparedQuery(
    select(
        as_text(SubjectIdentifier.subject_id),
        SubjectIdentifier.scheme,
        SubjectIdentifier.shown,
        SubjectIdentifier.ciphertext.is_not(None).label("personal"),
    )
    .where(
        in_array(SubjectIdentifier.subject_id, "ids"),
        SubjectIdentifier.scheme != NAME_SCHEME,
        SubjectIdentifier.current,
    )
    .order_by(SubjectIdentifier.scheme, SubjectIdentifier.id)
)
FORMER_NAMES = PreparedQuery(
    select(as_text(SubjectName.subject_id), SubjectName.name)
    .join(Subject, Subject.id == SubjectName.subject_id)
    .where(
        in_array(SubjectName.subject_id, "ids"),
        SubjectName.name_key != Subject.name_key,
        SubjectName.current,
    )
    .order_by(SubjectName.as_of)
)
# In the order of `RecordedIdentifier`.
_IDENTIFIER_COLUMNS = (
    SubjectIdentifier.id,
    SubjectIdentifier.scheme,
    SubjectIdentifier.lookup_key,
    SubjectIdentifier.shown,
    SubjectIdentifier.ciphertext,
    SubjectIdentifier.key_id,
    SubjectIdentifier.current,
)


def match_lookup_keys(keys: Collection[LookupKey]) -> ColumnElement[bool]:
    """Return the condition on identifiers with these keys.

    With several schemes it also matches a number under another scheme of them; callers filter.
    """
    return and_(
        # Both columns, because the index begins with the scheme.
        SubjectIdentifier.scheme.in_({scheme for scheme, _ in keys}),
        SubjectIdentifier.lookup_key.in_({number for _, number in keys}),
    )


def select_by_any_key(keys: Collection[LookupKey]) -> AnySelect:
    """Select the current subjects behind keys, each with its key."""
    return (
        select(
            SubjectIdentifier.scheme,
            SubjectIdentifier.lookup_key,
            Subject.id,
            Subject.kind,
            Subject.name,
            Subject.name_key,
        )
        .join(Subject, Subject.id == SubjectIdentifier.subject_id)
        .where(match_lookup_keys(keys), SubjectIdentifier.current)
    )


def select_key_owners(keys: Collection[LookupKey], *, current_only: bool) -> AnySelect:
    """Select the ids of subjects that have keys, or ever had them."""
    statement = (
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, SubjectIdentifier.subject_id)
        .where(match_lookup_keys(keys))
        .order_by(SubjectIdentifier.id)
    )
    return statement.where(SubjectIdentifier.current.is_(True)) if current_only else statement


def select_organizations_by_names(name_keys: Iterable[str]) -> AnySelect:
    """Select organisations by folded name."""
    return (
        select(SubjectName.name_key, Subject.id, Subject.kind, Subject.name)
        .join(Subject, Subject.id == SubjectName.subject_id)
        .where(
            SubjectName.name_key.in_(set(name_keys)),
            SubjectName.current,
            Subject.kind != SubjectKind.natural_person,
        )
        .order_by(Subject.id)
    )


def select_ids_by_names(name_keys: Collection[str]) -> AnySelect:
    """Select the ids of subjects that ever had one of the folded names."""
    return (
        select(SubjectName.name_key, SubjectName.subject_id)
        .where(SubjectName.name_key.in_(name_keys))
        .order_by(SubjectName.subject_id)
    )


def select_descriptions(ids: Iterable[UUID], seq: int | None) -> AnySelect:
    """Select the subject part of entry versions, up to a sequence number if one is given."""
    version = EntryVersion
    statement = (
        select(
            version.subject_id,
            version.entry_id,
            version.void,
            version.decided_on,
            version.facts["subject"].label("subject"),
        )
        .where(version.subject_id.in_(set(ids)))
        .order_by(version.seq)
    )
    return statement if seq is None else statement.where(version.seq <= seq)


def select_identifiers(subject_id: UUID) -> AnySelect:
    """Select every number of a subject."""
    return (
        select(*_IDENTIFIER_COLUMNS)
        .where(SubjectIdentifier.subject_id == subject_id)
        .order_by(SubjectIdentifier.scheme, SubjectIdentifier.id)
    )


def select_sealed_identifiers(subject_id: UUID) -> AnySelect:
    """Select the current sealed numbers of a subject."""
    return select(*_IDENTIFIER_COLUMNS).where(
        SubjectIdentifier.subject_id == subject_id,
        SubjectIdentifier.ciphertext.is_not(None),
        SubjectIdentifier.current,
    )


def select_sealed_identifiers_of_subjects(ids: Collection[UUID]) -> AnySelect:
    """Select every sealed number of subjects, also numbers of void decisions."""
    return select(*_IDENTIFIER_COLUMNS).where(
        SubjectIdentifier.subject_id.in_(ids), SubjectIdentifier.ciphertext.is_not(None)
    )


def select_names(subject_id: UUID) -> AnySelect:
    """Select every name of a subject, oldest first."""
    return (
        select(SubjectName.name, SubjectName.name_key, SubjectName.current)
        .where(SubjectName.subject_id == subject_id)
        .order_by(SubjectName.as_of, SubjectName.name_key)
    )


def select_folded_names(ids: Iterable[UUID]) -> AnySelect:
    """Select the current folded names of subjects."""
    return select(SubjectName.subject_id, SubjectName.name_key).where(
        SubjectName.subject_id.in_(set(ids)), SubjectName.current
    )


# The code of PostgreSQL. On SQLite the writer is alone, so no other change can be first.
UNIQUE_VIOLATION = "23505"
_RECORDED_COLUMNS = (Subject.id, Subject.kind, Subject.name_key, Subject.name_as_of)


class SubjectInsertConflict(ConcurrentChange):
    """Another change inserted the same subject first; the change starts over and finds it."""


def read_recorded_subjects(
    connection: Connection, keys: Collection[LookupKey], *, for_update: bool
) -> dict[LookupKey, RecordedSubject]:
    """Return the current subjects behind keys, locked with `for_update`.

    A change that waits here while a revocation releases a number finds it released: PostgreSQL
    checks the conditions again on the rows that the other transaction left. Therefore both rows are
    locked, the subject first as everywhere, so that two changes do not wait for each other.
    """
    statement = (
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, *_RECORDED_COLUMNS)
        .join(Subject, Subject.id == SubjectIdentifier.subject_id)
        .where(match_lookup_keys(keys), SubjectIdentifier.current)
        .order_by(Subject.id)
    )
    if for_update:
        statement = statement.with_for_update(key_share=True, of=[Subject, SubjectIdentifier])
    rows = connection.execute(statement).all()
    return {(row.scheme, row.lookup_key): _build_recorded_subject(row) for row in rows}


def lock_subjects(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, RecordedSubject]:
    """Lock subjects in the order of their ids; return them.

    SQLite has no row locks and needs none: its writer is alone.
    """
    rows = connection.execute(
        select(*_RECORDED_COLUMNS)
        .where(Subject.id.in_(set(ids)))
        .order_by(Subject.id)
        .with_for_update(key_share=True)
    )
    return {row.id: _build_recorded_subject(row) for row in rows}


def _build_recorded_subject(row: Any) -> RecordedSubject:  # noqa: ANN401 - any row with those columns
    return RecordedSubject(row.id, SubjectKind(row.kind), row.name_key, row.name_as_of)


def insert_subjects(
    connection: Connection, new_subjects: Mapping[UUID, SubjectClaim], at: datetime
) -> None:
    """Insert subjects, each named as its claim says."""
    insert_many(
        connection,
        Subject,
        [
            {
                "id": subject_id,
                "kind": claim.kind.value,
                "name": claim.name,
                "name_key": fold_name(claim.name),
                "name_as_of": claim.decided_on,
                "created_at": at,
            }
            for subject_id, claim in sorted(new_subjects.items(), key=itemgetter(0))
        ],
    )


def insert_identifiers(connection: Connection, rows: Sequence[IdentifierValues]) -> None:
    """Insert identifiers, sorted by key, so that two changes with the same keys do not deadlock.

    Raises:
        SubjectInsertConflict: another change inserted one of the keys first.
    """
    try:
        insert_many(connection, SubjectIdentifier, rows)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION:
            raise SubjectInsertConflict from None
        raise


def read_former_key_rows(
    connection: Connection, keys: Collection[LookupKey], subject_ids: Collection[UUID]
) -> dict[tuple[LookupKey, UUID], UUID]:
    """Return the row ids of keys that subjects had and that are not current."""
    rows = connection.execute(
        select(
            SubjectIdentifier.id,
            SubjectIdentifier.subject_id,
            SubjectIdentifier.scheme,
            SubjectIdentifier.lookup_key,
        ).where(
            SubjectIdentifier.subject_id.in_(subject_ids),
            match_lookup_keys(keys),
            ~SubjectIdentifier.current,
        )
    )
    return {((row.scheme, row.lookup_key), row.subject_id): row.id for row in rows}


def read_current_key_rows(connection: Connection, subject_id: UUID) -> dict[UUID, LookupKey]:
    """Return the current keys of a subject by row id."""
    rows = connection.execute(
        select(SubjectIdentifier.id, SubjectIdentifier.scheme, SubjectIdentifier.lookup_key).where(
            SubjectIdentifier.subject_id == subject_id, SubjectIdentifier.current
        )
    )
    return {row.id: (row.scheme, row.lookup_key) for row in rows}


def update_keys_current(
    connection: Connection, row_ids: Collection[UUID], *, current: bool
) -> None:
    """Mark identifiers as current or not; without row ids nothing is executed."""
    if row_ids:
        connection.execute(
            update(SubjectIdentifier)
            .where(SubjectIdentifier.id.in_(row_ids))
            .values(current=current)
        )


def insert_names(connection: Connection, names: Mapping[tuple[UUID, str], DatedName]) -> None:
    """Insert names of new subjects, by subject and folded name."""
    insert_many(connection, SubjectName, _build_name_rows(names))


def upsert_names(connection: Connection, names: Mapping[tuple[UUID, str], DatedName]) -> None:
    """Insert names, or update those with an earlier date and those that are not current."""
    rows = _build_name_rows(names)
    if not rows:
        return
    statement = insert_in_dialect(connection, SubjectName)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["subject_id", "name_key"],
            set_={"name": new.name, "as_of": new.as_of, "current": True},
            where=or_(SubjectName.as_of < new.as_of, ~SubjectName.current),
        ),
        rows,
    )


def _build_name_rows(names: Mapping[tuple[UUID, str], DatedName]) -> list[NameValues]:
    return [
        {
            "subject_id": subject_id,
            "name_key": key,
            "name": dated_name.name,
            "as_of": dated_name.as_of,
            "current": True,
        }
        for (subject_id, key), dated_name in sorted(names.items(), key=itemgetter(0))
    ]


def clear_current_names(connection: Connection, subject_id: UUID) -> None:
    """Mark every name of a subject as not current."""
    connection.execute(
        update(SubjectName).where(SubjectName.subject_id == subject_id).values(current=False)
    )


def update_subject(
    connection: Connection,
    subject_id: UUID,
    name: str,
    as_of: date,
    *,
    kind: SubjectKind | None = None,
) -> None:
    """Update the current name of a subject, and its kind if one is given."""
    statement = (
        update(Subject)
        .where(Subject.id == subject_id)
        .values(name=name, name_key=fold_name(name), name_as_of=as_of)
    )
    connection.execute(statement if kind is None else statement.values(kind=kind))
