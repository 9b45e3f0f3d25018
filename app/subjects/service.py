"""Writes of subjects: lock, add, name, and apply the identity that decisions give.

One subject has one row, however many pushes name it: the unique index on (scheme, lookup_key) of
current numbers ensures that. A push that loses a race to add a subject gets
`SubjectInsertConflict` from that index and starts over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from app.crypto import Secrets
from app.db.engines import Connection
from app.errors import IdentifierConflict
from app.rules.identifiers import Identifier
from app.rules.identity import DatedName, Identity, LookupKey, build_name_only_key
from app.rules.law import SubjectKind
from app.rules.text import fold_name
from app.subjects import store
from app.subjects.lookup_keys import seal_number
from app.subjects.queries import find_subject_ids
from app.subjects.records import RecordedSubject, SubjectClaim


def find_recorded_subjects(
    connection: Connection, keys: Collection[LookupKey], *, for_update: bool
) -> tuple[dict[LookupKey, UUID], dict[UUID, RecordedSubject]]:
    """Return the current subjects behind keys, as owners by key and as rows by id.

    `for_update` locks them as `lock_subjects` does; a rehearsal writes nothing and needs no lock.
    """
    found = store.read_recorded_subjects(connection, keys, for_update=for_update)
    owners = {key: subject.id for key, subject in found.items() if key in keys}
    return owners, {subject.id: subject for subject in found.values()}


def lock_subjects(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, RecordedSubject]:
    """Lock subjects in the order of their ids, so that writers do not deadlock; return them.

    Without this lock two changes that do not see each other both pass the red/black cross-check.
    """
    return store.lock_subjects(connection, ids)


def add_subjects(
    connection: Connection,
    secrets: Secrets,
    new_subjects: Mapping[UUID, SubjectClaim],
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    at: datetime,
) -> None:
    """Add new subjects, and new keys of new and recorded subjects.

    Raises:
        SubjectInsertConflict: another change added one of the keys first.
    """
    store.insert_subjects(connection, new_subjects, at)
    recorded_ids = [owner for owner, _ in keys.values() if owner not in new_subjects]
    _add_lookup_keys(connection, secrets, keys, recorded_ids)


def _add_lookup_keys(
    connection: Connection,
    secrets: Secrets,
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    recorded_ids: Collection[UUID],
) -> None:
    reactivated = _reactivate_keys(connection, keys, recorded_ids) if recorded_ids else set()
    rows = [
        _build_identifier_row(key, *keys[key], secrets)
        for key in sorted(keys)
        if key not in reactivated
    ]
    store.insert_identifiers(connection, rows)


def _reactivate_keys(
    connection: Connection,
    keys: Mapping[LookupKey, tuple[UUID, Identifier | None]],
    recorded_ids: Collection[UUID],
) -> set[LookupKey]:
    """Make keys current again that their subjects had before; return those keys.

    If another subject takes one of them at the same time, the unique index is violated and the
    change starts over (`Registry.write`).
    """
    former_row_ids = store.read_former_key_rows(connection, keys.keys(), recorded_ids)
    reactivated = {
        key: former_row_ids[key, owner]
        for key, (owner, _) in keys.items()
        if (key, owner) in former_row_ids
    }
    store.update_keys_current(connection, reactivated.values(), current=True)
    return set(reactivated)


def _build_identifier_row(
    key: LookupKey, subject_id: UUID, identifier: Identifier | None, secrets: Secrets
) -> store.IdentifierValues:
    row_id = uuid7()
    is_sealed = identifier is not None and identifier.is_personal
    sealed = seal_number(secrets, identifier, row_id) if identifier and is_sealed else None
    return {
        "id": row_id,
        "subject_id": subject_id,
        "scheme": key[0],
        "lookup_key": key[1],
        "shown": "" if identifier is None else identifier.display_number,
        "ciphertext": sealed.ciphertext if sealed else None,
        "key_id": sealed.key_id if sealed else None,
        "current": True,
    }


def record_subject_names(
    connection: Connection,
    claims: Sequence[tuple[UUID, SubjectClaim]],
    recorded: Mapping[UUID, RecordedSubject],
) -> None:
    """Record the name of every claim; the name of the latest decision becomes the current one.

    Subjects that are not in `recorded` were added in this transaction and have no names yet.
    """
    ordered_claims = sorted(claims, key=lambda item: item[1].decided_on)
    dated_names = {
        (subject_id, fold_name(claim.name)): DatedName(claim.name, claim.decided_on)
        for subject_id, claim in ordered_claims
    }
    store.insert_names(
        connection,
        {of: name for of, name in dated_names.items() if of[0] not in recorded},
    )
    store.upsert_names(
        connection,
        {
            (subject_id, key): name
            for (subject_id, key), name in dated_names.items()
            if subject_id in recorded and recorded[subject_id].name_key != key
        },
    )
    for subject_id, claim in dict(ordered_claims).items():
        subject = recorded.get(subject_id)
        if subject is None or claim.decided_on < subject.name_as_of:
            continue
        if (subject.name_key, subject.name_as_of) != (fold_name(claim.name), claim.decided_on):
            store.update_subject(connection, subject_id, claim.name, claim.decided_on)


def add_name_only_key(
    connection: Connection, secrets: Secrets, subject_id: UUID, kind: SubjectKind, name: str
) -> None:
    """Add a further name as a key of a subject that has no number.

    Raises:
        IdentifierConflict: another subject without a number has that name.
    """
    key = build_name_only_key(kind, name)
    owner = find_subject_ids(connection, [key]).get(key)
    if owner is None:
        _add_lookup_keys(connection, secrets, {key: (subject_id, None)}, {subject_id})
    elif owner != subject_id:
        raise IdentifierConflict


def apply_identity(connection: Connection, subject_id: UUID, identity: Identity | None) -> None:
    """Reduce a locked subject to the numbers and names of its identity.

    Without an identity (no valid decision is left) neither number nor name finds the subject. This
    function only removes numbers; pushes add them.
    """
    keys = identity.keys if identity else frozenset()
    current = store.read_current_key_rows(connection, subject_id)
    lost = [row_id for row_id, key in current.items() if key not in keys]
    store.update_keys_current(connection, lost, current=False)
    store.clear_current_names(connection, subject_id)
    if identity is None:
        return
    store.upsert_names(
        connection, {(subject_id, key): name for key, name in identity.names.items()}
    )
    name, as_of = identity.name
    store.update_subject(connection, subject_id, name, as_of, kind=identity.kind)
