"""SELECT statements of subjects."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, select

from app.db.prepared import PreparedQuery, as_text, in_array
from app.db.tables import EntryVersion, Subject, SubjectIdentifier, SubjectName
from app.rules.identity import NAME_SCHEME, LookupKey
from app.rules.law import SubjectKind

AnySelect = Select[*tuple[Any, ...]]

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
