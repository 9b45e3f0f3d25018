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
from app.rules.identifiers import Identifier, Scheme, parse
from app.rules.identity import NAME_SCHEME as NAME_SCHEME  # noqa: PLC0414 - re-exported
from app.rules.identity import Identity, Name, Said, name_only_key
from app.rules.identity import Key as Key  # noqa: PLC0414 - re-exported
from app.rules.law import SubjectKind
from app.rules.names import name_key

UNIQUE_VIOLATION = "23505"  # PostgreSQL's; on SQLite the writer is alone, and nobody is before it


class Raced(LawMoved):
    """Another change made the same subject first; start over and find it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom a push says it is about, and the day of the decision that says so."""

    kind: SubjectKind
    name: str
    identifiers: tuple[Identifier, ...]
    decided_on: date


@dataclass(frozen=True, slots=True)
class Known:
    """A recorded subject, locked."""

    id: UUID
    kind: SubjectKind
    name_key: str
    name_as_of: date


def key_of(identifier: Identifier, secrets: Secrets) -> Key:
    """Under which key the identifier is found."""
    number = identifier.number
    if identifier.personal:
        number = secrets.blind_index(identifier.scheme, number)
    return identifier.scheme.value, number


def keys_asked(identifier: Identifier, secrets: Secrets) -> list[Key]:
    """Under which keys to look for a number, the surest first; a USCC also by its org code."""
    keys = [key_of(identifier, secrets)]
    inner = identifier.org_code
    if inner is not None:
        keys.append((Scheme.org_code.value, inner))
    return keys


def asked_digest(secrets: Secrets, identifier: Identifier | None, name: str | None) -> str:
    """A keyed digest of whom somebody asked for: it finds a subject's checks, and tells no number.

    A number counts before the name that was sent beside it.
    """
    if identifier is not None:
        return secrets.digest("asked", f"{identifier.scheme.value}\0{identifier.number}".encode())
    return secrets.digest("asked", f"name\0{name_key(name or '')}".encode())


def keys_of(claim: Claim, secrets: Secrets) -> dict[Key, Identifier | None]:
    """Every key that the claim gives the subject; a USCC also gives the org code inside it."""
    if not claim.identifiers:
        return {name_only_key(claim.kind, claim.name): None}
    keys: dict[Key, Identifier | None] = {}
    for identifier in claim.identifiers:
        keys[key_of(identifier, secrets)] = identifier
        if identifier.org_code is not None:
            inner = Identifier(Scheme.org_code, identifier.org_code)
            keys[key_of(inner, secrets)] = inner
    return keys


def under(keys: Collection[Key]) -> ColumnElement[bool]:
    """Identifiers under keys (and others, where several schemes are asked for at once)."""
    return and_(
        # Both columns, for the index begins with the scheme.
        SubjectIdentifier.scheme.in_({scheme for scheme, _ in keys}),
        SubjectIdentifier.lookup_key.in_({number for _, number in keys}),
    )


def find(connection: Connection, keys: Collection[Key]) -> dict[Key, UUID]:
    """The recorded subjects behind keys."""
    return dict(_bearers(connection, keys, SubjectIdentifier.current.is_(True)))


def ever_found(connection: Connection, keys: Collection[Key]) -> list[tuple[Key, UUID]]:
    """Every subject that a key ever meant, though no decision may stand that says so."""
    return _bearers(connection, keys)


def ever_named(connection: Connection, names: Collection[str]) -> list[tuple[str, UUID]]:
    """Every subject that ever had one of the names, given by their keys."""
    rows = connection.execute(
        select(SubjectName.name_key, SubjectName.subject_id)
        .where(SubjectName.name_key.in_(names))
        .order_by(SubjectName.subject_id)
    )
    return [(row.name_key, row.subject_id) for row in rows]


def _bearers(
    connection: Connection, keys: Collection[Key], *conditions: ColumnElement[bool]
) -> list[tuple[Key, UUID]]:
    rows = connection.execute(
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, SubjectIdentifier.subject_id)
        .where(under(keys), *conditions)
        .order_by(SubjectIdentifier.id)
    )
    found = [((row.scheme, row.lookup_key), row.subject_id) for row in rows]
    return [(key, subject_id) for key, subject_id in found if key in keys]


def find_known(
    connection: Connection, keys: Collection[Key], *, locking: bool
) -> tuple[dict[Key, UUID], dict[UUID, Known]]:
    """The recorded subjects behind keys, locked as `lock` does it unless nothing will be written.

    Who waits here while a revocation frees a number finds it freed: PostgreSQL holds the conditions
    against what the other transaction left of the rows to be locked. Hence both are, and the
    subject first, as everywhere, lest two wait for each other.
    """
    query = (
        select(SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, *_KNOWN)
        .join(Subject, Subject.id == SubjectIdentifier.subject_id)
        .where(under(keys), SubjectIdentifier.current)
        .order_by(Subject.id)
    )
    if locking:
        query = query.with_for_update(key_share=True, of=[Subject, SubjectIdentifier])
    rows = connection.execute(query).all()
    found = {(row.scheme, row.lookup_key): _known(row) for row in rows}
    owners = {key: known.id for key, known in found.items() if key in keys}
    return owners, {known.id: known for known in found.values()}


def lock(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Known]:
    """Lock subjects, always in the order of their ids, so that no two writers wait in a ring.

    Without this lock two changes that do not see each other both pass the red/black cross-check.
    SQLite has no row locks and needs none: its writer is alone.
    """
    rows = connection.execute(
        select(*_KNOWN)
        .where(Subject.id.in_(set(ids)))
        .order_by(Subject.id)
        .with_for_update(key_share=True)
    )
    return {row.id: _known(row) for row in rows}


_KNOWN = (Subject.id, Subject.kind, Subject.name_key, Subject.name_as_of)


def _known(row: Any) -> Known:  # noqa: ANN401 - any row with those columns
    return Known(row.id, SubjectKind(row.kind), row.name_key, row.name_as_of)


def add(
    connection: Connection,
    secrets: Secrets,
    new: Mapping[UUID, Claim],
    keys: Mapping[Key, tuple[UUID, Identifier | None]],
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
                "name_key": name_key(claim.name),
                "name_as_of": claim.decided_on,
                "created_at": at,
            }
            for subject_id, claim in sorted(new.items(), key=itemgetter(0))
        ],
    )
    _add_keys(connection, secrets, keys, [owner for owner, _ in keys.values() if owner not in new])


def _add_keys(
    connection: Connection,
    secrets: Secrets,
    keys: Mapping[Key, tuple[UUID, Identifier | None]],
    known: Collection[UUID],
) -> None:
    back = _take_back(connection, keys, known) if known else set()
    rows = [_identifier_row(key, *keys[key], secrets) for key in sorted(keys) if key not in back]
    try:
        # Sorted, so that two changes that add the same keys wait one for the other, not in a ring.
        insert_many(connection, SubjectIdentifier, rows)
    except IntegrityError as broken:
        if getattr(broken.orig, "sqlstate", None) == UNIQUE_VIOLATION:
            raise Raced from None
        raise


def _take_back(
    connection: Connection,
    keys: Mapping[Key, tuple[UUID, Identifier | None]],
    known: Collection[UUID],
) -> set[Key]:
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
            SubjectIdentifier.subject_id.in_(known), under(keys.keys()), ~SubjectIdentifier.current
        )
    )
    had = {((row.scheme, row.lookup_key), row.subject_id): row.id for row in rows}
    back = {key: had[key, owner] for key, (owner, _) in keys.items() if (key, owner) in had}
    if back:
        connection.execute(
            update(SubjectIdentifier)
            .where(SubjectIdentifier.id.in_(back.values()))
            .values(current=True)
        )
    return set(back)


def _identifier_row(
    key: Key, subject_id: UUID, identifier: Identifier | None, secrets: Secrets
) -> dict[str, Any]:
    row_id = uuid7()
    sealed: Sealed | None = None
    if identifier is not None and identifier.personal:
        sealed = secrets.seal(identifier.number, bound_to=f"{row_id}:{identifier.scheme}")
    return {
        "id": row_id,
        "subject_id": subject_id,
        "scheme": key[0],
        "lookup_key": key[1],
        "shown": "" if identifier is None else identifier.shown,
        "ciphertext": sealed and sealed.ciphertext,
        "key_id": sealed and sealed.key_id,
        "current": True,
    }


def name_subjects(
    connection: Connection, named: Sequence[tuple[UUID, Claim]], known: Mapping[UUID, Known]
) -> None:
    """Keep every name that a decision gave; the latest decision's is the present one.

    Subjects that are not `known` were added in this transaction, and have no names yet.
    """
    in_order = sorted(named, key=lambda item: item[1].decided_on)
    given = {
        (subject_id, name_key(claim.name)): Name(claim.name, claim.decided_on)
        for subject_id, claim in in_order
    }
    insert_many(
        connection,
        SubjectName,
        _name_rows({of: name for of, name in given.items() if of[0] not in known}),
    )
    _keep_names(
        connection,
        {
            (subject_id, key): name
            for (subject_id, key), name in given.items()
            if subject_id in known and known[subject_id].name_key != key
        },
    )
    for subject_id, claim in dict(in_order).items():
        key, subject = name_key(claim.name), known.get(subject_id)
        newer = subject is not None and claim.decided_on >= subject.name_as_of
        if subject and newer and (subject.name_key, subject.name_as_of) != (key, claim.decided_on):
            connection.execute(
                update(Subject)
                .where(Subject.id == subject_id)
                .values(name=claim.name, name_key=key, name_as_of=claim.decided_on)
            )


def _keep_names(connection: Connection, names: Mapping[tuple[UUID, str], Name]) -> None:
    rows = _name_rows(names)
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


def _name_rows(names: Mapping[tuple[UUID, str], Name]) -> list[dict[str, Any]]:
    return [
        {
            "subject_id": subject_id,
            "name_key": key,
            "name": given.name,
            "as_of": given.as_of,
            "current": True,
        }
        for (subject_id, key), given in sorted(names.items(), key=itemgetter(0))
    ]


def let_be_found(
    connection: Connection, secrets: Secrets, subject_id: UUID, kind: SubjectKind, name: str
) -> None:
    """Let a subject that is known by name alone be found by a further name.

    Raises:
        IdentifierConflict: another subject is known by that name alone.
    """
    key = name_only_key(kind, name)
    owner = find(connection, [key]).get(key)
    if owner is None:
        _add_keys(connection, secrets, {key: (subject_id, None)}, {subject_id})
    elif owner != subject_id:
        raise IdentifierConflict


def said_of(
    connection: Connection, ids: Iterable[UUID], seq: int | None = None
) -> dict[UUID, list[Said]]:
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
    found: dict[UUID, list[Said]] = {}
    for subject_id, *said in connection.execute(query):
        found.setdefault(subject_id, []).append(Said(*said))
    return found


def settle(connection: Connection, subject_id: UUID, identity: Identity | None) -> None:
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
    _keep_names(connection, {(subject_id, key): given for key, given in identity.names.items()})
    name, as_of = identity.name
    connection.execute(
        update(Subject)
        .where(Subject.id == subject_id)
        .values(kind=identity.kind, name=name, name_key=name_key(name), name_as_of=as_of)
    )


def birth_date(
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
        shown = parse(Scheme(row.scheme), number, today=today).birth_date
        if shown is not None:
            return shown
    return None


# --- reading -------------------------------------------------------------


PRESENT_NAMES = Prepared(
    select(as_text(Subject.id), Subject.kind, Subject.name).where(among(Subject.id, "ids"))
)
PRESENT_NUMBERS = Prepared(
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


def profiles(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Subjects as an answer shows them: names old and new, identifiers, persons' masked."""
    wanted = list(ids)
    if not wanted:
        return {}
    found: dict[UUID, dict[str, Any]] = {
        (identity := UUID(subject_id)): {
            "id": identity,
            "kind": kind,
            "name": name,
            "former_names": [],
            "identifiers": [],
        }
        for subject_id, kind, name in PRESENT_NAMES.rows(connection, ids=wanted)
    }
    for subject_id, scheme, shown, personal in PRESENT_NUMBERS.rows(connection, ids=wanted):
        kept = "masked" if personal else "number"
        found[UUID(subject_id)]["identifiers"].append({"scheme": scheme, kept: shown})
    for subject_id, name in FORMER_NAMES.rows(connection, ids=wanted):
        found[UUID(subject_id)]["former_names"].append(name)
    return found


def names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """The keys of every name, old and new, of subjects."""
    found: dict[UUID, set[str]] = {}
    for row in connection.execute(
        select(SubjectName.subject_id, SubjectName.name_key).where(
            SubjectName.subject_id.in_(set(ids)), SubjectName.current
        )
    ):
        found.setdefault(row.subject_id, set()).add(row.name_key)
    return found
