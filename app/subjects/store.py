"""SQL of subjects: find them by number or name, lock them, add what is new about them.

One subject row however many pushes name it: the unique (scheme, lookup_key) decides. A push that
loses a race to make a subject finds out when its insert adds fewer rows than it should, and starts
over (`Raced`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update
from uuid_utils.compat import uuid7

from app.crypto import Sealed, Secrets
from app.database import insert_or
from app.errors import IdentifierConflict
from app.registry import LawMoved
from app.rules.identifiers import Identifier, Scheme, parse
from app.rules.law import SubjectKind
from app.rules.names import name_key
from app.tables import Subject, SubjectIdentifier, SubjectName

Key = tuple[str, str]
"""(scheme, look-up key): the number itself for organisations, a blind index for persons."""

# A subject that is known by name alone is found by a pseudo-scheme over its kind and name.
NAME_SCHEME = "name"


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
    if identifier.org_code is not None:
        keys.append(key_of(Identifier(Scheme.org_code, identifier.org_code), secrets))
    return keys


def name_only_key(kind: SubjectKind, name: str) -> Key:
    """Under which key a subject without identifiers is found."""
    return NAME_SCHEME, f"{kind}:{name_key(name)}"


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


def find(connection: Connection, keys: Iterable[Key]) -> dict[Key, UUID]:
    """The recorded subjects behind keys."""
    wanted = set(keys)
    rows = connection.execute(
        select(
            SubjectIdentifier.scheme, SubjectIdentifier.lookup_key, SubjectIdentifier.subject_id
        ).where(
            # Both columns, for the index begins with the scheme.
            SubjectIdentifier.scheme.in_({scheme for scheme, _ in wanted}),
            SubjectIdentifier.lookup_key.in_({number for _, number in wanted}),
        )
    )
    found = {(row.scheme, row.lookup_key): row.subject_id for row in rows}
    return {key: subject for key, subject in found.items() if key in wanted}


def lock(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Known]:
    """Lock subjects, always in the order of their ids, so that no two writers wait in a ring.

    Without this lock two changes that do not see each other both pass the red/black cross-check.
    SQLite has no row locks and needs none: its writer is alone.
    """
    rows = connection.execute(
        select(Subject.id, Subject.kind, Subject.name_key, Subject.name_as_of)
        .where(Subject.id.in_(set(ids)))
        .order_by(Subject.id)
        .with_for_update(key_share=True)
    )
    return {
        row.id: Known(row.id, SubjectKind(row.kind), row.name_key, row.name_as_of) for row in rows
    }


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
    if new:
        connection.execute(
            insert(Subject),
            [
                {
                    "id": subject_id,
                    "kind": claim.kind,
                    "name": claim.name,
                    "name_key": name_key(claim.name),
                    "name_as_of": claim.decided_on,
                    "created_at": at,
                }
                for subject_id, claim in sorted(new.items())
            ],
        )
    if not keys:
        return
    rows = [_identifier_row(key, *keys[key], secrets) for key in sorted(keys)]
    added = connection.execute(
        insert_or(connection, SubjectIdentifier)
        .on_conflict_do_nothing()
        .returning(SubjectIdentifier.id),
        rows,
    ).all()
    if len(added) != len(rows):
        raise Raced


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
    }


def name_subjects(
    connection: Connection, named: Sequence[tuple[UUID, Claim]], known: Mapping[UUID, Known]
) -> None:
    """Keep every name that a decision gave; the latest decision's is the present one."""
    latest = {
        (subject_id, name_key(claim.name)): claim
        for subject_id, claim in sorted(named, key=lambda item: item[1].decided_on)
    }
    rows = [
        {"subject_id": subject_id, "name_key": key, "name": claim.name, "as_of": claim.decided_on}
        for (subject_id, key), claim in sorted(latest.items())
        if subject_id not in known or known[subject_id].name_key != key
    ]
    if rows:
        statement = insert_or(connection, SubjectName)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["subject_id", "name_key"],
                set_={"as_of": statement.excluded.as_of},
                where=SubjectName.as_of < statement.excluded.as_of,
            ),
            rows,
        )
    for (subject_id, key), claim in latest.items():
        subject = known.get(subject_id)
        newer = subject is not None and claim.decided_on >= subject.name_as_of
        if subject and newer and (subject.name_key, subject.name_as_of) != (key, claim.decided_on):
            connection.execute(
                update(Subject)
                .where(Subject.id == subject_id)
                .values(name=claim.name, name_key=key, name_as_of=claim.decided_on)
            )


def rename_unidentified(
    connection: Connection, subject_id: UUID, kind: SubjectKind, old: str, new: str
) -> None:
    """Let a subject that is known by name alone be found by its corrected name, not the wrong one.

    Raises:
        IdentifierConflict: another subject is known by that name alone.
    """
    scheme, lookup_key = name_only_key(kind, new)
    _, wrong = name_only_key(kind, old)
    taken = find(connection, [(scheme, lookup_key)])
    if taken and taken[scheme, lookup_key] != subject_id:
        raise IdentifierConflict
    connection.execute(
        update(SubjectIdentifier)
        .where(
            SubjectIdentifier.subject_id == subject_id,
            SubjectIdentifier.scheme == scheme,
            SubjectIdentifier.lookup_key == wrong,
        )
        .values(lookup_key=lookup_key)
    )


def birth_date(
    connection: Connection, secrets: Secrets, subject_id: UUID, today: date
) -> date | None:
    """The birth date inside a person's sealed number; None where no number shows one."""
    rows = connection.execute(
        select(SubjectIdentifier)
        .where(
            SubjectIdentifier.subject_id == subject_id, SubjectIdentifier.ciphertext.is_not(None)
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


def profiles(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """Subjects as an answer shows them: names old and new, identifiers, persons' masked."""
    wanted = set(ids)
    found: dict[UUID, dict[str, Any]] = {
        row.id: {
            "id": row.id,
            "kind": row.kind,
            "name": row.name,
            "former_names": [],
            "identifiers": [],
        }
        for row in connection.execute(
            select(Subject.id, Subject.kind, Subject.name).where(Subject.id.in_(wanted))
        )
    }
    for row in connection.execute(
        select(
            SubjectIdentifier.subject_id,
            SubjectIdentifier.scheme,
            SubjectIdentifier.shown,
            SubjectIdentifier.ciphertext.is_not(None).label("personal"),
        )
        .where(SubjectIdentifier.subject_id.in_(wanted), SubjectIdentifier.scheme != NAME_SCHEME)
        .order_by(SubjectIdentifier.scheme, SubjectIdentifier.id)
    ):
        shown = "masked" if row.personal else "number"
        found[row.subject_id]["identifiers"].append({"scheme": row.scheme, shown: row.shown})
    for former in connection.execute(
        select(SubjectName.subject_id, SubjectName.name)
        .join(Subject, Subject.id == SubjectName.subject_id)
        .where(SubjectName.subject_id.in_(wanted), SubjectName.name_key != Subject.name_key)
        .order_by(SubjectName.as_of)
    ):
        found[former.subject_id]["former_names"].append(former.name)
    return found


def names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """The keys of every name, old and new, of subjects."""
    found: dict[UUID, set[str]] = {}
    for row in connection.execute(
        select(SubjectName.subject_id, SubjectName.name_key).where(
            SubjectName.subject_id.in_(set(ids))
        )
    ):
        found.setdefault(row.subject_id, set()).add(row.name_key)
    return found
