"""SQL of subjects: find them by number or name, lock them, add what is new about them.

One subject row however many pushes name it: the unique (scheme, lookup_key) of current numbers
decides. A push that loses a race to make a subject finds out when its insert breaks that index, and
starts over (`Raced`).

Numbers and names are current while a standing decision gives them (`app/rules/identity.py`). The
others stay, for what was told of them once, and are nobody's: another subject may bear them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from app.crypto import Sealed, Secrets
from app.db.prepared import Prepared, among, as_text, insert_many, insert_or
from app.db.tables import EntryVersion, Subject, SubjectIdentifier, SubjectName
from app.errors import IdentifierConflict
from app.registry import LawMoved
from app.rules.identifiers import Identifier, Scheme, parse_identifier
from app.rules.identity import NAME_SCHEME as NAME_SCHEME  # noqa: PLC0414 - re-exported
from app.rules.identity import DatedName, Identity, SubjectDescription, build_name_only_key
from app.rules.identity import LookupKey as LookupKey  # noqa: PLC0414 - re-exported
from app.rules.law import SubjectKind
from app.rules.text import fold_name

UNIQUE_VIOLATION = "23505"  # PostgreSQL's; on SQLite the writer is alone, and nobody is before it


class SubjectInsertConflict(LawMoved):
    """Another change made the same subject first; start over and find it."""


@dataclass(frozen=True, slots=True)
class SubjectClaim:
    """Whom a push says it is about, and the day of the decision that says so."""

    kind: SubjectKind
    name: str
    identifiers: tuple[Identifier, ...]
    decided_on: date


@dataclass(frozen=True, slots=True)
class RecordedSubject:
    """A recorded subject, locked."""

    id: UUID
    kind: SubjectKind
    name_key: str
    name_as_of: date


def build_lookup_key(identifier: Identifier, secrets: Secrets) -> LookupKey:
    """Under which key the identifier is found."""
    number = identifier.number
    if identifier.is_personal:
        number = secrets.blind_index(identifier.scheme, number)
    return identifier.scheme.value, number


def build_query_keys(identifier: Identifier, secrets: Secrets) -> list[LookupKey]:
    """Under which keys to look for a number, the surest first; a USCC also by its org code."""
    keys = [build_lookup_key(identifier, secrets)]
    org_code = identifier.org_code
    if org_code is not None:
        keys.append((Scheme.org_code.value, org_code))
    return keys


def compute_query_digest(secrets: Secrets, identifier: Identifier | None, name: str | None) -> str:
    """A keyed digest of whom somebody asked for: it finds a subject's checks, and tells no number.

    A number counts before the name that was sent beside it.
    """
    if identifier is not None:
        return secrets.digest("asked", f"{identifier.scheme.value}\0{identifier.number}".encode())
    return secrets.digest("asked", f"name\0{fold_name(name or '')}".encode())


def build_claim_keys(claim: SubjectClaim, secrets: Secrets) -> dict[LookupKey, Identifier | None]:
    """Every key that the claim gives the subject; a USCC also gives the org code inside it."""
    if not claim.identifiers:
        return {build_name_only_key(claim.kind, claim.name): None}
    keys: dict[LookupKey, Identifier | None] = {}
    for identifier in claim.identifiers:
        keys[build_lookup_key(identifier, secrets)] = identifier
        if identifier.org_code is not None:
            org_code_identifier = Identifier(Scheme.org_code, identifier.org_code)
            keys[build_lookup_key(org_code_identifier, secrets)] = org_code_identifier
    return keys


def match_lookup_keys(keys: Collection[LookupKey]) -> ColumnElement[bool]:
    """Identifiers under keys (and others, where several schemes are asked for at once)."""
    return and_(
        # Both columns, for the index begins with the scheme.
        SubjectIdentifier.scheme.in_({scheme for scheme, _ in keys}),
        SubjectIdentifier.lookup_key.in_({number for _, number in keys}),
    )


def find_subject_ids(connection: Connection, keys: Collection[LookupKey]) -> dict[LookupKey, UUID]:
    """The recorded subjects behind keys."""
    return dict(_find_key_owners(connection, keys, SubjectIdentifier.current.is_(True)))


def find_historical_by_keys(
    connection: Connection, keys: Collection[LookupKey]
) -> list[tuple[LookupKey, UUID]]:
    """Every subject that a key ever meant, though no decision may stand that says so."""
    return _find_key_owners(connection, keys)


def find_historical_by_names(
    connection: Connection, name_keys: Collection[str]
) -> list[tuple[str, UUID]]:
    """Every subject that ever had one of the names, given by their keys."""
    rows = connection.execute(
        select(SubjectName.name_key, SubjectName.subject_id)
        .where(SubjectName.name_key.in_(name_keys))
        .order_by(SubjectName.subject_id)
    )
    return [(row.name_key, row.subject_id) for row in rows]


def _find_key_owners(
    connection: Connection, keys: Collection[LookupKey], *conditions: ColumnElement[bool]
) -> list[tuple[LookupKey, UUID]]:
    rows = connection.execute(
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, SubjectIdentifier.subject_id)
        .where(match_lookup_keys(keys), *conditions)
        .order_by(SubjectIdentifier.id)
    )
    found = [((row.scheme, row.lookup_key), row.subject_id) for row in rows]
    return [(key, subject_id) for key, subject_id in found if key in keys]


def find_recorded_subjects(
    connection: Connection, keys: Collection[LookupKey], *, for_update: bool
) -> tuple[dict[LookupKey, UUID], dict[UUID, RecordedSubject]]:
    """The recorded subjects behind keys, locked as `lock` does it unless nothing will be written.

    Who waits here while a revocation frees a number finds it freed: PostgreSQL holds the conditions
    against what the other transaction left of the rows to be locked. Hence both are, and the
    subject first, as everywhere, lest two wait for each other.
    """
    query = (
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, *_RECORDED_COLUMNS)
        .join(Subject, Subject.id == SubjectIdentifier.subject_id)
        .where(match_lookup_keys(keys), SubjectIdentifier.current)
        .order_by(Subject.id)
    )
    if for_update:
        query = query.with_for_update(key_share=True, of=[Subject, SubjectIdentifier])
    rows = connection.execute(query).all()
    found = {(row.scheme, row.lookup_key): _build_recorded_subject(row) for row in rows}
    owners = {key: known.id for key, known in found.items() if key in keys}
    return owners, {known.id: known for known in found.values()}


def lock_subjects(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, RecordedSubject]:
    """Lock subjects, always in the order of their ids, so that no two writers wait in a ring.

    Without this lock two changes that do not see each other both pass the red/black cross-check.
    SQLite has no row locks and needs none: its writer is alone.
    """
    rows = connection.execute(
        select(*_RECORDED_COLUMNS)
        .where(Subject.id.in_(set(ids)))
        .order_by(Subject.id)
        .with_for_update(key_share=True)
    )
    return {row.id: _build_recorded_subject(row) for row in rows}


_RECORDED_COLUMNS = (Subject.id, Subject.kind, Subject.name_key, Subject.name_as_of)


def _build_recorded_subject(row: Any) -> RecordedSubject:  # noqa: ANN401 - any row with those columns
    return RecordedSubject(row.id, SubjectKind(row.kind), row.name_key, row.name_as_of)


def add_subjects(
    connection: Connection,
    secrets: Secrets,
    new_subjects: Mapping[UUID, SubjectClaim],
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    at: datetime,
) -> None:
    """Add new subjects and new keys of subjects.

    Raises:
        Raced: somebody else added one of the keys first.
    """
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
    _add_lookup_keys(
        connection,
        secrets,
        keys,
        [owner for owner, _ in keys.values() if owner not in new_subjects],
    )


def _add_lookup_keys(
    connection: Connection,
    secrets: Secrets,
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    known_ids: Collection[UUID],
) -> None:
    reactivated = _reactivate_keys(connection, keys, known_ids) if known_ids else set()
    rows = [
        _build_identifier_row(key, *keys[key], secrets)
        for key in sorted(keys)
        if key not in reactivated
    ]
    try:
        # Sorted, so that two changes that add the same keys wait one for the other, not in a ring.
        insert_many(connection, SubjectIdentifier, rows)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION:
            raise SubjectInsertConflict from None
        raise


def _reactivate_keys(
    connection: Connection,
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    known_ids: Collection[UUID],
) -> set[LookupKey]:
    """Let keys that known subjects once had be current again; say which those are.

    Another subject that takes one of them at the same time breaks the unique index, and this change
    starts over (`app.registry.LOST_RACES`).
    """
    rows = connection.execute(
        select(
            SubjectIdentifier.id,
            SubjectIdentifier.subject_id,
            SubjectIdentifier.scheme,
            SubjectIdentifier.lookup_key,
        ).where(
            SubjectIdentifier.subject_id.in_(known_ids),
            match_lookup_keys(keys.keys()),
            ~SubjectIdentifier.current,
        )
    )
    former_row_ids = {((row.scheme, row.lookup_key), row.subject_id): row.id for row in rows}
    reactivated = {
        key: former_row_ids[key, owner]
        for key, (owner, _) in keys.items()
        if (key, owner) in former_row_ids
    }
    if reactivated:
        connection.execute(
            update(SubjectIdentifier)
            .where(SubjectIdentifier.id.in_(reactivated.values()))
            .values(current=True)
        )
    return set(reactivated)


def _build_identifier_row(
    key: LookupKey, subject_id: UUID, identifier: Identifier | None, secrets: Secrets
) -> dict[str, Any]:
    row_id = uuid7()
    sealed: Sealed | None = None
    if identifier is not None and identifier.is_personal:
        sealed = secrets.seal(identifier.number, bound_to=f"{row_id}:{identifier.scheme}")
    return {
        "id": row_id,
        "subject_id": subject_id,
        "scheme": key[0],
        "lookup_key": key[1],
        "shown": "" if identifier is None else identifier.display_number,
        "ciphertext": sealed and sealed.ciphertext,
        "key_id": sealed and sealed.key_id,
        "current": True,
    }


def record_subject_names(
    connection: Connection,
    claims: Sequence[tuple[UUID, SubjectClaim]],
    recorded: Mapping[UUID, RecordedSubject],
) -> None:
    """Keep every name that a decision gave; the latest decision's is the present one.

    Subjects that are not `known` were added in this transaction, and have no names yet.
    """
    ordered_claims = sorted(claims, key=lambda item: item[1].decided_on)
    dated_names = {
        (subject_id, fold_name(claim.name)): DatedName(claim.name, claim.decided_on)
        for subject_id, claim in ordered_claims
    }
    insert_many(
        connection,
        SubjectName,
        _build_name_rows({of: name for of, name in dated_names.items() if of[0] not in recorded}),
    )
    _upsert_names(
        connection,
        {
            (subject_id, key): name
            for (subject_id, key), name in dated_names.items()
            if subject_id in recorded and recorded[subject_id].name_key != key
        },
    )
    for subject_id, claim in dict(ordered_claims).items():
        key, subject = fold_name(claim.name), recorded.get(subject_id)
        is_newer = subject is not None and claim.decided_on >= subject.name_as_of
        if (
            subject
            and is_newer
            and (subject.name_key, subject.name_as_of) != (key, claim.decided_on)
        ):
            connection.execute(
                update(Subject)
                .where(Subject.id == subject_id)
                .values(name=claim.name, name_key=key, name_as_of=claim.decided_on)
            )


def _upsert_names(connection: Connection, names: Mapping[tuple[UUID, str], DatedName]) -> None:
    rows = _build_name_rows(names)
    if not rows:
        return
    statement = insert_or(connection, SubjectName)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["subject_id", "name_key"],
            set_={"name": new.name, "as_of": new.as_of, "current": True},
            where=or_(SubjectName.as_of < new.as_of, ~SubjectName.current),
        ),
        rows,
    )


def _build_name_rows(names: Mapping[tuple[UUID, str], DatedName]) -> list[dict[str, Any]]:
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


def add_name_only_key(
    connection: Connection, secrets: Secrets, subject_id: UUID, kind: SubjectKind, name: str
) -> None:
    """Let a subject that is known by name alone be found by a further name.

    Raises:
        IdentifierConflict: another subject is known by that name alone.
    """
    key = build_name_only_key(kind, name)
    owner = find_subject_ids(connection, [key]).get(key)
    if owner is None:
        _add_lookup_keys(connection, secrets, {key: (subject_id, None)}, {subject_id})
    elif owner != subject_id:
        raise IdentifierConflict


def read_subject_descriptions(
    connection: Connection, ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[SubjectDescription]]:
    """What versions of entries say of subjects, oldest first: all, or those known at a number."""
    version = EntryVersion
    query = (
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
    if seq is not None:
        query = query.where(version.seq <= seq)
    found: dict[UUID, list[SubjectDescription]] = {}
    for subject_id, *values in connection.execute(query):
        found.setdefault(subject_id, []).append(SubjectDescription(*values))
    return found


def apply_identity(connection: Connection, subject_id: UUID, identity: Identity | None) -> None:
    """Leave a locked subject the numbers and names of its identity, and no others.

    None, where no decision on it stands, leaves it as a shell that neither number nor name finds.
    Numbers are only ever taken away here: they come with the pushes that give them.
    """
    keys = identity.keys if identity else frozenset()
    rows = connection.execute(
        select(SubjectIdentifier.id, SubjectIdentifier.scheme, SubjectIdentifier.lookup_key).where(
            SubjectIdentifier.subject_id == subject_id, SubjectIdentifier.current
        )
    )
    lost = [row.id for row in rows if (row.scheme, row.lookup_key) not in keys]
    if lost:
        connection.execute(
            update(SubjectIdentifier).where(SubjectIdentifier.id.in_(lost)).values(current=False)
        )
    connection.execute(
        update(SubjectName).where(SubjectName.subject_id == subject_id).values(current=False)
    )
    if identity is None:
        return
    _upsert_names(connection, {(subject_id, key): given for key, given in identity.names.items()})
    name, as_of = identity.name
    connection.execute(
        update(Subject)
        .where(Subject.id == subject_id)
        .values(kind=identity.kind, name=name, name_key=fold_name(name), name_as_of=as_of)
    )


def read_birth_date(
    connection: Connection, secrets: Secrets, subject_id: UUID, today: date
) -> date | None:
    """The birth date inside a person's sealed number; None where no number shows one."""
    rows = connection.execute(
        select(SubjectIdentifier)
        .where(
            SubjectIdentifier.subject_id == subject_id,
            SubjectIdentifier.ciphertext.is_not(None),
            SubjectIdentifier.current,
        )
        .with_only_columns(*SubjectIdentifier.__table__.columns)
    )
    for row in rows:
        number = secrets.open(Sealed(row.ciphertext, row.key_id), bound_to=f"{row.id}:{row.scheme}")
        found_birth_date = parse_identifier(Scheme(row.scheme), number, today=today).birth_date
        if found_birth_date is not None:
            return found_birth_date
    return None


# --- reading -------------------------------------------------------------


CURRENT_NAMES = Prepared(
    select(as_text(Subject.id), Subject.kind, Subject.name).where(among(Subject.id, "ids"))
)
CURRENT_IDENTIFIERS = Prepared(
    select(
        as_text(SubjectIdentifier.subject_id),
        SubjectIdentifier.scheme,
        SubjectIdentifier.shown,
        SubjectIdentifier.ciphertext.is_not(None).label("personal"),
    )
    .where(
        among(SubjectIdentifier.subject_id, "ids"),
        SubjectIdentifier.scheme != NAME_SCHEME,
        SubjectIdentifier.current,
    )
    .order_by(SubjectIdentifier.scheme, SubjectIdentifier.id)
)
FORMER_NAMES = Prepared(
    select(as_text(SubjectName.subject_id), SubjectName.name)
    .join(Subject, Subject.id == SubjectName.subject_id)
    .where(
        among(SubjectName.subject_id, "ids"),
        SubjectName.name_key != Subject.name_key,
        SubjectName.current,
    )
    .order_by(SubjectName.as_of)
)


def read_profiles(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Subjects as an answer shows them: names old and new, identifiers, persons' masked."""
    subject_ids = list(ids)
    if not subject_ids:
        return {}
    found: dict[UUID, dict[str, Any]] = {
        (identity := UUID(subject_id)): {
            "id": identity,
            "kind": kind,
            "name": name,
            "former_names": [],
            "identifiers": [],
        }
        for subject_id, kind, name in CURRENT_NAMES.rows(connection, ids=subject_ids)
    }
    for subject_id, scheme, shown, personal in CURRENT_IDENTIFIERS.rows(
        connection, ids=subject_ids
    ):
        number_key = "masked" if personal else "number"
        found[UUID(subject_id)]["identifiers"].append({"scheme": scheme, number_key: shown})
    for subject_id, name in FORMER_NAMES.rows(connection, ids=subject_ids):
        found[UUID(subject_id)]["former_names"].append(name)
    return found


def read_folded_names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """The keys of every name, old and new, of subjects."""
    found: dict[UUID, set[str]] = {}
    for row in connection.execute(
        select(SubjectName.subject_id, SubjectName.name_key).where(
            SubjectName.subject_id.in_(set(ids)), SubjectName.current
        )
    ):
        found.setdefault(row.subject_id, set()).add(row.name_key)
    return found
